"""A made day: the simulator's contacts, told again in a vendor's words and read back by its adapter.

What a format cannot carry is left out of the comparison by naming the samples that are compared. Dimensions that only
the simulator knows (priority, segment, language) are left out of every comparison.
"""

import json
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Final

import orjson

from schemas.policies import Rules
from schemas.topics import Channel
from streams.sources.adapter import AccountRules, Adapter, Payload, Request
from streams.sources.checked_events import map_payload
from streams.sources.simulator import Plan, simulate
from streams.sources.vendor_values import ms_of
from streams.times import rfc3339
from tests.cases.told import folded

Event = dict[str, Any]

#: A Monday morning.
START_MS: Final = 1_772_438_400_000
HOURS: Final = 3


@cache
def _day() -> dict[str, list[Event]]:
    told: dict[str, list[Event]] = {}
    for each in simulate(Plan(START_MS, rate=1.5, seed=7, lasts_ms=HOURS * 3_600_000)):
        event = json.loads(each.value)
        if "contact_id" in event:
            told.setdefault(event["contact_id"], []).append(event)
    return told


def contacts(channel: Channel, without: Collection[str] = ()) -> dict[str, list[Event]]:
    """Return the contacts of a channel that began in the day, by plain ids; not those with events of some types."""
    return {
        contact_id.rpartition(":")[2]: events
        for contact_id, events in _day().items()
        if events[0]["type"] == "contact.started"
        and events[0]["channel"] == channel
        and not any(event["type"] in without for event in events)
    }


@dataclass
class Visit:
    """A wait in a queue, or a call out, and the work that came of it; times are RFC 3339, None: not yet, or never."""

    queue: str = ""
    entered: str | None = None
    agent: str | None = None
    connected: str | None = None
    held_ms: int = 0
    ended: str | None = None
    wrapped: str | None = None
    #: How the wait or work ended: transferred, callback, abandoned or disconnected.
    how: str = ""
    missed: list[tuple[str, str]] = field(default_factory=list)


@dataclass
class Call:
    """A simulated call as its visits."""

    started: str
    outbound: bool
    visits: list[Visit] = field(default_factory=list)
    #: When it was hung up in the menu.
    left_in_menu: str | None = None


def call_of(events: Sequence[Event]) -> Call:
    """Read a simulated call."""
    reader = _CallReader(events[0])
    for event in events[1:]:
        reader.read(event)
    return reader.call


class _CallReader:
    """Reads a simulated call event by event."""

    def __init__(self, started: Event) -> None:
        self.call = Call(started["occurred_at"], started.get("direction") == "outbound")
        self._held_since = 0
        if self.call.outbound:
            self.call.visits.append(Visit(started["queue"]))

    def read(self, event: Event) -> None:
        kind, at = event["type"].removeprefix("contact."), event["occurred_at"]
        if kind == "queued":
            self.call.visits.append(Visit(event["queue"], at))
        elif not self.call.visits:
            self.call.left_in_menu = at
        elif kind in {"connected", "held", "resumed", "missed", "wrapped"}:
            self._read_work(kind, at, event)
        elif kind in {"transferred", "dequeued", "abandoned", "disconnected"}:
            self._read_end(kind, at, event)

    def _read_work(self, kind: str, at: str, event: Event) -> None:
        last = self.call.visits[-1]
        if kind == "connected":
            last.agent, last.connected = event["agent_id"], at
        elif kind == "held":
            self._held_since = ms(at)
        elif kind == "resumed":
            last.held_ms += ms(at) - self._held_since
        elif kind == "missed":
            last.missed.append((at, event["agent_id"]))
        else:
            visits = self.call.visits
            next(each for each in visits if each.agent == event["agent_id"] and each.wrapped is None).wrapped = at

    def _read_end(self, kind: str, at: str, event: Event) -> None:
        visits = self.call.visits
        called_back = len(visits) > 1 and visits[-2].how == "callback" and visits[-1].connected is None
        if visits[-1].ended is None and not (called_back and kind == "disconnected"):
            visits[-1].ended, visits[-1].how = at, event.get("reason", kind)
        if kind == "transferred":
            visits.append(Visit(event["queue"], at))


def ms(at: str) -> int:
    """Return a time as UTC milliseconds."""
    return ms_of(at)


def later(at: str, so_many_ms: int) -> str:
    """Return the time so many milliseconds later."""
    return rfc3339(ms(at) + so_many_ms)


def mapped(
    adapter: Adapter,
    account: AccountRules,
    payloads: Iterable[tuple[str, Any]],
    answers: Mapping[Request, Any] | None = None,
) -> list[Event]:
    """Map payloads, each a form with JSON or a body, to events."""
    events = []
    for form, given in payloads:
        body = given if isinstance(given, bytes) else orjson.dumps(given)
        outcome = map_payload(adapter, form, Payload(body), account, answers)
        assert not outcome.requests
        events += [orjson.loads(record.value) for record in outcome.records]
    return events


def rows(events: Sequence[Event], names: Collection[str]) -> Counter[Any]:
    """Fold events, and give what is compared of the samples: name, contact, time, queue, agent, value and outcome.

    Ids are compared without what an adapter puts around the vendor's own.
    """
    found: Counter[Any] = Counter()
    for row in folded([event for event in events if "contact_id" in event], Rules()):
        if row["sample"] not in names:
            continue
        queue = "" if row["sample"] == "transferred" else row["queue"]
        contact = row["contact_id"].removesuffix(":call").removesuffix(":chat").rpartition(":")[2]
        agent = row["agent_id"].rpartition(":")[2]
        found[row["sample"], contact, row["at"], queue, agent, row["value_ms"], row["outcome"]] += 1
    return found
