"""Whoever opens has the last valid step's state, and whoever reads applies each valid step once: whatever happens.

Workers that lost the partition go on, ahead of the owner or behind it; writes are not acknowledged, come late, come
twice or are aborted; the journal is compacted while it is read, and made anew.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from typing import Any, Final

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from schemas.policies import Rules
from streams.partition import Partition
from tests.core.test_against_batch import key_of, told
from tests.oracle.batch import samples
from tests.streams.disordered import chats
from tests.streams.fencing import Fate, Fencing, Kind
from tests.streams.followers import SOURCE, Live
from tests.streams.modelled_log import MORE_THAN_THERE_IS
from tests.streams.test_partition import state
from tests.streams.test_world import passing
from tests.streams.world import counted, expected

#: Horizons of seconds: whatever is at rest is evicted at the next chance.
SHORT: Final = Rules(horizons_ms={"chat": 2_000, "email": 2_000, "call": 2_000})
#: Nothing is ever evicted.
LONG: Final = Rules(horizons_ms=dict.fromkeys(("chat", "email", "call"), 1 << 50))

SLOTS: Final = st.integers(0, 2)
MANY: Final = st.integers(1, 8)
PACE: Final = st.one_of(st.integers(1, 6), st.just(MORE_THAN_THERE_IS))
FATES: Final[st.SearchStrategy[list[Fate]]] = st.one_of(
    st.just([]),
    st.just([]),
    st.lists(
        st.sampled_from(["acknowledged", "unacknowledged", "never", "late", "twice", "aborted", "hangs"]),
        min_size=1,
        max_size=3,
    ),
)


class Machine(RuleBasedStateMachine):
    """What may happen, in any order."""

    kind: Kind

    def __init__(self) -> None:
        super().__init__()
        self._loop = asyncio.new_event_loop()
        self._passed = 0

    def _do(self, what: Any) -> None:  # noqa: ANN401 - a coroutine
        self._loop.run_until_complete(what)

    @initialize(seed=st.integers(0, 1 << 16), evicts=st.booleans())
    def begin(self, seed: int, *, evicts: bool) -> None:
        """Draw what will be produced."""
        self._chance = random.Random(seed)  # noqa: S311 - a test's disorder
        self._events = chats(seed)
        self.evicts = evicts
        self.model = Fencing(self.kind, SHORT if evicts else LONG)
        self._do(self.model.start())

    # What is produced, and what workers do.

    @rule(many=MANY, clock=st.booleans())
    def produce(self, many: int, *, clock: bool) -> None:
        """Produce the next events, or, where there are no more, some again; and have the clock move."""
        if clock:
            self.model.produce([passing(self._passed)])
            self._passed += 1
        if self._events:
            self.model.produce(self._events[:many])
            del self._events[:many]
        elif self.model.events:
            self.model.produce(self._chance.choices(self.model.events, k=many))

    @rule(slot=SLOTS, fates=FATES, pace=PACE)
    def open(self, slot: int, fates: list[Fate], pace: int) -> None:
        """Have another worker open, or the same again; who had the partition is not told."""
        self._do(self.model.open(slot, fates, at_most=pace))

    @rule(slot=SLOTS, many=MANY, fates=FATES)
    def step(self, slot: int, many: int, fates: list[Fate]) -> None:
        """Have a worker go on, be it the owner or not."""
        self._do(self.model.step(slot, many, fates))

    @rule(slot=SLOTS, fates=FATES)
    def tend(self, slot: int, fates: list[Fate]) -> None:
        """Have a worker evict, or fold what waited."""
        self._do(self.model.tend(slot, fates))

    @rule(slot=SLOTS)
    def let_go(self, slot: int) -> None:
        """Have a worker let go in good order."""
        self.model.let_go(slot)

    @precondition(lambda self: self.model.late)
    @rule()
    def arrive(self) -> None:
        """Have a batch land that was on its way when its worker died."""
        self.model.arrive()

    # What happens to the journal and to ClickHouse.

    @precondition(lambda self: self.kind == "apache")
    @rule(share=st.integers(0, 100), tombstones=st.booleans())
    def compact(self, share: int, *, tombstones: bool) -> None:
        """Compact the journal below an offset."""
        self.model.compact(self.model.broker.log.end * share // 100, tombstones=tombstones)

    @rule(fetches=st.integers(0, 3), what=st.sampled_from(["compact", "step", "open"]), slot=SLOTS, many=MANY)
    def interrupt(self, fetches: int, what: str, slot: int, many: int) -> None:
        """Have something happen between two of the next fetches of whoever reads."""

        async def compacted() -> None:
            if self.kind == "apache":
                self.model.compact(self.model.broker.log.end * many // 8)

        does: dict[str, Callable[[], Any]] = {
            "compact": compacted,
            "step": lambda: self.model.step(slot, many),
            "open": lambda: self.model.open(slot),
        }
        self.model.broker.interruptions.extend([*[None] * fetches, does[what]])

    @rule()
    def reconnect(self) -> None:
        """Have every connection to the broker lost, and made again."""
        self.model.broker.reconnect()

    @rule()
    def come_and_go(self) -> None:
        """Have ClickHouse go away, or come back."""
        self.model.away = not self.model.away

    @precondition(lambda self: len(self.model.truth.heads) > 2)
    @rule()
    def begin_anew(self) -> None:
        """Have topic and journal made anew."""
        self._do(self.model.begin_anew())

    # What readers do.

    @rule(pace=PACE, looks=st.booleans())
    def gather(self, pace: int, *, looks: bool) -> None:
        """Have the sink read on."""
        self._do(self.model.sink.read(pace, looks=looks))

    @rule()
    def write(self) -> None:
        """Have the sink write what it has read."""
        if not self.model.away:
            self.model.sink.write()

    @rule()
    def crash(self) -> None:
        """Have the sink end, and begin where its keeper is."""
        self._do(self.model.sink.crash())

    @rule(pace=PACE, looks=st.booleans())
    def read(self, pace: int, *, looks: bool) -> None:
        """Have the reader that lags read on."""
        self._do(self.model.far.read(pace, looks=looks))

    @rule(pace=PACE)
    def resume(self, pace: int) -> None:
        """Have a reader begin where it was, each time it reads."""
        self._do(self.model.resuming.resume())
        self._do(self.model.resuming.read(pace))

    @invariant()
    def keep_up(self) -> None:
        """Have one reader read whatever is there, all the time."""
        if hasattr(self, "model"):
            self._do(self.model.near.read(MORE_THAN_THERE_IS))

    def teardown(self) -> None:
        """Let all come to its end: everybody has what the batch over the set of events gives."""
        try:
            if hasattr(self, "model"):
                self._do(self._judge())
        finally:
            self._loop.close()

    async def _judge(self) -> None:
        model = self.model
        partition = await model.settle()
        rows = sorted((key_of(row) for row in model.sink.keeper.samples()), key=told)
        assert rows == sorted((key_of(row) for row in samples(model.events)), key=told)
        assert counted(model.sink.keeper) == expected(model.events)
        fresh = Live(model)
        await fresh.start({}, {})
        for reader in (fresh, model.near, model.far, model.resuming):
            await reader.drain()
            assert {key[1:]: value for key, value in reader.contacts.items()} == partition.contacts
            assert reader.view.readings() == fresh.view.readings()
        if self.evicts or model.epoch > 1:
            return  # of what was evicted, or counted in ended epochs, not every reader has all
        batch = Partition(SOURCE, 0, LONG)
        batch.begin(opened=0, epoch=1)
        for _ in batch.steps(model.source, limit=1 << 40):
            pass
        assert state(batch)["contacts"] == state(partition)["contacts"]
        assert _not_empty(batch) == _not_empty(partition)
        for reader in (fresh, model.near, model.far, model.resuming):
            assert reader.counted() == expected(model.events)


def _not_empty(partition: Partition) -> dict[Any, Any]:
    return {key: fields for key, fields in partition.panes.totals() if fields[0]}


def run(kind: Kind, **given: Any) -> None:  # noqa: ANN401 - Hypothesis' settings
    """Try many courses of events on one kind of broker."""
    machine = type("Machine", (Machine,), {"kind": kind})
    health = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]
    run_state_machine_as_test(machine, settings=settings(deadline=None, suppress_health_check=health, **given))


@pytest.mark.parametrize("kind", ["embedded", "apache"])
def test_each_valid_step_counts_once(kind: Kind) -> None:
    """Every opening, every reader and the end are held against the truth and the batch."""
    run(kind, max_examples=60, stateful_step_count=40)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["embedded", "apache"])
def test_each_valid_step_counts_once_in_many_courses(kind: Kind) -> None:
    """The same, for longer."""
    run(kind, max_examples=600, stateful_step_count=60)


def _event(contact_id: str, kind: str) -> dict[str, Any]:
    later = int(kind == "contact.resolved")
    return {**passing(0), "event_id": kind, "type": kind, "contact_id": contact_id, "seq": later}


@pytest.mark.parametrize("kind", ["embedded", "apache"])
async def test_what_ended_epochs_left_is_carried_whole(kind: Kind) -> None:
    """A worker dies while it begins a journal after an ended epoch: whoever opens next knows all that was before."""
    model = Fencing(kind, LONG)
    await model.start()
    model.produce([_event("open", "contact.started"), *(ended := [_event("ended", "contact.started")])])
    model.produce([_event("ended", "contact.resolved")])
    await model.begin_anew()
    await model.open(0, ["unacknowledged"])
    model.produce(ended)
    await model.settle()
    assert counted(model.sink.keeper) == expected(model.events)


@pytest.mark.parametrize("kind", ["embedded", "apache"])
async def test_a_journal_made_anew_of_which_only_openings_were_read(kind: Kind) -> None:
    """No step says which journal it was; nothing of the new one is passed over all the same."""
    model = Fencing(kind, LONG)
    await model.start()
    await model.open(0)
    await model.open(1)
    await model.far.read(MORE_THAN_THERE_IS)
    await model.begin_anew()
    model.produce(chats(1))
    await model.settle()
    await model.far.drain()
    assert model.far.counted() == expected(model.events)
