"""Maps a payload and checks the events against the contract.

Nothing that an adapter makes is sent unchecked. If the worker would refuse one of the events, UnmappableError is raised
for the payload, and the payload becomes the dead letter.
"""

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import orjson
from pydantic import TypeAdapter, ValidationError

from schemas.events import AGENT_EVENT, CONTACT_EVENT, MAX_RECORD_BYTES, UnknownEvent
from schemas.source_gauges import QueueState
from schemas.topics import AGENTS, CONTACTS
from schemas.values import nfc
from streams.sources.adapter import AccountRules, Adapter, Event, Mapped, Payload, Request, UnmappableError

#: Of types that only the vendor has, such as `intercom.custom`: archived, and in no number.
_VENDOR_EVENT: Final = TypeAdapter(UnknownEvent)


class OutgoingEvent(NamedTuple):
    """An event as a record: its topic, key and value."""

    topic: str
    key: bytes
    value: bytes


class Outcome(NamedTuple):
    """The result of mapping a payload: records; or why there are none; or what must be asked first."""

    records: tuple[OutgoingEvent, ...] = ()
    nothing: str = ""
    requests: tuple[Request, ...] = ()
    states: tuple[QueueState, ...] = ()


def map_payload(
    adapter: Adapter, form: str, payload: Payload, account: AccountRules, answers: Mapping[Request, Any] | None = None
) -> Outcome:
    """Map a payload of a form to records. Raises UnmappableError, whatever the bytes."""
    try:
        mapped = adapter.forms[form](payload, account, answers or {})
    except UnmappableError:
        raise
    except RecursionError:
        raise UnmappableError("", "is nested too deeply") from None
    return _checked(mapped)


def _checked(mapped: Mapped) -> Outcome:
    if mapped.requests:
        return Outcome(requests=mapped.requests)
    return Outcome(tuple(record_of(event) for event in mapped.events), mapped.nothing, states=mapped.states)


def record_of(event: Event) -> OutgoingEvent:
    """Make the record of an event. Raises UnmappableError where it does not fit the contract.

    A type that begins with the source's name and a dot is one of the vendor's own.
    """
    of_agent = event.get("type") == "agent.status"
    of_vendor = str(event.get("type")).startswith(f"{event.get('source')}.")
    try:
        value = orjson.dumps(event)
        (_VENDOR_EVENT if of_vendor else AGENT_EVENT if of_agent else CONTACT_EVENT).validate_json(value)
    except ValidationError as error:
        fault = error.errors(include_url=False, include_input=False)[0]
        field = ".".join(str(part) for part in fault["loc"] if part != event.get("type"))
        raise UnmappableError(field, f"of {event.get('type')}: {fault['msg']}") from None
    except (orjson.JSONEncodeError, TypeError) as error:
        raise UnmappableError("", f"of {event.get('type')}: cannot be written as JSON: {error}") from None
    if len(value) > MAX_RECORD_BYTES:
        raise UnmappableError("", f"of {event.get('type')}: {len(value):,} bytes are more than a record may have")
    topic = AGENTS if of_agent else CONTACTS[event["channel"]]
    return OutgoingEvent(topic, nfc(str(event["agent_id" if of_agent else "contact_id"]).strip()).encode(), value)
