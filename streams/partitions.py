"""The source partitions that this worker has: opened where they are assigned, closed where they are not, never retried.

On any failure of a step, forget: memory is ahead of the journal then, and only opening anew is safe. Where even that
hangs, the process ends at once, because a hung producer stands in the way of every partition.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any, Final, NoReturn

from aiokafka.errors import KafkaError
from tenacity import AsyncRetrying, retry_if_exception_type, wait_exponential

from schemas.policies import Rules
from schemas.settings import Settings
from streams.archive import Archive, ArchiveAwayError
from streams.in_hand import InHand
from streams.journal.writing import StepTooLargeError, Writer
from streams.opening import PartitionsChangedError, open_partition
from streams.partition import STEP_BYTES, Partition
from streams.recovery import Left
from streams.rounds import BadRunError
from streams.sightings import Sightings
from streams.steps import Output
from streams.together import together

#: A source topic and a partition of it.
Place = tuple[str, int]

#: Where to read on: the source offset, and the session that what is read from there belongs to.
Position = tuple[int, int]

#: How long a producer may take to stop before the process ends instead.
STOP_WITHIN_S: Final = 10.0
#: How long one attempt to open a partition may take.
OPEN_WITHIN_S: Final = 600.0
#: A step of this size is never what was too slow.
SMALL_STEP_BYTES: Final = 1024 * 1024
#: How often partitions are tended, and of how many times that their source topics are looked at.
TEND_EVERY_S: Final = 1.0
LOOK_EVERY: Final = 4
#: Some batches that were read before an opening always come after it.
PASSED_OVER_AT_MOST: Final = 20
#: A batch is taken from a source topic that was looked at so lately; else that is done first.
SEEN_WITHIN_S: Final = 10.0
#: Contacts whose events may wait for ClickHouse, of one partition; above it the partition waits.
PARKED_AT_MOST: Final = 10_000
UNPARKED_AT_ONCE: Final = 2_000
#: Exit status of a worker that must not go on until somebody has mended something.
EXIT_NO: Final = 1
#: Exit status of a worker that ended itself because it could not let go of a partition.
EXIT_STUCK: Final = 71

_BACK_OFF: Final = wait_exponential(multiplier=0.2, max=5.0)

_LOG: Final = logging.getLogger(__name__)


class Held:
    """A partition that this worker has open."""

    def __init__(self, partition: Partition, writer: Writer, session: int) -> None:
        self.partition = partition
        self.writer = writer
        self.session = session
        self.lock = asyncio.Lock()
        self.closed = False
        #: Whether a step may not have been written: what is in memory is of no use then.
        self.failed = False
        #: Batches of other sessions since the last one of this.
        self.passed_over = 0


class Partitions:
    """All open partitions of one worker."""

    def __init__(
        self, settings: Settings, rules: Rules, archive: Archive, now: Callable[[], float] = time.monotonic
    ) -> None:
        self._settings = settings
        self._rules = rules
        self._archive = archive
        self._sightings = Sightings(settings)
        self._held: dict[Place, Held] = {}
        self._in_hand = InHand(settings.contacts_in_hand)
        self._sessions = 0
        self._limits: dict[Place, int] = {}
        self._assigned: frozenset[Place] = frozenset()
        self._settling = asyncio.Lock()
        #: Seeks the consumer; set by the transport.
        self.seek: Callable[[dict[Place, Position]], Awaitable[None]] | None = None
        self._blocked: dict[Place, str] = {}
        #: When each step under way began, by the monotonic clock.
        self._busy: dict[Place, float] = {}
        #: Partitions that went to other workers a while ago: they may come back.
        self._left: dict[Place, Left] = {}
        self._now = now
        #: When each partition's source topic was last seen to be the one that is read, by the monotonic clock.
        self._seen: dict[Place, float] = {}
        #: Whether every assigned partition is open.
        self.ready = False

    @property
    def reads_committed(self) -> bool:
        """Whether the broker has transactions, whose aborted records are no events."""
        return self._settings.kafka_kind == "apache"

    @property
    def held(self) -> list[Partition]:
        """The partitions that are open now."""
        return [held.partition for held in self._held.values() if not held.closed]

    def use(self, rules: Rules) -> None:
        """Have every partition go on with other rules, from its next step on."""
        self._rules = rules
        for partition in self.held:
            partition.use(rules)

    @property
    def blocked(self) -> str | None:
        """Why a partition cannot go on, in one line; None where all can."""
        return next((why for place, why in self._blocked.items() if place in self._assigned), None)

    @property
    def busy_since(self) -> float | None:
        """When the longest of the steps under way began, by the monotonic clock; None where none is."""
        return min(self._busy.values(), default=None)

    async def settle(self, assigned: frozenset[Place]) -> dict[Place, Position]:
        """Have exactly the assigned partitions open and say where each goes on. One at a time; again is harmless.

        A partition that stays is not opened again: had another worker had it in between, our writer would be fenced,
        the next step would fail, and it would be opened anew then.
        """
        self._assigned = assigned
        async with self._settling:
            gone = [place for place in self._held if place not in self._assigned]
            await together(self._close(place) for place in gone)
            missing = [place for place in sorted(self._assigned) if place not in self._held or self._held[place].closed]
            await together(self._open(place) for place in missing)
            self.ready = self._assigned <= self._held.keys()
            return {place: self._position(place) for place in assigned if place in self._held}

    async def take(self, place: Place, session: int, begins: int, records: Sequence[Any]) -> None:
        """Turn a batch into steps and write them. A batch read before the last opening is passed over."""
        held = self._held.get(place)
        if held is None or held.closed:
            return
        if held.session != session:
            held.passed_over += 1
            return
        held.passed_over = 0
        async with held.lock:
            if held.closed:
                return
            if begins > held.partition.head.next:
                _LOG.warning("%s/%d: a batch before offset %d went missing; opening anew", *place, begins)
                held.closed = True
            elif records and records[0].offset < begins:  # the consumer began again: its position was out of range
                _LOG.warning("%s/%d was read again from offset %d; opening anew", *place, records[0].offset)
                held.closed = True
            elif not await self._is_the_same(place, held):
                held.closed = True
            else:
                await self._take(place, held, records)
        if held.closed:
            await self._open_anew(place, held)

    async def _take(self, place: Place, held: Held, records: Sequence[Any]) -> None:
        """Fold a batch, with the evicted contacts in it looked up, and write it."""
        partition = held.partition
        unknown = partition.unknown(partition.fresh(records))
        if unknown:
            await self._look_up(place, partition, unknown)
        await self._write(place, held, partition.steps(records, self._limit(place)))

    async def _look_up(self, place: Place, partition: Partition, unknown: set[bytes]) -> None:
        """Have evicted contacts in memory again; where ClickHouse is away their events wait, up to a limit."""
        while True:
            try:
                partition.revive(await self._archive.contacts(unknown))
            except ArchiveAwayError as error:
                if len(partition.parked) + len(unknown) <= PARKED_AT_MOST:
                    _LOG.warning(
                        "%s/%d: events of %d contacts wait for ClickHouse, which has what these were: %s",
                        *(*place, len(unknown), error),
                    )
                    partition.park(unknown)
                    return
                _LOG.warning("%s/%d waits for ClickHouse: %s", *place, error)
                await asyncio.sleep(TEND_EVERY_S)
            else:
                return

    async def tend(self) -> None:
        """For ever: fold what waited for ClickHouse, forget what is old, and see whether topics were made anew."""
        rounds = 0
        while True:
            await asyncio.sleep(TEND_EVERY_S)
            rounds += 1
            if any(not left.is_fresh(time.monotonic()) for left in self._left.values()):
                self._left = {place: left for place, left in self._left.items() if left.is_fresh(time.monotonic())}
                gc.unfreeze()  # as in `_close`: it was kept for longer than the collector takes to look away
            for place, held in list(self._held.items()):
                async with held.lock:
                    if not held.closed:
                        await self._tend(place, held)
                if held.passed_over > PASSED_OVER_AT_MOST and self.seek is not None and place in self._assigned:
                    _LOG.error("%s/%d gets batches of another session only; going where it is", *place)
                    held.passed_over = 0
                    await self.seek({place: self._position(place)})
                if held.closed:
                    await self._open_anew(place, held)
            if rounds % LOOK_EVERY == 0:
                await self.see()

    async def _tend(self, place: Place, held: Held) -> None:
        partition = held.partition
        await self._write(place, held, partition.hold_again(int(time.time() * 1000), self._limit(place)))
        try:
            if not held.closed and partition.parked:
                waiting = list(partition.parked)[:UNPARKED_AT_ONCE]
                found = await self._archive.contacts(waiting)
                await self._write(place, held, partition.unpark(found, waiting))
            if not held.closed and partition.wants_eviction():
                passed = await self._archive.passed(*place, partition.head.epoch)
                await self._write(place, held, partition.evict(passed))
        except ArchiveAwayError as error:
            _LOG.info("%s/%d: nothing is forgotten while ClickHouse is away: %s", *place, error)

    async def see(self) -> None:
        """Open partitions anew whose source topic is another one now."""
        before, now = {place: held for place, held in self._held.items() if not held.closed}, self._now()
        try:
            seen = await self._sightings.look({place: held.partition.head for place, held in before.items()})
        except (KafkaError, OSError) as error:
            _LOG.info("source topics cannot be looked at: %s", _short(error))
            return
        self._seen |= dict.fromkeys(seen, now)
        for place, sighting in seen.items():
            held = before[place]
            if sighting.life == "gone" and sighting.first > held.partition.head.next:
                _LOG.error(
                    "%s/%d: events %d to %d are gone from the topic and were not counted: its retention is too short",
                    *(*place, held.partition.head.next, sighting.first - 1),
                )
            if sighting.life == "anew" and self._held.get(place) is held:
                async with held.lock:
                    held.closed = True
                await self._open_anew(place, held)

    async def _is_the_same(self, place: Place, held: Held) -> bool:
        """Tell whether the source topic is the one that was read so far, and not one made anew while nobody looked.

        After a broker was away it can have grown past where reading goes on, and what is before would be missing.
        """
        head, now = held.partition.head, self._now()
        if not head.last or now - self._seen.get(place, 0.0) < SEEN_WITHIN_S:
            return True
        try:
            seen = (await self._sightings.look({place: head})).get(place)
        except (KafkaError, OSError):
            return False
        if seen is None or seen.life == "anew":
            return False
        self._seen[place] = now
        return True

    async def _write(self, place: Place, held: Held, steps: Iterable[Output]) -> None:
        """Write step by step; whatever goes wrong closes the partition."""
        try:
            for step in steps:
                self._busy[place] = time.monotonic()
                await held.writer.append(step)
            self._went_well(place)
        except BadRunError as error:
            self.give_up(f"the worker stops, nothing is lost: {error}")
        except StepTooLargeError:
            held.closed = held.failed = True
            if self._limit(place) == 1:
                self._blocked[place] = (
                    f"{place[0]}/{place[1]} stands still: a contact is too large for a journal record"
                )
                _LOG.error("%s; it has the record at source offset %d", self._blocked[place], held.partition.head.next)
            self._cut_finer(place, least=1)
            _LOG.warning("%s/%d: a step did not fit into one record batch; cutting finer", *place)
        except (KafkaError, OSError, AssertionError) as error:
            held.closed = held.failed = True  # aiokafka raises AssertionError from a bad state, too
            self._cut_finer(place, least=SMALL_STEP_BYTES)  # it may have been too large to be written in time
            _LOG.warning("%s/%d: a step was not written (%s); opening anew", *place, type(error).__name__)
        except BaseException:
            held.closed = held.failed = True
            raise
        finally:
            self._busy.pop(place, None)

    async def close(self) -> None:
        """Close every partition: wait for the step in hand, then stop its producer."""
        self._assigned = frozenset()
        self.ready = False
        async with self._settling:
            await together(self._close(place) for place in list(self._held))
        await self._sightings.stop()

    def _cut_finer(self, place: Place, least: int) -> None:
        self._limits[place] = max(least, self._limit(place) // 2)

    def _went_well(self, place: Place) -> None:
        """After trouble, dare larger steps again where size is limited by time alone."""
        self._blocked.pop(place, None)
        if place in self._limits and self._settings.kafka_kind == "apache":
            self._limits[place] = min(2 * self._limits[place], STEP_BYTES["apache"])

    def _limit(self, place: Place) -> int:
        return self._limits.get(place, STEP_BYTES[self._settings.kafka_kind])

    def _position(self, place: Place) -> Position:
        held = self._held[place]
        return held.partition.head.next, held.session

    async def _open(self, place: Place) -> None:
        """Open one partition, trying again while it is assigned to this worker."""
        stale = self._held.get(place)
        if stale is not None:
            await self._close(place)
        async for attempt in AsyncRetrying(
            wait=_BACK_OFF,
            retry=retry_if_exception_type((KafkaError, OSError, TimeoutError, AssertionError)),
            before_sleep=lambda state: _LOG.warning(
                "%s/%d cannot be opened yet: %s", *place, _short(state.outcome.exception() if state.outcome else None)
            ),
            reraise=True,
        ):
            if place not in self._assigned:
                return
            with attempt:
                began = self._now()
                async with asyncio.timeout(OPEN_WITHIN_S):
                    partition, writer = await self._opened(place)
        self._sessions += 1
        self._seen[place] = began
        partition.share(self._in_hand)
        partition.use(self._rules)  # they may have changed while it was opened
        self._held[place] = Held(partition, writer, self._sessions)

    async def _opened(self, place: Place) -> tuple[Partition, Writer]:
        try:
            left = self._left.pop(place, None)
            return await open_partition(self._settings, self._rules, *place, archive=self._archive, left=left)
        except PartitionsChangedError as error:
            self.give_up(f"the worker stops: {error}")
        finally:
            gc.unfreeze()  # as in `_close`: what was left, or what was read in vain

    @staticmethod
    def give_up(why: str) -> NoReturn:
        """End the process, for good: going on would be wrong, and starting again would not help."""
        _LOG.critical("%s", why)
        logging.shutdown()
        os._exit(EXIT_NO)

    async def _open_anew(self, place: Place, failed: Held) -> None:
        async with self._settling:
            if self._held.get(place) is not failed or place not in self._assigned:
                return
            await self._open(place)
            if self.seek is not None and place in self._held:
                await self.seek({place: self._position(place)})

    async def _close(self, place: Place) -> None:
        held = self._held.pop(place)
        gc.unfreeze()  # what is let go of may be a cycle, which only the garbage collector finds
        held.failed |= held.closed
        held.closed = True
        try:
            async with asyncio.timeout(STOP_WITHIN_S), held.lock:
                await held.writer.stop()
                if not held.failed and held.writer.end:
                    self._left[place] = Left(held.partition, held.writer.end, time.monotonic())
        except TimeoutError:
            _LOG.critical("%s/%d: its producer does not stop; ending the process", *place)
            os._exit(EXIT_STUCK)
        except (KafkaError, OSError, AssertionError) as error:
            _LOG.warning("%s/%d: its producer stopped badly: %s", *place, _short(error))


def _short(error: BaseException | None) -> str:
    return f"{type(error).__name__}: {error}" if error is not None and str(error) else type(error).__name__
