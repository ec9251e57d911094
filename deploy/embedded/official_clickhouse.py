"""An official ClickHouse server in the embedded engine's stead: found, configured for a small machine, run as a child.

It has a folder of its own beside the engine's. Neither reads what the other wrote, so a data folder does not go over
from one to the other unless the setting `clickhouse_program` says so.
"""

import os
import re
import shutil
import subprocess
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from string import Template
from typing import Final, NamedTuple
from xml.sax.saxutils import escape

import click

from deploy.embedded import UnavailableError, UnusableError
from deploy.embedded.child_processes import await_ready, die_with_parent, interrupt_once, stop_server
from deploy.embedded.folder_lock import lock_folder
from deploy.embedded.ports import any_free, check_free
from deploy.embedded.readiness_probes import ping_fault
from deploy.embedded.supervisor import exit_description
from schemas.exits import Exit
from schemas.settings import CLICKHOUSE_AUTO, CLICKHOUSE_EMBEDDED
from streams.clickhouse.addresses import Address

PART: Final = "clickhouse"
#: The folders of the embedded engine and of a server, in the data folder.
ENGINE_FOLDER: Final = PART
SERVER_FOLDER: Final = "clickhouse-server"
#: What an official installation puts on the PATH.
NAMES: Final = ("clickhouse", "clickhouse-server")
#: The oldest release that is used.
OLDEST: Final = (25, 8)
CONFIG: Final = Path(__file__).with_name("official_clickhouse.xml")
USERS: Final = Path(__file__).with_name("official_clickhouse_users.xml")
READY_WITHIN_S: Final = 50.0
_VERSION_WITHIN_S: Final = 30.0
_VERSION: Final = re.compile(r"ClickHouse server version ((\d+)\.(\d+)[0-9.]*[0-9])")
_SETTING: Final = "PULSSI_CLICKHOUSE_PROGRAM"
#: What the embedded engine imports of the extra `embedded`.
ENGINE_MODULES: Final = ("chdb", "clickhouse_cityhash", "lz4")


class ClickHouseProgram(NamedTuple):
    """A program that is a ClickHouse server of a release that can be used."""

    program: Path
    version: str

    def __str__(self) -> str:
        """Name it to people."""
        return f"ClickHouse {self.version}, {self.program}"


def engine_name() -> str:
    """Name the embedded engine to people."""
    with suppress(PackageNotFoundError):
        return f"embedded engine, chdb-core {version('chdb-core')}"
    return "embedded engine"


def _command(program: Path, *arguments: str) -> list[str]:
    # `clickhouse` is many programs in one; by the name `clickhouse-server` it is this one.
    return [str(program.absolute()), *(() if program.name == "clickhouse-server" else ("server",)), *arguments]


def inspect_program(program: Path) -> ClickHouseProgram:
    """Ask a program what it is; raises UnusableError."""
    program = program.absolute()  # it is to be the same one from every folder
    try:
        done = subprocess.run(  # noqa: S603 - the user's own program
            _command(program, "--version"),
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
            stdin=subprocess.DEVNULL,
            timeout=_VERSION_WITHIN_S,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise UnusableError(f"{program} does not run: {error}") from None
    found = _VERSION.search(done.stdout)
    if done.returncode or found is None:
        raise UnusableError(f"{program} is no ClickHouse server: it does not tell its version")
    if (int(found[2]), int(found[3])) < OLDEST:
        raise UnusableError(f"{program} is ClickHouse {found[1]}; Pulssi needs {OLDEST[0]}.{OLDEST[1]} or newer")
    return ClickHouseProgram(program, found[1])


def _program_on_path(say: Callable[[str], None]) -> ClickHouseProgram | None:
    """Return the first server on the PATH; one that cannot be used is named."""
    for path in filter(None, map(shutil.which, NAMES)):
        try:
            return inspect_program(Path(path))
        except UnusableError as error:
            say(f"{error}: not used")
    return None


def choose_program(setting: str, folder: Path, say: Callable[[str], None]) -> ClickHouseProgram | None:
    """Choose what runs as ClickHouse on a data folder; None is the embedded engine.

    Raises UnusableError where the setting names no server, or names nothing and the other kind wrote the folder, and
    UnavailableError where the engine is to run and is not installed.
    """
    if setting == CLICKHOUSE_EMBEDDED:
        server = None
    elif setting == CLICKHOUSE_AUTO:
        server = _program_on_path(say)
    else:
        try:
            server = inspect_program(Path(setting))
        except UnusableError as error:
            raise UnusableError(f"{_SETTING}: {error}") from None
    if server is None and not all(map(find_spec, ENGINE_MODULES)):
        raise UnavailableError(
            f"the embedded ClickHouse is not installed: pip install 'pulssi[embedded]', or set {_SETTING} to an"
            " official clickhouse, or PULSSI_CLICKHOUSE_URL to a server of yours"
        )
    own, other = (folder / name for name in (SERVER_FOLDER, ENGINE_FOLDER)[:: 1 if server else -1])
    if not other.exists():
        return server
    if setting == CLICKHOUSE_AUTO:
        if server:
            keep, change = CLICKHOUSE_EMBEDDED, str(server.program)
            why = f"{other} was written by the embedded engine, and there is {server} on the PATH now"
        else:
            keep, change = "/path/to/clickhouse", CLICKHOUSE_EMBEDDED
            why = f"{other} was written by a ClickHouse server, and none is on the PATH now"
        raise UnusableError(
            f"{why}: {_SETTING}={keep} continues with it; {_SETTING}={change} uses another database, which is empty at"
            " first: replay recorded events then"
        )
    if not own.exists():
        say(
            f"ClickHouse begins with an empty database in {own}: it gets what Kafka still holds; `pulssi replay` brings"
            f" older recordings. The former one stays in {other}, and {_SETTING} chooses"
        )
    return server


def configuration(folder: Path, log: Path, host: str, port: int, allowed_hosts: str = "") -> str:
    """Write the configuration of a server on its folder."""
    names = ["localhost", host, *filter(None, map(str.strip, allowed_hosts.split(",")))]
    values = {
        "folder": str(folder),
        "users": str(USERS),
        "log": str(log),
        "host": host,
        "port": str(port),
        "names": "|".join(map(re.escape, names)),
    }
    return Template(CONFIG.read_text("utf-8")).substitute({name: escape(value) for name, value in values.items()})


def run(program: Path, folder: Path, host: str, port: int, allowed_hosts: str = "") -> int:
    """Run a server on the data folder until it ends by itself; port 0 asks for any free one. For the main thread.

    SIGTERM and Ctrl-C raise KeyboardInterrupt here. Raises UnavailableError.
    """
    interrupt_once()
    port, own, log = port or any_free(host), folder / SERVER_FOLDER, folder / "logs" / "clickhouse-server.log"
    # The server inherits the lock: if only this process is killed, the folder stays locked until the server has ended.
    with lock_folder(folder, PART) as lock:
        check_free(host, port)
        own.mkdir(exist_ok=True)
        log.parent.mkdir(exist_ok=True)
        file = own / "config.xml"
        file.write_text(configuration(own, log, host, port, allowed_hosts), "utf-8")
        process = subprocess.Popen(  # noqa: S603 - the user's own program
            _command(program, f"--config-file={file}"),
            cwd=own,
            # Its watchdog would stand between it and our signals.
            env={**os.environ, "CLICKHOUSE_WATCHDOG_ENABLE": "0"},
            stdin=subprocess.DEVNULL,
            pass_fds=(lock,),
            preexec_fn=die_with_parent,  # noqa: PLW1509 - a call of the C library, loaded before the fork
        )
        try:
            url = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
            fault = partial(ping_fault, Address(url))
            await_ready(process, "ClickHouse", fault, READY_WITHIN_S, lambda: f"see {log}")
            click.echo(f"clickhouse ready at {url}")
            click.echo(f"ClickHouse {exit_description(process.wait())}: see {log}", err=True)
            return Exit.NO
        finally:
            stop_server(process)
