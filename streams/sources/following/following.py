"""Follows one account: sends its pages as they come; after a fault it logs the fault once, and tries again.

A lost broker, a vendor that is away and a file that is missing pass by themselves. Nothing is lost meanwhile, since the
position moves only when Kafka has stored the events. A fault that a person must correct is tried again too.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable
from contextlib import AsyncExitStack
from typing import Final

from aiokafka.errors import KafkaError

from schemas.exits import EndError
from schemas.settings import Settings
from streams.sources.accounts import Account
from streams.sources.backfill.pages import VendorRefusedError
from streams.sources.connections import connected
from streams.sources.event_producer import ProduceError
from streams.sources.following.follower import Follower, FollowError
from streams.sources.page_sender import PageSender
from streams.sources.registry import adapter_of
from streams.sources.source_positions import position_key
from streams.tasks import finish_within
from streams.times import now_ms

#: Between two attempts after something went wrong.
AGAIN_AFTER_S: Final = 5.0
#: The name of what a follower reads, in the position's key.
STREAM: Final = "follow"
_CLIENT: Final = "follow"
_NOT_YET: Final = "Kafka has not answered yet"
#: A follower that has met a fault is at work again once a page came, or once it has met none for so long.
SETTLED_S: Final = 15.0
#: How long a page that is being sent may take when an end is asked for.
_FINISH_WITHIN_S: Final = 5.0
_PASSES: Final = (EndError, FollowError, VendorRefusedError, ProduceError, KafkaError, OSError, TimeoutError)

_LOG: Final = logging.getLogger(__name__)


class Following:
    """An account that is followed."""

    def __init__(
        self, settings: Settings, account: Account, follower: Follower, *, again_after_s: float = AGAIN_AFTER_S
    ) -> None:
        self._settings = settings
        self._follower = follower
        self._again_after_s = again_after_s
        self.account = account
        #: Why nothing comes, in one line; None: all is well.
        self.fault: str | None = _NOT_YET
        #: Whether Kafka was ever reached.
        self.has_connected = False
        #: What came since the start, and when the last of it did (UTC milliseconds; 0: nothing yet).
        self.payloads = 0
        self.events = 0
        self.dead_letters = 0
        self.last_at = 0

    async def run(self) -> None:
        """Follow for ever."""
        while True:
            try:
                await self._follow()
                self._note("its follower ended")
            except _PASSES as error:
                self._note(str(error) or type(error).__name__)
                longer_s = error.again_after_s if isinstance(error, FollowError) else None
                await asyncio.sleep(longer_s or self._again_after_s)
            else:
                await asyncio.sleep(self._again_after_s)

    def _note(self, fault: str) -> None:
        fault = fault.removeprefix(f"{self.account.path}: ")  # whoever shows it names the account
        if fault != self.fault:
            self.fault = fault
            _LOG.warning("%s is not followed now: %s", self.account.path, fault)

    def _note_works(self) -> None:
        if self.fault is not None:
            again = "" if self.fault == _NOT_YET else " again"
            self.fault = None
            _LOG.info("%s is followed%s", self.account.path, again)

    async def _follow(self) -> None:
        account = self.account
        say: Callable[[str], None] = _LOG.info
        async with AsyncExitStack() as stack:
            connections = await stack.enter_async_context(
                connected(self._settings, account, _CLIENT, say, vendor_away=self._note)
            )
            key = position_key(account.source, account.name, STREAM)
            kept = await connections.positions.read(key)
            sender = PageSender(adapter_of(account.source), account, key, connections)
            before = self.payloads, self.events, self.dead_letters
            self.has_connected = True
            if self.fault == _NOT_YET:
                self._note_works()
            settled = asyncio.get_running_loop().call_later(SETTLED_S, self._note_works)
            stack.callback(settled.cancel)
            pages = self._follower(account, connections.api, None if kept is None else kept.position)
            if isinstance(pages, AsyncGenerator):  # one that is left alone goes on holding its connections
                stack.push_async_callback(pages.aclose)
            async for page in pages:
                if page.fault is not None:
                    settled.cancel()
                    self._note(page.fault)
                    continue
                # Asked to end, it writes the position of what Kafka has: else that is read and sent once more.
                await finish_within(_FINISH_WITHIN_S, sender.send(page, settle_every_s=0))
                if sender.fault is None:
                    self._note_works()
                else:
                    settled.cancel()
                    self._note(sender.fault)
                self.payloads = before[0] + sender.payloads
                self.events = before[1] + sender.events
                if sender.dead_letters > self.dead_letters - before[2]:
                    _LOG.warning("%s: kept in the dead letters: %s", account.path, sender.last_reason)
                self.dead_letters = before[2] + sender.dead_letters
                if page.payloads:
                    self.last_at = now_ms()
