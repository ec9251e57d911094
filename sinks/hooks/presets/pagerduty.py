"""An event for PagerDuty's Events API v2; its dedup key is the alert's id, so that a new firing is a new incident."""

from typing import Any, Final

import orjson

from schemas.alerts import Alert
from sinks.hooks.fitting import fitted
from sinks.hooks.messages import Message, Status
from sinks.hooks.wording import cut, timestamp

_SUMMARY_AT_MOST: Final = 1_024
#: PagerDuty takes 512 KB; so much suffices.
_BODY_BYTES_AT_MOST: Final = 60_000

_ACTIONS: Final[dict[Status, str]] = {
    "pending": "trigger",
    "firing": "trigger",
    "acknowledged": "acknowledge",
    "resolved": "resolve",
}


def body(message: Message, alert: Alert) -> bytes:
    """Write an event, but for its routing key: a body is kept, and secrets are not."""
    return fitted(lambda contacts, length: _event(message, alert, contacts, length), _BODY_BYTES_AT_MOST)


def with_routing_key(event: bytes, routing_key: str) -> bytes:
    """Add the key of the service that the event is for."""
    return orjson.dumps({"routing_key": routing_key, **orjson.loads(event)})


def _event(message: Message, alert: Alert, contacts: int, length: int) -> dict[str, Any]:
    shown = message.contacts[:contacts]
    links = message.links + [(each.text, each.link) for each in shown if each.link is not None]
    details = {line.label: cut(line.text, length) for line in message.lines}
    if shown:
        details["Contacts"] = "; ".join(cut(each.text, length) for each in shown)
    event = {
        "event_action": _ACTIONS[message.status],
        "dedup_key": alert.id or alert.key[:255],
        "client": "Pulssi",
        "payload": {
            "summary": cut(message.title, _SUMMARY_AT_MOST),
            "source": "pulssi",
            "severity": alert.severity,
            "timestamp": timestamp(alert.at),
            "component": alert.dimensions.queue or alert.rule,
            "group": alert.dimensions.channel or alert.kind,
            "class": alert.condition,
            "custom_details": details,
        },
        "links": [{"href": link, "text": cut(label, length)} for label, link in links],
    }
    return event if message.dashboard is None else {**event, "client_url": message.dashboard}
