"""Real database servers: MariaDB and PostgreSQL as ordinary processes on 127.0.0.1, with data in a folder of ours."""

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any, Final, Protocol, Self

import pg8000.dbapi
import pymysql
import pytest
from pydantic import SecretStr

from deploy.embedded.ports import any_free
from tests.fixtures.tls import Certificate

HOST: Final = "127.0.0.1"
PASSWORD: Final = "p:ss/wörd"  # noqa: S105 - of a server that ends with the test
_QUOTED: Final = "p%3Ass%2Fw%C3%B6rd"
_PATIENCE_S: Final = 60.0
_PLACES: Final = ("/usr/sbin", "/usr/local/sbin", "/opt/homebrew/bin")


class DatabaseServer(Protocol):
    """A running server with a database `asterisk`; `reader` may read and write there, `stranger` may read nothing."""

    scheme: str
    port: int

    def connect(self) -> Any:  # noqa: ANN401 - a PEP 249 connection
        """Sign in as who may do everything."""
        ...

    def stop(self) -> None:
        """End it."""
        ...

    def start(self) -> None:
        """Start it, again too."""
        ...


def address(
    server: DatabaseServer, user: str = "reader", password: str = _QUOTED, more: str = "asterisk", host: str = HOST
) -> SecretStr:
    """Write the address as an operator does."""
    return SecretStr(f"{server.scheme}://{user}:{password}@{host}:{server.port}/{more}")


def execute(server: DatabaseServer, *statements: str) -> None:
    """Execute statements, each committed by itself."""
    with closing(server.connect()) as connection, closing(connection.cursor()) as cursor:
        for statement in statements:
            cursor.execute(statement)
            connection.commit()


class _Process:
    """Runs the server's program, and knows when it answers."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.port = any_free(HOST)
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def connect(self) -> Any:  # noqa: ANN401 - a PEP 249 connection
        raise NotImplementedError

    def _start(self, command: Sequence[str | Path], owner: str | None = None) -> None:
        with (self.root / "log").open("ab") as log:
            self._process = subprocess.Popen(
                command, stdout=log, stderr=log, user=owner, group=_group(owner), cwd=self.root, start_new_session=True
            )
        deadline = time.monotonic() + _PATIENCE_S
        while True:
            with suppress(pymysql.Error, pg8000.dbapi.Error, OSError):
                self.connect().close()
                return
            assert self._process.poll() is None, (self.root / "log").read_text(errors="replace")
            assert time.monotonic() < deadline, (self.root / "log").read_text(errors="replace")
            time.sleep(0.05)

    def start(self) -> None:
        raise NotImplementedError

    def stop(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.send_signal(signal.SIGINT if isinstance(self, PostgreSql) else signal.SIGTERM)
            try:
                process.wait(_PATIENCE_S)
            except subprocess.TimeoutExpired:
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait()


class MariaDb(_Process):
    """A MariaDB."""

    scheme = "mysql"

    def __init__(self, root: Path, certificate: Certificate) -> None:
        super().__init__(root)
        self._program = _program("mariadbd", "install mariadb-server-core for a real MariaDB")
        self._tls = (f"--ssl-cert={certificate.chain}", f"--ssl-key={certificate.key}")
        self._user = pwd.getpwuid(os.geteuid()).pw_name
        # A MariaDB that starts removes every temporary table in its folder of them: /tmp is other servers' folder too.
        (root / "temporary").mkdir()
        self._common = ("--no-defaults", f"--datadir={root}/data", f"--tmpdir={root}/temporary", f"--user={self._user}")
        install = _program("mariadb-install-db", "install mariadb-server-core for a real MariaDB")
        installed = subprocess.run(
            [install, *self._common, "--skip-test-db", "--auth-root-authentication-method=normal"],
            check=False,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert installed.returncode == 0, installed.stdout

    def start(self) -> None:
        """Start it."""
        root = self.root
        self._start(
            [
                *(self._program, *self._common),
                *(f"--port={self.port}", f"--bind-address={HOST}", f"--socket={root}/socket", f"--pid-file={root}/pid"),
                *(
                    "--innodb-flush-log-at-trx-commit=0",
                    "--innodb-buffer-pool-size=16M",
                    "--skip-name-resolve",
                    *self._tls,
                ),
            ]
        )

    def connect(self) -> Any:  # noqa: ANN401 - as the protocol has it
        """Sign in as root by the socket."""
        connection = pymysql.connect(unix_socket=f"{self.root}/socket", user="root", charset="utf8mb4")
        with suppress(pymysql.Error):  # at first there is no such database
            connection.select_db("asterisk")
        return connection


class PostgreSql(_Process):
    """A PostgreSQL; it never runs as root."""

    scheme = "postgresql"

    def __init__(self, root: Path, certificate: Certificate) -> None:
        super().__init__(root)
        why = "install postgresql for a real PostgreSQL"
        self._program = _program("postgres", why)
        self._owner = "nobody" if os.geteuid() == 0 else None
        key = root / "server.key"
        key.write_bytes(certificate.key.read_bytes())
        key.chmod(0o600)
        (root / "server.pem").write_bytes(certificate.chain.read_bytes())
        (root / "password").write_text(PASSWORD)
        if self._owner is not None:
            for each in (root, *root.iterdir()):
                shutil.chown(each, self._owner)
        subprocess.run(
            [
                *(_program("initdb", why), "-D", root / "data", "-U", "admin", "-A", "scram-sha-256", "-E", "UTF8"),
                *("--pwfile", root / "password", "--no-locale", "--no-sync"),
            ],
            check=True,
            capture_output=True,
            user=self._owner,
            group=_group(self._owner),
            cwd=root,
        )

    def start(self) -> None:
        """Start it."""
        root = self.root
        settings = {
            "listen_addresses": HOST,
            "port": self.port,
            "unix_socket_directories": "",
            "fsync": "off",
            "shared_buffers": "8MB",
            "ssl": "on",
            "ssl_cert_file": root / "server.pem",
            "ssl_key_file": root / "server.key",
        }
        named = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        self._start([self._program, "-D", root / "data", *named], self._owner)

    def connect(self, database: str = "asterisk") -> Any:  # noqa: ANN401 - as the protocol has it
        """Sign in as who may do everything; to the one database that a new server has, where there is no other."""
        known = {"user": "admin", "password": PASSWORD, "host": HOST, "port": self.port}
        try:
            return pg8000.dbapi.connect(**known, database=database)
        except pg8000.dbapi.DatabaseError:
            return pg8000.dbapi.connect(**known, database="postgres")


def _group(owner: str | None) -> int | None:
    return None if owner is None else pwd.getpwnam(owner).pw_gid


def _program(name: str, why: str) -> str:
    """Find a server's program; skips where there is none."""
    versions = sorted(map(str, Path("/usr/lib/postgresql").glob("*/bin")), reverse=True)
    found = shutil.which(name, path=os.pathsep.join([os.environ.get("PATH", ""), *_PLACES, *versions]))
    if found is None:
        pytest.skip(f"no {name} on this machine: {why}")
    return found


@contextmanager
def running(kind: str, certificate: Certificate) -> Iterator[DatabaseServer]:
    """Run a server, `MariaDb` or `PostgreSql`, with its database and its reader."""
    with tempfile.TemporaryDirectory(prefix=f"pulssi-{kind.lower()}-") as made:
        root = Path(made)
        root.chmod(0o755)
        if kind == "MariaDb":
            with MariaDb(root, certificate) as maria:
                execute(
                    maria,
                    "CREATE DATABASE asterisk CHARACTER SET utf8mb4",
                    *(f"CREATE USER {user} IDENTIFIED BY '{PASSWORD}'" for user in ("reader", "stranger")),
                    "GRANT ALL ON asterisk.* TO reader",
                    "GRANT CREATE ON asterisk.* TO stranger",
                )
                yield maria
        else:
            with PostgreSql(root, certificate) as postgres:
                with closing(postgres.connect()) as connection:
                    connection.autocommit = True
                    with closing(connection.cursor()) as cursor:
                        cursor.execute("CREATE DATABASE asterisk")
                execute(
                    postgres,
                    *(f"CREATE USER {user} PASSWORD '{PASSWORD}'" for user in ("reader", "stranger")),
                    "ALTER DEFAULT PRIVILEGES GRANT ALL ON TABLES TO reader",
                    "ALTER DEFAULT PRIVILEGES GRANT ALL ON SEQUENCES TO reader",
                )
                yield postgres
