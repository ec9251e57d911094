"""Maildirs: a file a mail, in `new` and, once somebody saw it, in `cur`, where its name tells its flags.

The part of a name before the colon stays when a mail is moved or flagged. Files are found by their names while it
runs, and after a restart by the time of their last change, which a move renews; a mail that is found twice is one mail.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, NamedTuple

from streams.sources.following.follower import FollowError
from streams.sources.mailboxes.folders import (
    DEFAULT_FOLDERS,
    PAGE_MAILS,
    REMEMBERED_MAILS,
    FolderName,
    FoundMail,
    FoundMails,
    Mark,
)
from streams.sources.vendors.email.header import HEADER_BYTES, header_bytes

#: How often it looks whether there is more; a folder that nothing was put into is not listed for that.
LOOK_EVERY_S: Final = 1.0
#: A file may be put in while a folder is listed, and clocks are set back: so much is read again after a restart.
_OVERLAP_NS: Final = 120 * 10**9
#: A folder's own time is as coarse as that on some file systems.
_COARSE_NS: Final = 2 * 10**9
_SENT: Final = ("Sent", "Sent Items", "Sent Messages")
_PLACES: Final = ("new", "cur")


class Maildir:
    """A Maildir with its folders, as Dovecot and others lay them out: `.Name` within, or `Name`."""

    def __init__(self, root: Path, folders: tuple[str, ...], sent_folders: tuple[str, ...]) -> None:
        self._root = root
        self._folders = folders or DEFAULT_FOLDERS
        self._sent_folders = sent_folders

    async def folders(self) -> tuple[FolderName, ...]:
        """Name the folders. Raises FollowError where one is not there."""
        sent = self._sent_folders or next(((name,) for name in _SENT if self._find(name) is not None), ())
        return tuple(FolderName(name) for name in self._folders) + tuple(FolderName(name, sent=True) for name in sent)

    async def open(self, folder: FolderName) -> "MaildirFolder":
        """Open a folder. Raises FollowError."""
        path = self._find(folder.name)
        if path is None:
            raise FollowError(f"{self._root} is no Maildir with a folder {folder.name}: check `path` and `folders`")
        return MaildirFolder(path)

    def _find(self, name: str) -> Path | None:
        inside = (
            (self._root,) if name in DEFAULT_FOLDERS else (self._root / f".{name.replace('/', '.')}", self._root / name)
        )
        return next((each for each in inside if all((each / place).is_dir() for place in _PLACES)), None)


class _File(NamedTuple):
    #: When its name or content was last changed.
    changed_ns: int
    #: Its name without flags.
    name: str
    path: str


class MaildirFolder:
    """One folder."""

    def __init__(self, path: Path) -> None:
        self._path = path
        #: The names of files that were read or passed over.
        self._seen: set[str] = set()
        self._changed: tuple[int, ...] = ()

    async def end(self) -> Mark:
        """Return the mark after the last mail that is there now; none of these is read."""
        files = await asyncio.to_thread(self._files)
        self._seen.update(each.name for each in files)
        return {"changed_ns": max((each.changed_ns for each in files), default=0)}

    def knows(self, mark: Mark) -> bool:
        """Tell whether it is the mark of a Maildir."""
        return isinstance(mark.get("changed_ns"), int)

    async def before(self, mark: Mark) -> AsyncIterator[FoundMails]:
        """Yield the newest mails up to a mark; those shortly before it are left to be read again."""
        until = int(mark["changed_ns"]) - _OVERLAP_NS
        files = [each for each in await asyncio.to_thread(self._files) if each.changed_ns <= until]
        self._seen.update(each.name for each in files)
        async for found in self._read(files[-REMEMBERED_MAILS:]):
            yield found

    async def behind(self, mark: Mark | None) -> AsyncIterator[FoundMails]:
        """Yield the mails that were not read yet, in the order in which they were changed."""
        after = int(mark["changed_ns"]) - _OVERLAP_NS if mark is not None else 0
        files = await asyncio.to_thread(self._files)
        async for found in self._read([each for each in files if each.changed_ns > after]):
            yield found

    async def wait(self) -> None:
        """Return when files were put in or renamed."""
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            if self._folder_times() != self._changed:
                return

    async def close(self) -> None:
        """Nothing is held open."""

    def _folder_times(self) -> tuple[int, ...]:
        try:
            return tuple((self._path / place).stat().st_mtime_ns for place in _PLACES)
        except OSError as error:
            raise FollowError(f"{self._path}: {error.strerror}") from None

    def _files(self) -> list[_File]:
        """List the files that were not read, by the time of their last change."""
        times = self._folder_times()
        found: dict[str, _File] = {}
        try:
            for place in _PLACES:
                for file in self._listed(self._path / place):
                    found[file.name] = file
        except OSError as error:
            raise FollowError(f"{self._path}: {error.strerror}") from None
        newest = datetime.now(UTC).timestamp() * 10**9 - _COARSE_NS
        self._changed = times if max(times) < newest else ()
        return sorted(found.values())

    def _listed(self, folder: Path) -> Iterator[_File]:
        with os.scandir(folder) as entries:
            for entry in entries:
                name = entry.name.partition(":")[0]
                if name in self._seen or name.startswith("."):
                    continue
                try:
                    if entry.is_file():
                        yield _File(entry.stat().st_ctime_ns, name, entry.path)
                except FileNotFoundError:  # renamed meanwhile: it is there under its new name
                    continue

    async def _read(self, files: list[_File]) -> AsyncIterator[FoundMails]:
        for begin in range(0, len(files), PAGE_MAILS):
            page = files[begin : begin + PAGE_MAILS]
            mails = await asyncio.to_thread(self._mails, page)
            yield FoundMails(mails, {"changed_ns": page[-1].changed_ns})

    def _mails(self, files: list[_File]) -> tuple[FoundMail, ...]:
        return tuple(mail for each in files if (mail := self._mail(each)) is not None)

    def _mail(self, file: _File) -> FoundMail | None:
        """Read a file's header; None where it was renamed meanwhile, so that it is found under its new name."""
        try:
            with Path(file.path).open("rb") as opened:
                header = header_bytes(opened.read(HEADER_BYTES))
                came = datetime.fromtimestamp(int(os.fstat(opened.fileno()).st_mtime), UTC)
        except FileNotFoundError:
            self._changed = ()
            return None
        except OSError as error:
            raise FollowError(f"{self._path}: a mail cannot be read: {error.strerror}") from None
        self._seen.add(file.name)
        return FoundMail(header, came.isoformat(), file.name)
