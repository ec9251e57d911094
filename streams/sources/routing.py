"""Where a recorded line goes: its topic and key, read from the line itself.

A line that is no good event but has a channel and a key is sent as it is: the worker dead-letters it where people look.
Only what has no place to go is a fault. Nothing is changed here but, where asked, the time.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final, NamedTuple

import orjson

from schemas.topics import AGENTS, CONTACTS
from streams.moments import milliseconds, rfc3339

#: Kafka's own limit for a record as it comes; the contract's is lower, and the worker's to hold.
LARGEST_BYTES: Final = 1_000_000
_AGENT_TYPES: Final = "agent."


class Routed(NamedTuple):
    """A line with its place. `at` in UTC milliseconds; None where the line has no time that can be read.

    `origin` names the recording that it comes from.
    """

    topic: str
    key: bytes
    value: bytes
    at: int | None
    origin: str = ""


class UnroutableError(ValueError):
    """A line that has no place to go; says why."""


def _text(value: object) -> str | None:
    """Return a key's text as the contract trims it; None where there is none."""
    return value.strip() or None if isinstance(value, str) else None


def time_of(value: object) -> int | None:
    """Read `occurred_at` as UTC milliseconds; None where it is no time with a zone."""
    if not isinstance(value, str):
        return None
    try:
        read = datetime.fromisoformat(value.strip())
    except ValueError:
        return None
    return None if read.tzinfo is None else milliseconds(read)


def route(line: bytes, shift_ms: int | None = None, origin: str = "") -> Routed:
    """Find a line's topic and key; with `shift_ms` its time is moved by so much. Raises UnroutableError."""
    if len(line) > LARGEST_BYTES:
        raise UnroutableError(f"{len(line):,} bytes, more than a record may have ({LARGEST_BYTES:,})")
    try:
        event = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        raise UnroutableError(f"not JSON: {error}") from None
    if not isinstance(event, dict):
        raise UnroutableError("not a JSON object")
    topic, key = _place(event)
    at = time_of(event.get("occurred_at"))
    if shift_ms is not None and at is not None:
        at += shift_ms
        event["occurred_at"] = rfc3339(at)
        line = orjson.dumps(event)
    return Routed(topic, key.encode(), line, at, origin)


def _place(event: dict[str, object]) -> tuple[str, str]:
    event_type = event.get("type")
    contact_id, agent_id = _text(event.get("contact_id")), _text(event.get("agent_id"))
    if isinstance(event_type, str) and event_type.strip().startswith(_AGENT_TYPES):
        if agent_id is None:
            raise UnroutableError("agent_id is missing: there is no key to send it under")
        return AGENTS, agent_id
    if contact_id is None:
        raise UnroutableError("contact_id is missing: there is no key to send it under")
    channel = event.get("channel")
    topic = next((name for known, name in CONTACTS.items() if known == channel), None)
    if topic is None:
        raise UnroutableError(f"channel is not one of {', '.join(CONTACTS)}: there is no topic to send it to")
    return topic, contact_id
