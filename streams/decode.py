"""From a record's bytes to an event, or to the reason why it is none. The one place where events are read.

A bad record is an exception of its own, never a crash: its code and reason go with it into the dead-letter topic.
Reasons name fields and limits, never what a field held.
"""

from __future__ import annotations

from typing import Final

import orjson
from pydantic import ValidationError

from schemas.events import (
    AGENT_EVENT,
    CONTACT_EVENT,
    MAX_RECORD_BYTES,
    AgentStatus,
    ContactEvent,
    UnknownAgentEvent,
    UnknownEvent,
)
from schemas.topics import AGENTS, channel_of


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


def _contact_event(topic: str, key: bytes | None, value: bytes) -> ContactEvent:
    try:
        event: ContactEvent = CONTACT_EVENT.validate_json(value)
    except ValidationError as error:
        event = _second_look(value, error)
    if event.channel != channel_of(topic):
        raise BadRecord("wrong_channel", f"channel: {event.channel} does not belong into the topic {topic}")
    if key != event.contact_id.encode():
        raise BadRecord("wrong_key", "the record's key is not the event's contact_id (trimmed, NFC, UTF-8)")
    return event


def _second_look(value: bytes, first: ValidationError) -> ContactEvent:
    """Read what the quick way refused: null stands for absent, and a type may be newer than this version."""
    fields = _object(value)
    kind = fields.get("type")
    if kind == "agent.status":
        raise BadRecord("wrong_type", f"type: agent.status belongs into the topic {AGENTS}")
    unknown = [fault["type"] for fault in first.errors(include_url=False)] == ["union_tag_invalid"]
    text = orjson.dumps(fields)
    try:
        return UnknownEvent.model_validate_json(text) if unknown else CONTACT_EVENT.validate_json(text)
    except ValidationError as error:
        raise BadRecord("invalid", _reason(error)) from None


def _agent_event(key: bytes | None, value: bytes) -> AgentStatus | UnknownAgentEvent:
    fields = _object(value)
    text = orjson.dumps(fields)
    kind = fields.get("type")
    if isinstance(kind, str) and kind.startswith(("contact.", "message.", "event.")):
        raise BadRecord("wrong_type", f"type: an event of a contact does not belong into the topic {AGENTS}")
    try:
        event: AgentStatus | UnknownAgentEvent
        if kind == "agent.status":
            event = AGENT_EVENT.validate_json(text)
        else:
            event = UnknownAgentEvent.model_validate_json(text)
    except ValidationError as error:
        raise BadRecord("invalid", _reason(error)) from None
    if key != event.agent_id.encode():
        raise BadRecord("wrong_key", "the record's key is not the event's agent_id (trimmed, NFC, UTF-8)")
    return event


def _object(value: bytes) -> dict[str, object]:
    """Parse a JSON object without its null fields. Raises BadRecord."""
    try:
        fields = orjson.loads(value)
    except orjson.JSONDecodeError as error:
        raise BadRecord("not_json", f"not JSON: {error.msg} at byte {error.pos}") from None
    if not isinstance(fields, dict):
        raise BadRecord("not_an_object", "the record is JSON, but no object")
    return {name: field for name, field in fields.items() if field is not None}


def _reason(error: ValidationError) -> str:
    """Say every fault, field first, without what the field held."""
    faults = []
    for fault in error.errors(include_input=False, include_url=False, include_context=False):
        place = fault["loc"][1:] if fault["loc"] and "." in str(fault["loc"][0]) else fault["loc"]
        problem = "unknown or missing type" if fault["type"].startswith("union_tag") else fault["msg"]
        faults.append(f"{'.'.join(str(part) for part in place) or 'type'}: {problem.removeprefix('Value error, ')}")
    return "; ".join(faults)
