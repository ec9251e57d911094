"""The job that each of the others does: a contact's milestones, and counters a minute, by channel, queue and sample.

Offered, first response (count, sum, within target), handle time, resolved, and volume by tag; as events come, keyed by
contact. Deduplication, late events, retraction and percentiles are left out: it is less than Pulssi does.
"""

import os
from collections.abc import Iterable, Mapping
from typing import Any, Final, NamedTuple

import orjson

from schemas.events import CONTACT_EVENT

PANE_MS: Final = 60_000
#: The shipped target of chats' first response.
TARGET_MS: Final = 60_000
#: What a program under measure says when the first record reaches its code.
CONSUMING: Final = "consuming"
#: Faust redirects Python's own.
_STDOUT: Final = 1

#: Count, sum of milliseconds, count within target: of one minute, channel, queue and sample.
Pane = tuple[int, int, int]
EMPTY: Final[Pane] = (0, 0, 0)


class Seen(NamedTuple):
    """What the job looks at of an event."""

    at: int
    type: str
    channel: str
    queue: str
    author: str
    tags: tuple[str, ...]


class Fact(NamedTuple):
    """One sample: its pane and what it adds."""

    pane: str
    value_ms: int
    within: int


_said: list[bool] = []


def consuming() -> None:
    """Tell whoever measures that the first record is here."""
    if not _said:
        _said.append(True)
        os.write(_STDOUT, f"{CONSUMING}\n".encode())


def read(value: bytes) -> Seen:
    """Validate a record by the contract, every field of it."""
    consuming()
    event: Any = CONTACT_EVENT.validate_json(value)
    return seen(event)


def seen(event: Any) -> Seen:  # noqa: ANN401 - any event of the contract
    """Pick what the job looks at."""
    author, tags = getattr(event, "author", None), getattr(event, "tags", None)
    return Seen(event.occurred_at, event.type, event.channel, event.queue or "", author or "", tuple(tags or ()))


def fold(contact: dict[str, Any], event: Seen) -> list[Fact]:
    """Take one event into a contact's state, as it comes; returns the facts that come of it."""
    at, kind = event.at, event.type
    if event.queue:
        contact["queue"] = event.queue
    place = f"{at - at % PANE_MS}/{event.channel}/{contact.get('queue', 'unassigned')}"
    if kind == "contact.started":
        contact["started"] = at
        return [Fact(f"{place}/offered", 0, 0)]
    if kind == "contact.queued":
        contact["clock"] = at
    elif kind == "contact.connected":
        contact["connected"] = at
        if event.channel == "call" and "responded" not in contact:
            return [_response(place, contact, at)]
    elif kind == "message.sent" and event.author == "agent" and "responded" not in contact:
        return [_response(place, contact, at)]
    elif kind == "contact.disconnected" and "connected" in contact:
        return [Fact(f"{place}/handle", at - contact.pop("connected"), 0)]
    elif kind == "contact.tagged":
        return [Fact(f"{place}/tagged {tag}", 0, 0) for tag in event.tags]
    elif kind == "contact.resolved":
        return [Fact(f"{place}/resolved", 0, 0)]
    return []


def _response(place: str, contact: dict[str, Any], at: int) -> Fact:
    contact["responded"] = at
    took = at - contact.get("clock", contact.get("started", at))
    return Fact(f"{place}/first_response", took, int(took <= TARGET_MS))


def add(pane: Iterable[int], fact: Fact) -> Pane:
    """Put a fact into its pane."""
    n, sum_ms, within = pane
    return n + 1, sum_ms + fact.value_ms, within + fact.within


def expected(events: Iterable[Mapping[str, Any]]) -> dict[str, Pane]:
    """Compute the panes of a whole file, in order."""
    contacts: dict[str, dict[str, Any]] = {}
    panes: dict[str, Pane] = {}
    for event in events:
        one = seen(CONTACT_EVENT.validate_json(orjson.dumps(event)))
        for fact in fold(contacts.setdefault(event["contact_id"], {}), one):
            panes[fact.pane] = add(panes.get(fact.pane, EMPTY), fact)
    return panes
