"""Scores in thirds and sevenths, given again and again: sums are those of exact fractions, to the last digit."""

import random
from collections.abc import Iterable, Sequence
from decimal import Decimal
from fractions import Fraction
from typing import Any, Final

import orjson
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.depth import examples
from tests.streams.flow import chat_event
from tests.streams.records import Record, opened, pane_totals

#: Scores and scales as sources write them; none of the shares but the last two is a whole number of millionths.
SCORES: Final = (
    *(("2", "4"), ("3", "4"), ("2", "8"), ("5", "8"), ("6.5", "8"), ("2", "10"), ("7", "12"), ("3.3", "5")),
    *(("1.0000005", "2"), ("1.0000015", "2"), ("1.4999995", "2"), ("2.2499985", "4"), ("1", "5"), ("4", "5")),
)

Rating = tuple[int, int, str, tuple[str, str]]


def ratings(contacts: int, most: int) -> st.SearchStrategy[list[Rating]]:
    """Draw ratings and evaluations: of which contact, at which second, of which kind, and the score."""
    kinds = st.sampled_from(["contact.rated", "contact.rated", "contact.evaluated"])
    one = st.tuples(st.integers(1, contacts), st.integers(0, 59), kinds, st.sampled_from(SCORES))
    return st.lists(one, min_size=1, max_size=most)


def events(told: Iterable[Rating]) -> list[dict[str, Any]]:
    """Write the events; ids go up, so that of one second the later told is the later one."""
    return [
        chat_event(
            kind, f"c{of}", f"2026-03-02T08:00:{at:02d}Z", event_id=f"{number:04d}", score=score, scale_max=scale
        )
        for number, (of, at, kind, (score, scale)) in enumerate(told)
    ]


def written(event: dict[str, Any]) -> bytes:
    """Write JSON with the numbers as they stand."""
    numbers = {name: event[name] for name in ("score", "scale_max")}
    rest = orjson.dumps({name: value for name, value in event.items() if name not in numbers})
    return rest[:-1] + "".join(f', "{name}": {value}' for name, value in numbers.items()).encode() + b"}"


def exact(seen: Sequence[dict[str, Any]]) -> dict[tuple[str, str], tuple[int, int, int]]:
    """Fold by fractions: each sample rounded to millionths, halves to even, then added up; count, satisfied and sum."""
    in_order = sorted(seen, key=lambda event: (event["occurred_at"], event["event_id"]))
    last = {event["contact_id"]: event for event in in_order if event["type"] == "contact.rated"}
    counted = {
        "rated": list(last.values()),
        "evaluated": [event for event in in_order if event["type"] == "contact.evaluated"],
    }
    found = {}
    for sample, those in counted.items():
        shares = [
            (Fraction(Decimal(event["score"])) - 1) / (Fraction(Decimal(event["scale_max"])) - 1) for event in those
        ]
        if shares:
            satisfied = sum(share >= Fraction(3, 4) for share in shares)
            found[sample, "unassigned"] = len(shares), satisfied, sum(round(1_000_000 * share) for share in shares)
    return found


@settings(max_examples=examples(120))
@given(told=ratings(contacts=3, most=40), order=st.randoms(use_true_random=False), width=st.integers(1, 5))
def test_sums_are_exact_after_every_step(told: list[Rating], order: random.Random, width: int) -> None:
    """However often a contact is rated again, and in whatever order that comes: no rest of an earlier score stays."""
    arriving = events(told)
    arriving += order.sample(arriving, len(arriving) // 3)
    order.shuffle(arriving)
    partition = opened()
    journal: dict[bytes, bytes | None] = {}
    for begin in range(0, len(arriving), width):
        step = enumerate(arriving[begin : begin + width], start=begin)
        for output in partition.steps([Record(at, event["contact_id"].encode(), written(event)) for at, event in step]):
            journal.update(output.records)
        seen = {event["event_id"]: event for event in arriving[: begin + width]}
        totals = pane_totals(journal)
        sums = {key: (of[0], of[5], of[6]) for key, of in totals.items() if key[0] in {"rated", "evaluated"}}
        assert sums == exact(list(seen.values()))
