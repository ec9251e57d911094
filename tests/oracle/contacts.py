"""From a heap of events to contacts: normalised, deduplicated, freed of voided events, ordered."""

from __future__ import annotations

import json
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Final

from tests.oracle.centre import DEFAULTS, Centre

Event = dict[str, Any]

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)

EVERY_EVENT: Final = {
    "event_id": None,
    "type": None,
    "contact_id": None,
    "channel": None,
    "seq": 0,
    "occurred_at": None,
    "source": None,
    "queue": None,
    "priority": None,
    "team": None,
    "language": None,
    "segment": None,
    "customer_id": None,
    "agent_id": None,
    "attributes": None,
}

#: Each type's own fields with their defaults.
OWN_FIELDS: Final[dict[str, dict[str, Any]]] = {
    "contact.started": {"direction": "inbound", "initiated_by": "customer"},
    "contact.queued": {},
    "contact.handed_off": {},
    "contact.connected": {},
    "contact.held": {},
    "contact.resumed": {},
    "contact.transferred": {},
    "contact.disconnected": {},
    "contact.wrapped": {},
    "contact.abandoned": {},
    "message.sent": {"author": None, "public": True, "automatic": False, "text": None},
    "contact.tagged": {"tags": None},
    "contact.untagged": {"tags": None},
    "contact.prioritised": {},
    "contact.resolved": {},
    "contact.reopened": {},
    "contact.paused": {"for": None},
    "contact.unpaused": {"for": None},
    "contact.discarded": {"reason": None, "into": None},
    "contact.missed": {},
    "contact.evaluated": {"score": None, "scale_max": None, "form": None, "evaluator_id": None},
    "contact.rated": {"score": None, "scale_max": None, "comment_present": False, "comment": None},
    "event.voided": {"voids": None},
}


@dataclass
class Contact:
    """One contact: its events in the order of the fold. Times (`at`) are UTC milliseconds."""

    contact_id: str
    channel: str
    events: list[Event]
    centre: Centre = DEFAULTS

    def first(self, *types: str) -> int | None:
        """Return the position of the first event of these types."""
        return next((i for i, event in enumerate(self.events) if event["type"] in types), None)

    @property
    def partial(self) -> bool:
        """Whether it has no `contact.started`."""
        return self.first("contact.started") is None

    @property
    def discarded(self) -> bool:
        """Whether it counts nowhere."""
        return self.first("contact.discarded") is not None

    def in_force(self, position: int, field: str, otherwise: str) -> str:
        """Return the last value named for a field up to and including the event at `position`."""
        named = [event[field] for event in self.events[: position + 1] if event[field] is not None]
        return named[-1] if named else otherwise

    def queue(self, position: int) -> str:
        """Return the queue in force at the event at `position`; -1 is before any event."""
        return self.in_force(position, "queue", "unassigned")

    def priority(self, position: int) -> str:
        """Return the priority in force at the event at `position`."""
        return self.in_force(position, "priority", "normal")


def milliseconds(text: str) -> int:
    """Read RFC 3339 with up to nine digits of a second; what is past the third digit is cut."""
    text = text.strip().upper().replace("Z", "+00:00")
    whole, dot, rest = text.partition(".")
    digits = ""
    if dot:
        digits = rest[: next(i for i, c in enumerate(rest) if not c.isdigit())]
        text = whole + rest[len(digits) :]
    seconds = (datetime.fromisoformat(text) - _EPOCH) // timedelta(seconds=1)
    return seconds * 1000 + int((digits + "000")[:3])


def _text(value: Any) -> Any:  # noqa: ANN401 - any JSON value
    if isinstance(value, str):
        return unicodedata.normalize("NFC", value.strip())
    if isinstance(value, list):
        return [_text(each) for each in value]
    if isinstance(value, dict):
        return {_text(key): _text(each) for key, each in value.items()}
    return value


def normalised(event: Mapping[str, Any]) -> Event:
    """Return the contract's fields of an event, defaults filled in; `at` stands for `occurred_at`."""
    trimmed = _text(dict(event))
    fields = EVERY_EVENT | OWN_FIELDS.get(trimmed["type"], {})
    known = {name: default if trimmed.get(name) is None else trimmed[name] for name, default in fields.items()}
    known["at"] = milliseconds(known.pop("occurred_at"))
    return known


def as_json(event: Event) -> bytes:
    """Write a normalised event so that of two the first can be told: keys sorted, null as absent, UTF-8."""
    present = {("occurred_at" if name == "at" else name): value for name, value in event.items() if value is not None}
    present = {name: float(value) if isinstance(value, Decimal) else value for name, value in present.items()}
    return json.dumps(present, sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode()


def contacts(events: Iterable[Mapping[str, Any]], centre: Centre = DEFAULTS) -> list[Contact]:
    """Put events together into contacts, by id; agents' states are no part of any."""
    by_contact: dict[tuple[str, str], dict[str, Event]] = defaultdict(dict)
    for raw in events:
        if raw.get("contact_id") is None:
            continue
        event = normalised(raw)
        one = by_contact[event["channel"], event["contact_id"]]
        known = one.get(event["event_id"])
        if known is None or as_json(event) < as_json(known):
            one[event["event_id"]] = event
    return [
        Contact(contact_id, channel, _in_order(list(one.values())), centre)
        for (channel, contact_id), one in sorted(by_contact.items())
    ]


def _in_order(events: list[Event]) -> list[Event]:
    known = [event for event in events if event["type"] in OWN_FIELDS]
    voided = {event["voids"] for event in known if event["type"] == "event.voided"}
    left = [event for event in known if event["type"] == "event.voided" or event["event_id"] not in voided]
    return sorted(left, key=lambda event: (event["at"], event["seq"], event["event_id"]))


def is_human_reply(event: Event) -> bool:
    """Tell whether a human agent wrote to the customer."""
    return (
        event["type"] == "message.sent"
        and event["author"] == "agent"
        and event["public"] is True
        and event["automatic"] is False
    )


def is_customer_message(event: Event) -> bool:
    """Tell whether the customer wrote."""
    return (
        event["type"] == "message.sent"
        and event["author"] == "customer"
        and event["public"] is True
        and event["automatic"] is False
    )


def is_customers_own(contact: Contact) -> bool:
    """Tell whether the customer began it: inbound, and not by an agent or the system."""
    position = contact.first("contact.started")
    if position is None:
        return True
    started = contact.events[position]
    return bool(started["direction"] == "inbound" and started["initiated_by"] == "customer")
