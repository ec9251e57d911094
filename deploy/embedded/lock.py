"""One owner a data folder: a lock that its owner's death frees.

Two engines, or two brokers, on one folder would destroy it. The lock is the kernel's (flock) on an open file: no
process, however it ends, leaves it behind.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

#: Someone who only asks for the owner holds the lock for an instant; that is no owner.
_ASKED_FOR_S: Final = 0.1


class FolderInUseError(RuntimeError):
    """Another living process holds this part of the folder."""

    def __init__(self, folder: Path, part: str, owner: str) -> None:
        super().__init__(f"{folder}: its {part} is run by process {owner or 'unknown'} already")
        self.owner = int(owner) if owner.isdigit() else None


def lock_path(folder: Path, part: str) -> Path:
    """Name the file that `part`'s owner holds locked."""
    return folder / f"{part}.lock"


def _same_file(descriptor: int, path: Path) -> bool:
    """Tell whether the path still leads to the open file: its last owner may just have unlinked it."""
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False


def _open_locked(path: Path, folder: Path, part: str, wait_s: float) -> int:
    deadline = time.monotonic() + max(wait_s, _ASKED_FOR_S)
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            owner = os.pread(descriptor, 32, 0).decode(errors="replace").strip()
            os.close(descriptor)
            if time.monotonic() < deadline:
                time.sleep(0.01)
                continue
            raise FolderInUseError(folder, part, owner) from None
        if _same_file(descriptor, path):
            return descriptor
        os.close(descriptor)


@contextmanager
def hold(folder: Path, part: str, wait_s: float = 0.0) -> Iterator[int]:
    """Own `part` of the folder for the length of the block; raises FolderInUseError where another does after `wait_s`.

    Yields the locked descriptor: a child that is given it keeps the lock for as long as it lives.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = lock_path(folder, part)
    descriptor = _open_locked(path, folder, part, wait_s)
    try:
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        yield descriptor
    finally:
        path.unlink(missing_ok=True)
        os.close(descriptor)


def tidy(folder: Path, part: str, wait_s: float) -> None:
    """Remove the file that a killed owner left, waiting for what it started to be gone too; a living one keeps its."""
    if lock_path(folder, part).exists():
        with suppress(FolderInUseError), hold(folder, part, wait_s):
            pass


def owner_of(folder: Path, part: str) -> int | None:
    """Return the process id of the living owner of `part`; None where there is none."""
    try:
        descriptor = os.open(lock_path(folder, part), os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        written = os.pread(descriptor, 32, 0).decode(errors="replace").strip()
        return int(written) if written.isdigit() else None
    else:
        return None
    finally:
        os.close(descriptor)
