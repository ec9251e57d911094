"""Genesys Cloud: detail events by EventBridge or a webhook, and conversations of the analytics details job.

Facts: the models of MyPureCloud/platform-client-sdk-python (`…DetailEventTopic…Event`, `AnalyticsConversation…`).
"""

from collections.abc import Mapping
from typing import Any, Final

from streams.sources.adapter import FULL, AccountRules, Adapter, Feed, Hook, Mapped, Payload, Request, UnmappableError
from streams.sources.signatures import SharedSecret
from streams.sources.vendor_values import JsonObject, json_objects, list_at, object_at, optional_text_at
from streams.sources.vendors.genesys.conversation import map_conversation
from streams.sources.vendors.genesys.detail_events import map_detail_event
from streams.sources.vendors.genesys.users import map_user_activity


def _hook(payload: Payload, account: AccountRules, answers: Mapping[Request, Any]) -> Mapped:
    del answers
    return _joined([_detail_event(each, account) for each in json_objects(payload.body)])


def _conversation(payload: Payload, account: AccountRules, answers: Mapping[Request, Any]) -> Mapped:
    del answers
    found = [each for page in json_objects(payload.body) for each in _conversations(page)]
    return _joined([map_conversation(each, account) for each in found])


def _conversations(page: JsonObject) -> list[JsonObject]:
    """Give the conversations of a page of results, or the one that is no page."""
    if "conversations" not in page:
        return [page]
    found = list_at(page, "conversations")
    if not all(isinstance(each, dict) for each in found):
        raise UnmappableError("conversations", "must be a list of objects")
    return found


def _detail_event(found: JsonObject, account: AccountRules) -> Mapped:
    """Find topic and body: EventBridge wraps them into `detail`, notifications and webhooks have them at the top."""
    wrapped = object_at(found, "detail") if "detail" in found else found
    topic = optional_text_at(wrapped, "topicName") or optional_text_at(found, "detail-type")
    if not topic:
        raise UnmappableError("topicName", "is missing: the body alone does not say what it is about")
    if topic.startswith("v2."):
        body = object_at(wrapped, "eventBody")
        return map_user_activity(topic, body, account) or map_detail_event(topic, body, account)
    return Mapped(nothing=f"{topic[:100]}: no topic with events")


def _joined(each: list[Mapped]) -> Mapped:
    events = tuple(event for mapped in each for event in mapped.events)
    reasons = "; ".join(dict.fromkeys(mapped.nothing for mapped in each)) or "an empty page"
    return Mapped(events, "" if events else reasons)


_REPLIES: Final = Feed(
    "part", "calls in full; chats by their acceptance, until a conversation has response times; e-mail only by these"
)

ADAPTER: Final = Adapter(
    name="genesys",
    title="Genesys Cloud",
    forms={"hook": _hook, "conversation": _conversation},
    hook=Hook(signature=SharedSecret(header="X-Pulssi-Secret", parameter=""), timeout_s=5),
    feeds={
        "offered": FULL,
        "entered": FULL,
        "queue_wait": FULL,
        "first_response": _REPLIES,
        "slow": _REPLIES,
        "replies": Feed("part", "one for each response time of a conversation"),
        "abandoned": FULL,
        "handle": FULL,
        "hold": Feed("part", "how long it was, not when"),
        "wrap": FULL,
        "talk": FULL,
        "transferred": FULL,
        "missed": Feed("part", "live only where the way in which the offer ended shows it"),
        "resolution": FULL,
        "tagged": Feed("part", "wrap-up codes, by their ids"),
        "any_tag": Feed("part", "wrap-up codes, by their ids"),
        "untagged_resolved": Feed("part", "of what has no wrap-up code"),
        "rated": Feed("part", "surveys of imported conversations, by their total score"),
        "evaluated": Feed("part", "released evaluations of imported conversations"),
    },
    gauges={"agents": Feed("part", "by the topic of users' activity; it knows no wrap-up and no capacity")},
)
