"""One owner a data folder: a lock that its owner's death frees.

Two engines, or two brokers, on one folder would destroy it. The lock is the kernel's (flock) on an open file: no
process, however it ends, leaves it behind.
"""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from deploy.embedded import UnavailableError

#: Someone who only asks for the owner holds the lock for an instant; that is no owner.
_QUERIED_FOR_S: Final = 0.1


class FolderInUseError(UnavailableError):
    """Another living process holds this part of the folder."""


def lock_path(folder: Path, part: str) -> Path:
    """Name the file that `part`'s owner holds locked."""
    return folder / f"{part}.lock"


def _noted_owner(descriptor: int) -> str:
    return os.pread(descriptor, 32, 0).decode(errors="replace").strip()


def _open_locked(path: Path, wait_s: float) -> int:
    deadline = time.monotonic() + max(wait_s, _QUERIED_FOR_S)
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.fstat(descriptor).st_nlink:
                return descriptor  # else its last owner has just unlinked it
        except BlockingIOError:
            if time.monotonic() >= deadline:
                owner = _noted_owner(descriptor) or "unknown"
                os.close(descriptor)
                raise FolderInUseError(f"{path.parent}: its {path.stem} is run by process {owner} already") from None
            time.sleep(0.01)
        os.close(descriptor)


@contextmanager
def lock_folder(folder: Path, part: str, wait_s: float = 0.0) -> Iterator[int]:
    """Own `part` of the folder for the length of the block; raises FolderInUseError where another does after `wait_s`.

    Yields the locked descriptor: a child that is given it keeps the lock for as long as it lives.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = lock_path(folder, part)
    descriptor = _open_locked(path, wait_s)
    try:
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        yield descriptor
    finally:
        path.unlink(missing_ok=True)
        os.close(descriptor)


def lock_owner(folder: Path, part: str) -> int | None:
    """Return the process id of the living owner of `part`; None where there is none."""
    try:
        descriptor = os.open(lock_path(folder, part), os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return int(_noted_owner(descriptor) or 0) or None
    else:
        return None
    finally:
        os.close(descriptor)
