"""Any contact at all, for property tests: events of every type in any order, with redeliveries and conflicts."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any, Final

from hypothesis import strategies as st

from schemas.events import ContactEvent
from schemas.topics import CHANNELS, CONTACTS, Channel
from streams.core.event import Event, event_of
from streams.core.event import order as fold_order
from streams.decode import decode
from tests.core.story import BEGIN

#: Events fall into a few minutes at few distinct times, so that many share one.
_SECONDS: Final = 200

_AGENTS: Final = st.sampled_from(("ann", "ben"))
_QUEUES: Final = st.sampled_from(("a", "b"))
_TAGS: Final = st.lists(st.sampled_from(("x", "X", "y", " z ")), min_size=1, max_size=3)
_SCORES: Final = st.fixed_dictionaries(
    {"score": st.sampled_from((1, 2, 3.3, 5)), "scale_max": st.sampled_from((5, 10))}
)

_COMMON: Final[dict[str, st.SearchStrategy[Any]]] = {
    "seq": st.integers(0, 2),
    "queue": _QUEUES,
    "priority": st.sampled_from(("low", "normal", "urgent")),
    "team": st.sampled_from(("north", "south")),
    "segment": st.just("gold"),
    "agent_id": _AGENTS,
}

#: Event ids are few, so that redeliveries, conflicts and voided events are frequent.
_IDS: Final = st.integers(0, 30).map(lambda number: f"e{number}")


def _of(kind: str, **fields: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    optional = {name: field for name, field in _COMMON.items() if name not in fields}
    return st.fixed_dictionaries({"type": st.just(kind), **fields}, optional=optional)


_EVENTS: Final = st.one_of(
    _of(
        "contact.started",
        direction=st.sampled_from(("inbound", "inbound", "outbound")),
        initiated_by=st.sampled_from(("customer", "customer", "agent", "system")),
    ),
    _of("contact.queued", queue=_QUEUES),
    _of("contact.handed_off"),
    *(
        _of(f"contact.{what}", agent_id=_AGENTS)
        for what in ("connected", "connected", "held", "resumed", "wrapped", "missed")
    ),
    *(
        _of(f"contact.{what}")
        for what in (
            "transferred",
            "disconnected",
            "abandoned",
            "resolved",
            "reopened",
            "unpaused",
            "teleported",
        )
    ),
    *(
        _of("message.sent", author=st.just(author), public=st.sampled_from((True, True, False)))
        for author in ("customer", "customer", "agent", "agent", "bot", "system")
    ),
    _of("contact.dequeued", reason=st.sampled_from(("timeout", "callback", "callback", "other"))),
    _of("contact.paused", **{"for": st.sampled_from(("customer", "third_party"))}),
    _of("contact.tagged", tags=_TAGS),
    _of("contact.tagged", tags=st.lists(st.sampled_from(("x", "y")), max_size=2), replace=st.just(True)),
    _of("contact.untagged", tags=_TAGS),
    _of("contact.prioritised", priority=_COMMON["priority"]),
    *(
        _SCORES.flatmap(
            lambda score, survey=survey: _of(  # type: ignore[misc]  # of this survey
                "contact.rated", **{name: st.just(value) for name, value in (*score.items(), *survey)}
            )
        )
        for survey in ((), (("survey_id", "s"),))
    ),
    _SCORES.flatmap(lambda score: _of("contact.evaluated", **{name: st.just(value) for name, value in score.items()})),
    _of("event.voided", voids=_IDS),
    _of("contact.discarded", reason=st.sampled_from(("test", "spam"))),
)


def _read(channel: Channel, event_id: str, half_seconds: int, fields: dict[str, Any]) -> Event:
    at = datetime.fromtimestamp(BEGIN / 1000, UTC) + timedelta(seconds=half_seconds / 2)
    whole = {
        "event_id": event_id,
        "contact_id": "c",
        "channel": channel,
        "source": "test",
        "occurred_at": at.isoformat(),
        **fields,
    }
    event = decode(CONTACTS[channel], b"c", json.dumps(whole).encode())
    assert isinstance(event, ContactEvent)
    return event_of(event)


@st.composite
def contacts(draw: st.DrawFn) -> tuple[Channel, list[Event]]:
    """Draw a channel and a contact's events as they arrive."""
    channel: Channel = draw(st.sampled_from(CHANNELS))
    drawn = draw(st.lists(st.tuples(_IDS, st.integers(0, _SECONDS), _EVENTS), min_size=1, max_size=18))
    return channel, [_read(channel, *one) for one in drawn]


@st.composite
def steps(draw: st.DrawFn, events: list[Event]) -> list[list[Event]]:
    """Draw a way in which events arrive: any order, any cuts, some of them more than once."""
    again = draw(st.lists(st.sampled_from(events), max_size=5))
    order = draw(st.permutations(events + again))
    cuts = sorted(draw(st.sets(st.integers(1, len(order)), max_size=6)))
    edges = [0, *cuts, len(order)]
    return [order[begin:end] for begin, end in pairwise(edges)]


@st.composite
def in_order(draw: st.DrawFn, events: list[Event]) -> list[list[Event]]:
    """Draw a way in which events arrive in the order of the fold, with a few late or more than once."""
    order = sorted(events, key=fold_order)
    for _ in range(draw(st.integers(0, 2))):
        order.insert(draw(st.integers(0, len(order))), draw(st.sampled_from(events)))
    cuts = sorted(draw(st.sets(st.integers(1, len(order)), max_size=len(order))))
    return [order[begin:end] for begin, end in pairwise([0, *cuts, len(order)])]
