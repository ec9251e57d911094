"""A real IMAP server: Dovecot as an ordinary process on 127.0.0.1, with its own configuration and mail in a Maildir."""

import getpass
import grp
import os
import pwd
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, NamedTuple

import pytest
from imapclient import IMAPClient

from deploy.embedded.ports import any_free
from tests.fixtures.tls import Certificate
from tests.streams.sources.mail.made_mail import MadeMail
from tests.until import until

USER: Final = "support"
PASSWORD: Final = "pass-word"  # noqa: S105 - of a server that ends with the test
_HOST: Final = "127.0.0.1"
_PLACES: Final = ("/usr/sbin", "/usr/local/sbin", "/opt/homebrew/sbin")

_CONFIG: Final = """
protocols = imap
listen = 127.0.0.1
base_dir = {root}/run
state_dir = {root}/state
log_path = {root}/dovecot.log
ssl = required
ssl_cert = <{certificate.chain}
ssl_key = <{certificate.key}
{users}
first_valid_uid = 0
first_valid_gid = 0
mail_location = maildir:{root}/Maildir
maildir_stat_dirs = yes
disable_plaintext_auth = yes
passdb {{
  driver = static
  args = password={password}
}}
userdb {{
  driver = static
  args = uid={uid} gid={gid} home={root}
}}
namespace inbox {{
  inbox = yes
  separator = /
  mailbox Sent {{
    special_use = \\Sent
    auto = create
  }}
  mailbox Done {{
    auto = create
  }}
}}
service imap-login {{
  chroot =
  inet_listener imap {{
    port = {plain}
  }}
  inet_listener imaps {{
    port = {tls}
    ssl = yes
  }}
}}
service anvil {{
  chroot =
}}
service stats {{
  chroot =
}}
{more}
"""


class Dovecot(NamedTuple):
    """A running server."""

    root: Path
    tls_port: int
    plain_port: int
    certificate: Certificate

    @property
    def url(self) -> str:
        """The address, by TLS from the beginning."""
        return f"imaps://localhost:{self.tls_port}"

    @property
    def starttls_url(self) -> str:
        """The address by STARTTLS."""
        return f"imap://localhost:{self.plain_port}"

    @contextmanager
    def client(self, folder: str = "INBOX") -> Iterator[IMAPClient]:
        """Sign in as a mail program does, with a folder opened to be changed."""
        context = ssl.create_default_context(cafile=str(self.certificate.chain))
        with IMAPClient("localhost", self.tls_port, ssl_context=context) as client:
            client.login(USER, PASSWORD)
            client.select_folder(folder)
            yield client

    def put(self, *mails: MadeMail) -> None:
        """Put mails into their folders."""
        with self.client() as client:
            for mail in mails:
                client.append(mail.folder, mail.raw, msg_time=datetime.fromtimestamp(mail.at_s, UTC))


def program() -> str:
    """Find the server's program; skips where there is none."""
    found = shutil.which("dovecot", path=os.pathsep.join([os.environ.get("PATH", ""), *_PLACES]))
    if found is None:
        pytest.skip("no Dovecot on this machine: install dovecot-imapd for a real IMAP server")
    return found


@contextmanager
def server_folder() -> Iterator[Path]:
    """Make a folder for a server's data, which its users can reach, unlike those of pytest."""
    with tempfile.TemporaryDirectory(prefix="pulssi-dovecot-") as made:
        Path(made).chmod(0o755)
        yield Path(made)


@asynccontextmanager
async def running(
    root: Path, certificate: Certificate, more: str = "", ports: tuple[int, int] | None = None
) -> AsyncIterator[Dovecot]:
    """Run a server with its data in `root`; `more` are lines of its configuration."""
    tls = ports[0] if ports else any_free(_HOST)
    plain = ports[1] if ports else any_free(_HOST, {tls})
    server = _start(root, certificate, tls, plain, more)
    try:
        await until(lambda: _answers(plain) or server.poll() is not None)
        assert server.poll() is None, (root / "dovecot.log").read_text()
        yield Dovecot(root, tls, plain, certificate)
    finally:
        server.terminate()
        try:
            server.wait(10)
        except subprocess.TimeoutExpired:
            with suppress(ProcessLookupError):
                os.killpg(server.pid, signal.SIGKILL)
            server.wait()


@pytest.fixture
async def dovecot(certificate: Certificate) -> AsyncIterator[Dovecot]:
    """Run a server for one test."""
    program()
    with server_folder() as root:
        async with running(root, certificate) as server:
            yield server


def _start(root: Path, certificate: Certificate, tls: int, plain: int, more: str) -> subprocess.Popen[bytes]:
    (root / "run").mkdir(exist_ok=True, parents=True)
    me = getpass.getuser()
    # Mail is never root's: there Dovecot's own users serve the network, and nobody has the mail.
    is_root = os.geteuid() == 0
    group = grp.getgrgid(os.getegid()).gr_name
    own = f"default_internal_user = {me}\ndefault_login_user = {me}\ndefault_internal_group = {group}"
    users = "" if is_root else own
    owner = pwd.getpwnam("nobody" if is_root else me)
    os.chown(root, owner.pw_uid, owner.pw_gid)
    config = root / "dovecot.conf"
    config.write_text(
        _CONFIG.format(
            root=root,
            certificate=certificate,
            users=users,
            password=PASSWORD,
            uid=owner.pw_uid,
            gid=owner.pw_gid,
            plain=plain,
            tls=tls,
            more=more,
        )
    )
    return subprocess.Popen([program(), "-F", "-c", str(config)], start_new_session=True)


def _answers(port: int) -> bool:
    with suppress(OSError), socket.create_connection((_HOST, port), 0.2):
        return True
    return False
