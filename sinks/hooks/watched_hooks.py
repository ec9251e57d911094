"""Has the running deliverer follow `hooks.toml` and the files of its secrets: a faulty change is refused and named."""

import asyncio
import logging
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from schemas.configuration.toml_files import ConfigurationError
from sinks.hooks.destinations import Hooks, load_hooks
from streams.configuration.folder import read_hooks
from streams.configuration.reloading import WatchedFiles

#: How often it is looked whether a file has changed.
_LOOK_EVERY_S: Final = 2.0

_LOG: Final = logging.getLogger(__name__)


class WatchedHooks:
    """The destinations in force, and whether their files say something else by now."""

    def __init__(self, folder: Path | None, clock: Callable[[], float] = time.monotonic) -> None:
        """Load the destinations with their secrets. Raises ConfigurationError."""
        self._folder = folder
        self._paths = _paths(folder)
        self._clock = clock
        self._files = WatchedFiles(self._paths, clock)
        self.hooks = load_hooks(folder, os.environ)
        #: Whether the files as they were last seen are faulty.
        self.refused = False
        self._faults: list[str] = []

    def look(self) -> Hooks | None:
        """Return the destinations where the files say others than those in force; a faulty change is logged, once."""
        if not self._files.changed(self._paths):
            return None
        settled, self._paths = self._files.settled, _paths(self._folder)
        self._files = WatchedFiles(self._paths, self._clock)  # before they are read: a later change is seen
        self.refused, before, self._faults = True, self._faults, []
        try:
            hooks = load_hooks(self._folder, os.environ)
        except ConfigurationError as error:
            self._faults = error.faults
            if settled or error.faults != before:
                _LOG.error("hooks.toml has changed and is refused; what was in force stays")
                for fault in error.faults:
                    _LOG.error("%s", fault)
            return None
        self.refused = False
        if hooks == self.hooks:
            return None
        self.hooks = hooks
        _LOG.info("hooks.toml has changed: %d destinations are in force", len(hooks.destinations))
        return hooks

    async def follow(self, apply: Callable[[Hooks], None]) -> None:
        """Look for ever, and pass destinations that have changed to `apply`."""
        while True:
            await asyncio.sleep(_LOOK_EVERY_S)
            if (hooks := self.look()) is not None:
                apply(hooks)


def _paths(folder: Path | None) -> list[Path]:
    """Name the file and those with secrets; of a file that cannot be read only itself."""
    if folder is None:
        return []
    try:
        entries = [entry for _, entry in read_hooks(folder).destinations]
    except ConfigurationError:
        entries = []
    secrets = [name for entry in entries for name in (entry.url_file, *entry.secret_file) if name is not None]
    return [folder / "hooks.toml", *(folder / name for name in secrets)]
