"""Whatever happens to a partition, its journal, its sink and its archive, the numbers are those of the batch."""

import random
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from schemas.policies import Rules
from tests.core.plots import contacts
from tests.depth import examples
from tests.oracle.batch import samples
from tests.streams.flow import chat_event
from tests.streams.whole_panes import assert_as_batch
from tests.streams.world import World

#: Horizons of seconds: whatever is at rest is evicted at the next chance.
RULES: Final = Rules(horizons_ms={"chat": 2_000, "email": 2_000, "call": 2_000})

#: After all that the drawn contacts have.
LATER: Final = datetime(2026, 4, 1, tzinfo=UTC)

#: What may happen between two deliveries, and how often.
BETWEEN: Final = {
    "sink": 8,
    "evict": 12,
    "crash": 1,
    "compacted crash": 1,
    "away": 1,
    "back": 3,
    "unpark": 2,
    "recreated": 1,
}


def happen(world: World, what: str, many: int) -> None:
    """Have one thing happen."""
    if what == "sink":
        world.sink(10 * many)
    elif what == "evict":
        world.evict()
    elif what in {"crash", "compacted crash"}:
        world.crash(compacted=what != "crash")
    elif what in {"away", "back"}:
        world.model.away = what == "away"
    elif what == "unpark":
        world.unpark()
    elif what == "recreated":
        world.settle()
        world.recreate()


def passing(number: int) -> dict[str, Any]:
    """Write an event of no consequence that moves the clock on by a minute or more."""
    at = (LATER + timedelta(seconds=70 * number)).isoformat()
    return chat_event("contact.tagged", "clock", at, tags=["tick"])


class Counting(World):
    """Counts what its workers did."""

    def __init__(self, rules: Rules) -> None:
        super().__init__(rules)
        self.did: Counter[str] = Counter()

    def take_stock(self) -> None:
        """Count what the worker did that is about to go."""
        of = self.partition
        self.did.update(evicted=of.evictions, revived=of.revivals, parked=of.waits, supplemented=of.supplemented)

    def crash(self, *, compacted: bool, rules: Rules | None = None) -> None:
        """Count first."""
        self.take_stock()
        self.did["crashed"] += 1
        super().crash(compacted=compacted, rules=rules)

    def recreate(self) -> None:
        """Count first."""
        self.take_stock()
        self.did["recreated"] += 1
        super().recreate()


def live(world: World, several: list[list[dict[str, Any]]], chance: random.Random) -> list[dict[str, Any]]:
    """Deliver contacts' events in any order and cut, with anything between; returns all that was delivered."""
    events = [{**event, "contact_id": f"c{n}", "channel": "chat"} for n, of in enumerate(several) for event in of]
    chance.shuffle(events)
    left, passed = list(events), list[dict[str, Any]]()
    while left:
        passed.append(passing(len(passed)))
        many = chance.randint(1, 6)
        world.deliver([passed[-1], *left[:many]])
        del left[:many]
        for what in chance.choices(list(BETWEEN), list(BETWEEN.values()), k=chance.randint(0, 12)):
            happen(world, what, chance.randint(1, 9))
    world.settle()
    return [*events, *passed]


@settings(max_examples=examples(150))
@given(several=st.lists(contacts(), min_size=1, max_size=4), seed=st.integers(0, 1 << 32))
def test_the_result_is_that_of_the_set_of_events(several: list[list[dict[str, Any]]], seed: int) -> None:
    """Deliveries in any order and cut, a sink that lags, evictions, outages, crashes, new epochs: samples and panes."""
    world = World(RULES)
    delivered = live(world, several, random.Random(seed))  # noqa: S311 - a test's disorder
    assert world.partition.parked == {}
    assert_as_batch(world.store, samples(delivered))


def test_filters_that_are_full_and_dropped_cost_nothing_but_questions(monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond what is kept of evicted contacts everybody is looked up, and the numbers are the same."""
    monkeypatch.setattr("streams.partition.evicted_ids._SIZES", (1,))
    monkeypatch.setattr("streams.partition.evicted_ids.FILTERS_AT_MOST", 1)

    @settings(max_examples=examples(40))
    @given(several=st.lists(contacts(), min_size=2, max_size=4), seed=st.integers(0, 1 << 32))
    def look(several: list[list[dict[str, Any]]], seed: int) -> None:
        world = World(RULES)
        delivered = live(world, several, random.Random(seed))  # noqa: S311 - a test's disorder
        assert_as_batch(world.store, samples(delivered))
        assert len(world.partition.evicted._filters) <= 1  # noqa: SLF001 - what is kept

    look()


def test_what_may_happen_does() -> None:
    """In a few dozen of these lives contacts and panes are evicted and come back all the time, and all else happens."""
    did: Counter[str] = Counter()

    @settings(max_examples=40, derandomize=True, database=None, phases=[Phase.generate])
    @given(several=st.lists(contacts(), min_size=2, max_size=4), seed=st.integers(0, 1 << 32))
    def look(several: list[list[dict[str, Any]]], seed: int) -> None:
        world = Counting(RULES)
        live(world, several, random.Random(seed))  # noqa: S311 - a test's disorder
        world.take_stock()
        did.update(world.did)

    look()
    assert did["evicted"] > 100
    assert did["revived"] > 50
    assert did["supplemented"] > 50
    assert min(did["parked"], did["crashed"], did["recreated"]) > 10, did
