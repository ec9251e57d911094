"""A message of Chatwoot, from a hook or from the API: who wrote it, and whether it is a reply.

The same field comes in two types: `message_type` as a word in a hook and as a number in the API and in nested messages,
`created_at` as ISO 8601 and as seconds since 1970.
"""

from typing import Any, Final

from streams.sources.adapter import AccountRules, UnmappableError
from streams.sources.vendor_values import optional_text_at, text_at, value_at
from streams.sources.vendors.chatwoot.conversation import Conversation, as_of, at_path, whole_second

_TYPES: Final = {
    **dict.fromkeys(("0", "incoming"), "incoming"),
    **dict.fromkeys(("1", "outgoing"), "outgoing"),
    **dict.fromkeys(("2", "activity"), "activity"),
    **dict.fromkeys(("3", "template"), "template"),
}
_BOTS: Final = frozenset({"agent_bot", "agentbot", "captain_assistant", "captain::assistant"})
_SYSTEM: Final = {"author": "system", "automatic": True}


def message_type(within: Any, path: str) -> str:  # noqa: ANN401 - JSON
    """Name the type of a message at a path."""
    field = at_path(path, "message_type")
    written = optional_text_at(within, field)
    if written not in _TYPES:
        raise UnmappableError(field, f"is {written[:64]!r}, which is not known" if written else "is missing")
    return _TYPES[written]


def tell_message(conversation: Conversation, within: Any, path: str, account: AccountRules) -> str:  # noqa: ANN401 - JSON
    """Add a message; returns why there is none, else empty text."""
    kind = message_type(within, path)
    if kind == "activity":
        return "activity: what the system writes about a change, in the language of the account"
    if value_at(within, at_path(path, "content_attributes.is_reaction")) is True:
        return "a reaction to a message"
    private = value_at(within, at_path(path, "private"))
    if private is not None and not isinstance(private, bool):
        raise UnmappableError(at_path(path, "private"), "must be true or false")
    who = _author(kind, within, path, account)
    at = whole_second(value_at(within, at_path(path, "created_at")), at_path(path, "created_at"))
    conversation.message(text_at(within, at_path(path, "id")), at, who, public=not private)
    return ""


def tell_rating(conversation: Conversation, within: Any, path: str, of_conversation: str) -> None:  # noqa: ANN401 - JSON
    """Add the rating that a survey's message was answered with, if it was: told at the conversation's last update."""
    answer = at_path(path, "content_attributes.submitted_values.csat_survey_response")
    if optional_text_at(within, at_path(path, "content_type")) != "input_csat" or value_at(within, answer) is None:
        return
    number = text_at(within, at_path(path, "id"))
    comment = bool(value_at(within, f"{answer}.feedback_message"))
    conversation.rated(number, as_of(within, of_conversation), value_at(within, f"{answer}.rating"), comment=comment)


def begins_outreach(within: Any, path: str) -> bool:  # noqa: ANN401 - JSON
    """Tell whether a first message is an agent's."""
    return (
        message_type(within, path) == "outgoing"
        and value_at(within, at_path(path, "private")) is not True
        and _sender_type(within, path) == "user"
    )


def _sender_type(within: Any, path: str) -> str:  # noqa: ANN401 - JSON
    told = optional_text_at(within, at_path(path, "sender.type")) or optional_text_at(
        within, at_path(path, "sender_type")
    )
    return told.lower()


def _author(kind: str, within: Any, path: str, account: AccountRules) -> dict[str, Any]:  # noqa: ANN401 - JSON
    if kind == "template":
        return dict(_SYSTEM)
    if kind == "incoming":
        is_auto = value_at(within, at_path(path, "content_attributes.email.auto_reply")) is True
        return {"author": "customer", **({"automatic": True} if is_auto else {})}
    for told in ("additional_attributes.campaign_id", "content_attributes.automation_rule_id"):
        if value_at(within, at_path(path, told)) is not None:
            return dict(_SYSTEM)
    return _sender(within, path, account)


def _sender(within: Any, path: str, account: AccountRules) -> dict[str, Any]:  # noqa: ANN401 - JSON
    sender = _sender_type(within, path)
    number = optional_text_at(within, at_path(path, "sender.id")) or optional_text_at(
        within, at_path(path, "sender_id")
    )
    if sender in _BOTS or number in account.bots:
        return {"author": "bot"}
    if sender == "user" and number:
        return {"author": "agent", "agent_id": account.agent_id(number)}
    if sender:
        field, problem = ("sender.id", "is missing") if sender == "user" else ("sender.type", f"is {sender[:64]!r}")
        raise UnmappableError(at_path(path, field), problem)
    if value_at(within, at_path(path, "sender")) is not None:
        raise UnmappableError(at_path(path, "sender.type"), "is missing")
    if value_at(within, at_path(path, "content_attributes.external_echo")) is True:
        return {"author": "agent"}  # written in the messenger itself, by nobody knows whom
    return dict(_SYSTEM)
