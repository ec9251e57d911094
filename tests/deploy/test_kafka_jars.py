"""Kafka's jars: downloaded once, whole and as locked, or not at all."""

import hashlib
import os
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Final

import pytest

from deploy.embedded import UnavailableError
from deploy.embedded.kafka.jars import ensure_jars, read_lock, version_of
from deploy.embedded.kafka.relock import updated_lock
from schemas.configuration.toml_files import ConfigurationError
from streams.configuration.environment import load_settings

NAMES: Final = ("kafka-clients", "one", "two", "three")
ONE, TWO = "one-4.0.0.jar", "two-4.0.0.jar"
CONTENTS: Final = {f"{name}-4.0.0.jar": os.urandom(100_000) for name in NAMES}


class Repository(ThreadingHTTPServer):
    """A Maven repository on this machine; `spoilt` says what becomes of a file, and `asked` counts requests."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Files)
        self.url = f"http://127.0.0.1:{self.server_port}/maven"
        self.spoilt: dict[str, str] = {}
        self.asked: Counter[str] = Counter()
        self.authorised: set[str | None] = set()


class _Files(BaseHTTPRequestHandler):
    server: Repository

    def do_GET(self) -> None:
        name = self.path.rpartition("/")[2]
        self.server.asked[name] += 1
        self.server.authorised.add(self.headers["Authorization"])
        fate = self.server.spoilt.get(name, "")
        if fate == "missing":
            self.send_error(404)
        elif fate == "busy once":
            del self.server.spoilt[name]
            self.send_error(503)
        else:
            content = CONTENTS[name]
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write({"short": content[:50_000], "other": content[::-1]}.get(fate, content))

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def repository() -> Iterator[Repository]:
    """Serve the files."""
    with Repository() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Lock the files, with an empty cache."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    path = tmp_path / "jars.lock"
    lines = [
        f"{hashlib.sha256(CONTENTS[f'{name}-4.0.0.jar']).hexdigest()} 100000 org.test:{name}:4.0.0\n" for name in NAMES
    ]
    path.write_text("# a comment\n" + "".join(lines), encoding="utf-8")
    return path


def test_what_was_downloaded_once_is_there(
    repository: Repository, lock: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every file, whole, and the download is announced; afterwards no repository is asked, so that none need be there.

    A server that is busy once is asked once more, and a file in the cache that lost its end is fetched again.
    """
    repository.spoilt[ONE] = "busy once"
    paths = ensure_jars(repository.url, lock)
    assert {path.name: path.read_bytes() for path in paths} == CONTENTS
    assert capsys.readouterr().err == f"downloading Apache Kafka 4.0.0, 4 jars from {repository.url} (0 MB), once\n"
    assert ensure_jars("http://127.0.0.1:9/none", lock) == paths
    assert repository.asked == {name: 2 if name == ONE else 1 for name in CONTENTS}
    paths[0].write_bytes(b"")
    assert ensure_jars(repository.url, lock) == paths
    assert paths[0].read_bytes() == CONTENTS[paths[0].name]
    assert sum(repository.asked.values()) == 6


@pytest.mark.parametrize(
    ("fate", "why"),
    [
        ("short", "50,000 of 100,000 bytes"),
        ("other", "is not the file that is locked"),
        ("missing", "404"),
        ("nobody listens", "cannot be downloaded from http://127.0.0.1:9 (["),
    ],
)
def test_a_bad_download_leaves_nothing(repository: Repository, lock: Path, fate: str, why: str) -> None:
    """One line with file, reason and fix; nothing broken stays, and the next one fetches what is missing."""
    repository.spoilt[TWO] = fate
    with pytest.raises(UnavailableError) as caught:
        ensure_jars("http://127.0.0.1:9" if fate == "nobody listens" else repository.url, lock)
    said = str(caught.value)
    assert "\n" not in said
    assert ".jar " in said
    assert why in said
    assert "PULSSI_KAFKA_REPOSITORY" in said
    cached = lock.parent / "cache" / "pulssi" / "kafka" / "4.0.0"
    assert {path.name for path in cached.glob("*")} <= CONTENTS.keys() - {TWO}
    repository.spoilt.clear()
    assert {path.name: path.read_bytes() for path in ensure_jars(repository.url, lock)} == CONTENTS


def test_processes_that_begin_at_once_share_one_download(repository: Repository, lock: Path) -> None:
    """Three of them: each file is asked for once, and all get all."""
    code = (
        "import sys; from pathlib import Path; from deploy.embedded.kafka.jars import ensure_jars;"
        "print(len(ensure_jars(sys.argv[1], Path(sys.argv[2]))))"
    )
    command = [sys.executable, "-c", code, repository.url, str(lock)]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    assert [process.communicate()[0].strip() for process in running] == ["4", "4", "4"]
    assert set(repository.asked.values()) == {1}


def test_a_password_is_sent_and_not_told(
    repository: Repository, lock: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """User and password of the address go as a header; neither announcement nor fault names them."""
    address = repository.url.replace("//", "//me:xq%3Azzyzx@")
    repository.spoilt[TWO] = "missing"
    with pytest.raises(UnavailableError) as caught:
        ensure_jars(address, lock)
    assert repository.authorised == {"Basic bWU6eHE6enp5eng="}
    assert (
        "zzyzx" not in f"{caught.value}{capsys.readouterr().err}{load_settings({'PULSSI_KAFKA_REPOSITORY': address})!r}"
    )


def test_a_folder_is_a_repository_too(lock: Path, tmp_path: Path) -> None:
    """`file://`: for machines that reach none."""
    for jar in read_lock(lock):
        path = tmp_path / "maven" / jar.path
        path.parent.mkdir(parents=True)
        path.write_bytes(CONTENTS[jar.name])
    assert len(ensure_jars((tmp_path / "maven").as_uri(), lock)) == 4


def test_a_cache_that_cannot_be_written_is_named(repository: Repository, lock: Path, tmp_path: Path) -> None:
    """A file stands where the folder should be: one line, with the way out."""
    (tmp_path / "cache").write_text("")
    with pytest.raises(UnavailableError, match="XDG_CACHE_HOME"):
        ensure_jars(repository.url, lock)


def test_the_lock_is_written_again(repository: Repository, lock: Path) -> None:
    """After another version was named: hashes and sizes are those of the repository, comments stay."""
    text = lock.read_text(encoding="utf-8")
    forgotten = "\n".join(line if line[0] == "#" else f"- - {line.split()[2]}" for line in text.splitlines())
    assert updated_lock(f"{forgotten}\n", repository.url) == text


def test_the_project_s_lock_is_whole() -> None:
    """Every line names a file by hash, size and version; one version of Kafka throughout."""
    found = read_lock()
    assert len({jar.name for jar in found}) == len(found) > 20
    assert all(len(jar.sha256) == 64 and jar.size > 1_000 for jar in found)
    kafkas = {jar.artifact.split(":")[2] for jar in found if jar.artifact.startswith("org.apache.kafka:")}
    assert kafkas == {version_of(found)}


@pytest.mark.parametrize("value", ["ftp://mirror/maven", "mirror", "https://"])
def test_what_is_no_repository_is_refused(value: str) -> None:
    """The setting says what it takes."""
    with pytest.raises(ConfigurationError, match=r"PULSSI_KAFKA_REPOSITORY \(environment\): .*Maven repository"):
        load_settings({"PULSSI_KAFKA_REPOSITORY": value})
