"""Each record is judged once, by the worker: what it set aside is not archived, and every other record is.

The worker here is stricter than the sink, so that a sink that judged by itself would archive what was not counted.
"""

import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Final
from unittest.mock import patch

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.journal import SET_ASIDE, Head, decode_set_aside, encode_set_aside
from schemas.policies import Rules
from sinks.archive_filter import records_to_archive
from streams.core.event import Event
from streams.decoding import decoder
from streams.kafka.partitioner import partition_of
from streams.partition.set_aside import SetAside
from tests.depth import examples
from tests.sinks.memory_store import MemoryStore
from tests.streams import test_modelled_worker
from tests.streams.flow import chat_event
from tests.streams.followers import Sink
from tests.streams.modelled_worker import ModelledWorker
from tests.streams.records import Record, opened
from tests.streams.test_modelled_worker import RULES, happen

PARTITIONS: Final = 2
NAMES: Final = [f"c{number}" for number in range(20)]
OWN: Final = [name for name in NAMES if partition_of(name.encode(), PARTITIONS) == 0]
FOREIGN: Final = [name for name in NAMES if partition_of(name.encode(), PARTITIONS) == 1]

#: What a record may be: `old` is an event to the sink, and none to the worker.
KINDS: Final = ("good", "good", "good", "good", "broken", "old", "stray", "again")
#: What may happen between two deliveries, and how often.
BETWEEN: Final = test_modelled_worker.BETWEEN | {"compaction": 3, "sink crash": 2}


def strict(topic: str, key: bytes | None, value: bytes | None) -> Event:
    """Read a record as the worker does, to which an event with `old` is a bad record."""
    if b'"old"' in (value or b""):
        raise decoder.BadRecord("invalid", "old")
    return decoder.read_event(topic, key, value)


@pytest.fixture(autouse=True)
def worker() -> Iterator[None]:
    """Have workers read by `strict`."""
    with patch("streams.partition.state.read_event", strict):
        yield


class Course(ModelledWorker):
    """A partition of two, what was produced into it, and which of it is to be archived."""

    def __init__(self, rules: Rules, rng: random.Random) -> None:
        super().__init__(rules, PARTITIONS)
        self._rng = rng
        self._produced = 0
        self._before: list[Record] = []
        #: Event ids that are to be archived, with their epochs and offsets; those of the epoch that runs.
        self.expected: dict[str, tuple[int, int]] = {}
        self.current: dict[str, tuple[int, int]] = {}
        self.did: Counter[str] = Counter()

    def deliver_some(self, many: int) -> None:
        """Produce so many records of any kind, and have the worker take them."""
        records = [self._record(offset, self._rng.choice(KINDS)) for offset in range(many)]
        self.deliver_records(records)

    def _record(self, after: int, kind: str) -> Record:
        offset, self._produced = len(self.model.source) + after, self._produced + 1
        if kind == "again" and self._before:
            return self._before[self._rng.randrange(len(self._before))]
        name = self._rng.choice(FOREIGN if kind == "stray" else OWN)
        at = f"2026-03-03T{self._produced // 60 % 24:02}:{self._produced % 60:02}:00Z"
        event = chat_event("contact.tagged", name, at, tags=["t"], **({"old": 1} if kind == "old" else {}))
        event["event_id"] = f"e{self._produced}"
        record = Record(0, name.encode(), b"{" if kind == "broken" else orjson.dumps(event))
        if kind in {"good", "again"}:
            self._before.append(record)
            self.current[event["event_id"]] = self.model.current_epoch, offset
            self.expected[event["event_id"]] = self.model.current_epoch, offset
        self.did[kind] += 1
        return record

    def happen(self, what: str) -> None:
        """Have one thing happen."""
        self.did[what] += 1
        if what == "sink crash":
            self._do(self.model.sink.crash())
        elif what == "compaction":  # ends anywhere, as a segment of the log does
            self.model.compact(self._rng.randint(0, self.model.broker.log.end))
        else:
            happen(self, what, self._rng.randint(1, 9))
        if what == "recreated":
            self._before, self.current = [], {}

    def archived_from_nothing(self) -> dict[str, tuple[int, int]]:
        """Have a sink on an empty store read the journal; its version is the worker's."""
        sink = Sink(self.model, MemoryStore(), lambda: self.model.current_epoch)
        self._do(sink.start({}, {}))
        with patch("sinks.archive_filter.read_event", strict):
            while not sink.end or sink.end < self.model.sink.end:
                self._do(sink.read(self._rng.randint(1, 9)))
                sink.write()
        return archived(sink.store)


def archived(store: MemoryStore) -> dict[str, tuple[int, int]]:
    """Tell where each archived event came from, by its id."""
    rows = store.contents()
    found = {row.event_id: (row.epoch, row.offset) for row in rows}
    assert len(found) == len(rows)
    return found


def course(seed: int) -> Course:
    """Let anything happen, and then let it come to its end."""
    rng = random.Random(seed)  # noqa: S311 - a test's disorder
    worker = Course(RULES, rng)
    for _ in range(rng.randint(1, 12)):
        worker.deliver_some(rng.randint(1, 6))
        for what in rng.choices(list(BETWEEN), list(BETWEEN.values()), k=rng.randint(0, 8)):
            worker.happen(what)
    worker.finish()
    return worker


@settings(max_examples=examples(150), deadline=None)
@given(seed=st.integers(0, 1 << 32))
def test_the_archive_has_what_was_counted(seed: int) -> None:
    """Any mixture, cut, crash, eviction, compaction and epoch: each accepted event once, from where it first stood."""
    worker = course(seed)
    assert archived(worker.store) == worker.expected
    if worker.model.source:
        assert worker.archived_from_nothing() == worker.current


def test_what_may_happen_does() -> None:
    """In a hundred courses of a fixed beginning all of it happens, and records of what was set aside are evicted."""
    did: Counter[str] = Counter()
    for seed in range(100):
        worker = course(seed)
        did.update(worker.did)
        did["forgotten"] += worker.partition.head.set_aside_from > 0
        assert archived(worker.store) == worker.expected
        if worker.model.source:
            assert worker.archived_from_nothing() == worker.current
    assert min(did[what] for what in {*KINDS, *BETWEEN, "forgotten"}) > 10, did


def test_a_step_says_what_it_set_aside_and_a_journal_read_back_knows() -> None:
    """Offsets of bad records and strays, in ranges; a step that set nothing aside says nothing."""
    partition = opened()
    partition.begin(opened=0, epoch=1, partitions=PARTITIONS)
    good, stray = (
        Record(0, name.encode(), orjson.dumps(chat_event("contact.tagged", name, "2026-03-03T09:00:00Z", tags=["t"])))
        for name in (OWN[0], FOREIGN[0])
    )
    broken = Record(0, b"c", b"{")
    kinds = [good, stray, broken, stray, good, broken]
    (step,) = partition.steps([replace(record, offset=offset) for offset, record in enumerate(kinds)])
    ((key, value),) = [(key, value) for key, value in step.records if key[:1] == SET_ASIDE]
    assert decode_set_aside(key, value or b"") == (1, 1, [(1, 4), (5, 6)])
    (step,) = partition.steps([replace(good, offset=6)])
    assert not [key for key, _ in step.records if key[:1] == SET_ASIDE]


def test_it_is_forgotten_in_two_steps_once_the_sink_has_it() -> None:
    """First the head says that it may be missing, then it goes; never before the sink has archived that step."""
    set_aside, head = SetAside(), Head(next=9, step=2)
    keys = [set_aside.add(1, step, [10 * step])[0] for step in (1, 2)]
    assert set_aside.evict(head, sink_step=0) == ([], 0)
    assert set_aside.evict(head, sink_step=1) == ([], 11)
    assert set_aside.evict(head._replace(set_aside_from=11), sink_step=1) == ([(keys[0], None)], 11)
    assert len(set_aside) == 1
    assert set_aside.evict(Head(epoch=2), sink_step=-1) == ([(keys[1], None)], 0)


@given(offsets=st.sets(st.integers(0, 60), min_size=1), begin=st.integers(0, 60), end=st.integers(0, 60))
def test_exactly_these_offsets_are_left_out(offsets: set[int], begin: int, end: int) -> None:
    """Whatever ranges they make, and wherever the records begin and end."""
    _, _, ranges = decode_set_aside(*encode_set_aside(1, 1, offsets))
    records: Any = [Record(offset, b"c", b"") for offset in range(begin, end)]
    kept = [record.offset for record in records_to_archive(records, Head(), ranges)]
    assert kept == [offset for offset in range(begin, end) if offset not in offsets]
