"""A partition, its journal, a sink that lags, and an archive, all in memory: what may happen to them happens at once.

The parts that count are the real ones: the partition, the journal's records, the sink's rows. The broker and
ClickHouse are left out: they have tests of their own.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any, Final

from schemas.journal import Head
from schemas.policies import Rules
from schemas.samples import Sample
from sinks.archive import event_rows
from sinks.pending import Pending, progress_rows
from streams.core.event import from_normalised
from streams.journal.assembly import Step
from streams.partition import Partition
from streams.past import Kept, Past
from streams.steps import Output
from tests.oracle.batch import added_up, samples
from tests.sinks.memory import MemoryKeeper
from tests.streams.records import Record, records_of

SOURCE: Final = "contacts.chat"
PLACE: Final = (SOURCE, 0)


class World:
    """One source partition with all that hangs on it."""

    def __init__(self, rules: Rules) -> None:
        self.rules = rules
        self.keeper = MemoryKeeper()
        self.away = False
        self._source: list[Record] = []
        self._journal: list[Step] = []
        self._offset = 0
        self._opened = -1
        self._sunk = 0
        self._archived = 0
        self._written: dict[tuple[str, int], int] = {}
        self.epoch = 0
        self.partition = self._open()

    # The worker.

    def _open(self) -> Partition:
        """Open the partition as a worker does, or, without a journal, as `pulssi epoch begin` does."""
        partition = Partition(SOURCE, 0, self.rules)
        for step in self._journal:
            partition.load(step)
        self._opened += 1
        if self._journal:
            partition.begin(self._opened, self.epoch)
            return partition
        self.epoch += 1
        partition.begin(self._opened, self.epoch)
        if self.epoch > 1:
            self._write(partition.carry(past_of(self.keeper)))
        return partition

    def _write(self, outputs: Iterable[Output]) -> None:
        for output in outputs:
            records = []
            for key, value in output.records[:-1]:
                records.append((self._offset, key, value))
                self._offset += 1
            self._offset += 1
            self._journal.append(Step(*PLACE, output.head, self._offset, records, restarted=not self._journal))

    def deliver(self, events: Iterable[Mapping[str, Any]]) -> None:
        """Produce events and have the worker take them as one batch, with evicted contacts looked up or parked."""
        batch = [each._replace(offset=len(self._source) + each.offset) for each in records_of(events)]
        self._source += batch
        unknown = self.partition.unknown(self.partition.fresh(batch))
        if unknown and self.away:
            self.partition.park(unknown)
        elif unknown:
            self.partition.revive(self._look_up(unknown))
        self._write(self.partition.steps(batch, limit=4_000))

    def unpark(self) -> None:
        """Fold what waited, unless ClickHouse is away."""
        if not self.away and self.partition.parked:
            waiting = list(self.partition.parked)
            self._write(self.partition.unpark(self._look_up(waiting), waiting))

    def evict(self) -> None:
        """Forget what is old and in the keeper."""
        if not self.away and self.partition.head.clock:
            self._write(self.partition.evict(self._written.get(PLACE, -1), at_most=2))

    def crash(self, *, compacted: bool) -> None:
        """Lose the worker's memory, and have another one open the partition."""
        if compacted:
            self._compact()
        self.partition = self._open()

    def _compact(self) -> None:
        """Leave of each key in the journal the last record, as a broker does with what is old."""
        last: dict[bytes, int] = {}
        for step in self._journal:
            last.update({key: offset for offset, key, _ in step.records})
        self._journal[self._sunk :] = self._journal[self._sunk :]
        for place, step in enumerate(self._journal[: self._sunk]):
            left = [record for record in step.records if last[record[1]] == record[0]]
            self._journal[place] = step._replace(records=left)

    def begin_anew(self) -> None:
        """Have the topic recreated, and, every other time, the journal too, once all is in the keeper."""
        self.sink(len(self._journal))
        self._source, self._archived = [], 0
        if self.epoch % 2:
            self._journal, self._written = [], {}
            self._offset = self._sunk = 0
            self._opened = -1
            self.partition = self._open()
            return
        self.partition = self._open()
        self.epoch += 1
        self.partition.begin(self._opened, self.epoch)
        self._write(self.partition.carry(Past()))

    # The sink and the archive.

    def sink(self, steps: int) -> None:
        """Write the next steps to the keeper, the events below their heads first."""
        if self.away:
            return
        pending = Pending(self._written)
        for step in self._journal[self._sunk : self._sunk + steps]:
            pending.add(step)
        if not pending.steps:
            return
        self._sunk += pending.steps
        head: Head = pending.reached[PLACE].head
        batch = pending.batch()
        batch.events = event_rows(self._source[self._archived : head.next], head.epoch)  # type: ignore[arg-type]  # as aiokafka's
        batch.progress = progress_rows(pending.reached.items(), self._sunk)
        self._archived = head.next
        self._written = pending.after()
        self.keeper.write(batch)

    def _look_up(self, contact_ids: Iterable[bytes]) -> dict[bytes, Kept]:
        return kept_of(self.keeper, contact_ids)

    # What comes of it.

    def settle(self) -> None:
        """Let everything come to its end."""
        self.away = False
        self.unpark()
        self.sink(len(self._journal))

    def counted(self) -> dict[tuple[str, str], tuple[int, ...]]:
        """Sum the keeper's panes, supplements too, by sample and queue."""
        return counted(self.keeper)


def kept_of(keeper: MemoryKeeper, contact_ids: Iterable[bytes]) -> dict[bytes, Kept]:
    """Look contacts up as the archive does: their events, and the samples in effect."""
    wanted = {contact_id.decode() for contact_id in contact_ids}
    found: dict[bytes, Kept] = defaultdict(lambda: Kept([], []))
    for event in keeper.contents():
        if event.contact_id in wanted:
            found[event.contact_id.encode()].events.append(from_normalised(event.normalised))
    for row in keeper.samples():
        if row.contact_id in wanted:
            found[row.contact_id.encode()].issued.append(Sample._make(row[4:]))
    return dict(found)


def past_of(keeper: MemoryKeeper) -> Past:
    """Tell what ended epochs left behind, but for their panes."""
    contacts = {row.contact_id.encode() for row in keeper.contents()}
    still_open = [row.contact_id.encode() for row in keeper.contacts() if row.open]
    return Past(sorted(contacts), kept_of(keeper, still_open))


def counted(keeper: MemoryKeeper) -> dict[tuple[str, str], tuple[int, ...]]:
    """Sum the keeper's panes, supplements too, by sample and queue."""
    totals: dict[tuple[str, str], tuple[int, ...]] = {}
    for row in keeper.panes():
        of = (row.n, row.sum_ms, row.n_target, row.n_within, row.n_short, row.n_satisfied, row.sum_value)
        before = totals.get((row.sample, row.queue), (0,) * len(of))
        totals[row.sample, row.queue] = tuple(a + b for a, b in zip(before, of, strict=True))
    return {key: counters for key, counters in totals.items() if any(counters)}


def expected(events: Iterable[Mapping[str, Any]]) -> dict[tuple[str, str], tuple[int, ...]]:
    """Count the same by the batch over the set of events."""
    return {(sample, queue): tuple(counters) for (sample, _, queue), counters in added_up(samples(events)).items()}
