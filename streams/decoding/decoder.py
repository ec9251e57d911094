"""Decodes a record's bytes to an event, or to the reason why it is none. The one place where events are read.

A bad record is an exception of its own, never a crash: its code and reason go with it into the dead-letter topic.
Reasons name fields and limits, never what a field held.
"""

from typing import Any, Final

import orjson
from pydantic import TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from schemas.events import (
    AGENT_EVENT,
    CONTACT_EVENT,
    MAX_RECORD_BYTES,
    MODELS,
    AgentStatus,
    ContactEvent,
    UnknownAgentEvent,
    UnknownEvent,
)
from schemas.topics import AGENTS, channel_of
from streams.core.event import Event, event_of
from streams.decoding.fast_path import plain_event

#: What pydantic trims off a string: Unicode's White_Space, which `str.strip` goes beyond.
BLANKS: Final = "\t\n\x0b\x0c\r \x85\xa0\u1680\u2028\u2029\u202f\u205f\u3000" + "".join(map(chr, range(0x2000, 0x200B)))

AGENT_STATUS: Final = "agent.status"

_UNKNOWN_EVENT: Final = TypeAdapter(UnknownEvent)
_UNKNOWN_AGENT_EVENT: Final = TypeAdapter(UnknownAgentEvent)
#: The optional fields of every event. With a type that this version does not know they take no part in any number, so a
#: later version may mean something else by them: none of them makes that event a bad record.
SPARED: Final = frozenset(name for name, field in UnknownEvent.model_fields.items() if not field.is_required())
_FREE_NAMES: Final = frozenset({"attributes", "capacity"})
_TOO_DEEP: Final = "not JSON that can be read: nested too deeply"


class BadRecord(ValueError):  # noqa: N818 - it is the record that is bad
    """A record that is no event of the contract."""

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(reason)
        #: `too_large`, `not_json`, `not_an_object`, `invalid`, `wrong_channel`, `wrong_type` or `wrong_key`.
        self.code: Final = code
        self.reason: Final = reason


def decode(topic: str, key: bytes | None, value: bytes | None) -> ContactEvent | AgentStatus | UnknownAgentEvent:
    """Read one record of a source topic. Raises BadRecord."""
    if value is None:
        raise BadRecord("not_json", "the record has no value")
    if len(value) > MAX_RECORD_BYTES:
        raise BadRecord("too_large", f"the record has {len(value)} bytes; the limit is {MAX_RECORD_BYTES}")
    return _agent_event(key, value) if topic == AGENTS else _contact_event(topic, key, value)


def read_event(topic: str, key: bytes | None, value: bytes | None) -> Event:
    """Read one record of a source topic as the fold's event, by the fast path where that takes it. Raises BadRecord."""
    if topic != AGENTS and value is not None and len(value) <= MAX_RECORD_BYTES:
        event = plain_event(channel_of(topic), key, value)
        if event is not None:
            return event
    return event_of(decode(topic, key, value))


def _contact_event(topic: str, key: bytes | None, value: bytes) -> ContactEvent:
    try:
        event: ContactEvent = CONTACT_EVENT.validate_json(value)
    except ValidationError:
        event = _contact_event_of_object(value)
    else:
        # Pydantic's parser takes these in fields that it ignores; they are no JSON, and other readers refuse them.
        if (b"N" in value and b"NaN" in value) or (b"I" in value and b"Infinity" in value):
            _parsed(value)
    if event.channel != channel_of(topic):
        raise BadRecord("wrong_channel", f"channel: {event.channel} does not belong into the topic {topic}")
    if key != event.contact_id.encode():
        raise BadRecord("wrong_key", "the record's key is not the event's contact_id (trimmed, NFC, UTF-8)")
    return event


def _contact_event_of_object(value: bytes) -> ContactEvent:
    """Read what was refused at first: null means absent, and a type may be newer than this version."""
    fields = _parsed(value)
    kind = fields.get("type")
    if kind == AGENT_STATUS:
        raise BadRecord("wrong_type", f"type: {AGENT_STATUS} belongs into the topic {AGENTS}")
    known = isinstance(kind, str) and kind in MODELS
    event: ContactEvent = _validated(CONTACT_EVENT, fields) if known else _validated(_UNKNOWN_EVENT, fields, SPARED)
    return event


def _agent_event(key: bytes | None, value: bytes) -> AgentStatus | UnknownAgentEvent:
    fields = _parsed(value)
    kind = fields.get("type")
    if isinstance(kind, str) and kind.startswith(("contact.", "message.", "event.")):
        raise BadRecord("wrong_type", f"type: an event of a contact does not belong into the topic {AGENTS}")
    arguments = (AGENT_EVENT, fields) if kind == AGENT_STATUS else (_UNKNOWN_AGENT_EVENT, fields, SPARED - {"agent_id"})
    event: AgentStatus | UnknownAgentEvent = _validated(*arguments)
    if key != event.agent_id.encode():
        raise BadRecord("wrong_key", "the record's key is not the event's agent_id (trimmed, NFC, UTF-8)")
    return event


def _parsed(value: bytes) -> dict[str, object]:
    """Parse a JSON object: without null fields, its strings trimmed. Raises BadRecord."""
    try:
        fields = orjson.loads(value)
    except orjson.JSONDecodeError as error:
        raise BadRecord("not_json", f"not JSON: {error.msg} at byte {error.pos}") from None
    if not isinstance(fields, dict):
        raise BadRecord("not_an_object", "the record is JSON, but no object")
    return {name: _trimmed(field) for name, field in fields.items() if field is not None}


def _trimmed(field: object) -> object:
    if isinstance(field, str):
        return field.strip(BLANKS)
    if isinstance(field, dict):
        return {name: inner for name, inner in field.items() if inner is not None}
    return field


def _validated(adapter: TypeAdapter[Any], fields: dict[str, object], spared: frozenset[str] = frozenset()) -> Any:  # noqa: ANN401 - what the adapter makes
    """Make an event of a parsed object, without `spared` fields that are wrong. Raises BadRecord with every fault."""
    try:
        return adapter.validate_json(orjson.dumps(fields))
    except ValidationError as error:
        faults = error.errors(include_input=False, include_url=False, include_context=False)
        if any(fault["type"] == "json_invalid" for fault in faults):
            raise BadRecord("not_json", _TOO_DEEP) from None
        if wrong := spared & {str(fault["loc"][0]) for fault in faults if fault["loc"]}:
            return _validated(adapter, {name: field for name, field in fields.items() if name not in wrong})
        raise BadRecord("invalid", "; ".join(map(_described, faults))) from None
    except orjson.JSONEncodeError:
        raise BadRecord("not_json", _TOO_DEEP) from None


def _described(fault: ErrorDetails) -> str:
    """Describe a fault, field first, without what the field held: its value may be a person's."""
    place = [str(part) for part in fault["loc"]]
    if place and place[0] in MODELS:
        del place[0]
    if not place:
        return _problem(fault)
    # Below an object the names are the sender's own words.
    named = place[0] if place[0] not in _FREE_NAMES or len(place) == 1 else f"{place[0]}, one of its fields"
    items = "".join(f"[{part}]" for part in place[1:]) if place[0] not in _FREE_NAMES else ""
    return f"{named}{items}: {_problem(fault)}"


def _problem(fault: ErrorDetails) -> str:
    kind = fault["type"]
    if kind.startswith("union_tag"):
        return "type: missing"
    if kind == "string_pattern_mismatch" or kind.startswith("datetime"):
        return "should be an RFC 3339 time with a zone, such as 2026-03-01T09:30:00.250+02:00"
    return fault["msg"].removeprefix("Value error, ")
