"""The deliveries of one destination: a queue for each alert, so that its changes come in order and delay no other's.

The outcome of an attempt is stored before the next one of its queue begins.
"""

import asyncio
import logging
import time
from collections import defaultdict, deque
from collections.abc import Callable, Coroutine, Iterable, Sequence
from contextlib import suppress
from typing import Any, Final, NamedTuple

from schemas.alerts import AttemptOutcome, DeliveryRecord
from sinks.hooks.answers import NoAnswerError
from sinks.hooks.attempts import WAITS_S, Verdict, health_after, judge, next_attempt_ms
from sinks.hooks.delivery import Delivery, Sender
from sinks.hooks.delivery_course import after_attempt, due_at, given_up, is_asked_for, order_of
from sinks.hooks.destinations import Destination
from sinks.hooks.ledger import Ledger
from sinks.hooks.pace import Pace
from sinks.hooks.presets.alertmanager import sent_again_ms
from sinks.hooks.redaction import place_of, without_secrets
from streams.times import now_ms

#: Requests under way to one destination.
_AT_ONCE: Final = 8
_MS: Final = 1000
#: How often a waiting delivery looks at the clock, since the clock may be set and the machine may sleep.
_LOOK_EVERY_S: Final = 30.0
#: If deliveries are due and none was tried for so long, the outbox is stuck. An attempt has its own, shorter limit.
STUCK_AFTER_S: Final = 120.0
TAKEN_OUT: Final = "the destination was taken out of hooks.toml"

_LOG: Final = logging.getLogger(__name__)


async def _certified() -> None:
    """Return at once: there is no other deliverer."""


class Surroundings(NamedTuple):
    """What outboxes share."""

    ledger: Ledger
    #: Stores records; returns once they are written.
    keep: Callable[[Iterable[DeliveryRecord]], Coroutine[Any, Any, None]]
    tasks: asyncio.TaskGroup
    #: Attempts by their outcome.
    outcomes: dict[AttemptOutcome, int]
    waits_s: Sequence[float] = WAITS_S
    #: Returns once it is certain that no other deliverer has taken over up to a moment ago.
    certify: Callable[[], Coroutine[Any, Any, None]] = _certified


class Outbox:
    """The queues of one destination."""

    def __init__(self, destination: Destination, surroundings: Surroundings) -> None:
        self._destination = destination
        self._with = surroundings
        self._sender = Sender(destination)
        self._pace = Pace(destination.type)
        self._slots = asyncio.Semaphore(_AT_ONCE)
        self._queues: dict[str, deque[DeliveryRecord]] = {}
        #: Queues whose alert is over although this destination got no message about that.
        self._over: set[str] = set()
        #: Queues whose first delivery is being tried.
        self._in_hand: set[str] = set()
        #: By queue: set, and replaced, when something has changed for it.
        self._changed = defaultdict[str, asyncio.Event](asyncio.Event)
        self._is_gone = False
        #: When an attempt last began or ended, by the monotonic clock.
        self._moved_at = time.monotonic()
        #: Whether what a person must correct was logged: once until a delivery succeeds.
        self._said = False
        #: Errors of Pulssi itself that were logged.
        self._errors: set[str] = set()

    @property
    def waiting(self) -> int:
        """Count the deliveries that wait for an attempt."""
        return sum(record.status == "waiting" for queue in self._queues.values() for record in queue)

    def add(self, record: DeliveryRecord) -> None:
        """Put a delivery at the end of its queue."""
        queue = self._queues.get(record.queue)
        self._over.discard(record.queue)
        if queue is None:
            self._queues[record.queue] = deque([record])
            self._with.tasks.create_task(self._work(record.queue))
        else:
            queue.append(record)
            self._wake(record.queue)

    def hasten(self, webhook_id: str, asked_at: int) -> bool:
        """Try a waiting delivery at once, after those before it in its queue; return whether it is in this outbox."""
        for name, queue in self._queues.items():
            for place, each in enumerate(queue):
                if each.webhook_id == webhook_id and each.status == "waiting":
                    if is_asked_for(each, asked_at):
                        self._hasten_up_to(name, place, asked_at)
                    return True
        return False

    def try_again(self, record: DeliveryRecord) -> None:
        """Try a given-up delivery at once: before newer ones of its queue, but after one that is being tried."""
        queue = self._queues.get(record.queue)
        if queue is None:
            self.add(record)
            return
        first = int(record.queue in self._in_hand or queue[0].status == "delivered")
        newer = (place for place in range(first, len(queue)) if order_of(queue[place]) > order_of(record))
        place = next(newer, len(queue))
        queue.insert(place, record)
        self._hasten_up_to(record.queue, place, record.retried_at or 0)

    def _hasten_up_to(self, name: str, last: int, asked_at: int) -> None:
        queue = self._queues[name]
        for place in range(last + 1):
            each = queue[place]
            if each.status == "waiting" and is_asked_for(each, asked_at):
                queue[place] = each.model_copy(update={"next_at": now_ms(), "retried_at": asked_at})
        self._wake(name)

    def end(self, queue: str) -> None:
        """Stop repeating the firing of this queue's alert."""
        if queue in self._queues:
            self._over.add(queue)
            self._wake(queue)

    async def use(self, destination: Destination | None) -> None:
        """Deliver by the destination's present entry; None: it was removed."""
        self._is_gone = destination is None
        if destination is not None and destination != self._destination:
            former, self._destination, self._sender = self._sender, destination, Sender(destination)
            self._said = False
            await former.close()
        self._wake_all()

    async def close(self) -> None:
        """Close the connections."""
        await self._sender.close()

    def stuck(self) -> str | None:
        """Say that no delivery is tried although one is due; None otherwise."""
        idle_s = time.monotonic() - self._moved_at
        if idle_s <= STUCK_AFTER_S:
            return None
        before = now_ms() - STUCK_AFTER_S * _MS
        if any(queue[0].status == "waiting" and queue[0].next_at < before for queue in self._queues.values() if queue):
            return f"deliveries to {self._destination.name!r} are due, and none was tried for {idle_s:.0f} s"
        return None

    def _wake(self, name: str) -> None:
        if (changed := self._changed.pop(name, None)) is not None:
            changed.set()

    def _wake_all(self) -> None:
        for name in list(self._changed):
            self._wake(name)

    async def _work(self, name: str) -> None:
        """Deliver a queue until it is empty."""
        queue = self._queues[name]
        while queue:
            record = queue[0]
            if record.status == "delivered":
                await self._send_again(name, record)
                queue.popleft()
            elif (refusal := self._refusal(record)) is not None:
                await self._give_up(queue, Verdict("permanent", refusal), "not_sent")
            elif (due := due_at(record, now_ms())) is not None:
                await self._wait_until(name, due)
            else:
                self._in_hand.add(name)
                await self._attempt(queue)
                self._in_hand.discard(name)
        del self._queues[name]
        self._changed.pop(name, None)
        self._over.discard(name)

    def _refusal(self, record: DeliveryRecord) -> str | None:
        """Say why no attempt is made. One that somebody asked for is made, unless the destination was removed."""
        if self._is_gone:
            return TAKEN_OUT
        disabled_at = self._with.ledger.health(self._destination.name).disabled_at
        if disabled_at is None or (record.retried_at or 0) > disabled_at:
            return None
        return "the destination is disabled"

    async def _attempt(self, queue: deque[DeliveryRecord]) -> None:
        """Try the first delivery of a queue, and store the outcome."""
        async with self._slots:
            if self._refusal(queue[0]) is None:
                await self._pace.take()
                await self._with.certify()
            if self._refusal(queue[0]) is not None:  # since it was made while this one waited for its slot
                return
            verdict = await self._send(queue[0])
        record = queue[0]  # somebody may have asked for another attempt meanwhile
        tried, now = record.tried + 1, now_ms()
        due = next_attempt_ms(tried, verdict, record.webhook_id, now, self._with.waits_s)
        self._note_health(verdict, now)
        if due is not None:
            queue[0] = after_attempt(record, verdict.outcome, verdict.why, now, next_at=due, tried=tried)
            await self._with.keep([queue[0]])
        elif verdict.outcome == "delivered":
            repeats = self._destination.type == "alertmanager"
            body = record.body if repeats else None
            delivered = after_attempt(record, "delivered", verdict.why, now, status="delivered", tried=tried, body=body)
            await self._with.keep([delivered])
            if repeats:
                queue[0] = delivered
            else:
                queue.popleft()
        else:
            await self._give_up(queue, verdict, verdict.outcome)

    async def _give_up(self, queue: deque[DeliveryRecord], verdict: Verdict, outcome: AttemptOutcome) -> None:
        await self._with.keep([given_up(queue.popleft(), verdict.why, outcome)])

    async def _send(self, record: DeliveryRecord) -> Verdict:
        destination = self._destination
        delivery = Delivery(record.webhook_id, record.destination, (record.body or "").encode())
        self._moved_at = time.monotonic()
        try:
            answer = without_secrets(await self._sender.attempt(delivery, now_ms()), destination)
            verdict = judge(destination.type, answer, now_ms())
        except Exception as error:  # noqa: BLE001 - it would end the deliveries of all destinations
            self._log_error(error)
            verdict = judge(destination.type, NoAnswerError("pulssi_error"), now_ms())
        self._moved_at = time.monotonic()
        self._with.outcomes[verdict.outcome] = self._with.outcomes.get(verdict.outcome, 0) + 1
        return verdict

    def _log_error(self, error: Exception) -> None:
        """Log, once, an error that is not the destination's."""
        place = place_of(error)
        if place not in self._errors:
            self._errors.add(place)
            _LOG.error(
                "a delivery to %r failed by an error in Pulssi itself, and is tried again as others are: %s",
                *(self._destination.name, place),
            )

    def _note_health(self, verdict: Verdict, now: int) -> None:
        name, ledger = self._destination.name, self._with.ledger
        before = ledger.health(name)
        after = health_after(before, verdict, now)
        ledger.set_health(name, after)
        if after.disabled_at is not None and before.disabled_at is None:
            _LOG.error(
                "destination %r is disabled, nothing is delivered to it: %s. Correct the cause, and change its entry in"
                " hooks.toml, or ask for a delivery with `pulssi hooks retry`: one that succeeds enables it",
                *(name, verdict.why),
            )
            self._wake_all()
        elif verdict.needs_somebody and not self._said:
            _LOG.error("destination %r needs somebody: %s", name, verdict.why)
        elif before.disabled_at is not None and after.disabled_at is None:
            _LOG.warning("destination %r is enabled again", name)
        self._said = verdict.outcome != "delivered" and (self._said or verdict.needs_somebody)

    async def _send_again(self, name: str, record: DeliveryRecord) -> None:
        """Repeat a delivered message each minute, until a newer one follows or its resolution was sent long enough."""
        queue, sent_at = self._queues[name], record.attempts[-1].at
        while (due := sent_again_ms(record.resolved_at, sent_at)) is not None:
            while now_ms() < due and not self._is_superseded(queue):
                await self._wait_until(name, due)
            if self._is_superseded(queue):
                break
            async with self._slots:
                await self._with.certify()
                verdict = await self._send(record)
            sent_at = now_ms()
            self._note_health(verdict, sent_at)
        await self._with.keep([record.model_copy(update={"body": None})])

    def _is_superseded(self, queue: deque[DeliveryRecord]) -> bool:
        record = queue[0]
        disabled = self._with.ledger.health(self._destination.name).disabled_at is not None
        return len(queue) > 1 or record.queue in self._over or self._is_gone or disabled

    async def _wait_until(self, name: str, at: int) -> None:
        """Wait until a time, in UTC milliseconds, or a change of the queue, but at most `_LOOK_EVERY_S`."""
        changed = self._changed[name]
        with suppress(TimeoutError):
            async with asyncio.timeout(min(max(at - now_ms(), 0) / _MS, _LOOK_EVERY_S)):
                await changed.wait()
