"""Has a running part follow its configuration folder: new rules apply between steps, a faulty change is refused."""

import asyncio
import logging
import time
from collections.abc import Callable, Collection, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Final

from schemas.configuration.toml_files import ConfigurationError
from schemas.policies import Rules
from streams.configuration.folder import RULE_FILES, load_all_rules

_LOG: Final = logging.getLogger(__name__)

#: How often a part looks whether a file has changed.
_POLL_EVERY_S: Final = 2.0


#: Files that something writes again and again are loaded so often, though they may be read half written: what is
#: polled is in force within ten seconds.
STEADY_S: Final = 8.0


class WatchedFiles:
    """Tells when files were changed: once two looks see the same, since editors remove a file first.

    Where no two looks do for `STEADY_S`, as something writes them all the time, it tells so all the same.
    """

    def __init__(self, paths: Iterable[Path], clock: Callable[[], float] = time.monotonic) -> None:
        #: The files' versions when they were last loaded, and at the last look.
        self._loaded = self._seen = file_versions(paths)
        self._clock = clock
        #: Since when no two looks saw the same, or since the last report of a change; by the clock.
        self._restless_since: float | None = None
        #: Whether two looks saw the same before the last report of a change; if not, a file may be read half written.
        self.settled = True

    def changed(self, paths: Iterable[Path]) -> bool:
        """Look at the files; tell whether they are to be loaded again, once for each change."""
        seen, before = file_versions(paths), self._seen
        self._seen = seen
        if seen == self._loaded:
            self._restless_since = None
            return False
        if seen == before:
            self._loaded, self._restless_since, self.settled = seen, None, True
            return True
        now = self._clock()
        if self._restless_since is None:
            self._restless_since = now
        if now - self._restless_since < STEADY_S:
            return False
        self._restless_since, self.settled = now, False
        return True


class WatchedRules:
    """The rules in force, and whether the folder says something else by now."""

    def __init__(
        self,
        folder: Path | None,
        time_zone: str | None = None,
        clock: Callable[[], float] = time.monotonic,
        *,
        files: Collection[str] = RULE_FILES,
    ) -> None:
        """Load the rules from the files that are needed; `time_zone` is the centre's. Raises ConfigurationError."""
        self._folder = folder
        self._time_zone = time_zone
        self._needed = files
        self._paths = [folder / f"{name}.toml" for name in files] if folder else []
        self._files = WatchedFiles(self._paths, clock)
        #: `alert_rules` and `boards` change with the files without further notice.
        self.rules, self.alert_rules, self.boards = load_all_rules(folder, time_zone, files)
        #: Whether the files as they were last seen are faulty.
        self.refused = False
        self._faults: list[str] = []

    def poll(self, *, refused: Callable[[list[str]], None]) -> Rules | None:
        """Return new rules where the files say others than those in force, else None.

        The faults of a faulty change go to `refused`, once, and the rules in force stay.
        """
        if not self._files.changed(self._paths):
            return None
        self.refused, before, self._faults = True, self._faults, []
        try:
            rules, self.alert_rules, self.boards = load_all_rules(self._folder, self._time_zone, self._needed)
        except ConfigurationError as error:
            self._faults = error.faults
            if self._files.settled or error.faults != before:
                refused(error.faults)
            return None
        self.refused = False
        if rules == self.rules:
            return None
        self.rules = rules
        return rules


def refusal_notice(*, refused: bool) -> str | None:
    """Return the line about a refused change for a part's health answers; None if none is refused."""
    return "the configuration has changed and is refused: `pulssi check-config` says why" if refused else None


def file_versions(paths: Iterable[Path]) -> list[tuple[str, int, int, int]]:
    """Return each existing file's modification time, length and inode: another value means that it changed."""
    found = []
    for path in paths:
        with suppress(OSError):
            stat = path.stat()
            found.append((str(path), stat.st_mtime_ns, stat.st_size, stat.st_ino))
    return found


async def follow(watched: WatchedRules, apply: Callable[[Rules], None], every_s: float = _POLL_EVERY_S) -> None:
    """Poll the folder for ever, and pass new rules to `apply`; an error is logged, and polling continues."""
    while True:
        await asyncio.sleep(every_s)
        try:
            rules = watched.poll(refused=_log_refusal)
            if rules is not None:
                apply(rules)
                _LOG.info("the configuration has changed: version %s is in force", rules.version)
        except Exception:  # noqa: BLE001 - without polling no later change would be read
            _LOG.exception("the configuration could not be read; what was in force stays")


def _log_refusal(faults: list[str]) -> None:
    _LOG.error("the configuration has changed and is refused; what was in force stays")
    for fault in faults:
        _LOG.error("%s", fault)
