"""Apache Kafka's jars: downloaded once into the user's cache, each held against the sha256 that `jars.lock` names.

A file gets its own name in the cache only after its hash was checked, so a broken download leaves no file behind. A
file that differs from the lock is never used.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import ssl
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from typing import Final, NamedTuple
from urllib.error import HTTPError
from urllib.parse import unquote, urlsplit, urlunsplit
from urllib.request import Request, urlopen

from tenacity import retry, retry_if_exception, stop_after_attempt, wait_exponential

#: What the setting `kafka_repository` calls Maven's public repository, and its address.
CENTRAL: Final = "central"
CENTRAL_URL: Final = "https://repo.maven.apache.org/maven2"
LOCK_FILE: Final = Path(__file__).with_name("jars.lock")
AT_A_TIME: Final = 6
TIMEOUT_S: Final = 30.0
_PIECE: Final = 64 * 1024
_SERVER_FAULT: Final = 500
_MEND: Final = (
    "check the network (HTTPS_PROXY and SSL_CERT_FILE are used), or set PULSSI_KAFKA_REPOSITORY to a Maven repository"
    " that this machine reaches"
)


class JarsError(RuntimeError):
    """The jars are not there and cannot be downloaded; the message is one line with the fix."""


class Jar(NamedTuple):
    """One line of the lock: a file of a Maven repository."""

    sha256: str
    size: int
    artifact: str

    @property
    def name(self) -> str:
        """The file's name, its version included."""
        _, artifact, version = self.artifact.split(":")
        return f"{artifact}-{version}.jar"

    @property
    def path(self) -> str:
        """Where a repository has it."""
        group, artifact, version = self.artifact.split(":")
        return f"{group.replace('.', '/')}/{artifact}/{version}/{self.name}"


@dataclass(frozen=True)
class Progress:
    """What a download reports: its beginning (title, bytes in all), and each piece's bytes, from several threads."""

    begin: Callable[[str, int], None] = lambda _title, _bytes: None
    advance: Callable[[int], None] = lambda _bytes: None


def locked(lock: Path = LOCK_FILE) -> tuple[Jar, ...]:
    """Read the lock."""
    lines = (line.split() for line in lock.read_text(encoding="utf-8").splitlines() if not line.startswith("#"))
    return tuple(Jar(sha256, int(size), artifact) for sha256, size, artifact in lines)


def version_of(jars: Sequence[Jar]) -> str:
    """Return Kafka's version, that of the jar kafka-clients."""
    return next(jar.artifact.rpartition(":")[2] for jar in jars if ":kafka-clients:" in jar.artifact)


def cache_folder(environment: Mapping[str, str] = os.environ) -> Path:
    """Name the folder in the user's cache: XDG_CACHE_HOME, else `~/.cache`."""
    return Path(environment.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "pulssi" / "kafka"


def ensure(repository: str, progress: Progress | None = None, *, lock: Path = LOCK_FILE) -> tuple[Path, ...]:
    """Return the paths of all jars, downloading from `repository` what the cache lacks; raises JarsError."""
    progress = progress or Progress()
    jars = locked(lock)
    folder = cache_folder() / version_of(jars)
    if not _missing(folder, jars):
        return tuple(folder / jar.name for jar in jars)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with _alone(folder):
            missing = _missing(folder, jars)  # another process may have fetched them while this one waited
            if missing:
                size = sum(jar.size for jar in missing)
                progress.begin(f"Apache Kafka {version_of(jars)}, {len(missing)} jars from {_shown(repository)}", size)
                _fetch_all(missing, repository, folder, progress)
    except OSError as error:
        raise JarsError(f"{folder}: {error.strerror or error}: set XDG_CACHE_HOME to a folder with room") from None
    return tuple(folder / jar.name for jar in jars)


def _missing(folder: Path, jars: Sequence[Jar]) -> list[Jar]:
    """List the jars that are missing, or have another size: damaged after their hash was checked."""

    def is_there(jar: Jar) -> bool:
        try:
            return (folder / jar.name).stat().st_size == jar.size
        except (FileNotFoundError, NotADirectoryError):
            return False

    return [jar for jar in jars if not is_there(jar)]


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Lock the folder, so that one process downloads at a time; the lock ends with its process."""
    with folder.with_name(f"{folder.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for left in folder.glob("*.part"):
            left.unlink()
        yield


def _shown(repository: str) -> str:
    """Name a repository to people, without a password."""
    parts = urlsplit(repository)
    shown = urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
    return "Maven Central" if repository == CENTRAL else shown


def _fetch_all(jars: Sequence[Jar], repository: str, folder: Path, progress: Progress) -> None:
    context = _certificates(os.environ)
    with ThreadPoolExecutor(AT_A_TIME, thread_name_prefix="jars") as threads:
        fetching = [threads.submit(_fetch, jar, repository, folder, context, progress) for jar in jars]
        try:
            for each in fetching:
                each.result()
        except BaseException:
            threads.shutdown(cancel_futures=True)
            raise


def _certificates(environment: Mapping[str, str]) -> ssl.SSLContext:
    """Trust what the system does (SSL_CERT_FILE and SSL_CERT_DIR included) and the bundles that other tools read."""
    context = ssl.create_default_context()
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        bundle = environment.get(name)
        if bundle and Path(bundle).is_file():
            context.load_verify_locations(bundle)
    return context


def request_for(repository: str, path: str) -> Request:
    """Make the request for a file; a user and a password in the repository's address become a header."""
    parts = urlsplit(CENTRAL_URL if repository == CENTRAL else repository)
    address = urlunsplit(
        parts._replace(netloc=parts.netloc.rpartition("@")[2], path=f"{parts.path.rstrip('/')}/{path}")
    )
    request = Request(address, headers={"User-Agent": "pulssi"})  # noqa: S310 - the setting admits http, https and file
    if parts.username is not None:
        login = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        request.add_unredirected_header("Authorization", f"Basic {b64encode(login.encode()).decode()}")
    return request


class _BrokenOffError(Exception):
    """A download that failed; `again`: another attempt may succeed."""

    def __init__(self, why: str, *, again: bool) -> None:
        super().__init__(why)
        self.again = again


def _pieces(request: Request, limit: int, context: ssl.SSLContext) -> Iterator[bytes]:
    """Read a file piece by piece, a little past the limit at most; raises _BrokenOffError."""
    size = 0
    try:
        with urlopen(request, timeout=TIMEOUT_S, context=context) as answer:  # noqa: S310 - as in `request_for`
            while size <= limit and (piece := answer.read(_PIECE)):
                size += len(piece)
                yield piece
    except HTTPError as error:
        raise _BrokenOffError(f"{error.code} {error.reason}", again=error.code >= _SERVER_FAULT) from None
    except (OSError, HTTPException) as error:
        reason = getattr(error, "reason", None) or error
        why = str(reason) or type(reason).__name__
        raise _BrokenOffError(why, again=not isinstance(reason, ssl.SSLError)) from None
    if size < limit:
        raise _BrokenOffError(f"broke off after {size:,} of {limit:,} bytes", again=True)


def _fetch(jar: Jar, repository: str, folder: Path, context: ssl.SSLContext, progress: Progress) -> None:
    """Bring one jar, whole and checked, into the folder; raises JarsError."""
    part = folder / f"{jar.name}.part"
    try:
        if _attempt(jar, request_for(repository, jar.path), part, context, progress) != jar.sha256:
            raise JarsError(
                f"{jar.name} of {_shown(repository)} is not the file that is locked (sha256 {jar.sha256[:16]}…): "
                "set PULSSI_KAFKA_REPOSITORY to a repository that has the original"
            )
        part.replace(folder / jar.name)
    except _BrokenOffError as error:
        raise JarsError(f"{jar.name} cannot be downloaded from {_shown(repository)} ({error}): {_MEND}") from None
    finally:
        part.unlink(missing_ok=True)


@retry(
    retry=retry_if_exception(lambda error: isinstance(error, _BrokenOffError) and error.again),
    stop=stop_after_attempt(3),
    wait=wait_exponential(multiplier=0.5, max=5),
    reraise=True,
)
def _attempt(jar: Jar, request: Request, part: Path, context: ssl.SSLContext, progress: Progress) -> str:
    """Write the file to `part`; returns its sha256. A failed attempt takes its progress back."""
    digest, size = hashlib.sha256(), 0
    try:
        with part.open("wb") as file:
            for piece in _pieces(request, jar.size, context):
                file.write(piece)
                digest.update(piece)
                size += len(piece)
                progress.advance(len(piece))
            file.flush()
            os.fsync(file.fileno())
    except _BrokenOffError:
        progress.advance(-size)
        raise
    return digest.hexdigest()
