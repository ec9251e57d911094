"""Maps the payloads of pages, sends their events, and keeps those that cannot be mapped as dead letters.

A page's position is written when all events and dead letters up to it are acknowledged, and never before: after a
crash the page is read again, which gives the same events. Imports and followers differ only in their pages.
"""

import asyncio
import time
from collections import Counter, defaultdict
from typing import Final, Protocol

from schemas.exits import EndError, Exit
from schemas.source_gauges import NoQueues, QueueState, SourceGauge
from schemas.values import nfc
from streams.sources.accounts import Account
from streams.sources.adapter import Adapter, MapRow, Payload, UnmappableError
from streams.sources.answered_mapping import answers_at_most, map_with_answers
from streams.sources.backfill.pages import Page, VendorPayload
from streams.sources.checked_events import OutgoingEvent
from streams.sources.connections import SourceConnections
from streams.sources.source_gauges import merge_same_queues
from streams.sources.source_positions import SourcePosition
from streams.sources.vendor_dead_letters import VendorDeadLetter, vendor_letter
from streams.times import now_ms

#: Payloads after which the loop gets its turn, for the producer to work.
_AT_ONCE: Final = 500
#: Of so many first payloads more than half must be mappable: else it is the wrong file, or the wrong form.
_TRIED: Final = 200
_BAD_SHARE: Final = 0.5
#: A position in the midst of pages is written so often at most.
SETTLE_EVERY_S: Final = 1.0


class OnPage(Protocol):
    """Called with each page that was sent."""

    def __call__(self, sender: "PageSender", page: Page, /) -> None:
        """Show how far it is."""
        ...


class PageSender:
    """Sends the pages of one account; the caller opens and closes the connections."""

    def __init__(
        self,
        adapter: Adapter,
        account: Account,
        key: bytes | None,
        connections: SourceConnections,
        *,
        refuse_wrong_input: bool = False,
    ) -> None:
        """`key` is the key of the position; None: no position is stored.

        `refuse_wrong_input`: stop if most of the first payloads cannot be mapped.
        """
        self._adapter = adapter
        self._account = account
        self._key = key
        self._producer, self._letters, self._positions, self._gauges, self._api = connections
        #: States of queues that are still to be written.
        self._states: list[SourceGauge] = []
        #: When the answers were received whose states are still to be written.
        self._polled: list[int] = []
        self._refuse_wrong_input = refuse_wrong_input
        self._fast: dict[str, MapRow | None] = {}
        #: Polled states that could not be mapped in the last answer: the reason by the state's place.
        self._unmappable_states: dict[str, str] = {}
        #: Queues one of whose states could not be mapped, by when it was told, since the last that were written.
        self._incomplete: defaultdict[int, set[str]] = defaultdict(set)
        #: Names that several of the vendor's queues have here; a state that does not say its queue may be of any.
        self._shared = {name for name, times in Counter(account.rules.queues.values()).items() if times > 1}
        #: Letters that are still to be written.
        self._unmappable: list[VendorDeadLetter] = []
        #: Why payloads of the last page could not be mapped.
        self._refused: list[UnmappableError] = []
        #: Why none of the states in the last page, an answer of a polled source, could be used; None: some could.
        self.fault: str | None = None
        self._settled_at = time.monotonic()
        #: What was read in all; what of that was mapped to nothing, with reasons, and what to dead letters.
        self.payloads = 0
        self.events = 0
        self.nothing = 0
        self.dead_letters = 0
        #: The reasons of the first and of the last letter, with their places.
        self.first_reason = self.last_reason = ""

    async def send(self, page: Page, *, settle_every_s: float = SETTLE_EVERY_S) -> None:
        """Send a page; write its position if the last one was written so many seconds ago, or earlier.

        Raises BrokerUnreachableError and ProduceError; EndError with NO if most of the first payloads cannot be mapped;
        VendorRefusedError if the vendor's API refuses the account.
        """
        if page.polled_at:
            self._polled.append(page.polled_at)
        self._refused, self.fault = [], None
        for begin in range(0, len(page.payloads), _AT_ONCE):
            await asyncio.sleep(0)
            await self._send_some(page.payloads[begin : begin + _AT_ONCE], page.polled_at)
        self._stop_if_most_is_bad()
        if page.polled_at and page.payloads and len(self._refused) == len(page.payloads):
            self.fault = f"no state in the vendor's answer can be used: {self._refused[0]}"
        if time.monotonic() - self._settled_at >= settle_every_s:
            await self.settle(page)

    async def settle(self, page: Page, *, finished: bool = False) -> None:
        """Wait until all is acknowledged, and write the page's position."""
        await self._producer.flush()
        letters, self._unmappable = self._unmappable, []
        await self._letters.write(letters)
        await self._settle_states()
        if self._key is not None:
            counts = {"payloads": self.payloads, "events": self.events}
            position = SourcePosition(position=dict(page.position), at=now_ms(), finished=finished, **counts)
            await self._positions.write(self._key, position)
        self._settled_at = time.monotonic()

    async def _settle_states(self) -> None:
        """Write the states of queues; of an answer without any, a record that ends the states before it."""
        polled, self._polled = self._polled, []
        states, self._states = self._states, []
        known = [each for each in states if each.queue not in self._incomplete.get(each.at, ())]
        self._incomplete.clear()
        without = sorted({*polled} - {each.at for each in known})
        source, name = self._account.source, self._account.name
        none = [NoQueues(at=at, source=source, account=name) for at in without]
        if known or none:
            await self._gauges.write([*merge_same_queues(known), *none])

    async def _send_some(self, payloads: tuple[VendorPayload, ...], polled_at: int) -> None:
        """Map payloads and have their events sent; the others become dead letters, or mean nothing."""
        found: list[OutgoingEvent] = []
        for payload in payloads:
            fast = self._fast_way(payload.form)
            records = None if fast is None else fast(payload.body, payload.line)
            if records is None:
                try:
                    records = await self._records(payload, polled_at)
                except UnmappableError as error:
                    self._refuse(payload, error, polled_at)
                    continue
            found += records
        self.payloads += len(payloads)
        self.events += len(found)
        await self._producer.send_all(found)

    def _fast_way(self, form: str) -> MapRow | None:
        if form not in self._fast:
            make = self._adapter.fast_rows.get(form)
            self._fast[form] = None if make is None else make(self._account.rules)
        return self._fast[form]

    async def _records(self, payload: VendorPayload, polled_at: int) -> tuple[OutgoingEvent, ...]:
        given = Payload(payload.body, received_at=polled_at or now_ms(), line=payload.line)
        at_most = answers_at_most(self._account.entry)
        outcome = await map_with_answers(
            self._adapter, payload.form, given, self._account.rules, self._api.get, at_most=at_most
        )
        self._unmappable_states.pop(payload.where, None)
        self.nothing += bool(outcome.nothing)
        self._states += (self._gauge(state, given.received_at) for state in outcome.states)
        return outcome.records

    def _gauge(self, state: QueueState, at: int) -> SourceGauge:
        return SourceGauge(at=at, source=self._account.source, account=self._account.name, **state.model_dump())

    def _refuse(self, payload: VendorPayload, error: UnmappableError, polled_at: int) -> None:
        self._refused.append(error)
        if polled_at:  # it comes again and again: one letter says it
            self._incomplete[polled_at] |= {nfc(error.queue).strip()} if error.queue else self._shared
            if self._unmappable_states.get(payload.where) == str(error):
                return
            self._unmappable_states[payload.where] = str(error)
        self.dead_letters += 1
        where = f"{payload.where}:{payload.line}" if payload.line else payload.where
        self.last_reason = f"{where}: {error}".removeprefix(": ")
        self.first_reason = self.first_reason or self.last_reason
        self._unmappable.append(
            vendor_letter(
                self._adapter,
                self._account.name,
                payload.form,
                Payload(payload.body, line=payload.line),
                error,
                where,
            )
        )

    def _stop_if_most_is_bad(self) -> None:
        if self._refuse_wrong_input and self.payloads >= _TRIED and self.dead_letters > _BAD_SHARE * self.payloads:
            raise EndError(
                f"{self.dead_letters:,} of the first {self.payloads:,} payloads cannot be mapped, so this may be the"
                f" wrong source or --form; the first: {self.first_reason}",
                Exit.NO,
            )
