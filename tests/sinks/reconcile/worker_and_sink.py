"""A worker and a sink without a broker between them: what they would have written, and what a crash leaves of it."""

import random
from collections.abc import Iterable
from functools import cache
from typing import Any, Final

from schemas.policies import Rules
from schemas.settings import Settings
from schemas.topics import CONTACTS, Channel
from sinks.clickhouse.stored_rows import StoredRows
from sinks.event_rows import event_rows
from sinks.pending_batch import PendingBatch, epoch_claims, progress_rows
from sinks.reconcile.contact_comparison import ArchivedEvent
from sinks.rows import EventRow, Progress
from sinks.store_protocol import Batch
from streams.core.event import Event
from streams.journal.step_assembly import Step
from streams.partition.state import PartitionState
from streams.sources.simulator import Plan, simulate
from tests.core.story import BEGIN, records
from tests.sinks.rows import write
from tests.streams.records import Record

CHAT: Final = "contacts.chat"
#: Records folded as one step.
STEP_RECORDS: Final = 50


class WorkerAndSink:
    """One life (epoch) of a source partition: its worker and its sink."""

    def __init__(self, database: Settings, source: str = CHAT, epoch: int = 1, rules: Rules = Rules()) -> None:  # noqa: B008 - frozen
        self._database = database
        self._place = source, 0
        self._epoch = epoch
        self._worker = PartitionState(*self._place, rules)
        self._worker.begin(0, epoch)
        self._pending = PendingBatch()
        self._sent: list[Any] = []
        self._archived = 0
        self._journal_end = 1
        self._at = BEGIN + epoch * 1_000_000_000
        write(database, Batch(progress=epoch_claims({self._place: epoch}, self._at)))

    def send(self, events: Iterable[tuple[bytes, bytes]]) -> None:
        """Produce events, as key and value, and have the worker fold them."""
        first = len(self._sent)
        new = [Record(offset, *each, *self._place, BEGIN + offset) for offset, each in enumerate(events, first)]
        self._sent += new
        for begin in range(0, len(new), STEP_RECORDS):
            for output in self._worker.steps(new[begin : begin + STEP_RECORDS]):
                written = [(self._journal_end + n, key, value) for n, (key, value) in enumerate(output.records[:-1])]
                self._journal_end += len(output.records)
                self._pending.add(Step(*self._place, output.head, self._journal_end, written))

    def _events(self) -> list[EventRow]:
        new, self._archived = self._sent[self._archived :], len(self._sent)
        return event_rows(new, self._epoch)

    def archive(self) -> None:
        """Write the events, and no more: here a sink may die."""
        write(self._database, Batch(events=self._events()))

    def write(self, *tables: str, progress: bool = True) -> None:
        """Write the events, then these tables (all, unless named), then the progress."""
        pending, self._pending = self._pending, PendingBatch(self._pending.steps_once_written())
        batch = pending.batch()
        names = tables or ("panes", "tag_panes", "samples", "contacts")
        self._at += 1
        reached = pending.positions.items() if progress else ()
        rows = {name: getattr(batch, name) for name in names}
        write(self._database, Batch(self._events(), **rows, progress=progress_rows(reached, self._at)))

    def play(self, events: Iterable[tuple[bytes, bytes]]) -> None:
        """Do all of it, as on a good day."""
        self.send(events)
        self.write()


def end_epochs(database: Settings) -> None:
    """Claim the next epoch of each partition: every epoch so far has ended."""
    with StoredRows(database) as kept:
        found = kept.progress()
    claimed = [Progress(row.topic, row.partition, row.epoch + 1, 0, 0, -1, 0, row.at + 1) for row in found]
    write(database, Batch(progress=claimed))


def story_records(contact_id: str, story: str, channel: Channel = "chat") -> list[tuple[bytes, bytes]]:
    """Make records' keys and values of a story."""
    return [(contact_id.encode(), value) for value in records(channel, story, contact_id)]


def archived_events(events: Iterable[Event], channel: Channel = "chat") -> list[ArchivedEvent]:
    """Archive events as they arrive, a millisecond apart."""
    topic = CONTACTS[channel]
    return [ArchivedEvent(event, channel, topic, 0, 1, offset, BEGIN + offset) for offset, event in enumerate(events)]


@cache
def busy(seed: int = 1, minutes: int = 10, channel: Channel = "chat") -> list[tuple[bytes, bytes]]:
    """Simulate a channel for a while; events come out of order, and some twice."""
    sent = [
        (event.key, event.value)
        for event in simulate(Plan(BEGIN, rate=3.0, seed=seed, lasts_ms=minutes * 60_000))
        if event.topic == CONTACTS[channel]
    ]
    draw = random.Random(seed)  # noqa: S311 - a test's disorder
    again = draw.sample(sent, len(sent) // 20)
    late = {n: n + draw.randint(0, 200) for n in range(len(sent))}
    return [*(sent[n] for n in sorted(late, key=late.__getitem__)), *again]
