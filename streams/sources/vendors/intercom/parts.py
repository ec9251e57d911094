"""The parts of a conversation: messages, notes, assignments and states, with replies that ride on any of them.

Times are whole seconds, so the ids of parts, which grow, order them. A part of an unknown type is archived and
counts nowhere: whether its text is a reply is not guessed.
"""

from typing import Any, Final

from streams.sources.adapter import UnmappableError
from streams.sources.vendor_values import Json, list_at, optional_text_at, text_at, time_at, value_at
from streams.sources.vendors.intercom.conversations import CUSTOMERS, Conversation

#: Events of one part that can be told apart.
_EVENTS_A_PART: Final = 8
#: Ids that are no longer can be multiplied and stay numbers that every reader of JSON takes exactly.
_LONGEST_ID: Final = 15

_OPENS: Final = ("contact.reopened", "contact.unpaused")
#: What a type of part does to the conversation's state. What is or was snoozed is open, also where the notification of
#: its opening was lost.
_STATES: Final[dict[str, tuple[str, ...]]] = {
    "close": ("contact.resolved",),
    "open": _OPENS,
    "note_and_reopen": _OPENS,
    "assign_and_reopen": _OPENS,
    "snoozed": ("contact.reopened", "contact.paused"),
    "unsnoozed": ("contact.reopened", "contact.unpaused"),
    "timer_unsnooze": ("contact.reopened", "contact.unpaused"),
    "assign_and_unsnooze": ("contact.reopened", "contact.unpaused"),
}
_MESSAGES: Final = frozenset({"comment", "quick_reply"})
_NOTES: Final = frozenset({"note", "note_and_reopen"})
#: What gives a conversation to somebody; any of these and of the states may carry a reply.
_ASSIGNMENTS: Final = frozenset({"assignment", "away_mode_assignment", "assign_and_reopen", "assign_and_unsnooze"})
#: Known, and of no account.
_SILENT: Final = frozenset(
    {
        "conversation_rating_changed",
        "conversation_rating_remark_added",
        "participant_added",
        "participant_removed",
        "conversation_attribute_updated_by_admin",
        "conversation_attribute_updated_by_user",
        "conversation_attribute_updated_by_workflow",
        "custom_action_started",
        "custom_action_finished",
        "operator_workflow_event",
        "ticket_state_updated_by_admin",
        "ticket_attribute_updated_by_admin",
        "merged_primary_conversation",
    }
)


def tells_state(part: Json) -> bool:
    """Whether a part says if the conversation is open, snoozed or closed."""
    return optional_text_at(part, "part_type") in _STATES


def seq_of(part: Json, place: int = 0) -> int:
    """Give the order of an event of a part among those of its second; 0 where its id is no number."""
    number = optional_text_at(part, "id")
    is_number = number.isascii() and number.isdigit() and len(number) <= _LONGEST_ID
    return int(number) * _EVENTS_A_PART + place if is_number else 0


def seq_behind(parts: list[Json]) -> int:
    """Give the order of what comes after all events of these parts, and before those of later ones."""
    return max((seq_of(part, _EVENTS_A_PART - 1) for part in parts), default=0)


def add_part(conversation: Conversation, part: Json) -> None:
    """Add what a part says."""
    kind = text_at(part, "part_type")
    if kind in _SILENT:
        return
    number, at = text_at(part, "id"), time_at(part, "created_at")
    message = _message(conversation, part, kind)
    told: list[tuple[str, dict[str, Any]]] = []
    states = _STATES.get(kind, ())
    if states is _OPENS and message is not None and message[1]["author"] == "customer":
        states = ()  # the customer's message opens it by itself
    human = _human(conversation, part)
    changes: list[tuple[str, dict[str, Any]]] = [(state, {"agent_id": human}) for state in states]
    if kind in {"close", "snoozed"} or message is None:
        told = [*([message] if message else []), *changes]
    else:
        told = [*changes, message]
    if kind in _ASSIGNMENTS and optional_text_at(part, "assigned_to.type") == "team":
        queue = conversation.account.queue_named(text_at(part, "assigned_to.id"))
        told.append(("contact.queued", {"queue": queue}))
    if kind not in _STATES and kind not in _MESSAGES | _NOTES | _ASSIGNMENTS:
        told.append((f"intercom.{kind}"[:64], {}))
    for place, (event, fields) in enumerate(told):
        conversation.events.add(event, at, "part", number, event, seq=seq_of(part, place), **fields)


def _message(conversation: Conversation, part: Json, kind: str) -> tuple[str, dict[str, Any]] | None:
    """Return the message that a part is or carries."""
    if kind not in _MESSAGES | _NOTES:
        has_text = optional_text_at(part, "body") or value_at(part, "redacted") is True or list_at(part, "attachments")
        if not has_text or (kind not in _STATES and kind not in _ASSIGNMENTS):
            return None
    author = value_at(part, "author")
    by = optional_text_at(author, "type").casefold()
    fields: dict[str, Any]
    if by in CUSTOMERS:
        fields = {"author": "customer"}
    elif conversation.is_bot(author):
        fields = {"author": "bot"}
    elif by == "admin":
        fields = {"author": "agent", "agent_id": _human(conversation, part)}
    elif by == "team":
        fields = {"author": "system", "automatic": True}
    else:
        raise UnmappableError("author.type", "of a message is unknown")
    return "message.sent", {**fields, "public": False if kind in _NOTES else None}


def _human(conversation: Conversation, part: Json) -> str | None:
    """Return the admin who made a part, where that is a human."""
    author = value_at(part, "author")
    if optional_text_at(author, "type").casefold() != "admin" or conversation.is_bot(author):
        return None
    return conversation.account.agent_id(text_at(author, "id"))
