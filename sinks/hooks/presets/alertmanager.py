"""Alerts for Alertmanager's API v2, which knows an alert by its labels: no value, count or time is among them.

Alertmanager treats an alert that is not sent again as resolved. So a firing one is sent every `RESEND_EVERY_S`, with an
end that is later than the next sending; a resolved one is sent with its real end for five more minutes.
"""

from typing import Any, Final

import orjson

from schemas.alerts import Alert
from sinks.hooks.fitting import fitted
from sinks.hooks.messages import Message
from sinks.hooks.wording import cut, timestamp

PATH: Final = "/api/v2/alerts"
#: How often a firing alert is sent again.
RESEND_EVERY_S: Final = 60
#: How long it fires without another sending: four may be lost.
_LIVES_MS: Final = 5 * RESEND_EVERY_S * 1000
#: How long a resolved alert is sent again.
_RESOLVED_FOR_MS: Final = 300_000
_BODY_BYTES_AT_MOST: Final = 60_000


def body(message: Message, alert: Alert) -> bytes:
    """Write an alert, but for the end of a firing one, which depends on when it is sent."""
    return fitted(lambda contacts, length: [_alert(message, alert, contacts, length)], _BODY_BYTES_AT_MOST)


def with_end(alerts: bytes, at_ms: int) -> bytes:
    """Give firing alerts an end some minutes after this time."""
    return orjson.dumps([{"endsAt": timestamp(at_ms + _LIVES_MS), **alert} for alert in orjson.loads(alerts)])


def sent_again_ms(resolved_at: int | None, at_ms: int) -> int | None:
    """Return when to send an alert again after it was sent at that time; None: its end was sent long enough."""
    due = at_ms + RESEND_EVERY_S * 1000
    return due if resolved_at is None or due <= resolved_at + _RESOLVED_FOR_MS else None


def _alert(message: Message, alert: Alert, contacts: int, length: int) -> dict[str, Any]:
    starts = alert.pending_since if alert.fired_at is None else alert.fired_at
    text = [f"{line.label}: {cut(line.text, length)}" for line in message.lines]
    text += [
        cut(each.text, length) + ("" if each.link is None else f" {each.link}") for each in message.contacts[:contacts]
    ]
    annotations = {
        "summary": cut(message.title, length),
        "description": "\n".join(text),
        "alert_id": alert.id,
        **({} if message.dashboard is None else {"dashboard": message.dashboard}),
        **({} if message.runbook is None else {"runbook_url": message.runbook}),
    }
    labels = {
        "alertname": f"Pulssi: {alert.rule}",
        "condition": alert.condition,
        "kind": alert.kind,
        "severity": alert.severity,
        **{name: value for name, value in alert.dimensions.model_dump().items() if value},
    }
    made = {"labels": labels, "annotations": annotations, "startsAt": timestamp(starts)}
    if message.dashboard is not None:
        made["generatorURL"] = message.dashboard
    if alert.resolved_at is not None:
        # Alertmanager accepts an end that equals the start, but not every reader of its API does.
        made["endsAt"] = timestamp(max(alert.resolved_at, starts + 1))
    return made
