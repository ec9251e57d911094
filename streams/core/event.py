"""An event as the fold sees it, its order among others, and its normalised JSON.

It keeps the contract's fields that differ from their defaults. Of two events under one id the one whose normalised JSON
sorts first stays. Text of messages and comments changes no number, and is kept nowhere here.
"""

from collections.abc import Collection, Iterable
from functools import cache
from operator import itemgetter
from typing import Any, Final, NamedTuple

import orjson
from pydantic import BaseModel

from schemas.events import MODELS, WORDS_OF_PEOPLE, AgentStatus, ContactEvent, UnknownAgentEvent

#: Fields that are not in `Event.fields`: those with a place of their own, and words of people.
_NOT_KEPT: Final = WORDS_OF_PEOPLE | {"event_id", "type", "contact_id", "channel", "seq", "occurred_at"}

#: Makes a named tuple of its type and a tuple of its fields in half the time that calling the type takes.
new_tuple: Final = tuple.__new__


class Event(NamedTuple):
    """One event of a contact, or of an agent; `order` gives what it is sorted by."""

    #: UTC milliseconds.
    at: int
    seq: int
    event_id: str
    type: str
    fields: dict[str, Any]


@cache
def _defaults(model: type[BaseModel]) -> dict[str, Any]:
    """Return the default of each kept field of a type, None where it has none."""
    return {
        name: None if field.is_required() else field.default
        for name, field in model.model_fields.items()
        if name not in _NOT_KEPT
    }


def event_of(event: ContactEvent | AgentStatus | UnknownAgentEvent) -> Event:
    """Make the fold's event of a decoded one."""
    given = event.__dict__
    defaults = _defaults(type(event))
    fields = {
        name: given[name]
        for name in event.model_fields_set
        if name in defaults and given[name] is not None and given[name] not in ("", defaults[name])
    }
    if "score" in fields:
        fields["score"] = str(fields["score"])
        fields["scale_max"] = str(fields["scale_max"])
    return Event(event.occurred_at, event.seq, event.event_id, given["type"], fields)


def normalised(event: Event) -> bytes:
    """Write an event's normalised JSON: defaults filled in, keys sorted, UTF-8."""
    beside = {"event_id": event.event_id, "type": event.type, "seq": event.seq, "occurred_at": event.at}
    whole = {**_filled(MODELS.get(event.type)), **event.fields, **beside}
    if "for_" in whole:
        whole["for"] = whole.pop("for_")
    return orjson.dumps(whole, option=orjson.OPT_SORT_KEYS, default=str)


@cache
def _filled(model: type[BaseModel] | None) -> dict[str, Any]:
    return {} if model is None else {name: value for name, value in _defaults(model).items() if value is not None}


def from_normalised(written: bytes) -> Event:
    """Read an event back from its normalised JSON, as the archive keeps it: what `event_of` made."""
    fields: dict[str, Any] = orjson.loads(written)
    at, seq, event_id, kind = (fields.pop(name) for name in ("occurred_at", "seq", "event_id", "type"))
    if "for" in fields:
        fields["for_"] = fields.pop("for")
    defaults = _filled(MODELS.get(kind))
    given = {name: value for name, value in fields.items() if name not in defaults or value != defaults[name]}
    return Event(at, seq, event_id, kind, given)


def merge(known: Iterable[Event], arrived: Iterable[Event]) -> tuple[list[Event], int]:
    """Unite events, one an id, in the order of the fold; with them the number of conflicts met among `arrived`."""
    both = [*known, *arrived]
    by_id = {event.event_id: event for event in both}
    if len(by_id) == len(both):
        return in_order(both), 0
    by_id = {}
    conflicts = 0
    for event in both:  # of those known no two have one id
        other = by_id.setdefault(event.event_id, event)
        if other is not event and other != event:
            conflicts += 1
            by_id[event.event_id] = min(other, event, key=normalised)
    return in_order(by_id.values()), conflicts


#: The order of events with the same time, for sources without `seq`; all other types have `ANY_RANK`.
RANKS: Final = {
    **dict.fromkeys(("contact.queued", "contact.handed_off"), 1),
    "contact.connected": 2,
    **dict.fromkeys(("contact.transferred", "contact.dequeued", "contact.abandoned"), 4),
    "contact.disconnected": 5,
    "contact.wrapped": 6,
    "contact.resolved": 7,
    **dict.fromkeys(("contact.reopened", "contact.rated", "contact.evaluated"), 8),
}
ANY_RANK: Final = 3
_AT: Final = itemgetter(0)


def order(event: Event) -> tuple[int, int, int, str]:
    """Give what an event is sorted by."""
    at, seq, event_id, kind, _ = event
    return at, seq, RANKS.get(kind, ANY_RANK), event_id


def in_order(events: Collection[Event]) -> list[Event]:
    """Sort events by `order`, which is asked only where two of them have the same time."""
    ordered = sorted(events, key=_AT)
    return ordered if len(set(map(_AT, ordered))) == len(ordered) else sorted(ordered, key=order)


def effective(events: list[Event]) -> list[Event]:
    """Give the known events that are not voided, in the order of the fold, the first `contact.started` before all."""
    voided = [event.fields["voids"] for event in events if event.type == "event.voided"]
    known = [event for event in events if event.type in MODELS]
    if voided:
        known = [event for event in known if event.event_id not in voided or event.type == "event.voided"]
    if known and known[0].type != "contact.started":
        for place, event in enumerate(known):
            if event.type == "contact.started":
                known.insert(0, known.pop(place))
                break
    return known
