"""What a conversation of Intercom says of itself: how it began, its tags, priority, rating and state.

These are states as of `updated_at`. They are told at that time as what is so, and not as what has changed; parts tell
what has changed, and carry nothing that may change later.
"""

from typing import Any, Final, NamedTuple

from schemas.topics import Channel
from streams.sources.adapter import AccountRules, UnmappableError
from streams.sources.contact_events import ContactEvents
from streams.sources.pseudonyms import customer_pseudonym
from streams.sources.vendor_values import (
    Json,
    JsonObject,
    list_at,
    number_at,
    object_at,
    optional_text_at,
    text_at,
    time_at,
    value_at,
)

#: How a customer's authorship is written: contacts are users or leads.
CUSTOMERS: Final = frozenset({"user", "lead", "contact", "visitor"})

_CHANNELS: Final[dict[str, Channel]] = {
    "conversation": "chat",
    "email": "email",
    "facebook": "chat",
    "instagram": "chat",
    "whatsapp": "chat",
    "sms": "chat",
    "twitter": "chat",
    "push": "chat",
    "phone_call": "call",
    "phone_switch": "call",
}
#: Who began it, by `source.delivered_as`; what began by itself was begun by the system.
_BEGUN_BY: Final = {
    "customer_initiated": "customer",
    "admin_initiated": "agent",
    "operator_initiated": "system",
    "campaign_initiated": "system",
    "automated": "system",
}
#: Up to version 2.15 there are two.
_PRIORITIES: Final = {
    "priority": "high",
    "not_priority": "normal",
    "none": "normal",
    "low": "low",
    "medium": "normal",
    "high": "high",
    "urgent": "urgent",
}


class Conversation(NamedTuple):
    """A conversation with what its events share."""

    account: AccountRules
    given: JsonObject
    #: Of its source, such as `email`.
    kind: str
    events: ContactEvents

    @classmethod
    def read(cls, given: JsonObject, account: AccountRules) -> "Conversation":
        """Read what identifies a conversation."""
        if value_at(given, "source") is None:
            raise UnmappableError("source", "is missing: set the app's API version, also that of webhooks, to 2.16")
        kind = text_at(given, "source.type").casefold()
        channel = account.channels.get(kind) or account.channel or _CHANNELS.get(kind)
        if channel is None:
            raise UnmappableError(
                "source.type", f"is {kind[:64]!r}, which is not known: name it in `channels` of the account"
            )
        return cls(account, given, kind, ContactEvents(account, text_at(given, "id"), channel))

    def parts(self) -> list[Json]:
        """Return the parts that it comes with."""
        if value_at(self.given, "conversation_parts") is None:
            return []
        return list_at(object_at(self.given, "conversation_parts"), "conversation_parts")

    def total_parts(self) -> int:
        """Return how many parts it says that it has."""
        total = value_at(self.given, "conversation_parts.total_count")
        return int(total) if isinstance(total, int) else 0

    def updated_at(self) -> str:
        """Return as of when its states are told."""
        return time_at(self.given, "updated_at")

    def is_bot(self, author: Any) -> bool:  # noqa: ANN401 - JSON
        """Whether an author is a bot: bots speak as admins."""
        return (
            optional_text_at(author, "type").casefold() == "bot"
            or value_at(author, "from_ai_agent") is True
            or value_at(author, "is_ai_answer") is True
            or optional_text_at(author, "id") in self.account.bots
        )


def add_start(conversation: Conversation) -> None:
    """Add that it exists, and its opening message, which is no part."""
    given, add = conversation.given, conversation.events.add
    at = time_at(given, "created_at")
    author = value_at(given, "source.author")
    kind = optional_text_at(author, "type").casefold()
    delivered_as = optional_text_at(given, "source.delivered_as")
    if not delivered_as:
        delivered_as = "customer_initiated" if kind in CUSTOMERS else "admin_initiated"
    by = _BEGUN_BY.get(delivered_as)
    if by is None:
        raise UnmappableError("source.delivered_as", "is unknown: who began it?")
    add(
        "contact.started",
        at,
        "created",
        queue=conversation.account.queue,
        direction=None if by == "customer" else "outbound",
        initiated_by=None if by == "customer" else by,
        customer_id=_customer(conversation),
    )
    message: dict[str, Any]
    if kind in CUSTOMERS:
        message = {"author": "customer"}
    elif conversation.is_bot(author) or delivered_as == "operator_initiated":
        message = {"author": "bot"}
    elif by == "system":
        message = {"author": "system", "automatic": True}
    else:
        message = {"author": "agent", "agent_id": conversation.account.agent_id(text_at(given, "source.author.id"))}
    add("message.sent", at, "source", optional_text_at(given, "source.id"), seq=1, **message)


def _customer(conversation: Conversation) -> str:
    contacts = list_at(conversation.given, "contacts.contacts")
    return customer_pseudonym(conversation.account, optional_text_at(contacts[0], "id") if contacts else "")


def add_tags(conversation: Conversation, *, also_none: bool) -> None:
    """Add all tags that it has; that it has none only where that is new."""
    tags = [text_at(each, "name") for each in list_at(conversation.given, "tags.tags")]
    if not tags and not also_none:
        return
    at = conversation.updated_at()
    conversation.events.add_all_tags(at, tags, "tags", at, seq=0)


def add_version(conversation: Conversation, seq: int) -> None:
    """Add its priority and its team as they are; since when is not said, so nothing is counted by it.

    `seq` puts that behind the parts that it was told with: they are of the time before.
    """
    written = optional_text_at(conversation.given, "priority").casefold() or "none"
    priority = _PRIORITIES.get(written)
    if priority is None:
        raise UnmappableError("priority", "is unknown")
    team, at = optional_text_at(conversation.given, "team_assignee_id"), conversation.updated_at()
    queue = conversation.account.queue_named(team) if team not in {"", "0"} else ""
    version = ("version", priority, team, at, seq)
    known = {"priority": priority, "queue": queue, "customer_id": _customer(conversation)}
    conversation.events.add("contact.prioritised", at, *version, seq=seq, **known)


def add_rating(conversation: Conversation, parts: list[Json]) -> None:
    """Add its rating, if the customer gave one: `created_at` is when it was asked for."""
    given = conversation.given
    if value_at(given, "conversation_rating.rating") is None:
        return
    score = number_at(given, "conversation_rating.rating")
    rated = [part for part in parts if optional_text_at(part, "part_type") == "conversation_rating_changed"]
    if value_at(given, "conversation_rating.updated_at") is not None:
        at = time_at(given, "conversation_rating.updated_at")
    elif rated:
        at = time_at(rated[-1], "created_at")
    else:
        at = time_at(given, "conversation_rating.created_at")
    teammate = optional_text_at(given, "conversation_rating.teammate.id")
    commented = bool(optional_text_at(given, "conversation_rating.remark"))
    conversation.events.add(
        "contact.rated",
        at,
        "rating",
        int(score) if score.is_integer() else score,
        at,
        *(["commented"] if commented else []),
        agent_id=conversation.account.agent_id(teammate) if teammate not in {"", "0"} else None,
        score=int(score) if score.is_integer() else score,
        scale_max=5,
        comment_present=commented or None,
    )


def add_state(conversation: Conversation, seq: int) -> None:
    """Add whether it is open, snoozed or closed, in case that the notification of it was lost.

    `seq` puts that behind the parts that it was told with: an agent may reply and close within a second.
    """
    state = optional_text_at(conversation.given, "state").casefold()
    if not state:
        return
    kinds = {"open": ("reopened", "unpaused"), "snoozed": ("reopened", "paused"), "closed": ("resolved",)}.get(state)
    if kinds is None:
        raise UnmappableError("state", "must be open, snoozed or closed")
    at = conversation.updated_at()
    for kind in kinds:
        # What is snoozed is open, and was so before: else the opening would be read behind the pause.
        own = max(seq, 1) - (kind == "reopened") if state == "snoozed" else seq
        conversation.events.add(f"contact.{kind}", at, "state", kind, at, seq, seq=own)
