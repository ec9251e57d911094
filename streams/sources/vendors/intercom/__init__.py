"""Intercom: its webhooks, and a conversation with its parts as `GET /conversations/{id}` gives it.

Facts: Intercom's OpenAPI description 2.16 (github.com/intercom/Intercom-OpenAPI, commit 8889625) and recorded webhooks
in hull/hull-connectors. Needs an API version from 2.0 on, for webhooks too: older ones have no `source`.
"""

from collections.abc import Mapping
from typing import Any, Final

from streams.sources.adapter import FULL, AccountRules, Adapter, Feed, Hook, Mapped, Payload, Request, UnmappableError
from streams.sources.signatures import HmacOfBody
from streams.sources.vendor_values import json_object, object_at, text_at
from streams.sources.vendors.intercom.conversations import (
    Conversation,
    add_rating,
    add_start,
    add_state,
    add_tags,
    add_version,
)
from streams.sources.vendors.intercom.parts import add_part, seq_behind, tells_state

#: A conversation has at most so many parts in the API's answer: the newest.
MOST_PARTS: Final = 500

_CALLS: Final = frozenset({"phone_call", "phone_switch"})
_CALL: Final = (
    "source.type {}: a call, of which Intercom tells no queue, answer or end; name it in `channels` to count it"
)
#: Topics that say that a conversation has just begun.
_BEGINNINGS: Final = frozenset({"conversation.user.created", "conversation.admin.single.created"})
#: Topics of which the conversation is not needed, or is not told.
_IGNORED: Final = frozenset({"conversation.deleted", "conversation.read", "conversation_part.redacted"})


def map_hook(payload: Payload, account: AccountRules, answers: Mapping[Request, Any]) -> Mapped:
    """Map a notification: the conversation as it is, with the newest of its parts."""
    del answers
    body = json_object(payload.body)
    topic = text_at(body, "topic")
    if topic in _IGNORED or not topic.startswith(("conversation.", "conversation_part.")):
        return Mapped(nothing=f"{topic[:64]}: changes nothing that is counted")
    if text_at(body, "data.item.type") != "conversation":
        raise UnmappableError("data.item.type", "must be conversation")
    conversation = Conversation.read(object_at(body, "data.item"), account)
    if conversation.kind in _CALLS and conversation.kind not in account.channels:
        return Mapped(nothing=_CALL.format(conversation.kind))
    parts = conversation.parts()
    if topic in _BEGINNINGS:
        add_start(conversation)
    for part in parts:
        add_part(conversation, part)
    has_ended = topic == "conversation.admin.closed"
    add_tags(conversation, also_none=has_ended or topic.startswith("conversation_part.tag."))
    add_version(conversation, seq_behind(parts))
    add_rating(conversation, parts)
    is_told = topic in _BEGINNINGS or topic.startswith("conversation.user.")
    if not is_told and not any(tells_state(part) for part in parts):
        add_state(conversation, seq_behind(parts))
    return Mapped(tuple(conversation.events.events))


def map_conversation(payload: Payload, account: AccountRules, answers: Mapping[Request, Any]) -> Mapped:
    """Map a whole conversation; one that has lost its oldest parts is mapped as one whose start is not known."""
    del answers
    conversation = Conversation.read(json_object(payload.body), account)
    if conversation.kind in _CALLS and conversation.kind not in account.channels:
        return Mapped(nothing=_CALL.format(conversation.kind))
    parts = conversation.parts()
    if len(parts) < MOST_PARTS and conversation.total_parts() <= len(parts):
        add_start(conversation)
    for part in parts:
        add_part(conversation, part)
    add_tags(conversation, also_none=True)
    add_version(conversation, seq_behind(parts))
    add_rating(conversation, parts)
    return Mapped(tuple(conversation.events.events))


_VISITS: Final = Feed("part", "a queue is a team: a conversation that nobody gives to a team is in no visit")
_TAGS: Final = Feed("part", "a tag that was taken off is gone with the next notification of a tag or of the closing")

ADAPTER: Final = Adapter(
    name="intercom",
    title="Intercom",
    forms={"hook": map_hook, "conversation": map_conversation},
    hook=Hook(HmacOfBody("X-Hub-Signature", "sha1", "sha1="), timeout_s=5),
    feeds={
        "offered": FULL,
        "entered": _VISITS,
        "queue_wait": _VISITS,
        "first_response": FULL,
        "next_response": FULL,
        "nudges": FULL,
        "slow": FULL,
        "replies": FULL,
        "resolution": FULL,
        "reopened": FULL,
        "tagged": _TAGS,
        "any_tag": _TAGS,
        "untagged_resolved": _TAGS,
        "rated": FULL,
        "bot_contained": Feed("part", "bots of your own are known where `bots` names them"),
    },
)
