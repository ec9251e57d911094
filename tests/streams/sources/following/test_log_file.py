"""A log that is followed: each whole line comes once and in order, however the file is rotated, killed or packed."""

import asyncio
import gzip
import json
import os
import random
import shutil
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from streams.sources.following import log_file
from streams.sources.following.follower import FollowError
from streams.sources.following.log_file import LogFile
from tests.until import until


@pytest.fixture(autouse=True)
def _eager(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_file, "LOOK_EVERY_S", 0.002)
    monkeypatch.setattr(log_file, "PAGE_BYTES", 4096)


class Reader:
    """Follows a file; keeps what came, and the last position."""

    def __init__(self, path: Path, position: Mapping[str, Any] | None = None) -> None:
        self._path = path
        self.position = position
        self.lines: list[bytes] = []
        self.numbers: list[int] = []

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[None]:
        """Follow until the end of the context."""
        task = asyncio.create_task(self._read())
        try:
            yield
        finally:
            task.cancel()
            done = await asyncio.gather(task, return_exceptions=True)
            assert isinstance(done[0], asyncio.CancelledError), done

    async def _read(self) -> None:
        async for page in LogFile(self._path, "queue_log").pages(self.position):
            self.lines += [payload.body for payload in page.payloads]
            self.numbers += [payload.line for payload in page.payloads]
            self.position = json.loads(json.dumps(page.position))

    async def until(self, count: int) -> None:
        """Return once so many lines came."""
        await until(lambda: len(self.lines) >= count)


class Log:
    """A log as Asterisk and logrotate write it; every line is another."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "queue_log"
        self._file = self.path.open("ab", buffering=0)
        self._rotated = 0
        self.written: list[bytes] = []

    def append(self, count: int = 1) -> None:
        """Write lines."""
        for _ in range(count):
            line = b"%d|call-%d|support|NONE|ABANDON|1|1|9" % (1_772_352_000 + len(self.written), len(self.written))
            self.written.append(line)
            self._file.write(line + b"\n")

    def write(self, part: bytes) -> None:
        """Write part of a line."""
        self._file.write(part)

    def rename(self, *, reopened: bool = True) -> Path:
        """Rotate by a new name; the writer goes on in the old file until it opens the new one."""
        to = self._next()
        self.path.rename(to)
        if reopened:
            self.reopen()
        return to

    def reopen(self) -> None:
        """Have the writer open the file of the name."""
        self._file.close()
        self._file = self.path.open("ab", buffering=0)

    def copy_and_truncate(self) -> Path:
        """Rotate by a copy."""
        to = self._next()
        shutil.copyfile(self.path, to)
        os.truncate(self.path, 0)
        return to

    def _next(self) -> Path:
        self._rotated += 1
        return self.path.with_name(f"queue_log-{self._rotated:04d}")


def pack(path: Path) -> None:
    """Compress a rotated file, as logrotate does; its time stays."""
    packed = path.with_name(f"{path.name}.gz")
    packed.write_bytes(gzip.compress(path.read_bytes()))
    shutil.copystat(path, packed)
    path.unlink()


async def test_lines_come_as_they_are_written(tmp_path: Path) -> None:
    """What is there comes first, then each line as soon as it is whole; a part of one waits."""
    log = Log(tmp_path)
    log.append(200)
    reader = Reader(log.path)
    async with reader.reading():
        await reader.until(200)
        log.write(b"half a ")
        log.reopen()
        log.write(b"line\nmore")
        await reader.until(201)
        assert reader.lines[-1] == b"half a line"
    assert reader.lines[:200] == log.written
    assert reader.numbers == list(range(1, 202))
    assert reader.position is not None
    assert reader.position["offset"] == log.path.stat().st_size - len("more")


async def test_renamed_the_old_file_is_read_to_its_end(tmp_path: Path) -> None:
    """A writer that still has the old file open loses nothing; the new file's lines begin at 1."""
    log = Log(tmp_path)
    log.append(3)
    reader = Reader(log.path)
    async with reader.reading():
        await reader.until(3)
        log.rename(reopened=False)
        log.append(2)
        await reader.until(5)
        log.path.touch()  # as logrotate's `create` does, before Asterisk opens it
        log.append(2)
        await reader.until(7)
        log.reopen()
        log.append(2)
        await reader.until(9)
    assert reader.lines == log.written
    assert reader.numbers == [1, 2, 3, 4, 5, 6, 7, 1, 2]


async def test_copied_and_truncated(tmp_path: Path) -> None:
    """What was written just before the copy comes from the copy, what comes after from the file."""
    log = Log(tmp_path)
    log.append(50)
    reader = Reader(log.path)
    async with reader.reading():
        await reader.until(50)
        log.append(30)
        log.copy_and_truncate()
        log.append(100)  # longer than what was read: the size tells nothing
        await reader.until(180)
    assert reader.lines == log.written


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("rotate", [Log.rename, Log.copy_and_truncate])
async def test_rotated_while_nobody_read(tmp_path: Path, rotate: Callable[[Log], Path], *, packed: bool) -> None:
    """Several rotations later, packed or not, all files are read from where it ended on, the oldest first."""
    log = Log(tmp_path)
    log.append(10)
    reader = Reader(log.path)
    async with reader.reading():
        await reader.until(10)
    for _ in range(3):
        log.append(20)
        rotated = rotate(log)
        if packed:
            pack(rotated)
    log.append(5)
    async with reader.reading():
        await reader.until(75)
    assert reader.lines == log.written


@pytest.mark.parametrize("rotate", [Log.rename, Log.copy_and_truncate])
async def test_a_link_to_the_log(tmp_path: Path, rotate: Callable[[Log], Path]) -> None:
    """Rotated files lie beside the log itself, wherever its name leads from."""
    (tmp_path / "log[1]").mkdir()
    log = Log(tmp_path / "log[1]")
    link = tmp_path / "queue"
    link.symlink_to(log.path)
    log.append(10)
    reader = Reader(link)
    async with reader.reading():
        await reader.until(10)
    for _ in range(2):
        log.append(20)
        rotate(log)
    log.append(5)
    async with reader.reading():
        await reader.until(55)
        log.append(5)
        rotate(log)
        log.append(5)
        await reader.until(65)
    assert reader.lines == log.written


async def test_a_file_that_is_gone_is_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Where nothing has the lines any more that is logged; what there is is read."""
    log = Log(tmp_path)
    log.append(10)
    reader = Reader(log.path)
    async with reader.reading():
        await reader.until(10)
    log.rename().unlink()
    log.append(5)
    async with reader.reading():
        await reader.until(15)
    assert reader.lines == log.written
    assert "rows may be lost" in caplog.text


async def test_a_missing_file_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that does not come is named; it is not waited for silently."""
    monkeypatch.setattr(log_file, "_MISSING_S", 0.01)
    with pytest.raises(FollowError, match=f"{tmp_path}/queue_log: No such file"):
        await anext(LogFile(tmp_path / "queue_log", "queue_log").pages(None))


@pytest.mark.parametrize("seed", range(12))
async def test_anything_in_any_order(tmp_path: Path, seed: int) -> None:
    """Lines, parts of lines, rotations of all kinds, and ends of the reader at any place: every line once, in order."""
    chance = random.Random(seed)  # noqa: S311 - a test's disorder
    log = Log(tmp_path)
    log.append(1)
    reader = Reader(log.path)
    async with reader.reading():
        await reader.until(1)
    for _ in range(6):
        async with reader.reading():
            for _ in range(chance.randrange(6)):
                _disturb(log, chance)
                if chance.random() < 0.5:
                    await reader.until(len(log.written))
                else:
                    await asyncio.sleep(chance.random() * 0.006)
        for _ in range(chance.randrange(3)):
            _disturb(log, chance)
    async with reader.reading():
        await reader.until(len(log.written))
    assert reader.lines == log.written


def _disturb(log: Log, chance: random.Random) -> None:
    log.append(chance.choice([1, 1, 5, 300]))
    what = chance.random()
    if what < 0.5:
        _let_time_pass(log.path)
        if what < 0.25:
            log.rename(reopened=False)
            log.append(chance.randrange(3))
            log.reopen()
        else:
            log.copy_and_truncate()
        _let_time_pass(log.path)
    log.append(1)


def _let_time_pass(path: Path) -> None:
    """Return once a write gets another time: files' times are coarse, and rotations are not so close in life."""
    probe = path.with_name("probe")
    probe.write_bytes(b"")
    before = probe.stat().st_mtime_ns
    while probe.stat().st_mtime_ns == before:
        probe.write_bytes(b"")
