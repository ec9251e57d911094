"""Apache Kafka's jars: downloaded once into the user's cache, each held against the sha256 that `jars.lock` names.

A file gets its own name in the cache only after its hash was checked, so a broken download leaves no file behind. A
file that differs from the lock is never used.
"""

import hashlib
import math
import os
import re
import ssl
import sys
from base64 import b64encode
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPException
from pathlib import Path
from typing import Final, NamedTuple, TypeAlias
from urllib.error import HTTPError, URLError
from urllib.parse import unquote, urlsplit, urlunsplit
from urllib.request import Request, urlopen

import click
from tenacity import retry, retry_if_exception, stop_after_attempt, wait_exponential

from deploy.embedded import UnavailableError
from deploy.embedded.folder_lock import lock_folder

#: What the setting `kafka_repository` calls Maven's public repository, and its address.
CENTRAL: Final = "central"
CENTRAL_URL: Final = "https://repo.maven.apache.org/maven2"
LOCK_FILE: Final = Path(__file__).with_name("jars.lock")
PARALLEL_DOWNLOADS: Final = 6
TIMEOUT_S: Final = 30.0
_CHUNK_BYTES: Final = 64 * 1024
_SERVER_FAULT: Final = 500
_FIX: Final = (
    "check the network (HTTPS_PROXY and SSL_CERT_FILE are used), or set PULSSI_KAFKA_REPOSITORY to a Maven repository"
    " that this machine reaches"
)

#: Called with each piece's bytes, from several threads; negative where an attempt failed.
OnProgress: TypeAlias = Callable[[int], None]


class Jar(NamedTuple):
    """One line of the lock: a file of a Maven repository."""

    sha256: str
    size: int
    artifact: str

    @property
    def name(self) -> str:
        """The file's name, its version included."""
        return self.path.rpartition("/")[2]

    @property
    def path(self) -> str:
        """Where a repository has it."""
        group, artifact, version = self.artifact.split(":")
        return f"{group.replace('.', '/')}/{artifact}/{version}/{artifact}-{version}.jar"


def read_lock(lock: Path = LOCK_FILE) -> tuple[Jar, ...]:
    """Read the lock."""
    lines = (line.split() for line in lock.read_text(encoding="utf-8").splitlines() if not line.startswith("#"))
    return tuple(Jar(sha256, int(size), artifact) for sha256, size, artifact in lines)


def version_of(jars: Sequence[Jar]) -> str:
    """Return Kafka's version, that of the jar kafka-clients."""
    return next(jar.artifact.rpartition(":")[2] for jar in jars if ":kafka-clients:" in jar.artifact)


def cache_folder() -> Path:
    """Name the folder in the user's cache: XDG_CACHE_HOME, else `~/.cache`."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "pulssi" / "kafka"


def ensure_jars(repository: str, lock: Path = LOCK_FILE) -> tuple[Path, ...]:
    """Return the paths of all jars, downloading from `repository` what the cache lacks; raises UnavailableError."""
    jars = read_lock(lock)
    version = version_of(jars)
    folder = cache_folder() / version
    try:
        if _missing(folder, jars):
            with lock_folder(folder.parent, version, wait_s=math.inf):
                if missing := _missing(folder, jars):  # another process may have fetched them while this one waited
                    folder.mkdir(exist_ok=True)
                    size = sum(jar.size for jar in missing)
                    source = f"{len(missing)} jars from {_display_name(repository)} ({size / 1e6:.0f} MB)"
                    label = f"downloading Apache Kafka {version}, {source}, once"  # all that is shown off a terminal
                    with click.progressbar(length=size, label=label, file=sys.stderr) as bar:
                        _fetch_all(missing, repository, folder, bar.update)
    except OSError as error:
        raise UnavailableError(
            f"{folder}: {error.strerror or error}: set XDG_CACHE_HOME to a folder with room"
        ) from None
    return tuple(folder / jar.name for jar in jars)


def _missing(folder: Path, jars: Sequence[Jar]) -> list[Jar]:
    """List the jars that are missing, or have another size: damaged after their hash was checked."""
    return [jar for jar in jars if not (path := folder / jar.name).is_file() or path.stat().st_size != jar.size]


def _display_name(repository: str) -> str:
    """Name a repository to people, without a password."""
    return "Maven Central" if repository == CENTRAL else re.sub("//[^/]*@", "//", repository)


def _fetch_all(jars: Sequence[Jar], repository: str, folder: Path, advance: OnProgress) -> None:
    """Bring jars, whole and checked, into the folder; raises UnavailableError."""
    # Trusts what the system does (SSL_CERT_FILE and SSL_CERT_DIR included) and the bundles that other tools read.
    context = ssl.create_default_context()
    for bundle in (os.environ.get("REQUESTS_CA_BUNDLE", ""), os.environ.get("CURL_CA_BUNDLE", "")):
        if Path(bundle).is_file():
            context.load_verify_locations(bundle)

    def fetch(jar: Jar) -> None:
        try:
            content = _read(request_for(repository, jar.path), jar.size, context, advance)
        except (OSError, HTTPException) as error:
            why = error.reason if type(error) is URLError else str(error) or type(error).__name__
            raise UnavailableError(
                f"{jar.name} cannot be downloaded from {_display_name(repository)} ({why}): {_FIX}"
            ) from None
        if hashlib.sha256(content).hexdigest() != jar.sha256:
            raise UnavailableError(
                f"{jar.name} of {_display_name(repository)} is not the file that is locked (sha256 {jar.sha256[:16]}…):"
                " set PULSSI_KAFKA_REPOSITORY to a repository that has the original"
            )
        part = folder / f"{jar.name}.part"
        try:
            part.write_bytes(content)
            part.replace(folder / jar.name)
        finally:
            part.unlink(missing_ok=True)

    with ThreadPoolExecutor(PARALLEL_DOWNLOADS, thread_name_prefix="jars") as threads:
        list(threads.map(fetch, jars))


def request_for(repository: str, path: str) -> Request:
    """Make the request for a file; a user and a password in the repository's address become a header."""
    parts = urlsplit(CENTRAL_URL if repository == CENTRAL else repository)
    login, _, host = parts.netloc.rpartition("@")
    address = urlunsplit(parts._replace(netloc=host, path=f"{parts.path.rstrip('/')}/{path}"))
    request = Request(address, headers={"User-Agent": "pulssi"})  # noqa: S310 - the setting admits http, https and file
    if login:
        user, _, password = login.partition(":")
        encoded = b64encode(f"{unquote(user)}:{unquote(password)}".encode()).decode()
        request.add_unredirected_header("Authorization", f"Basic {encoded}")
    return request


def _is_transient(error: BaseException) -> bool:
    """Tell whether another attempt may succeed: not where the server has no such file, or is not trusted."""
    if isinstance(error, HTTPError):
        return error.code >= _SERVER_FAULT
    return isinstance(error, OSError | HTTPException) and not isinstance(getattr(error, "reason", error), ssl.SSLError)


@retry(
    retry=retry_if_exception(_is_transient),
    stop=stop_after_attempt(3),
    wait=wait_exponential(multiplier=0.5, max=5),
    reraise=True,
)
def _read(request: Request, size: int, context: ssl.SSLContext, advance: OnProgress) -> bytearray:
    """Read a file of that size, or a little more of a longer one. Raises OSError or HTTPException."""
    content = bytearray()
    try:
        with urlopen(request, timeout=TIMEOUT_S, context=context) as answer:  # noqa: S310 - as in `request_for`
            while len(content) <= size and (piece := answer.read(_CHUNK_BYTES)):
                content += piece
                advance(len(piece))
        if len(content) < size:
            raise ConnectionError(f"broke off after {len(content):,} of {size:,} bytes")
    except (OSError, HTTPException):
        advance(-len(content))
        raise
    return content
