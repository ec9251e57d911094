"""What Conversations tells: that a conversation exists, who wrote, and that it is closed. Texts are left alone.

A message names its author as bare text. Whether that is an agent or the customer is known only of the participant,
which is asked for where the message does not say by itself: `Participants/MB…` of the Conversations API.
"""

from collections.abc import Mapping
from typing import Any, Final, Literal, TypeAlias

import orjson

from streams.sources.adapter import AccountRules, Mapped, Request, UnmappableError
from streams.sources.contact_events import ContactEvents
from streams.sources.vendor_values import (
    JsonObject,
    number_at,
    object_at,
    optional_text_at,
    text_at,
    time_at,
    value_at,
)

API: Final = "https://conversations.twilio.com"
PREFIX: Final = "com.twilio.conversations."
#: Names of Event Streams as the webhooks have them.
_WEBHOOK_NAMES: Final = {
    "message.added": "onMessageAdded",
    "conversation.added": "onConversationAdded",
    "conversation-state.updated": "onConversationStateUpdated",
    "conversation.updated": "onConversationUpdated",
    "conversation.removed": "onConversationRemoved",
}
#: Where a message came from that no agent's screen can write; these are the customer's.
_CUSTOMER_SOURCES: Final = frozenset({"sms", "mms", "whatsapp", "messenger", "facebook", "gbm", "rcs", "chat"})
_MEMBERS: Final[Mapping[str, Literal["customer", "agent"]]] = {
    "guest": "customer",
    "customer": "customer",
    "agent": "agent",
    "supervisor": "agent",
}
#: An index above this is none, and no `seq` either.
_LAST_INDEX: Final = 2**53

Author: TypeAlias = Literal["customer", "agent", "bot", "system"]


def map_webhook(form: JsonObject, account: AccountRules, answers: Mapping[Request, Any]) -> Mapped:
    """Map a webhook of Conversations; its fields are those of Event Streams too."""
    kind = text_at(form, "EventType")
    if kind == "onMessageAdded":
        return _message(form, account, answers)
    if kind == "onConversationAdded":
        contact = ContactEvents(account, text_at(form, "ConversationSid"), "chat")
        contact.add("contact.started", time_at(form, "DateCreated"), "added")
        return Mapped(tuple(contact.events))
    if kind == "onConversationStateUpdated" and text_at(form, "StateTo").casefold() == "closed":
        contact = ContactEvents(account, text_at(form, "ConversationSid"), "chat")
        at = time_at(form, "DateUpdated")
        contact.add("contact.resolved", at, "closed", at)
        return Mapped(tuple(contact.events))
    return Mapped(nothing=f"{kind}: nothing that counts")


def map_cloud_event(event: JsonObject, account: AccountRules, answers: Mapping[Request, Any]) -> Mapped:
    """Map an event of Event Streams: the same facts under the same ids."""
    kind = text_at(event, "type").removeprefix(PREFIX)
    name = _WEBHOOK_NAMES.get(kind)
    if name is None:
        return Mapped(nothing=f"{kind}: nothing that counts")
    return map_webhook({**object_at(event, "data"), "EventType": name}, account, answers)


def _message(form: JsonObject, account: AccountRules, answers: Mapping[Request, Any]) -> Mapped:
    if optional_text_at(form, "Source").casefold() == "email":
        raise UnmappableError("Source", "e-mail by Conversations cannot be told from chat in its replies: leave it out")
    conversation = text_at(form, "ConversationSid")
    at, index = time_at(form, "DateCreated"), number_at(form, "Index")
    if not (0 <= index < _LAST_INDEX and index.is_integer()):
        raise UnmappableError("Index", "must be a whole number from 0 on")
    author, team = _author_of_message(form), ""
    participant = optional_text_at(form, "ParticipantSid")
    if optional_text_at(form, "Author") in account.bots or participant in account.bots:
        author = "bot"
    if author is None:
        request = Request(f"/v1/Conversations/{conversation}/Participants/{participant}", base=API, lasting=True)
        if request not in answers:
            return Mapped(requests=(request,))
        author, team = _author_of_participant(answers[request], account)
    contact = ContactEvents(account, conversation, "chat", team=team)
    fields = {"automatic": True} if author == "system" else {}
    contact.add("message.sent", at, text_at(form, "MessageSid"), seq=int(index) + 1, author=author, **fields)
    return Mapped(tuple(contact.events))


def _author_of_message(form: JsonObject) -> Author | None:
    """Say who wrote a message as far as it tells by itself."""
    if not optional_text_at(form, "ParticipantSid"):
        return "system"  # written by a program through the API, for nobody who takes part
    return "customer" if optional_text_at(form, "Source").casefold() in _CUSTOMER_SOURCES else None


def _author_of_participant(participant: Any, account: AccountRules) -> tuple[Author, str]:  # noqa: ANN401 - JSON
    """Say who a participant is, and of which team; refuse one about whom nothing is known."""
    if not isinstance(participant, dict):
        raise UnmappableError("participant", "the answer of the Conversations API is no object")
    if {optional_text_at(participant, "identity"), optional_text_at(participant, "sid")} & (account.bots - {""}):
        return "bot", ""
    if value_at(participant, "messaging_binding.address") and not value_at(participant, "identity"):
        return "customer", ""
    role = optional_text_at(participant, "role_sid")
    if role in account.teams:
        return "agent", account.teams[role]
    member = _MEMBERS.get(_member_type(participant).casefold())
    if member is None:
        problem = "does not say who this is: give agents a role of their own, and name it in `teams` of the account"
        raise UnmappableError("participant.attributes.member_type", problem)
    return member, ""


def _member_type(participant: JsonObject) -> str:
    try:
        attributes = orjson.loads(optional_text_at(participant, "attributes") or "{}")
        return optional_text_at(attributes, "member_type")
    except (orjson.JSONDecodeError, UnmappableError):
        return ""
