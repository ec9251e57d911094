"""Readers of a modelled journal: the sink, and live views, with the real tail; each step is held against the truth.

What is applied must have been written by whoever had the partition, all of it that the journal still holds, and once.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final, cast
from unittest.mock import patch

from aiokafka import TopicPartition

from schemas.journal import CONTACT, HEAD_KEY, OPEN_KEY, PANE, SUPPLEMENT, Head, decode_pane_key, encode_pane_key
from schemas.samples import Sample
from schemas.topics import journal_of
from sinks.archive_filter import records_to_archive
from sinks.event_rows import event_rows
from sinks.pending_batch import PendingBatch, progress_rows
from streams.core.event import from_normalised
from streams.journal.step_assembly import Step
from streams.journal.tail import JournalTail
from streams.live.live_view import LiveView
from streams.partition.archived_history import ArchivedContact, EndedEpochs
from streams.partition.step_to_write import JournalRecord
from tests.oracle.batch import added_up, samples
from tests.sinks.memory_store import MemoryStore
from tests.streams.modelled_log import MORE_THAN_THERE_IS, Consumer
from tests.streams.records import pane_totals

if TYPE_CHECKING:
    from tests.streams.modelled_workers import ModelledWorkers

SOURCE: Final = "contacts.chat"
PLACE: Final = (SOURCE, 0)
JOURNAL: Final = TopicPartition(journal_of(SOURCE), 0)
#: 2026-03-03T09:00:00Z: what the drawn contacts have lies around it.
NOW_MS: Final = 1_772_528_400_000
#: More rounds of reading than any journal here takes.
ROUNDS: Final = 1_000


class Truth:
    """What has happened in one life of the journal, as told by who had the partition when each batch landed."""

    def __init__(self) -> None:
        #: Journal offset of the newest opening.
        self.opened = -1
        self.head: Head | None = None
        #: By journal offset: the heads, and the other records, of what counts.
        self.heads: dict[int, Head] = {}
        self.written: dict[int, JournalRecord] = {}
        #: Steps whose transaction was left open: the next marker decides them.
        self._left_open: list[tuple[int, list[JournalRecord], Head]] = []

    def leave_open(self, begin: int, written: list[JournalRecord], head: Head) -> None:
        """Note a step that landed and is not decided, although its worker goes on from it."""
        self._left_open.append((begin, written, head))

    def decide(self, *, commits: bool) -> None:
        """Note a transaction's end: it decides the steps that were left open before it."""
        left_open, self._left_open = self._left_open, []
        for step in left_open if commits else ():
            self.take(*step)

    def take(self, begin: int, written: list[JournalRecord], head: Head) -> None:
        """Note a step that landed at an offset; one of a worker that had lost the partition does not count."""
        if head.open != self.opened:
            return
        self.head = head
        self.heads[begin + len(written) - 1] = head
        self.written |= dict(enumerate(written[:-1], begin))

    def latest(self) -> dict[bytes, bytes | None]:
        """Give the last value of each key."""
        return {key: value for _, (key, value) in sorted(self.written.items())}


class Follower:
    """One reader of the journal, with the real tail over a modelled consumer."""

    def __init__(self, model: ModelledWorkers) -> None:
        self._model = model
        #: The life of the journal that was last read, and the offset behind the last step.
        self.life: Truth | None = None
        self.end = 0
        self._head: Head | None = None

    async def start(self, positions: Mapping[tuple[str, int], int], heads: Mapping[tuple[str, int], Head]) -> None:
        """Begin at a kept position, or at the beginning."""
        self._consumer = Consumer(self._model.broker, JOURNAL)

        async def connect(*_: Any) -> Consumer:  # noqa: ANN401 - as `connect` takes them
            return self._consumer

        broker = self._model.broker
        self._tail = JournalTail(self._model.settings, sources=(SOURCE,), cluster=broker, ends=cast("Any", broker))
        with patch("streams.journal.tail.connect", connect):
            await self._tail.start(positions, heads)

    async def resume(self) -> None:
        """Begin again where it was."""
        known = {} if self._head is None else {PLACE: self._head}
        await self.start({PLACE: self.end} if self.end else {}, known)

    async def read(self, at_most: int, *, looks: bool = True) -> None:
        """Read on, by so many records a fetch; `looks`: it is time to see whether the journal is the same."""
        self._consumer.at_most = at_most
        self._tail._ids_checked_at = -math.inf if looks else math.inf  # noqa: SLF001 - in place of waiting
        steps = await self._tail.steps()
        for step in steps:
            self._check(step)
            self.apply(step)
            self.end, self._head, self.life = step.end, step.head, self._model.truth

    async def drain(self) -> None:
        """Read all."""
        for number in range(ROUNDS):
            await self.read(MORE_THAN_THERE_IS, looks=number % 2 == 0)
            at_end = await self._consumer.position(JOURNAL) >= self._model.broker.log.stable
            nothing = self._model.truth.head is None
            if at_end and self._tail.caught_up() and (nothing or self.life is self._model.truth):
                return
        raise AssertionError("the journal is not read to its end")

    def _check(self, step: Step) -> None:
        truth, log = self._model.truth, self._model.broker.log
        assert truth.heads.get(step.end - 1) == step.head, "a step that nobody who had the partition wrote"
        assert step.restarted or self.life is truth, "a recreated journal is taken for the one before"
        begin = 0 if step.restarted else self.end
        for offset, key, value in step.records:
            assert offset >= begin, "a record that was read before"
            assert truth.written.get(offset) == (key, value), "a record that nobody who had the partition wrote"
        got = {offset for offset, _, _ in step.records}
        there = [record for record in log.records if begin <= record.offset < step.end - 1]
        missing = [record.offset for record in there if record.offset in truth.written and record.offset not in got]
        assert not missing, "records of the step, or of one before, were passed over"
        assert not [record for record in there if record.offset in truth.heads], "a step was passed over"

    def apply(self, step: Step) -> None:
        """Take a step that was checked."""


class Live(Follower):
    """A live view, and the plain state of who follows a journal."""

    def __init__(self, model: ModelledWorkers) -> None:
        super().__init__(model)
        self.view: LiveView = LiveView("UTC", lambda: NOW_MS)
        self.contacts: dict[bytes, bytes] = {}
        #: Panes and supplements, as they were last seen.
        self.panes: dict[bytes, bytes] = {}

    def apply(self, step: Step) -> None:
        """Take it into the view, and into the plain state."""
        self.view.feed([step])
        if step.restarted:
            self.contacts.clear()
        for _, key, value in step.records:
            if key[:1] == CONTACT and value is None:
                self.contacts.pop(key, None)
            elif key[:1] == CONTACT and value is not None:
                self.contacts[key] = value
            elif value is not None and key not in {HEAD_KEY, OPEN_KEY}:
                self.panes[key] = value

    def counted(self) -> dict[tuple[str, str], tuple[int, ...]]:
        """Sum the panes, each as it was last seen, and the supplements."""
        supplements = [(key, value) for key, value in self.panes.items() if key[:1] == SUPPLEMENT]
        counts = pane_totals({key: value for key, value in self.panes.items() if key[:1] == PANE})
        for key, value in supplements:
            for of, added in pane_totals({encode_pane_key(decode_pane_key(key)): value}).items():
                before = counts.get(of, (0,) * len(added))
                counts[of] = tuple(a + b for a, b in zip(before, added, strict=True))
        return {of: counters for of, counters in counts.items() if any(counters)}


class Sink(Follower):
    """The sink: steps to rows, rows to a store, after a crash on from what the store says."""

    def __init__(self, model: ModelledWorkers, store: MemoryStore, epoch: Callable[[], int]) -> None:
        super().__init__(model)
        self.store = store
        self._epoch = epoch
        self._pending = PendingBatch()
        self._archived = (0, 0)
        #: The life of the journal that the store's progress is of.
        self._kept: Truth | None = None

    def apply(self, step: Step) -> None:
        """Gather it."""
        self._pending.add(step)

    def write(self) -> None:
        """Write what was gathered: events below the heads, rows, progress."""
        pending = self._pending
        if not pending.steps:
            return
        self._pending = PendingBatch(pending.steps_once_written())
        head = pending.positions[PLACE].head
        epoch, archived = self._archived
        begin = archived if epoch == head.epoch else 0
        batch = pending.batch()
        if head.epoch == self._epoch():
            records: Any = self._model.source[begin : head.next]
            batch.events = event_rows(records_to_archive(records, head, pending.set_aside(PLACE)), head.epoch)
        batch.progress = progress_rows(pending.positions.items(), pending.steps)
        self._archived, self._kept = (head.epoch, head.next), self.life
        self.store.write(batch)

    async def crash(self) -> None:
        """Lose what was gathered, and go on from what the store says, as the pipeline does."""
        self.life = self._kept
        rows = [row for row in self.store.progress() if row.journal_end]  # else the epoch is only claimed
        if not rows:
            self._pending, self._archived, self.end = PendingBatch(), (0, 0), 0
            await self.start({}, {})
            return
        [row] = rows
        self._pending, self._archived, self.end = (
            PendingBatch({PLACE: row.step}),
            (row.epoch, row.next),
            row.journal_end,
        )
        known = Head(row.next, row.step, epoch=row.epoch, open=row.opened, journal=row.journal)
        await self.start({PLACE: row.journal_end}, {PLACE: known})

    def last_step_in_sink(self, epoch: int) -> int:
        """Tell the last step of an epoch that is in; -1 where none is."""
        rows = self.store.progress_of_epochs()
        return max((row.step for row in rows if row.epoch == epoch and row.opened >= 0), default=-1)


def kept_of(store: MemoryStore, contact_ids: Iterable[bytes]) -> dict[bytes, ArchivedContact]:
    """Look contacts up as the archive does: their events, and the samples in effect."""
    wanted = {contact_id.decode() for contact_id in contact_ids}
    found: dict[bytes, ArchivedContact] = defaultdict(lambda: ArchivedContact([], []))
    for event in store.contents():
        if event.contact_id in wanted:
            found[event.contact_id.encode()].events.append(from_normalised(event.normalised))
    for row in store.samples():
        if row.contact_id in wanted:
            found[row.contact_id.encode()].issued.append(Sample._make(row[4:]))
    return dict(found)


def ended_epochs_of(store: MemoryStore) -> EndedEpochs:
    """Tell what ended epochs left behind, but for their panes."""
    contacts = {row.contact_id.encode() for row in store.contents()}
    still_open = [row.contact_id.encode() for row in store.contacts() if row.open]
    return EndedEpochs(sorted(contacts), kept_of(store, still_open))


def expected(events: Iterable[Mapping[str, Any]]) -> dict[tuple[str, str], tuple[int, ...]]:
    """Count the same by the batch over the set of events."""
    return {(sample, queue): tuple(counters) for (sample, _, queue), counters in added_up(samples(events)).items()}
