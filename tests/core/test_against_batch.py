"""The fold against an independent batch computation: random contacts, any events, ties, repetition and disorder."""

import random
from typing import Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.contact_record import decode_summary
from schemas.policies import Rules
from tests.core import configured
from tests.core.contacts import parts, read, record_of, run
from tests.core.plots import contacts
from tests.depth import examples
from tests.oracle.batch import added_up, contact_rows, in_business_time, samples
from tests.oracle.centre import DEFAULTS, Centre
from tests.streams.records import business_totals, opened, pane_totals, records_of

#: Centres whose policies are drawn, besides one with nothing configured and one with much.
DRAWN: Final = 10
WHICH: Final = st.integers(0, DRAWN + 1)


class Centres(list[tuple[Rules, Centre]]):
    """Shown by its length where a test fails."""

    def __repr__(self) -> str:
        return f"{len(self)} centres"


@pytest.fixture(scope="module")
def centres(tmp_path_factory: pytest.TempPathFactory) -> Centres:
    """Give rules, and the same as the batch reads them."""
    found = Centres([(Rules(), DEFAULTS)])
    for files in (configured.FILES, *map(configured.drawn, range(DRAWN))):
        found.append((configured.rules(tmp_path_factory.mktemp("centre"), files), Centre(files)))
    return found


OF_A_SEGMENT: Final = frozenset({"handle", "hold", "wrap", "talk"})


def key_of(row: Any) -> tuple[Any, ...]:  # noqa: ANN401 - rows of either side, alike in these fields
    """Take what both sides say of a sample."""
    told = (row.sample, row.at, row.queue, row.priority, row.value_ms, row.business_ms, row.value)
    held = (row.policy, row.target_ms, row.within, row.short, row.satisfied, row.in_hours)
    by = (row.team, row.segment, row.language, row.agent_id, row.partial, row.caused_by)
    slot = row.slot if row.sample in OF_A_SEGMENT else ""  # of others the batch needs none
    return (*told, *held, *by, row.tag, row.outcome, row.active_ms, row.active_business_ms, row.instance, slot)


def told(row: tuple[Any, ...]) -> tuple[Any, ...]:
    """Make rows sortable."""
    return tuple((value is not None, value) for value in row)


@settings(max_examples=examples(600))
@given(which=WHICH, events=contacts(), cuts=st.sets(st.integers(0, 20)))
def test_the_fold_equals_the_batch(centres: Centres, which: int, events: list[dict[str, Any]], cuts: set[int]) -> None:
    """Samples of a contact, event by event in any order and any batches, are those of the batch over the set."""
    if not events:
        return
    rules, centre = centres[which]
    contact, _ = run(events[0]["channel"], parts(read(events), cuts), rules)
    rows = sorted((key_of(row) for _, row in contact.issued.values()), key=told)
    assert rows == sorted((key_of(row) for row in samples(events, centre)), key=told)


#: What the batch and a contact's summary both tell.
AT_A_GLANCE: Final = (
    *("partial", "discarded", "first_response_at", "first_response_ms", "abandoned_at", "first_resolved_at"),
    *("resolved_at", "first_resolution_ms", "resolution_ms", "rating", "replies", "reopens", "started_at"),
)


@settings(max_examples=examples(200))
@given(which=WHICH, events=contacts())
def test_a_contact_at_a_glance_equals_the_batch(centres: Centres, which: int, events: list[dict[str, Any]]) -> None:
    """The row of the table of contacts tells what the batch over its events does, also where it counts nowhere."""
    rules, centre = centres[which]
    rows = list(contact_rows(events, centre).values())
    if not rows:
        return
    summary: dict[str, Any] = {**decode_summary(record_of(events, rules))}
    assert {name: summary[name] for name in AT_A_GLANCE} == {name: getattr(rows[0], name) for name in AT_A_GLANCE}
    assert (summary["handle_ms"] or 0, tuple(summary["tags"])) == (rows[0].handle_ms, rows[0].tags)
    assert tuple(summary["agents"]) == rows[0].agents


@settings(max_examples=examples(60))
@given(
    which=WHICH,
    several=st.lists(contacts(), min_size=1, max_size=4),
    seed=st.integers(0, 1000),
    cuts=st.sets(st.integers(0, 40), max_size=5),
)
def test_panes_equal_the_batch(
    centres: Centres, which: int, several: list[list[dict[str, Any]]], seed: int, cuts: set[int]
) -> None:
    """Panes of a partition, however its records come and are cut, sum up to the batch's counters."""
    rules, centre = centres[which]
    events = [{**event, "contact_id": f"chat-{n}", "channel": "chat"} for n, of in enumerate(several) for event in of]
    random.Random(seed).shuffle(events)  # noqa: S311 - a test's disorder
    records = records_of(events)
    partition = opened(rules=rules)
    written = {
        key: value for part in parts(records, cuts) for output in partition.steps(part) for key, value in output.records
    }
    rows = samples(events, centre)
    expected = {(sample, queue): tuple(counters) for (sample, _, queue), counters in added_up(rows).items()}
    assert pane_totals(written) == expected
    assert business_totals(written) == in_business_time(rows)
