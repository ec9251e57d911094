"""The source partitions that this worker has: opened where they are assigned, closed where they are not.

Each opens in a task of its own, so that one that waits (for ClickHouse, for a broker) or is refused delays no other.
Closing has a time limit, after which the process ends: a producer that hangs would block every partition.
"""

import asyncio
import gc
import itertools
import logging
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Any, Final, NamedTuple

from tenacity import AsyncRetrying, RetryCallState, retry_if_exception, wait_exponential

from schemas.policies import Rules
from schemas.settings import Settings
from schemas.topics import SourcePartition
from streams.assignment.failures import Action, During, described_error, failure_of, react
from streams.assignment.open_transactions import OpenTransactions
from streams.assignment.opened_partition import OpenedPartition
from streams.assignment.opening_tasks import STOP_WITHIN_S, OpeningTasks
from streams.assignment.recovery import ReleasedPartition
from streams.assignment.shared_state import KAFKA, SharedState
from streams.assignment.silent_partitions import SilentPartitions
from streams.assignment.takeover import RefusedError, TakeoverServices, log_deleted_events, take_over
from streams.assignment.topic_checks import TopicChecks
from streams.clickhouse.archive import ArchiveUnavailableError, ClickHouseArchive
from streams.core.incremental_fold import FoldCache
from streams.kafka.cluster import Cluster
from streams.kafka.log_ends import LogEnds
from streams.monitoring.activities import Activities, Phase, doing
from streams.partition.state import PartitionState
from streams.tasks import BackgroundTasks, run_to_completion, wait_for_all

#: How long one attempt to open a partition may take.
OPEN_WITHIN_S: Final = 600.0
#: How often partitions are maintained, and every how many rounds the cluster is asked about their topics.
MAINTAIN_EVERY_S: Final = 1.0
CHECK_TOPICS_EVERY: Final = 4
#: Every how many rounds partitions are looked for that get no batch, and journals with an open transaction.
CHECK_LOGS_EVERY: Final = 15

_BACK_OFF: Final = wait_exponential(multiplier=0.2, max=5.0)
_RETRY: Final = retry_if_exception(lambda error: failure_of(During.OPENING, error).action is Action.RETRY)

_LOG: Final = logging.getLogger(__name__)


class Position(NamedTuple):
    """Where to read on: the source offset, and the session that what is read from there belongs to."""

    offset: int
    session: int


class AssignedPartitions:
    """All partitions of one worker."""

    def __init__(
        self,
        settings: Settings,
        rules: Rules,
        archive: ClickHouseArchive,
        now: Callable[[], float] = time.monotonic,
        *,
        cluster: Cluster | None = None,
    ) -> None:
        self._settings = settings
        self._rules = rules
        self._now = now
        self._cluster = cluster or Cluster(settings)
        self._log_ends = LogEnds(settings)
        self._services = TakeoverServices(archive, self._cluster, self._log_ends)
        #: For health, and `activities` for the watchdog too.
        self.shared = SharedState(archive, now)
        self.activities = Activities()
        self._opened: dict[SourcePartition, OpenedPartition] = {}
        self._background = BackgroundTasks()
        self._openings = OpeningTasks(self._open, self._background)
        self._fold_cache = FoldCache(settings.contacts_in_hand)
        self._sessions = itertools.count(1)
        self._assigned: frozenset[SourcePartition] = frozenset()
        self._assigning = asyncio.Lock()
        #: Whether `assign` has ended at least once.
        self._was_assigned = False
        #: Seeks the consumer; set by the transport.
        self.seek: Callable[[Mapping[SourcePartition, Position]], Awaitable[None]] | None = None
        #: Partitions that went to other workers a while ago: they may come back.
        self._released: dict[SourcePartition, ReleasedPartition] = {}
        common = self._log_ends, self.activities, self._background
        self.topics = TopicChecks(self._cluster, *common, now, self._opened, self._resume, self._reopen)
        self.silent = SilentPartitions(*common, self._seek_to_head)
        self.transactions = OpenTransactions(self._log_ends, self.activities)

    @property
    def open_states(self) -> list[PartitionState]:
        """The states of the partitions that are open now."""
        return [opened.state for opened in self._opened.values() if not opened.closed]

    def use_rules(self, rules: Rules) -> None:
        """Have every partition continue with other rules, from its next step on."""
        self._rules = rules
        for state in self.open_states:
            state.use_rules(rules)

    # State, for health and readiness.

    @property
    def ready(self) -> bool:
        """Whether every assigned partition is open."""
        return self.started and not self.refused_partitions

    @property
    def started(self) -> bool:
        """Whether every assigned partition is open or refused."""
        may_open = self._assigned - self.topics.refused.keys()
        return self._was_assigned and all(self._is_open(partition) for partition in may_open)

    @property
    def refusals(self) -> list[str]:
        """Why partitions that are assigned here are refused, a line each reason, with the partitions it is true of."""
        return self.topics.refusals(self._assigned)

    @property
    def refused_partitions(self) -> list[SourcePartition]:
        """The partitions that are assigned here and refused."""
        return sorted(self._assigned & self.topics.refused.keys())

    @property
    def blocked(self) -> str | None:
        """Why a partition is blocked or refused, in one line; None where none is."""
        blocked = (why for partition, why in self.shared.blocked.items() if partition in self._assigned)
        return next(blocked, None) or next(iter(self.refusals), None)

    @property
    def waiting_reasons(self) -> dict[SourcePartition, str | None]:
        """Why each partition that is assigned here counts nothing, as the metric names it; None where it does."""
        reasons = {each.activity.of: "stuck" for each in self.activities.stuck()} | self.shared.waiting_reasons
        return {partition: reasons.get(partition) for partition in sorted(self._assigned)}

    def _is_open(self, partition: SourcePartition) -> bool:
        return partition in self._opened and not self._opened[partition].closed

    # Opening and closing.

    async def assign(self, assigned: frozenset[SourcePartition]) -> dict[SourcePartition, Position]:
        """Open the assigned partitions, close all others, and return where each continues. Calls run one at a time.

        A partition that stays assigned is not reopened: if another worker had it in between, our writer is fenced, the
        next step fails, and that reopens it. One that cannot be opened soon is left out, and read once it is open.
        """
        self._assigned = assigned
        async with self._assigning:
            revoked = [each for each in {*self._opened, *self._openings.under_way} if each not in assigned]
            closing = [(partition, self._opened[partition].state) for partition in revoked if self._is_open(partition)]
            await wait_for_all(self._release(partition) for partition in revoked)
            for partition, state in closing:
                _LOG.info("%s/%d: closed at offset %d, it goes to another worker", *partition, state.head.next)
            for partition in sorted(assigned):
                if not self._is_open(partition) and partition not in self.topics.refused:
                    self._openings.start(partition)
            await self._openings.wait()
            self._was_assigned = True
            return {partition: self._position(partition) for partition in assigned if self._is_open(partition)}

    async def _release(self, partition: SourcePartition) -> None:
        self.topics.refused.pop(partition, None)
        await self._openings.cancel(partition)
        if partition in self._opened:
            await self._close(partition)

    async def _open(self, partition: SourcePartition) -> None:
        """Open one partition, trying again while it is assigned to this worker; then have it read from its head."""
        if partition in self._opened:
            await self._close(partition)
        try:
            async for attempt in AsyncRetrying(
                wait=_BACK_OFF, retry=_RETRY, before_sleep=lambda retry: self._log_retry(partition, retry), reraise=True
            ):
                with attempt, self.activities.during(Phase.FENCING, partition):
                    began = self._now()
                    try:
                        async with asyncio.timeout(OPEN_WITHIN_S):
                            state, writer = await take_over(
                                self._settings,
                                self._rules,
                                partition,
                                self._services,
                                released=self._released.pop(partition, None),
                            )
                    finally:
                        gc.unfreeze()  # as in `_close`: a partition kept in memory may have been dropped
        except Exception as error:  # noqa: BLE001 - what is none of the table's is raised on
            react(During.OPENING, error, partition)
            if isinstance(error, RefusedError):
                self.topics.refused[partition] = error
            return
        finally:
            self.shared.clear_wait(partition)
        self.topics.confirm(partition, began)
        state.fold_cache = self._fold_cache
        state.use_rules(self._rules)  # they may have changed while it was opened
        self._opened[partition] = OpenedPartition(partition, state, writer, next(self._sessions), self.shared)
        if not self._assigning.locked():  # else `assign` returns where it continues
            await self._seek_to_head(partition)

    def _log_retry(self, partition: SourcePartition, retry: RetryCallState) -> None:
        error = retry.outcome.exception() if retry.outcome else None
        assert error is not None  # noqa: S101 - tenacity's type allows for none
        react(During.OPENING, error, partition)
        for_clickhouse = isinstance(error, ArchiveUnavailableError)
        self.shared.note_wait(partition, f"its opening: {described_error(error)}", opening=for_clickhouse)
        if for_clickhouse:
            self._openings.note_clickhouse_wait(partition)

    def _reopen(self, partition: SourcePartition) -> None:
        """Open a partition again that is closed, or was refused, if it is assigned here."""
        if partition in self._assigned:
            self.topics.refused.pop(partition, None)
            self._openings.start(partition)

    def _reopen_if_closed(self, partition: SourcePartition, opened: OpenedPartition) -> None:
        if opened.closed and self._opened.get(partition) is opened:
            self._reopen(partition)

    def _position(self, partition: SourcePartition) -> Position:
        opened = self._opened[partition]
        return Position(opened.state.head.next, opened.session)

    async def _seek_to_head(self, partition: SourcePartition) -> None:
        if self.seek is not None and partition in self._assigned and self._is_open(partition):
            with self.activities.during(Phase.SEEKING, partition):
                await self.seek({partition: self._position(partition)})

    async def _resume(self, partition: SourcePartition, opened: OpenedPartition) -> None:
        """Read a partition again from its head, in a new session."""
        opened.resume(next(self._sessions))
        await self._seek_to_head(partition)

    # Batches.

    async def process_batch(
        self, partition: SourcePartition, session: int, fetch_offset: int, records: Sequence[Any]
    ) -> bool:
        """Turn a batch into steps and write them; False where not all were. One of an earlier session is skipped."""
        opened = self._opened.get(partition)
        if opened is None or opened.closed:
            return False
        if not opened.pause_reason and not self.topics.is_confirmed(partition):
            await self.topics.check()
            if not self.topics.is_confirmed(partition) and not opened.closed:
                opened.pause(f"{KAFKA} to confirm that the topic was not recreated")
        expected = opened.state.head.next
        # A gap that is larger than one transaction marker:
        if records and session == opened.session and records[0].offset > expected + 1:
            self._background.start(("gap", partition), partial(self._log_deleted_events, partition, expected))
        with self.activities.during(Phase.LOCK, partition):
            committed = await opened.process_batch(session, fetch_offset, records)
        self._reopen_if_closed(partition, opened)
        return committed

    async def _log_deleted_events(self, partition: SourcePartition, expected: int) -> None:
        """Log which events retention deleted before they were counted, if that is why some are missing."""
        try:
            first, _ = (await self._log_ends.bounds([partition])).get(partition, (expected, expected))
        except Exception as error:  # noqa: BLE001 - as in `_open`
            react(During.MISSING_OFFSETS, error, partition, offset=expected)
            return
        if first > expected:
            log_deleted_events(partition, expected, first)

    # What happens between batches.

    async def maintain(self) -> None:
        """For ever: have each partition do what is due, none waiting for another, and look for recreated topics."""
        for rounds in itertools.count(1):
            await asyncio.sleep(MAINTAIN_EVERY_S)
            self._background.raise_first()
            self._forget_released()
            for partition in self._assigned - self.topics.refused.keys() - self._opened.keys():
                self._openings.start(partition)  # it was cancelled, and nothing was assigned since
            for partition, opened in list(self._opened.items()):
                self._background.start(opened, partial(self.maintain_one, partition, opened))
            if rounds % CHECK_TOPICS_EVERY == 0:
                self._background.start("topics", self.topics.check)
            if rounds % CHECK_LOGS_EVERY == 0:
                self._background.start("silent", partial(self.silent.check, self._opened))
                self._background.start("transactions", partial(self.transactions.check, self._opened))

    def _forget_released(self) -> None:
        """Drop partitions that went to other workers too long ago to be used again."""
        old = [each for each, released in self._released.items() if not released.is_fresh(time.monotonic())]
        for partition in old:
            del self._released[partition]
        if old:
            gc.unfreeze()  # as in `_close`

    async def maintain_one(self, partition: SourcePartition, opened: OpenedPartition) -> None:
        """Do what is due for one partition between batches."""
        with self.activities.during(Phase.LOCK, partition):
            await opened.maintain()
        if opened.may_resume and self._opened.get(partition) is opened:
            await self._resume(partition, opened)
        self._reopen_if_closed(partition, opened)

    # The end.

    async def close(self) -> None:
        """Close every partition: wait for the step under way, then stop its producer."""
        self._assigned = frozenset()
        async with self._assigning:
            await wait_for_all(self._release(partition) for partition in {*self._opened, *self._openings.under_way})
        await self._background.cancel()
        await self._log_ends.close()
        await self._cluster.stop()

    async def _close(self, partition: SourcePartition) -> None:
        opened = self._opened.pop(partition)
        gc.unfreeze()  # what is dropped may be a cycle, which only the garbage collector finds
        opened.failed |= opened.closed
        opened.closed = True
        opened.batch_arrived.set()
        self.shared.clear_wait(partition)
        await run_to_completion(self._stop(partition, opened))

    async def _stop(self, partition: SourcePartition, opened: OpenedPartition) -> None:
        try:
            with self.activities.during(Phase.LOCK, partition):
                async with asyncio.timeout(STOP_WITHIN_S), opened.lock:
                    doing(Phase.STOPPING)
                    await opened.writer.stop()
            if not opened.failed and opened.writer.end:
                self._released[partition] = ReleasedPartition(opened.state, opened.writer.end, time.monotonic())
        except Exception as error:  # noqa: BLE001 - as in `_open`
            react(During.CLOSING, error, partition)
