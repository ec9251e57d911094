"""A model of several workers, some of which lost the partition and do not know it, of its journal and its readers.

Real are the partition's state, takeover and recovery, the journal's records, the tail, the sink's rows and the live
view. Modelled are the broker (`modelled_log`), the source topic and ClickHouse. What a takeover reads back is compared
with the steps that count (`Truth`).
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import Any, Final, Literal, cast
from unittest.mock import patch

import pytest
from aiokafka.errors import ProducerFenced

from schemas.journal import OPEN_KEY, Head, encode_open
from schemas.policies import Rules
from schemas.settings import Settings
from sinks.pending_batch import epoch_claims
from sinks.store_protocol import Batch
from streams.assignment.epochs import SurveyedPartition, begin
from streams.assignment.recovery import ReleasedPartition, recover
from streams.assignment.takeover import RefusedError, TakeoverServices, take_over
from streams.clickhouse.archive import ArchiveUnavailableError, ClickHouseArchive
from streams.configuration.environment import load_settings
from streams.journal.step_assembly import Step
from streams.partition.archived_history import ArchivedContact, EndedEpochs
from streams.partition.state import PartitionState
from streams.partition.step_to_write import StepToWrite
from tests.sinks.memory_store import MemoryStore
from tests.streams.followers import JOURNAL, PLACE, Live, Sink, Truth, ended_epochs_of, kept_of
from tests.streams.modelled_log import MORE_THAN_THERE_IS, Broker, Consumer
from tests.streams.records import Record, records_of

#: What may become of a write. Of those that are not acknowledged the worker dies; what is left open it takes for
#: acknowledged.
Fate = Literal["acknowledged", "left open", "unacknowledged", "never", "aborted", "hangs"]

#: Steps are cut so small that a batch makes several.
STEP_BYTES: Final = 4_000


class DiedError(Exception):
    """The worker's process ended here."""


class ModelledWriter:
    """In place of the journal's producer."""

    def __init__(self, model: ModelledWorkers, fates: Iterable[Fate]) -> None:
        self._model = model
        self._log = model.broker.log
        self._producer = -1
        self.end = 0
        #: What becomes of the writes to come; the last goes on.
        self.fates = deque(fates)

    async def open(self, worker: str) -> int:
        """Fence, and write the opening's record."""
        log, truth = self._log, self._model.truth
        self._producer = log.producer()
        if log.stable == log.end:
            truth.decide(commits=False)
        [landed] = log.begin(self._producer, [(OPEN_KEY, encode_open(worker))])
        log.commit()
        truth.decide(commits=True)
        truth.opened = landed.offset
        return landed.offset

    async def append(self, step: StepToWrite) -> None:
        """Write a step as its fate has it. Raises DiedError and ProducerFenced."""
        fate = self.fates.popleft() if len(self.fates) > 1 else self.fates[0] if self.fates else "acknowledged"
        if fate == "never":
            raise DiedError
        begin, truth = self._log.end, self._model.truth
        self._log.begin(self._producer, step.records)
        if fate == "aborted":
            self._log.abort()
            truth.decide(commits=False)
        if fate in {"aborted", "hangs"}:
            raise DiedError
        if fate == "left open":
            self._log.leave_open()
            truth.leave_open(begin, step.records, step.head)
        else:
            self._log.commit()
            truth.decide(commits=True)
            truth.take(begin, step.records, step.head)
        if fate == "unacknowledged":
            raise DiedError
        self.end = begin + len(step.records)

    async def stop(self) -> None:
        """End the producer."""


class ModelledWorkers(ClickHouseArchive):
    """One source partition, its journal, its workers, and the journal's readers."""

    def __init__(self, rules: Rules, workers: int = 3, partitions: int = 1) -> None:
        self.rules = rules
        self.settings: Settings = load_settings({})
        self.broker = Broker()
        self.broker.partitions = partitions
        self.truth = Truth()
        self.current_epoch = 1
        self.source: list[Record] = []
        #: All that was ever produced.
        self.events: list[Mapping[str, Any]] = []
        self.away = False
        self._workers: list[tuple[PartitionState, ModelledWriter] | None] = [None] * workers
        self._released: dict[int, ReleasedPartition] = {}
        self._busy: set[int] = set()
        self.sink = Sink(self, MemoryStore(), lambda: self.current_epoch)
        self.near, self.far, self.resuming = Live(self), Live(self), Live(self)

    async def start(self) -> None:
        """Have the readers begin."""
        for reader in (self.sink, *self._live):
            await reader.start({}, {})

    @property
    def _live(self) -> tuple[Live, ...]:
        return self.near, self.far, self.resuming

    def produce(self, events: Iterable[Mapping[str, Any]]) -> None:
        """Append to the source topic."""
        made = list(events)
        self.events += made
        self.append(records_of(made))

    def append(self, records: Iterable[Record]) -> None:
        """Append any records to the source topic."""
        self.source += [replace(each, offset=offset) for offset, each in enumerate(records, len(self.source))]

    # The workers.

    @property
    def owners(self) -> list[int]:
        """The workers that think that they have the partition."""
        return [slot for slot, worker in enumerate(self._workers) if worker is not None]

    def partition(self, slot: int) -> PartitionState:
        """Give the partition as a worker has it that thinks it does."""
        worker = self._workers[slot]
        assert worker is not None
        return worker[0]

    async def open(self, slot: int, *, at_most: int = MORE_THAN_THERE_IS) -> None:
        """Have a worker open the partition; what it had is lost, unless it closed it in good order before."""
        if slot in self._busy:
            return
        self._workers[slot] = None
        self._busy.add(slot)
        try:
            with in_place(self, (), at_most):
                partition, writer = await take_over(
                    self.settings,
                    self.rules,
                    PLACE,
                    TakeoverServices(self, self.broker, cast("Any", self)),
                    released=self._released.pop(slot, None),
                )
        except (DiedError, ProducerFenced, ArchiveUnavailableError):
            return
        finally:
            self._busy.discard(slot)
        assert isinstance(writer, ModelledWriter)
        self._workers[slot] = partition, writer

    async def recover(
        self,
        settings: Settings,
        rules: Rules,
        of: tuple[str, int],
        opened: int,
        left: ReleasedPartition | None,
        journal: str,
    ) -> tuple[PartitionState, bool]:
        """Read the journal back, and hold what comes of it against the truth as of the opening."""
        truth = self.truth
        head, written = truth.head, truth.latest()
        partition, found = await recover(settings, rules, of, opened, left, journal)
        if truth.opened == opened or not self.broker.log.compacted:
            # Else the opening's record may be gone, and more was read; the worker is one that is fenced by now.
            expected = PartitionState(*PLACE, rules)
            if head is not None:
                expected.load(Step(*PLACE, head, 0, [(0, key, value) for key, value in written.items()]))
            assert found == (head is not None)
            assert remembered(partition) == remembered(expected), "whoever opens does not have the last step's state"
        return partition, found

    async def step(self, slot: int, many: int, fates: Iterable[Fate] = ()) -> None:
        """Have a worker take the next records of the source, as it thinks."""
        worker = self._workers[slot]
        if worker is None:
            return
        partition, _ = worker
        batch = self.source[partition.head.next : partition.head.next + many]
        unknown = partition.maybe_evicted(batch)
        if unknown and self.away:
            partition.park(unknown)
        elif unknown:
            partition.revive(await self.contacts(unknown))
        await self._write(slot, partition.steps(batch, STEP_BYTES), fates)

    async def maintain(self, slot: int, fates: Iterable[Fate] = ()) -> None:
        """Have a worker fold what waited, and forget what is old."""
        worker = self._workers[slot]
        if worker is not None and worker[0].parked:
            await self.unpark(slot, fates)
        elif worker is not None:
            await self.evict(slot, fates)

    async def write_empty_step(self, slot: int, fates: Iterable[Fate] = ()) -> None:
        """Have a worker write a step that changes nothing, as where a transaction was left open."""
        await self._write(slot, self.partition(slot).empty_step(), fates)

    async def unpark(self, slot: int, fates: Iterable[Fate] = ()) -> None:
        """Have a worker fold what waited, unless ClickHouse is away."""
        partition = self.partition(slot)
        if partition.parked and not self.away:
            waiting = list(partition.parked)
            await self._write(slot, partition.unpark(await self.contacts(waiting), waiting), fates)

    async def evict(self, slot: int, fates: Iterable[Fate] = ()) -> None:
        """Have a worker forget what is old and in the store, unless ClickHouse is away."""
        partition = self.partition(slot)
        if partition.head.clock and not self.away:
            await self._write(
                slot, partition.evict(self.sink.last_step_in_sink(partition.head.epoch), at_most=2), fates
            )

    async def _write(self, slot: int, outputs: Iterable[StepToWrite], fates: Iterable[Fate]) -> None:
        worker = self._workers[slot]
        assert worker is not None
        worker[1].fates = deque(fates)
        try:
            for output in outputs:
                await worker[1].append(output)
        except (DiedError, ProducerFenced):
            self._workers[slot] = None

    def release(self, slot: int) -> None:
        """Have a worker close the partition in good order; it may come back."""
        worker, self._workers[slot] = self._workers[slot], None
        if worker is not None and worker[1].end:
            self._released[slot] = ReleasedPartition(worker[0], worker[1].end, time.monotonic())

    # The broker.

    def compact(self, below: int, *, tombstones: bool = False) -> None:
        """Compact the journal; tombstones are kept for longer than any reader but the sink is behind."""
        ends = [reader.end if reader.life is self.truth else 0 for reader in self._live]
        ends += [released.journal_end for released in self._released.values()]
        self.broker.log.compact(below, min(ends) if tombstones and not self._busy else 0)

    async def recreate_topic(
        self, *, journal: bool = True, fates: Iterable[Fate] = (), surveyed: Head | None = None
    ) -> None:
        """Have the topic recreated, and its journal too or not, once all is in the store; an operator begins an epoch.

        Until that is done no worker opens the partition. The fates are those of what the operator's command writes:
        where it dies or has no answer, it tries again. `surveyed`: the head it saw before a worker's last steps.
        """
        await self.finish()
        self.current_epoch = 1 + max((row.epoch for row in self.sink.store.progress()), default=0)
        self.sink.store.write(Batch(progress=epoch_claims({PLACE: self.current_epoch}, 0)))
        self.source = []
        self.broker.recreate_source()
        head = None if journal else surveyed or self.truth.head
        if journal:
            self.truth = Truth()
            self.broker.recreate_journal()
        self._workers = [None] * len(self._workers)
        await self._is_refused()
        found = SurveyedPartition(PLACE, head, "recreated")
        for fate in (*fates, "acknowledged"):
            try:
                with in_place(self, (fate,), MORE_THAN_THERE_IS):
                    await begin(self.settings, self.rules, found, self.current_epoch, self, self.broker)
            except DiedError:
                if fate != "unacknowledged":
                    await self._is_refused()
            else:
                return

    async def _is_refused(self) -> None:
        asked = TakeoverServices(self, self.broker, cast("Any", self))
        with (
            in_place(self, (), MORE_THAN_THERE_IS),
            pytest.raises(RefusedError, match=r"`pulssi epoch begin contacts\.chat`"),
        ):
            await take_over(self.settings, self.rules, PLACE, asked)

    # What a worker asks of ClickHouse.

    async def ended_epochs(self, source: str, partition: int, partitions: int, now_ms: int) -> EndedEpochs:
        """Tell what ended epochs left behind."""
        assert (source, partition, partitions, now_ms > 0) == (*PLACE, self.broker.partitions, True)
        self._ask()
        return ended_epochs_of(self.sink.store)

    async def epoch(self, source: str, partition: int) -> int:
        """Tell the last epoch that is known."""
        assert (source, partition) == PLACE
        self._ask()
        return max((row.epoch for row in self.sink.store.progress()), default=0)

    async def last_step_in_sink(self, source: str, partition: int, epoch: int) -> int:
        """Tell the last step that the sink has written."""
        assert (source, partition) == PLACE
        self._ask()
        return self.sink.last_step_in_sink(epoch)

    async def contacts(self, contact_ids: Collection[bytes]) -> dict[bytes, ArchivedContact]:
        """Look contacts up."""
        self._ask()
        return kept_of(self.sink.store, contact_ids)

    def _ask(self) -> None:
        if self.away:
            raise ArchiveUnavailableError

    async def bounds(self, places: Iterable[tuple[str, int]]) -> dict[tuple[str, int], tuple[int, int]]:
        """Tell where the source begins and ends."""
        return dict.fromkeys(places, (0, len(self.source)))

    # The end.

    async def finish(self) -> PartitionState:
        """Let everything come to its end, but for readers that lag; returns the partition as it then is."""
        self.away = False
        self.broker.interruptions.clear()
        await self.open(0)
        partition = self.partition(0)
        await self.step(0, len(self.source))
        if partition.parked:
            await self.maintain(0)
        assert (partition.head.next, partition.parked) == (len(self.source), {})
        await self.sink.drain()
        self.sink.write()
        return partition


def remembered(partition: PartitionState) -> dict[str, Any]:
    """Say all that a partition has from its journal."""
    return {
        "head": partition.head,
        "contacts": partition.contacts,
        "panes": dict(partition.panes.totals()),
        "parked": partition.parked,
        "supplements": partition.supplements.keys(),
        "set aside": partition.set_aside._records,  # noqa: SLF001 - told nowhere else
        "evicted": [evicted.save_bytes() for evicted in partition.evicted._filters.values()],  # noqa: SLF001 - told nowhere else
    }


@contextmanager
def in_place(model: ModelledWorkers, fates: Iterable[Fate], at_most: int) -> Iterator[None]:
    """Put the model in the place of what opening a partition talks to."""

    def consumer(**_: object) -> Consumer:
        return Consumer(model.broker, JOURNAL, at_most)

    with ExitStack() as stack:
        for module in ("takeover", "epochs"):
            stack.enter_context(
                patch(f"streams.assignment.{module}.JournalWriter", lambda *_: ModelledWriter(model, fates))
            )
            stack.enter_context(patch(f"streams.assignment.{module}.recover", model.recover))
        stack.enter_context(patch("streams.kafka.log_ends.AIOKafkaConsumer", consumer))
        yield
