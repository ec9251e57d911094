"""From a source record to its row in the archive.

Pure. What people wrote, messages' text and ratings' comments, is not archived: nothing here may let it through.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from functools import cache
from typing import Any, Final, Protocol

import orjson
from pydantic_core import from_json

from schemas.contact_record import decode_body
from schemas.events import MODELS, WORDS_OF_PEOPLE, AgentStatus, EventModel, UnknownAgentEvent, UnknownEvent
from schemas.journal import CONTACT, PARKED
from schemas.topics import AGENTS, SourcePartition, channel_of
from sinks.rows import EVENT_FIELDS, OFFSET_BITS, EventRow, first_wins, named
from streams.core.event import Event, normalised
from streams.decoding.decoder import AGENT_STATUS, BLANKS, SPARED, BadRecord, read_event

#: The offset of an event whose source record is gone: behind every other.
NOWHERE: Final = (1 << OFFSET_BITS) - 1

#: Where in a row each column stands that an event's own fields fill.
_COLUMN: Final = {name: EventRow._fields.index(name) for name in EVENT_FIELDS}
_SCORE, _SCALE_MAX = _COLUMN["score"], _COLUMN["scale_max"]

#: How the events in a journal record of each kind that has some are read.
_EVENTS_OF: Final[dict[bytes, Callable[[bytes], Iterable[Any]]]] = {
    CONTACT: lambda value: decode_body(value)[0],
    PARKED: orjson.loads,
}

#: What a row says of the record that it came in: its columns from `extra` on.
_Came = tuple[str, int, str, int, int, int]


class Record(Protocol):
    """A record of a source topic, as aiokafka gives it."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None


class UnreadableEventError(ValueError):
    """An event that a worker counted is none to this version."""

    def __init__(self, offset: int, reason: str) -> None:
        super().__init__(reason)
        self.offset: Final = offset


def event_rows(records: Iterable[Record], epoch: int) -> list[EventRow]:
    """Decode records to rows, in order. Raises UnreadableEventError."""
    rows = []
    for record in records:
        key, value = record.key or b"", record.value or b""
        try:
            event = read_event(record.topic, record.key, record.value)
        except BadRecord as bad:
            raise UnreadableEventError(record.offset, bad.reason) from None
        of_agent = record.topic == AGENTS
        contact_id, channel = ("", "") if of_agent else (key.decode(), channel_of(record.topic) or "")
        extra = _unknown(event, _model(event.type, of_agent=of_agent), value)
        came = (extra, record.timestamp, record.topic, record.partition, record.offset, epoch)
        rows.append(_row(event, contact_id, channel, came))
    return rows


def rows_of_journal(key: bytes, value: bytes, source: SourcePartition, epoch: int) -> list[EventRow]:
    """Make rows of the events in a journal record, a contact's or of events that are parked; none of any other.

    For where the source records are gone. What only those had, such as fields that the contract does not know, is
    missing; a row of the source's own stays.
    """
    read = _EVENTS_OF.get(key[:1])
    events = [Event._make(fields) for fields in read(value)] if read else []
    contact_id, channel = key[1:].decode(), channel_of(source[0]) or ""
    return [_row(event, contact_id, channel, ("", event.at, *source, NOWHERE, epoch)) for event in events]


def _row(event: Event, contact_id: str, channel: str, came: _Came) -> EventRow:
    fields = event.fields
    of_agent = not contact_id
    template = _template(_model(event.type, of_agent=of_agent))
    whose = fields["agent_id"] if of_agent else ""
    *_, offset, epoch = came
    version = first_wins(epoch, offset)
    first = (contact_id, whose, event.event_id, normalised(event), event.at, version, event.type, channel, event.seq)
    row = [*first, *template, *came]
    for name, given in fields.items():
        row[_COLUMN[name]] = given
    if "score" in fields:
        row[_SCORE], row[_SCALE_MAX] = float(fields["score"]), float(fields["scale_max"])
    made: EventRow = named(EventRow, row)
    return made


def _model(kind: str, *, of_agent: bool) -> type[EventModel]:
    if of_agent:
        return AgentStatus if kind == AGENT_STATUS else UnknownAgentEvent
    return MODELS.get(kind, UnknownEvent)


@cache
def _template(model: type[EventModel]) -> tuple[Any, ...]:
    """Make those columns as they are where an event gives nothing: the fields' defaults, else empty."""
    given = {name: field.default for name, field in model.model_fields.items() if not field.is_required()}
    return tuple(empty if given.get(name) is None else given[name] for name, empty in EVENT_FIELDS.items())


@cache
def _known(model: type[EventModel]) -> frozenset[str]:
    return frozenset({name.rstrip("_") for name in model.model_fields} | WORDS_OF_PEOPLE)


def _unknown(event: Event, model: type[EventModel], value: bytes) -> str:
    """Return the fields that the contract does not know as JSON; empty where there are none."""
    known = _known(model)
    fields = _parsed(value)
    if event.type not in MODELS:  # its optional fields may be such as this version cannot read
        absent = (SPARED & fields.keys()) - event.fields.keys()
        known -= {name for name in absent if not _is_empty(fields[name]) and (name, fields[name]) != ("seq", event.seq)}
    if fields.keys() <= known:
        return ""
    extra = {name: field for name, field in fields.items() if name not in known}
    try:
        return orjson.dumps(extra, option=orjson.OPT_SORT_KEYS).decode()
    except TypeError:  # an integer beyond 64 bits
        return json.dumps(extra, sort_keys=True, ensure_ascii=False)


def _is_empty(field: object) -> bool:
    """Whether an optional field says nothing: null, or a string of blanks."""
    return field is None or (isinstance(field, str) and not field.strip(BLANKS))


def _parsed(value: bytes) -> dict[str, Any]:
    try:
        fields: dict[str, Any] = orjson.loads(value)
    except orjson.JSONDecodeError:
        # A number beyond any double in a field that is not ours: the decoder lets it pass, and it is kept as null.
        fields = from_json(value)
    return fields
