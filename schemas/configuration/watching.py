"""Keeps the rules of a configuration folder that may change under a running part: a faulty change is never taken."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

from schemas.configuration.files import TOPICS
from schemas.configuration.rules import load_rules
from schemas.configuration.toml_files import ConfigurationError
from schemas.policies import Rules

#: How often a part looks whether a file has changed.
LOOK_EVERY_S: Final = 2.0


class Watched:
    """The rules in force, and whether the folder says something else by now."""

    def __init__(self, folder: Path | None, time_zone: str | None = None) -> None:
        """Load the rules; `time_zone` is the centre's. Raises ConfigurationError."""
        self._folder = folder
        self._time_zone = time_zone
        self._taken = self._seen = _look(folder)
        self.rules = load_rules(folder, time_zone)

    def changed(self, *, refused: Callable[[list[str]], None]) -> Rules | None:
        """Give new rules where the files say others than those in force, else None.

        A change is looked at once it stands still from one call to the next: editors take a file away before they put
        the new one there. A faulty change is told to `refused`, once, and what is in force stays.
        """
        seen, before = _look(self._folder), self._seen
        self._seen = seen
        if seen != before or seen == self._taken:
            return None
        self._taken = seen
        try:
            rules = load_rules(self._folder, self._time_zone)
        except ConfigurationError as error:
            refused(error.faults)
            return None
        if rules == self.rules:
            return None
        self.rules = rules
        return rules


def _look(folder: Path | None) -> list[tuple[str, int, int, int]]:
    """Return each existing file's modification time, length and inode: another value means that it changed."""
    found = []
    for path in [folder / f"{topic}.toml" for topic in TOPICS] if folder else []:
        with suppress(OSError):
            seen = path.stat()
            found.append((path.name, seen.st_mtime_ns, seen.st_size, seen.st_ino))
    return found
