"""From a source record to its row in the archive.

Pure. A record that is no event is not archived: the worker puts it to the dead letters. What people wrote, messages'
text and ratings' comments, is kept only where the archive is told to; nothing else here may let it through.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from functools import cache
from typing import Any, Final, Protocol

import orjson
from pydantic_core import from_json

from schemas.contact_record import decode_state
from schemas.events import MODELS, AgentStatus, ContactEvent, Event, UnknownAgentEvent
from sinks.rows import OFFSET_BITS, EventRow, first_wins
from streams.core.event import Event as Folded
from streams.core.event import event_of, normalised
from streams.decode import BadRecord, decode

#: The offset of an event whose source record is gone: behind every other.
NOWHERE: Final = (1 << OFFSET_BITS) - 1

_WORDS_OF_PEOPLE: Final = frozenset({"text", "comment"})
#: Fields with names that differ in JSON and Python.
_ALIASES: Final = {"for_": "for"}


class Record(Protocol):
    """A record of a source topic, as aiokafka gives it."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None


def event_rows(records: Iterable[Record], epoch: int, *, keep_text: bool = False) -> list[EventRow]:
    """Decode records to rows, in order; bad records are left out."""
    rows = []
    for record in records:
        try:
            event = decode(record.topic, record.key, record.value)
        except BadRecord:
            continue
        rows.append(_row(event, record, epoch, keep_text=keep_text))
    return rows


def rows_of_contact(contact_id: str, channel: str, value: bytes, place: tuple[str, int], epoch: int) -> list[EventRow]:
    """Make rows of the events in a contact's journal record, where the source records are gone.

    What only those had, such as fields that the contract does not know, is missing; a row of the source's own stays.
    """
    rows = []
    for fields in decode_state(value).events:
        event = Folded._make(fields)
        row = list(_template(MODELS.get(event.type, ContactEvent)))
        own = {
            **{name: given for name, given in event.fields.items() if name in EventRow._fields},
            "contact_id": contact_id,
            "channel": channel,
            "event_id": event.event_id,
            "type": event.type,
            "seq": event.seq,
            "occurred_at": event.at,
            "received_at": event.at,
            "normalised": normalised(event),
            "version": first_wins(epoch, NOWHERE),
            "topic": place[0],
            "partition": place[1],
            "offset": NOWHERE,
            "epoch": epoch,
        }
        if "score" in own:
            own |= {"score": float(own["score"]), "scale_max": float(own["scale_max"])}
        for name, given in own.items():
            row[EventRow._fields.index(name)] = given
        rows.append(EventRow._make(row))
    return rows


def _row(
    event: ContactEvent | AgentStatus | UnknownAgentEvent, record: Record, epoch: int, *, keep_text: bool
) -> EventRow:
    model = type(event)
    given = event.__dict__
    row = list(_template(model))
    for name in event.model_fields_set:
        at = _COLUMN.get(name)
        value = given[name]
        if at is not None and value is not None:
            row[at] = value
    of_agent = not isinstance(event, ContactEvent)
    own = {
        "agent_key": event.agent_id or "" if of_agent else "",
        "normalised": normalised(event_of(event)),
        "version": first_wins(epoch, record.offset),
        "extra": _unknown(model, record.value or b"", keep_text=keep_text),
        "received_at": record.timestamp,
        "topic": record.topic,
        "partition": record.partition,
        "offset": record.offset,
        "epoch": epoch,
    }
    if keep_text:
        own |= {"text": given.get("text"), "comment": given.get("comment")}
    if "score" in given:
        own |= {"score": float(given["score"]), "scale_max": float(given["scale_max"])}
    for name, value in own.items():
        row[_COLUMN_OF_OWN[name]] = value
    return EventRow._make(row)


#: Columns that are not simply the event's field of that name.
_OWN: Final = frozenset(
    {"agent_key", "normalised", "version", "extra", "received_at", "topic", "partition", "offset", "epoch"}
    | {"text", "comment", "score", "scale_max"}
)
_COLUMN_OF_OWN: Final = {name: at for at, name in enumerate(EventRow._fields) if name in _OWN}
_COLUMN: Final = {name: at for at, name in enumerate(EventRow._fields) if name not in _OWN}
_NULLS: Final = frozenset({"public", "automatic", "text", "score", "scale_max", "comment_present", "comment"})
_LISTS: Final = frozenset({"tags", "groups"})
_MAPS: Final = frozenset({"attributes", "capacity"})


@cache
def _template(model: type[Event]) -> tuple[Any, ...]:
    """Make a type's row as it is where an event gives nothing: the fields' defaults, else empty."""
    row: list[Any] = []
    for name in EventRow._fields:
        field = model.model_fields.get(name)
        default = None if field is None or field.is_required() else field.default
        if default is not None:
            row.append(default)
        elif name in _NULLS:
            row.append(None)
        else:
            row.append([] if name in _LISTS else {} if name in _MAPS else "")
    return tuple(row)


@cache
def _known(model: type[Event], *, keep_text: bool) -> frozenset[str]:
    names = {_ALIASES.get(name, name) for name in model.model_fields}
    return frozenset(names if keep_text else names | _WORDS_OF_PEOPLE)


def _unknown(model: type[Event], value: bytes, *, keep_text: bool) -> str:
    """Return the fields that the contract does not know as JSON; empty where there are none."""
    known = _known(model, keep_text=keep_text)
    fields = _parsed(value)
    if fields.keys() <= known:
        return ""
    extra = {name: field for name, field in fields.items() if name not in known}
    try:
        return orjson.dumps(extra, option=orjson.OPT_SORT_KEYS).decode()
    except TypeError:  # an integer beyond 64 bits
        return json.dumps(extra, sort_keys=True, ensure_ascii=False)


def _parsed(value: bytes) -> dict[str, Any]:
    try:
        fields: dict[str, Any] = orjson.loads(value)
    except orjson.JSONDecodeError:
        # A number beyond any double in a field that is not ours: the decoder lets it pass, and it is kept as null.
        fields = from_json(value)
    return fields
