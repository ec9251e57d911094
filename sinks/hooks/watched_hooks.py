"""Lets the running deliverer follow changes of `hooks.toml` and of its files of secrets.

A faulty destination does not stop the others: it is logged once, and its deliveries wait until it is mended. If it was
in use before the change, its former entry stays in force. A file that cannot be used at all changes nothing.
"""

import asyncio
import logging
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from schemas.configuration.toml_files import ConfigurationError
from sinks.hooks.destinations import FaultyDestination, Hooks, load_hooks
from streams.configuration.folder import read_hooks
from streams.configuration.reloading import WatchedFiles

#: How often the files are checked for changes.
_LOOK_EVERY_S: Final = 2.0

_LOG: Final = logging.getLogger(__name__)


class WatchedHooks:
    """The destinations in force, and the changes of their files."""

    def __init__(self, folder: Path | None, clock: Callable[[], float] = time.monotonic) -> None:
        """Load the destinations with their secrets. Raises ConfigurationError where the file cannot be used at all."""
        self._folder = folder
        self._paths = _paths(folder)
        self._clock = clock
        self._files = WatchedFiles(self._paths, clock)
        self.hooks = load_hooks(folder, os.environ)
        #: Whether the file as it was last seen cannot be used at all; and why.
        self._is_unusable = False
        self._faults: list[str] = []
        self._log_faulty(())

    @property
    def refused(self) -> bool:
        """Whether a change, or a part of it, is refused: what was in force stays."""
        return self._is_unusable or any(not self._waits(each) for each in self.hooks.faulty)

    def notice(self) -> str | None:
        """Say, without values of settings, what is not in force as `hooks.toml` has it; None: everything is."""
        if self._is_unusable:
            return "hooks.toml has changed and is refused: `pulssi check-config` says why"
        faults = (f"{_named(each)}: {self._consequence(each)}" for each in self.hooks.faulty)
        return f"{'; '.join(faults)}: the log of the deliverer says why" if self.hooks.faulty else None

    def look(self) -> Hooks | None:
        """Return the destinations if the files have changed them, else None; faults are logged once."""
        if not self._files.changed(self._paths):
            return None
        settled, self._paths = self._files.settled, _paths(self._folder)
        self._files = WatchedFiles(self._paths, self._clock)  # before they are read: a later change is seen
        had_faults = self._is_unusable or bool(self.hooks.faulty)
        try:
            read = load_hooks(self._folder, os.environ)
        except ConfigurationError as error:
            before, self._faults, self._is_unusable = self._faults, error.faults, True
            if settled or error.faults != before:
                _LOG.error("hooks.toml has changed and is refused; what was in force stays")
                for fault in error.faults:
                    _LOG.error("%s", fault)
            return None
        self._is_unusable, self._faults = False, []
        former = tuple(each for each in self.hooks.destinations if read.is_held(each.name))
        hooks, known = read._replace(destinations=read.destinations + former), self.hooks
        self.hooks = hooks
        self._log_faulty(known.faulty)
        if hooks._replace(faulty=()) != known._replace(faulty=()):
            _LOG.info("hooks.toml has changed: %d destinations are in force", len(hooks.destinations))
        if had_faults and not hooks.faulty:  # whoever corrected it looks here whether it worked
            _LOG.info("hooks.toml is without a fault again: %d destinations are in force", len(hooks.destinations))
        return None if hooks == known else hooks

    async def follow(self, apply: Callable[[Hooks], None]) -> None:
        """Check the files for ever, and pass changed destinations to `apply`."""
        while True:
            await asyncio.sleep(_LOOK_EVERY_S)
            if (hooks := self.look()) is not None:
                apply(hooks)

    def _log_faulty(self, known: tuple[FaultyDestination, ...]) -> None:
        for each in self.hooks.faulty:
            if each not in known:
                met, why = self._consequence(each), "; ".join(each.faults)
                _LOG.error("%s: %s until this is mended: %s", _named(each), met, why)

    def _consequence(self, faulty: FaultyDestination) -> str:
        return "what is for it waits" if self._waits(faulty) else "its former entry stays in force"

    def _waits(self, faulty: FaultyDestination) -> bool:
        return faulty.name is None or self.hooks.is_held(faulty.name)


def _named(faulty: FaultyDestination) -> str:
    return "a destination" if faulty.name is None else f"destination {faulty.name!r}"


def _paths(folder: Path | None) -> list[Path]:
    """List `hooks.toml` and its files of secrets; the secrets are left out if `hooks.toml` cannot be read."""
    if folder is None:
        return []
    try:
        entries = [entry for _, entry in read_hooks(folder).destinations]
    except ConfigurationError:
        entries = []
    secrets = [name for entry in entries for name in (entry.url_file, *entry.secret_file) if name is not None]
    return [folder / "hooks.toml", *(folder / name for name in secrets)]
