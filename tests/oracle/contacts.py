"""Contacts from events: normalised, deduplicated by `event_id`, freed of voided events, and ordered."""

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

#: What every event may have; None: no default.
EVERY_EVENT: Final[dict[str, Any]] = {
    **dict.fromkeys(("event_id", "type", "contact_id", "channel", "occurred_at", "source", "queue", "priority")),
    **dict.fromkeys(("team", "language", "segment", "customer_id", "agent_id", "attributes")),
    "seq": 0,
}
_SCORE: Final = {"score": None, "scale_max": None}
#: Each type's own fields with their defaults; what people wrote takes no part, since nothing keeps it.
OWN_FIELDS: Final[dict[str, dict[str, Any]]] = {
    **{
        f"contact.{name}": {}
        for name in (
            *("queued", "handed_off", "connected", "held", "resumed", "transferred", "disconnected", "wrapped"),
            *("abandoned", "prioritised", "resolved", "reopened", "missed"),
        )
    },
    "contact.started": {"direction": "inbound", "initiated_by": "customer"},
    "contact.dequeued": {"reason": "other"},
    "message.sent": {"author": None, "public": True, "automatic": False},
    "contact.tagged": {"tags": None, "replace": False},
    "contact.untagged": {"tags": None},
    "contact.paused": {"for": "customer"},
    "contact.unpaused": {"for": "customer"},
    "contact.discarded": {"reason": None, "into": None},
    "contact.evaluated": {**_SCORE, "form": None, "evaluator_id": None},
    "contact.rated": {**_SCORE, "survey_id": None, "comment_present": False},
    "event.voided": {"voids": None},
}
#: The order of events of one time and `seq`, by type.
RANK: Final = {
    **dict.fromkeys(("contact.queued", "contact.handed_off"), 1),
    "contact.connected": 2,
    **dict.fromkeys(("contact.transferred", "contact.dequeued", "contact.abandoned"), 4),
    "contact.disconnected": 5,
    "contact.wrapped": 6,
    "contact.resolved": 7,
    **dict.fromkeys(("contact.reopened", "contact.rated", "contact.evaluated"), 8),
}
OTHER_RANK: Final = 3

HUMAN_REPLY: Final = "a human reply"
CUSTOMER_MESSAGE: Final = "a customer message"
BOT_MESSAGE: Final = "a bot message"


@dataclass(frozen=True, eq=False)
class Contact:
    """One contact: its events in the order of the fold. Times (`at`) are UTC milliseconds; -1 is before any event."""

    contact_id: str
    channel: str
    events: list[Event]
    centre: Centre = DEFAULTS

    def find(self, *kinds: str, after: int = -1, before: int | None = None) -> list[int]:
        """List the positions, between two of them, of events of these types or messages of these kinds."""
        return [i for i in range(after + 1, len(self.events) if before is None else before) if self.kinds(i) & {*kinds}]

    def kinds(self, position: int) -> set[str]:
        """Say what an event is: its type and, of a message, whether the metrics speak of it."""
        event = self.events[position]
        kinds = {str(event["type"])}
        if event["type"] == "message.sent":
            if event["author"] == "bot":
                kinds.add(BOT_MESSAGE)
            if event["author"] in {"agent", "customer"} and event["public"] and not event["automatic"]:
                kinds.add(HUMAN_REPLY if event["author"] == "agent" else CUSTOMER_MESSAGE)
        return kinds

    def at(self, position: int) -> int:
        """Return when an event happened."""
        return int(self.events[position]["at"])

    @property
    def partial(self) -> bool:
        """A contact whose `contact.started` is not known is partial."""
        return not self.find("contact.started")

    @property
    def discarded(self) -> bool:
        """A discarded contact has no samples but those of work."""
        return bool(self.find("contact.discarded"))

    @property
    def customers_own(self) -> bool:
        """Whether a customer initiated it inbound; so does one of which nobody knows."""
        return all(
            (self.events[i]["direction"], self.events[i]["initiated_by"]) == ("inbound", "customer")
            for i in self.find("contact.started")[:1]
        )

    def in_force(self, position: int, field: str, otherwise: str = "") -> str:
        """Return the last value named for a field up to and including an event."""
        named = [event[field] for event in self.events[: position + 1] if event[field] is not None]
        return str(named[-1]) if named else otherwise

    def queue(self, position: int) -> str:
        """Return the queue in force: unassigned before any."""
        return self.in_force(position, "queue", "unassigned")

    def agent(self, position: int) -> str:
        """Return the agent in force: the event's own, else the last who connected or replied."""
        acted = self.find("contact.connected", HUMAN_REPLY, before=position)
        named = [self.events[i]["agent_id"] for i in [*acted, position] if self.events[i]["agent_id"] is not None]
        return str(named[-1]) if named else ""


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


def trimmed(value: Any) -> Any:  # noqa: ANN401 - any JSON value
    """NFC-normalise and trim every string in a value."""
    if isinstance(value, str):
        return unicodedata.normalize("NFC", value.strip())
    if isinstance(value, list):
        return [trimmed(each) for each in value]
    if isinstance(value, dict):
        return {trimmed(key): trimmed(each) for key, each in value.items()}
    return value


def normalised(event: Mapping[str, Any]) -> Event:
    """Return the contract's fields of an event, defaults filled in; `at` stands for `occurred_at`."""
    present = trimmed(dict(event))
    given: Any = {name: value for name, value in present.items() if value != ""}  # empty stands for absent
    fields = EVERY_EVENT | OWN_FIELDS.get(given["type"], {})
    known = {name: default if given.get(name) is None else given[name] for name, default in fields.items()}
    known["at"] = milliseconds(known.pop("occurred_at"))
    return known


def as_json(event: Event) -> bytes:
    """Write a normalised event: null as absent, keys sorted, UTF-8."""
    present = {("occurred_at" if name == "at" else name): value for name, value in event.items() if value is not None}
    present = {name: float(value) if isinstance(value, Decimal) else value for name, value in present.items()}
    return json.dumps(present, sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode()


def contacts(events: Iterable[Mapping[str, Any]], centre: Centre = DEFAULTS) -> list[Contact]:
    """Put events together into contacts, by id; of two events under one id the one whose JSON sorts first stays."""
    by_contact: dict[tuple[str, str], dict[str, Event]] = defaultdict(dict)
    for raw in events:
        if raw.get("contact_id") is not None:  # agents' states have none
            event = normalised(raw)
            one = by_contact[event["channel"], event["contact_id"]]
            one[event["event_id"]] = min(one.get(event["event_id"], event), event, key=as_json)
    return [
        Contact(contact_id, channel, _in_order(one.values()), centre)
        for (channel, contact_id), one in sorted(by_contact.items())
    ]


def _in_order(events: Iterable[Event]) -> list[Event]:
    """Leave out unknown types and voided events, and put the first `contact.started` before all others."""
    known = [event for event in events if event["type"] in OWN_FIELDS]
    voided = {event["voids"] for event in known if event["type"] == "event.voided"}
    stay = [event for event in known if event["type"] == "event.voided" or event["event_id"] not in voided]
    stay.sort(key=lambda event: (event["at"], event["seq"], RANK.get(event["type"], OTHER_RANK), event["event_id"]))
    first = [event for event in stay if event["type"] == "contact.started"][:1]
    return first + [event for event in stay if event not in first]
