"""Contacts as the fold takes them, and the ways in which their events arrive, for property tests."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Any, NamedTuple, TypeVar

import orjson
from hypothesis import strategies as st

from schemas.policies import Rules
from schemas.topics import CONTACTS, Channel
from streams.core.event import Event, event_of
from streams.core.event import order as fold_order
from streams.core.issued_samples import ContactChange
from streams.core.refold import EMPTY, ContactState, decode_contact_state, refold
from streams.decoding.decoder import decode
from tests.core import plots

_Thing = TypeVar("_Thing")


def read(told: Iterable[Mapping[str, Any]]) -> list[Event]:
    """Decode a contact's events as the worker does."""
    return [
        event_of(decode(CONTACTS[event["channel"]], event["contact_id"].encode(), orjson.dumps(event)))
        for event in told
    ]


def changed(
    channel: str, contact: ContactState, arrived: Iterable[Event], rules: Rules, step: int, *, always: bool = False
) -> ContactChange | None:
    """Refold a contact with what arrived; None where nothing was new."""
    outcome = refold(channel, contact, arrived, rules, step, always=always)
    return None if outcome is None else outcome.change


def parts(things: Sequence[_Thing], cuts: Iterable[int]) -> list[Sequence[_Thing]]:
    """Cut a sequence at those of these places that lie in it."""
    edges = sorted({0, len(things), *(cut for cut in cuts if cut < len(things))})
    return [things[begin:end] for begin, end in pairwise(edges)]


class Run(NamedTuple):
    """What came of a contact step by step."""

    contact: ContactState
    changes: list[ContactChange]


def run(channel: str, arriving: Iterable[Iterable[Event]], rules: Rules) -> Run:
    """Refold a contact with what each step brings, from its written record each time, as a worker does."""
    contact, changes = EMPTY, []
    for number, step in enumerate(arriving, 1):
        change = changed(channel, contact, step, rules, number)
        if change is not None:
            changes.append(change)
            contact = contact if change.value is None else decode_contact_state(change.value)
    return Run(contact, changes)


def record_of(told: Sequence[Mapping[str, Any]], rules: Rules) -> bytes:
    """Fold all events of a contact at once; returns its record."""
    change = changed(told[0]["channel"], EMPTY, read(told), rules, 1)
    assert change is not None
    assert change.value is not None
    return change.value


@st.composite
def contacts(draw: st.DrawFn) -> tuple[Channel, list[Event]]:
    """Draw a channel and a contact's events as they arrive; sometimes two that have nothing in common share an id."""
    told = draw(plots.contacts().filter(bool))
    for one, other in draw(st.lists(st.tuples(st.sampled_from(told), st.sampled_from(told)), max_size=2)):
        one["event_id"] = other["event_id"]
    return told[0]["channel"], read(told)


@st.composite
def steps(draw: st.DrawFn, events: list[Event]) -> list[Sequence[Event]]:
    """Draw a way in which events arrive: any order, any cuts, some of them more than once."""
    again = draw(st.lists(st.sampled_from(events), max_size=5))
    order = draw(st.permutations(events + again))
    return parts(order, draw(st.sets(st.integers(1, len(order)), max_size=6)))


@st.composite
def in_order(draw: st.DrawFn, events: list[Event]) -> list[Sequence[Event]]:
    """Draw a way in which events arrive in the order of the fold, with a few late or more than once."""
    order = sorted(events, key=fold_order)
    for _ in range(draw(st.integers(0, 2))):
        order.insert(draw(st.integers(0, len(order))), draw(st.sampled_from(events)))
    return parts(order, draw(st.sets(st.integers(1, len(order)), max_size=len(order))))
