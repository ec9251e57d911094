"""Twilio: TaskRouter (Flex) and Conversations. A hook is recognised by its payload: a form, a CloudEvent or a list.

Facts: twilio.com/docs/taskrouter/api/event/reference, twilio.com/docs/events/event-types, twilio/twilio-oai.
"""

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import parse_qsl

from streams.sources.adapter import (
    FULL,
    AccountRules,
    Adapter,
    Event,
    Feed,
    Hook,
    Mapped,
    Payload,
    Request,
    UnmappableError,
)
from streams.sources.vendor_values import JsonObject, json_object, json_objects, optional_text_at
from streams.sources.vendors.twilio import conversations, task_events
from streams.sources.vendors.twilio.routing import map_task_event
from streams.sources.vendors.twilio.signature import TwilioSignature

_MAX_FIELDS: Final = 500


def _hook(payload: Payload, account: AccountRules, answers: Mapping[Request, Any]) -> Mapped:
    """Map what TaskRouter, Event Streams or Conversations posts."""
    if payload.body.lstrip()[:1] in {b"{", b"["}:
        return _joined([_cloud_event(each, account, answers) for each in json_objects(payload.body)])
    form = _form(payload.body)
    if form.get("EventType", "").startswith("on"):
        return conversations.map_webhook(form, account, answers)
    return map_task_event(task_events.of_form(form), account)


def _event(payload: Payload, account: AccountRules, answers: Mapping[Request, Any]) -> Mapped:
    """Map a row of `GET /v1/Workspaces/{WS}/Events`."""
    del answers
    return map_task_event(task_events.of_row(json_object(payload.body)), account)


def _cloud_event(event: JsonObject, account: AccountRules, answers: Mapping[Request, Any]) -> Mapped:
    kind = optional_text_at(event, "type")
    if kind.startswith(task_events.PREFIX):
        return map_task_event(task_events.of_cloud_event(event), account)
    if kind.startswith(conversations.PREFIX):
        return conversations.map_cloud_event(event, account, answers)
    if kind.startswith("com.twilio."):
        return Mapped(nothing=f"{kind}: of neither TaskRouter nor Conversations")
    raise UnmappableError("type", "is no event of Twilio: com.twilio.…")


def _joined(each: list[Mapped]) -> Mapped:
    """Turn a batch into one payload: nothing is sent until everything that it needs is there."""
    requests = tuple(dict.fromkeys(request for mapped in each for request in mapped.requests))
    if requests:
        return Mapped(requests=requests)
    events: tuple[Event, ...] = tuple(event for mapped in each for event in mapped.events)
    return Mapped(events, "" if events else "; ".join(dict.fromkeys(mapped.nothing for mapped in each)))


def _form(body: bytes) -> dict[str, str]:
    try:
        return dict(parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=_MAX_FIELDS))
    except ValueError:  # not UTF-8, or too many fields
        raise UnmappableError("", "the body is neither JSON nor a form") from None


_MESSAGES: Final = Feed("part", "only with Conversations webhooks: TaskRouter knows no messages")
_HOLDS: Final = Feed("part", "TaskRouter reports no holds: talk includes them")

ADAPTER: Final = Adapter(
    name="twilio",
    title="Twilio",
    forms={"hook": _hook, "event": _event},
    # TaskRouter waits 15 s, Event Streams and Conversations 5.
    hook=Hook(signature=TwilioSignature(), timeout_s=5, status=204),
    feeds={
        "offered": FULL,
        "entered": FULL,
        "queue_wait": FULL,
        "first_response": Feed("part", "calls in full; chats only with Conversations webhooks, e-mail not at all"),
        "next_response": _MESSAGES,
        "nudges": _MESSAGES,
        "replies": _MESSAGES,
        "slow": Feed("part", "as first_response"),
        "abandoned": FULL,
        "handle": FULL,
        "wrap": FULL,
        "talk": _HOLDS,
        "transferred": Feed("part", "completed ones; counted in the queue that the contact is in by then"),
        "missed": FULL,
        "resolution": FULL,
        "reopened": Feed("part", "by a customer's message after the end; TaskRouter itself opens nothing again"),
        "tagged": Feed("part", "only an outcome in the task's attributes, as Flex Insights has it"),
        "any_tag": Feed("part", "as tagged"),
        "untagged_resolved": Feed("part", "as tagged"),
        "bot_contained": Feed("part", "only with Conversations webhooks and `bots`"),
    },
    gauges={"agents": Feed("part", "activities; that a worker is on a task is no activity")},
)
