"""Follows a log file as it grows and is rotated: every whole line once, whatever is done to the file meanwhile.

Rotation by renaming: the old file is read to its end, then those that came between, then the new one. Rotation by
copying and truncating: what was not read yet is read from the copy. A file is known again by its inode and by a hash of
its beginning, so it is also found under another name, or packed, after Pulssi was down. Lines are never changed.
"""

import asyncio
import glob
import logging
import math
import os
from collections.abc import AsyncIterator, Iterator, Mapping
from hashlib import blake2b
from pathlib import Path
from typing import Any, Final, NamedTuple, Self

from streams.sources.accounts import Account
from streams.sources.backfill.file_pages import HEAD_BYTES, FilePages
from streams.sources.backfill.pages import Page, VendorApi, VendorPayload
from streams.sources.following.follower import Follower, FollowError
from streams.sources.recording_files import UnreadableError

#: How often it looks whether there is more: a row is on the wallboard within a second.
LOOK_EVERY_S: Final = 0.2
#: Read in one page.
PAGE_BYTES: Final = 512 * 1024
#: A line longer than this is cut in two: no log has such.
LINE_BYTES: Final = 256 * 1024
_PACKED: Final = (".gz", ".zst")

_LOG: Final = logging.getLogger(__name__)


class Place(NamedTuple):
    """How far a file is read."""

    inode: int
    #: So many bytes of its beginning, and their hash: `bytes:hash`.
    head: str
    #: Behind the last whole line that was read, and how many lines there are up to it.
    offset: int
    line: int

    def position(self, seen_at: float) -> dict[str, Any]:
        """Write it as a page's position; `seen_at` is when the file last changed, in seconds since 1970."""
        return {**self._asdict(), "seen_at": seen_at}


def place_of(position: Mapping[str, Any] | None) -> Place | None:
    """Read a position; None where there is none, or none that this understands."""
    try:
        return None if position is None else Place(*(position[name] for name in Place._fields))
    except KeyError:
        return None


def head_of(content: bytes) -> str:
    """Name a beginning."""
    return f"{len(content)}:{blake2b(content, digest_size=8).hexdigest()}"


class LogFile:
    """A log that is followed under its name."""

    def __init__(self, path: Path, form: str) -> None:
        self._path = path
        self._form = form

    async def pages(self, position: Mapping[str, Any] | None) -> AsyncIterator[Page]:
        """Yield what is behind a position, then what comes, without an end.

        Raises FollowError where the file cannot be read.
        """
        try:
            path, place, seen_at = self._begin(position)
            read = 0
            while True:
                unread = _Unread(self._path, seen_at, read)
                if path.name.endswith(_PACKED):
                    seen_at, read = path.stat().st_mtime, path.stat().st_ino
                    for page in self._packed(path, place):
                        yield page
                    path, place = self._path, None
                    continue
                # Opened before the others are listed: one that is renamed between is held, or else among them.
                with await self._open(path) as opened:
                    if place is None:
                        for page in self._whole(unread, opened.inode):
                            yield page
                    opened.go_to(place)
                    async for page in self._until_it_ends(opened, unread):
                        yield page
                    path, place, seen_at = self._next(opened)
                    read = opened.inode
        except (OSError, UnreadableError) as error:
            why = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
            raise FollowError(f"{self._path}: {why}") from None

    def _begin(self, position: Mapping[str, Any] | None) -> tuple[Path, Place | None, float]:
        """Find the file that a position is of, and its place; else what was written since is to be read."""
        place = place_of(position)
        if place is None:
            return self._path, None, math.inf
        found = self._path if self._path.exists() and _is_of(self._path, place) else self._copy_of(place)
        if found is not None:
            return found, place, math.inf
        if self._path.exists() and place.offset:
            _LOG.warning("%s: the file that was read up to line %d is gone: rows may be lost", self._path, place.line)
        return self._path, None, float((position or {}).get("seen_at", 0.0))

    def _next(self, opened: "_Opened") -> tuple[Path, Place | None, float]:
        """Tell what comes after an open file that has ended: the copy of a truncated one, or else the next ones."""
        if not opened.was_truncated():
            return self._path, None, opened.modified_at()
        place = opened.place()
        copy = self._copy_of(place)
        if copy is not None:
            return copy, place, math.inf
        if place.offset:
            _LOG.warning("%s: truncated without a copy: rows behind line %d may be lost", self._path, place.line)
        return self._path, None, math.inf

    def _copy_of(self, place: Place) -> Path | None:
        return next((each for each in rotated_files(self._path) if _is_of(each, place)), None)

    def _whole(self, unread: "_Unread", but: int) -> Iterator[Page]:
        """Yield all rotated files that were not read yet, but for one; nobody writes to them any more."""
        for path in unread.take(but):
            if path.name.endswith(_PACKED):
                yield from self._packed(path, None)
            else:
                with _Opened(path) as opened:
                    yield from self._to_the_end(opened)

    def _packed(self, path: Path, place: Place | None) -> Iterator[Page]:
        stat = path.stat()
        known = None if place is None else place._asdict()
        for page in FilePages(str(path), self._form, "lines").pages(known):
            of = Place(stat.st_ino, page.position["head"], page.position["offset"], page.position["line"])
            yield Page(page.payloads, of.position(stat.st_mtime))

    def _to_the_end(self, opened: "_Opened") -> Iterator[Page]:
        while (page := self._page(opened, is_ended=True)) is not None:
            yield page

    async def _until_it_ends(self, opened: "_Opened", unread: "_Unread") -> AsyncIterator[Page]:
        """Yield the lines of an open file until it is truncated, or another has taken its name."""
        while not opened.was_truncated():
            is_first = opened.line == 0
            page = self._page(opened)
            if page is not None:
                if is_first:  # it may have been filled and truncated before anything was read of it
                    for other in self._whole(unread, opened.inode):
                        yield other
                yield page
                await asyncio.sleep(0)
            elif self._is_replaced(opened):
                # Whoever wrote the first line of the new file had closed the old one before.
                for rest in self._to_the_end(opened):
                    yield rest
                return
            else:
                await asyncio.sleep(LOOK_EVERY_S)

    async def _open(self, path: Path) -> "_Opened":
        """Open a file; while it is being rotated there is none for a moment."""
        missing = 0
        while True:
            try:
                return _Opened(path)
            except FileNotFoundError:
                missing += 1
                if missing * LOOK_EVERY_S > _MISSING_S:
                    raise
                await asyncio.sleep(LOOK_EVERY_S)

    def _is_replaced(self, opened: "_Opened") -> bool:
        try:
            stat = self._path.stat()
        except FileNotFoundError:
            return False
        return stat.st_ino != opened.inode and stat.st_size > 0

    def _page(self, opened: "_Opened", *, is_ended: bool = False) -> Page | None:
        lines = opened.read(is_ended=is_ended)
        if not lines:
            return None
        first = opened.line - len(lines) + 1
        name = self._path.name
        payloads = tuple(
            VendorPayload(self._form, body, name, number)
            for number, body in enumerate(lines, first)
            if body and not body.isspace()
        )
        return Page(payloads, opened.place().position(opened.modified_at()))


#: A file that is not there for so long is missing, and not just being rotated.
_MISSING_S: Final = 5.0


class _Unread:
    """The rotated files that were written after a time, and not read since; `math.inf`: there are none.

    Of two files of the same time none can be told to be the older one: both are read, for a row twice counts once.
    """

    def __init__(self, path: Path, seen_at: float, read: int) -> None:
        """`read` is the inode of the file that was read up to then."""
        self._path = path
        self._seen_at = seen_at
        self._taken = {read}

    def take(self, but: int) -> list[Path]:
        """List them, the oldest first, without the one of that inode; each is listed once."""
        if self._seen_at == math.inf:
            return []
        stats = [(each, each.stat()) for each in rotated_files(self._path)]
        found = [
            (each, stat.st_ino)
            for each, stat in stats
            if stat.st_mtime >= self._seen_at and stat.st_ino not in self._taken and stat.st_ino != but
        ]
        self._taken.update(inode for _, inode in found)
        return [each for each, _ in found]


class _Opened:
    """A file that is open, whatever its name becomes; read from a place on."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_RDONLY)
        self.inode = os.fstat(self._file).st_ino
        self._offset = 0
        self.line = 0
        self._head = head_of(b"")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._file)

    def is_it(self, place: Place) -> bool:
        """Tell whether a place is of this file."""
        if os.fstat(self._file).st_size < place.offset or self._beginning(place.head) != place.head:
            return False
        return place.inode == self.inode or place.offset > 0

    def go_to(self, place: Place | None) -> None:
        """Go on at a place of this file."""
        if place is not None:
            self._offset, self.line, self._head = place.offset, place.line, place.head

    def place(self) -> Place:
        """Give the place behind what was read."""
        return Place(self.inode, self._head, self._offset, self.line)

    def modified_at(self) -> float:
        """Give the time of the last write, in seconds since 1970."""
        return os.fstat(self._file).st_mtime

    def was_truncated(self) -> bool:
        """Tell whether it was made empty since it was read, and perhaps written again."""
        return os.fstat(self._file).st_size < self._offset or self._beginning(self._head) != self._head

    def read(self, *, is_ended: bool) -> list[bytes]:
        """Read whole lines; with `is_ended` also the last one, for nobody will end it."""
        content = os.pread(self._file, PAGE_BYTES, self._offset)
        end = content.rfind(b"\n") + 1
        if end == 0:
            if not content or (len(content) < LINE_BYTES and not (is_ended and len(content) < PAGE_BYTES)):
                return []
            end = len(content)
        if self.was_truncated():  # between, so what was read may be of something else
            return []
        content = content[:end]
        self._offset += end
        lines = content.removesuffix(b"\n").split(b"\n")
        self.line += len(lines)
        if int(self._head.partition(":")[0]) < HEAD_BYTES:
            self._head = head_of(os.pread(self._file, min(HEAD_BYTES, self._offset), 0))
        return [line.removesuffix(b"\r") for line in lines]

    def _beginning(self, head: str) -> str:
        """Name as much of this file's beginning as that name is of."""
        count = head.partition(":")[0]
        return head_of(os.pread(self._file, int(count) if count.isdecimal() else 0, 0))


def rotated_files(path: Path) -> list[Path]:
    """List what a log was rotated into, the oldest first; of a link also what lies beside the file itself."""
    found = {
        each.resolve(): each
        for name in (path, path.resolve())
        for each in name.parent.glob(f"{glob.escape(name.name)}[.-]*")
        if each.is_file()
    }
    return sorted(found.values(), key=lambda each: each.stat().st_mtime)


def _is_of(path: Path, place: Place) -> bool:
    """Tell whether a rotated file, packed or not, is the one that a place is of, or a copy of it."""
    if path.name.endswith(_PACKED):
        return place.offset > 0 and FilePages(str(path), "").head(place.head) == place.head
    with _Opened(path) as opened:
        return opened.is_it(place)


def log_follower(form: str, what: str) -> Follower:
    """Make a follower of the file at `path` of the account, with one payload of `form` a line.

    `what` names the file in messages.
    """

    async def follow(account: Account, api: VendorApi, position: Mapping[str, Any] | None, /) -> AsyncIterator[Page]:
        del api
        if account.entry.path is None:
            raise FollowError(f"{account.path} has no `path`: set it to {what} in sources.toml")
        async for page in LogFile(Path(account.folder, account.entry.path), form).pages(position):
            yield page

    return follow
