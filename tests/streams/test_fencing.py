"""Whoever opens has the last valid step's state, and whoever reads applies each valid step once: whatever happens.

Workers that lost the partition go on, ahead of the owner or behind it; writes are not acknowledged, are aborted, or are
acknowledged and left open; the journal is compacted while it is read; topic and journal are recreated, and an operator
begins an epoch.
"""

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
from streams.assignment.takeover import RefusedError
from streams.partition.state import PartitionState
from tests.depth import examples
from tests.oracle.batch import samples
from tests.streams.disordered import chats
from tests.streams.flow import chat_event
from tests.streams.followers import SOURCE, Live, expected
from tests.streams.modelled_log import MORE_THAN_THERE_IS
from tests.streams.modelled_workers import Fate, ModelledWorkers
from tests.streams.records import opened
from tests.streams.test_modelled_worker import passing
from tests.streams.test_partition_state import state
from tests.streams.whole_panes import assert_as_batch

#: Horizons of seconds: whatever is at rest is evicted at the next chance.
SHORT: Final = Rules(horizons_ms={"chat": 2_000, "email": 2_000, "call": 2_000})
#: No contact is ever evicted.
LONG: Final = Rules(horizons_ms=dict.fromkeys(("chat", "email", "call"), 1 << 50))

SLOTS: Final = st.integers(0, 2)
MANY: Final = st.integers(1, 8)
PACE: Final = st.one_of(st.integers(1, 6), st.just(MORE_THAN_THERE_IS))
FATES: Final[st.SearchStrategy[list[Fate]]] = st.one_of(
    st.just([]),
    st.just([]),
    st.lists(
        st.sampled_from(["acknowledged", "left open", "unacknowledged", "never", "aborted", "hangs"]),
        min_size=1,
        max_size=3,
    ),
)


class Machine(RuleBasedStateMachine):
    """What may happen, in any order."""

    def __init__(self) -> None:
        super().__init__()
        self._loop = asyncio.new_event_loop()
        self._passed = 0

    def _do(self, what: Any) -> None:  # noqa: ANN401 - a coroutine
        self._loop.run_until_complete(what)

    @initialize(seed=st.integers(0, 1 << 16), evicts=st.booleans())
    def begin(self, seed: int, *, evicts: bool) -> None:
        """Draw what will be produced."""
        self._rng = random.Random(seed)  # noqa: S311 - a test's disorder
        self._events = chats(seed)
        self.evicts = evicts
        self.model = ModelledWorkers(SHORT if evicts else LONG)
        self._do(self.model.start())

    # What is produced, and what workers do.

    def _produce(self, many: int) -> None:
        """Produce the next events, or, where there are no more, some again, and one that moves the clock."""
        self.model.produce([passing(self._passed)])
        self._passed += 1
        if self._events:
            self.model.produce(self._events[:many])
            del self._events[:many]
        else:
            self.model.produce(self._rng.choices(self.model.events, k=many))

    def _any(self, slot: int) -> int:
        """Pick one of the workers that think that they have the partition."""
        owners = self.model.owners
        return owners[slot % len(owners)] if owners else slot

    def _work(self, slot: int, new: int, many: int, fates: list[Fate]) -> None:
        if new:
            self._produce(new)
        if not self.model.owners:
            self._do(self.model.open(slot))
        self._do(self.model.step(self._any(slot), many, fates))

    @rule(slot=SLOTS, new=st.integers(0, 6), many=MANY, fates=FATES)
    def work(self, slot: int, new: int, many: int, fates: list[Fate]) -> None:
        """Have a worker go on, be it the owner or not; have one open where there is none."""
        self._work(slot, new, many, fates)

    @rule(slot=SLOTS, new=st.integers(0, 6), many=MANY)
    def work_well(self, slot: int, new: int, many: int) -> None:
        """Have a worker go on, and nothing goes wrong."""
        self._work(slot, new, many, [])

    @rule(slot=SLOTS, pace=PACE)
    def open(self, slot: int, pace: int) -> None:
        """Have another worker open, or the same again; who had the partition does not know."""
        self._do(self.model.open(slot, at_most=pace))

    @rule(slots=st.permutations([0, 1, 2]), many=st.lists(MANY, min_size=3, max_size=3))
    def lose(self, slots: list[int], many: list[int]) -> None:
        """Have a worker lose the partition and go on, behind the owner or ahead of it, with readers between."""
        for slot in slots[:2]:
            self._do(self.model.open(slot))
        for slot, records in zip((slots[0], slots[1], slots[0]), many, strict=True):
            self._do(self.model.step(slot, records))
            self.keep_up()

    @precondition(lambda self: self.evicts and self.model.owners)
    @rule(slot=SLOTS, fates=FATES)
    def maintain(self, slot: int, fates: list[Fate]) -> None:
        """Have a worker evict, or fold what waited."""
        self._do(self.model.maintain(self._any(slot), fates))

    @precondition(lambda self: self.model.owners)
    @rule(slot=SLOTS, fates=FATES)
    def write_empty_step(self, slot: int, fates: list[Fate]) -> None:
        """Have a worker write a step that changes nothing, be it the owner or not."""
        self._do(self.model.write_empty_step(self._any(slot), fates))

    @precondition(lambda self: self.model.owners)
    @rule(slot=SLOTS, back=st.booleans(), others=st.integers(0, 2))
    def release(self, slot: int, others: int, *, back: bool) -> None:
        """Have a worker close the partition in good order; others may open it, and it may come back."""
        slot = self._any(slot)
        self.model.release(slot)
        for other in range(others):
            self._do(self.model.open((slot + 1) % 3))
            self._do(self.model.step((slot + 1) % 3, 1 + other))
        if back:
            self._do(self.model.open(slot))

    # What happens to the journal and to ClickHouse.

    @rule(share=st.integers(0, 100), tombstones=st.booleans())
    def compact(self, share: int, *, tombstones: bool) -> None:
        """Compact the journal below an offset."""
        self.model.compact(self.model.broker.log.end * share // 100, tombstones=tombstones)

    @rule(fetches=st.integers(0, 3), what=st.sampled_from(["compact", "step", "open"]), slot=SLOTS, many=MANY)
    def interrupt(self, fetches: int, what: str, slot: int, many: int) -> None:
        """Have something happen between two of the next fetches of whoever reads."""

        async def compacted() -> None:
            self.model.compact(self.model.broker.log.end * many // 8)

        does: dict[str, Callable[[], Any]] = {
            "compact": compacted,
            "step": lambda: self.model.step(self._any(slot), many),
            "open": lambda: self.model.open(slot),
        }
        self.model.broker.interruptions.extend([*[None] * fetches, does[what]])

    @precondition(lambda self: self.model.truth.heads)
    @rule(rng=st.integers(0, 3), journal=st.booleans(), fates=FATES)
    def recreate_topic(self, rng: int, fates: list[Fate], *, journal: bool) -> None:
        """Now and then, have the topic recreated, with its journal or without."""
        if not rng:
            self._do(self.model.recreate_topic(journal=journal, fates=fates))

    # What readers do.

    @rule(
        what=st.sampled_from(["gather", "gather", "gather", "write", "write", "crash", "away"]),
        pace=PACE,
        looks=st.booleans(),
    )
    def sink(self, what: str, pace: int, *, looks: bool) -> None:
        """Have the sink read on, write, or end and begin where its store is; ClickHouse goes away and comes back."""
        if what == "away":
            self.model.away = not self.model.away
        elif what == "crash":
            self._do(self.model.sink.crash())
        elif what == "gather":
            self._do(self.model.sink.read(pace, looks=looks))
        elif not self.model.away:
            self.model.sink.write()

    @rule(pace=PACE, looks=st.booleans(), resumes=st.booleans())
    def read(self, pace: int, *, looks: bool, resumes: bool) -> None:
        """Have the reader that lags read on, or the one that begins where it was, each time it reads."""
        if resumes:
            self._do(self.model.resuming.resume())
            self._do(self.model.resuming.read(pace))
        else:
            self._do(self.model.far.read(pace, looks=looks))

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
        partition = await model.finish()
        assert_as_batch(model.sink.store, samples(model.events))
        fresh = Live(model)
        await fresh.start({}, {})
        for reader in (fresh, model.near, model.far, model.resuming):
            await reader.drain()
            assert {key[1:]: value for key, value in reader.contacts.items()} == partition.contacts
            assert reader.view.gauges.readings() == fresh.view.gauges.readings()
        if self.evicts or model.current_epoch > 1:
            return  # of what was evicted, or counted in ended epochs, not every reader has all
        batch = opened(SOURCE, LONG)
        for _ in batch.steps(model.source, limit=1 << 40):
            pass
        assert state(batch)["contacts"] == state(partition)["contacts"]
        assert _not_empty(batch) == _not_empty(partition)
        for reader in (fresh, model.near, model.far, model.resuming):
            assert reader.counted() == expected(model.events)


def _not_empty(partition: PartitionState) -> dict[Any, Any]:
    return {key: fields for key, fields in partition.panes.totals() if fields[0]}


def test_each_valid_step_counts_once() -> None:
    """Every opening, every reader and the end are held against the truth and the batch."""
    health = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]
    given = settings(max_examples=examples(180), stateful_step_count=50, suppress_health_check=health)
    run_state_machine_as_test(Machine, settings=given)


async def _deleted() -> None:
    """Recreate topic and journal, and have more written than there was before a reader comes."""
    model = ModelledWorkers(LONG)
    await model.start()
    model.produce(chats(1))
    await model.open(0)
    await model.step(0, 3)
    await model.far.read(MORE_THAN_THERE_IS)
    await model.recreate_topic()
    model.produce(chats(2))
    await model.open(0)
    for _ in model.source:
        await model.step(0, 1)
    for _ in range(3):
        await model.far.read(MORE_THAN_THERE_IS, looks=False)
    assert model.far.contacts.keys() >= {b"c" + record.key for record in model.source if record.key}


async def test_the_rule_of_reading_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A recreated journal is noticed by the ids in its heads; without that, a course that went well goes wrong."""
    await _deleted()
    monkeypatch.setattr("streams.journal.step_assembly._follows", lambda *_: True)
    with pytest.raises(AssertionError):
        await _deleted()


def _event(contact_id: str, kind: str) -> dict[str, Any]:
    later = int(kind == "contact.resolved")
    return chat_event(kind, contact_id, "2026-04-01T00:00:00Z", seq=later)


@pytest.mark.parametrize("journal", [True, False])
@pytest.mark.parametrize("fate", ["unacknowledged", "never", "aborted", "hangs"])
async def test_what_ended_epochs_left_is_carried_whole(fate: Fate, *, journal: bool) -> None:
    """The command dies while it begins an epoch: whoever opens next knows all that was before."""
    model = ModelledWorkers(LONG)
    await model.start()
    model.produce([_event("open", "contact.started"), *(ended := [_event("ended", "contact.started")])])
    model.produce([_event("ended", "contact.resolved")])
    await model.recreate_topic(journal=journal, fates=[fate])
    model.produce(ended)
    await model.finish()
    assert_as_batch(model.sink.store, samples(model.events))


@pytest.mark.parametrize("lag", [1, None], ids=["sink lags", "sink stands"])
async def test_steps_written_after_the_survey_are_waited_for(monkeypatch: pytest.MonkeyPatch, lag: int | None) -> None:
    """A worker that has not seen yet that its topic was recreated still writes: the sink has to write that too."""
    monkeypatch.setattr("streams.assignment.epochs.ASK_SINK_S", 0.0)
    model = ModelledWorkers(LONG)
    await model.start()
    model.produce(started := [_event("open", "contact.started")])
    await model.open(0)
    await model.step(0, 1)
    surveyed = model.truth.head
    model.produce([_event("other", "contact.started")])
    asked = 0

    async def last_step(*_: object) -> int:
        nonlocal asked
        asked += 1
        assert model.truth.head is not None
        return model.truth.head.step - (lag is None or asked <= lag)

    monkeypatch.setattr(model, "last_step_in_sink", last_step)
    if lag is None:
        monkeypatch.setattr("streams.assignment.epochs.SINK_WITHIN_S", 0.0)
        with pytest.raises(RefusedError, match=r"contacts.chat/0: the sink has written \d+ of \d+ steps"):
            await model.recreate_topic(journal=False, surveyed=surveyed)
        return
    await model.recreate_topic(journal=False, surveyed=surveyed)
    assert asked == 1 + lag
    model.produce(started)
    await model.finish()
    assert_as_batch(model.sink.store, samples(model.events))


@pytest.mark.parametrize("then", ["empty step", "aborted", "hangs", "opened by another"])
async def test_a_step_that_is_left_open_is_decided_with_the_next(then: str) -> None:
    """No reader has it before; taken back with the next, its records are read again."""
    model = ModelledWorkers(LONG)
    await model.start()
    model.produce(chats(1))
    await model.open(0)
    await model.step(0, 3)
    await model.step(0, 2, ["left open"])
    await model.near.drain()
    before, left_open = model.truth.head, model.partition(0).head
    assert before is not None
    assert before.step < left_open.step
    if then == "opened by another":
        await model.open(1)
    else:
        fates: dict[str, list[Fate]] = {"aborted": ["aborted"], "hangs": ["hangs"]}
        await model.write_empty_step(0, fates.get(then, []))
        await model.open(1)
    await model.near.drain()
    counts = model.partition(1).head.next
    assert counts == (before.next if then in {"aborted", "hangs"} else left_open.next)
    await model.finish()
    await model.near.drain()
    assert model.near.counted() == expected(model.events)


async def test_a_recreated_journal_of_which_only_openings_were_read() -> None:
    """No step says which journal it was; nothing of the new one is passed over all the same."""
    model = ModelledWorkers(LONG)
    await model.start()
    await model.open(0)
    await model.open(1)
    await model.far.read(MORE_THAN_THERE_IS)
    model.produce(chats(1))
    model.broker.recreate_journal()
    model.truth = type(model.truth)()
    await model.finish()
    await model.far.drain()
    assert model.far.counted() == expected(model.events)


async def test_a_recreated_journal_that_is_as_long_as_before_is_noticed_by_who_begins_again() -> None:
    """No record comes at the position where a reader was: it knows by the journal's id that it has to begin again."""
    model = ModelledWorkers(LONG)
    await model.start()
    model.produce(chats(1))
    await model.finish()
    await model.resuming.drain()
    await model.recreate_topic()
    await model.finish()
    model.resuming.end = model.broker.log.stable  # as if the former journal had been as long
    await model.resuming.resume()
    await model.resuming.drain()
