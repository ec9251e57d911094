"""Has a running part follow its configuration folder: new rules apply between steps, a faulty change is refused."""

import asyncio
import logging
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Final

from schemas.configuration.file_models import FILES
from schemas.configuration.toml_files import ConfigurationError
from schemas.policies import Rules
from streams.configuration.folder import load_all_rules

_LOG: Final = logging.getLogger(__name__)

#: How often a part looks whether a file has changed.
_POLL_EVERY_S: Final = 2.0


class WatchedFiles:
    """Tells when files were changed: once two looks see the same: editors remove a file first."""

    def __init__(self, paths: Iterable[Path]) -> None:
        #: The files' versions when they were last loaded, and at the last look.
        self._loaded = self._seen = file_versions(paths)

    def changed(self, paths: Iterable[Path]) -> bool:
        """Look at the files; tell whether they are to be loaded again, once for each change."""
        seen, before = file_versions(paths), self._seen
        self._seen = seen
        if seen != before or seen == self._loaded:
            return False
        self._loaded = seen
        return True


class WatchedRules:
    """The rules in force, and whether the folder says something else by now."""

    def __init__(self, folder: Path | None, time_zone: str | None = None) -> None:
        """Load the rules; `time_zone` is the centre's. Raises ConfigurationError."""
        self._folder = folder
        self._time_zone = time_zone
        self._paths = [folder / f"{name}.toml" for name in FILES] if folder else []
        self._files = WatchedFiles(self._paths)
        #: `alert_rules` and `boards` change with the files without further notice.
        self.rules, self.alert_rules, self.boards = load_all_rules(folder, time_zone)
        #: Whether the files as they were last seen are faulty.
        self.refused = False

    def poll(self, *, refused: Callable[[list[str]], None]) -> Rules | None:
        """Return new rules where the files say others than those in force, else None.

        The faults of a faulty change go to `refused`, once, and the rules in force stay.
        """
        if not self._files.changed(self._paths):
            return None
        self.refused = True
        try:
            rules, self.alert_rules, self.boards = load_all_rules(self._folder, self._time_zone)
        except ConfigurationError as error:
            refused(error.faults)
            return None
        self.refused = False
        if rules == self.rules:
            return None
        self.rules = rules
        return rules


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
