"""Has a running part follow its configuration folder: new rules are taken between steps, faulty ones are refused."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Final

from schemas.configuration.watching import LOOK_EVERY_S, Watched
from schemas.policies import Rules

_LOG: Final = logging.getLogger(__name__)


async def follow(watched: Watched, use: Callable[[Rules], None], every_s: float = LOOK_EVERY_S) -> None:
    """Look for ever whether the configuration has changed, and hand new rules to `use`.

    An error is logged whole, and the next look comes as usual: without a watcher no later change would be read.
    """
    while True:
        await asyncio.sleep(every_s)
        try:
            rules = watched.changed(refused=_refused)
            if rules is not None:
                use(rules)
                _LOG.info("the configuration has changed: version %s is in force", rules.version)
        except Exception:  # noqa: BLE001 - as above
            _LOG.exception("the configuration could not be read; what was in force stays")


def _refused(faults: list[str]) -> None:
    _LOG.error("the configuration has changed and is refused; what was in force stays")
    for fault in faults:
        _LOG.error("%s", fault)
