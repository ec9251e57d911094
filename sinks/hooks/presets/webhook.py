"""The body of a webhook: `schemas/hooks.py` says what stands in it, and is published as a JSON Schema."""

from typing import Any

from schemas.alerts import Alert
from schemas.hooks import BODY_BYTES_AT_MOST, AlertData, AlertHook, HookContact, TagData, TagHook
from sinks.hooks.fitting import fitted
from sinks.hooks.messages import Message, TaggedContact
from sinks.hooks.wording import cut, timestamp


def body(message: Message) -> bytes:
    """Write a message."""
    about = message.about
    if isinstance(about, Alert):
        return fitted(lambda contacts, length: _alert(message, about, contacts, length), BODY_BYTES_AT_MOST - 1)
    return fitted(lambda _, length: _tagged(message, about, length), BODY_BYTES_AT_MOST - 1)


def _alert(message: Message, alert: Alert, contacts: int, length: int) -> dict[str, Any]:
    shown = list(zip(alert.contacts, message.contacts, strict=True))[:contacts]
    made = AlertHook(
        type=f"alert.{message.status}",  # type: ignore[arg-type] # a tag has no alert
        timestamp=timestamp(alert.at),
        data=AlertData(
            alert_id=alert.id,
            key=alert.key,
            sequence=alert.sequence,
            kind=alert.kind,
            condition=alert.condition,
            rule=alert.rule,
            severity=alert.severity,
            state=alert.state,
            reason=alert.reason,
            title=cut(message.title, length),
            text=[cut(f"{line.label}: {line.text}", length) for line in message.lines],
            dimensions=alert.dimensions,
            measured=alert.measured,
            pending_since=timestamp(alert.pending_since),
            fired_at=None if alert.fired_at is None else timestamp(alert.fired_at),
            resolved_at=None if alert.resolved_at is None else timestamp(alert.resolved_at),
            held=alert.held,
            acknowledged_by=alert.acknowledged_by,
            contacts=[HookContact(**contact.model_dump(), link=line.link) for contact, line in shown],
            contacts_left_out=len(alert.contacts) - len(shown),
            dashboard=message.dashboard,
            runbook=message.runbook,
        ),
    )
    return made.model_dump()


def _tagged(message: Message, tagged: TaggedContact, length: int) -> dict[str, Any]:
    contact = HookContact(
        contact_id=tagged.contact_id,
        channel=tagged.channel,
        queue=tagged.queue,
        source=tagged.source,
        link=message.contacts[0].link,
    )
    data = TagData(tag=tagged.tag, title=cut(message.title, length), contact=contact)
    return TagHook(type="contact.tagged", timestamp=timestamp(tagged.at), data=data).model_dump()
