"""Makes the archive's rows of source records. Pure.

What people wrote, the text of messages and the comments of ratings, must never be in a row.
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
from sinks.rows import EVENT_FIELDS, OFFSET_BITS, EventRow, first_wins_version, row_of
from streams.core.event import Event, normalised
from streams.decoding.decoder import AGENT_STATUS, BLANKS, SPARED, BadRecord, read_event

#: Stands for the offset of an event whose source record is lost: larger than any other.
NO_OFFSET: Final = (1 << OFFSET_BITS) - 1

#: The index in a row of each column that an event's own field fills.
_COLUMN: Final = {name: EventRow._fields.index(name) for name in EVENT_FIELDS}
_SCORE, _SCALE_MAX = _COLUMN["score"], _COLUMN["scale_max"]

#: How to read the events of a journal record, by its kind.
_EVENTS_OF: Final[dict[bytes, Callable[[bytes], Iterable[Any]]]] = {
    CONTACT: lambda value: decode_body(value)[0],
    PARKED: orjson.loads,
}

#: A row's columns from `extra` on: which record the event came in.
_Origin = tuple[str, int, str, int, int, int]


class SourceRecord(Protocol):
    """A record of a source topic, as aiokafka gives it."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None


class UnreadableEventError(ValueError):
    """This version cannot read an event that a worker counted."""

    def __init__(self, offset: int, reason: str) -> None:
        super().__init__(reason)
        self.offset: Final = offset


def event_rows(records: Iterable[SourceRecord], epoch: int) -> list[EventRow]:
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
        origin = (extra, record.timestamp, record.topic, record.partition, record.offset, epoch)
        rows.append(_row(event, contact_id, channel, origin))
    return rows


def rows_from_journal(key: bytes, value: bytes, source: SourcePartition, epoch: int) -> list[EventRow]:
    """Make rows of the events in a contact's journal record, or of parked events; none of any other record.

    For source records that are lost. What only those had, such as fields that the contract does not know, is missing. A
    row that was made of the source record itself wins over such a row.
    """
    read = _EVENTS_OF.get(key[:1])
    events = [Event._make(fields) for fields in read(value)] if read else []
    contact_id, channel = key[1:].decode(), channel_of(source[0]) or ""
    return [_row(event, contact_id, channel, ("", event.at, *source, NO_OFFSET, epoch)) for event in events]


def _row(event: Event, contact_id: str, channel: str, origin: _Origin) -> EventRow:
    fields = event.fields
    of_agent = not contact_id
    template = _template(_model(event.type, of_agent=of_agent))
    whose = fields["agent_id"] if of_agent else ""
    *_, offset, epoch = origin
    version = first_wins_version(epoch, offset)
    first = (contact_id, whose, event.event_id, normalised(event), event.at, version, event.type, channel, event.seq)
    row = [*first, *template, *origin]
    for name, given in fields.items():
        row[_COLUMN[name]] = given
    if "score" in fields:
        row[_SCORE], row[_SCALE_MAX] = float(fields["score"]), float(fields["scale_max"])
    made: EventRow = row_of(EventRow, row)
    return made


def _model(kind: str, *, of_agent: bool) -> type[EventModel]:
    if of_agent:
        return AgentStatus if kind == AGENT_STATUS else UnknownAgentEvent
    return MODELS.get(kind, UnknownEvent)


@cache
def _template(model: type[EventModel]) -> tuple[Any, ...]:
    """Return the values of the columns that an event does not fill: the fields' defaults, else empty."""
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
