"""A ticket of Freshdesk: its start, its conversations, and the states that it is in.

`stats` has only the latest time of each kind of change. So the present state becomes an event that changes nothing when
it is repeated. Activities give the states in between; the same fact has the same id. Times are whole seconds, so `seq`
orders the events of one second: messages by their ids, and states behind them.
"""

from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

from schemas.configuration.source_models import TicketState
from schemas.topics import Channel
from streams.sources.adapter import AccountRules, UnmappableError
from streams.sources.contact_events import ContactEvents
from streams.sources.pseudonyms import customer_pseudonym
from streams.sources.vendor_values import (
    JsonObject,
    list_at,
    object_at,
    optional_text_at,
    text_at,
    time_at,
    value_at,
)

#: What is this close to its start gets the time of its start: rules that run on creation take a moment.
_CREATION: Final = timedelta(seconds=60)

_CHANNELS: Final[dict[str, Channel]] = {
    "1": "email",
    "2": "email",  # portal
    "3": "email",  # phone: a ticket about a call
    "5": "chat",  # twitter
    "6": "chat",  # facebook
    "7": "chat",
    "9": "email",  # feedback widget
    "10": "email",  # outbound email
    "13": "chat",  # whatsapp
}
_OUTBOUND: Final = "10"
_PRIORITIES: Final = {"1": "low", "2": "normal", "3": "high", "4": "urgent"}
_PRIORITY_NAMES: Final = {"low": "low", "medium": "normal", "high": "high", "urgent": "urgent"}
#: By number, and by the name that activities write.
_STATES: Final[dict[str, TicketState]] = {
    "2": "open",
    "3": "paused",
    "4": "resolved",
    "5": "resolved",
    "6": "paused",
    "7": "paused_third_party",
    "open": "open",
    "pending": "paused",
    "resolved": "resolved",
    "closed": "resolved",
    "waiting on customer": "paused",
    "waiting on third party": "paused_third_party",
}
#: Sources of a conversation: the answer to a survey, and what was sent on to a third party.
_SURVEY: Final = "6"
_FORWARDED: Final = "8"

#: Above all ids of messages, and still a number that every reader of JSON takes exactly. Of two states in one second
#: the later in a ticket's life is the last.
_BEHIND: Final = 10**15
_QUEUE: Final = _BEHIND
_STATE_SEQ: Final[dict[TicketState, int]] = {
    "open": _BEHIND + 1,
    "paused_third_party": _BEHIND + 3,
    "paused": _BEHIND + 4,
    "resolved": _BEHIND + 5,
}
_TAGS: Final = _BEHIND + 10


class Ticket(NamedTuple):
    """A ticket with what its events share."""

    account: AccountRules
    #: `{"ticket": …}`, so that a fault names its place.
    given: JsonObject
    source: str
    events: ContactEvents
    created_at: str

    @classmethod
    def read(cls, ticket: Any, account: AccountRules) -> "Ticket":  # noqa: ANN401 - JSON
        """Read what identifies a ticket."""
        given = {"ticket": ticket}
        source = text_at(given, "ticket.source")
        channel = account.channels.get(source) or account.channel or _CHANNELS.get(source)
        if channel is None:
            raise UnmappableError(
                "ticket.source", f"is {source[:64]!r}, which is not known: name it in `channels` of the account"
            )
        events = ContactEvents(account, text_at(given, "ticket.id"), channel)
        return cls(account, given, source, events, time_at(given, "ticket.created_at"))

    def state_named(self, name: str, path: str) -> TicketState:
        """Tell what a status means: as `states` of the account says, or as Freshdesk ships it."""
        known = self.account.states.get(name) or _STATES.get(name.casefold())
        if known is None:
            raise UnmappableError(
                path, f"is {name[:64]!r}, a status of your own: say in `states` of the account what it is"
            )
        return known


def add_started(ticket: Ticket) -> None:
    """Add that the ticket exists, and its first message, which is its description."""
    outbound = ticket.source == _OUTBOUND
    requester = optional_text_at(ticket.given, "ticket.requester_id")
    ticket.events.add(
        "contact.started",
        ticket.created_at,
        "created",
        direction="outbound" if outbound else None,
        initiated_by="agent" if outbound else None,
        customer_id=customer_pseudonym(ticket.account, requester),
    )
    author = "agent" if outbound else "customer"
    ticket.events.add("message.sent", ticket.created_at, "description", seq=1, author=author)


def add_conversation(ticket: Ticket, conversation: Any) -> bool:  # noqa: ANN401 - JSON
    """Add a conversation as a message, and tell whether an agent answered with it."""
    given = {"conversation": conversation}
    number, source = text_at(given, "conversation.id"), optional_text_at(given, "conversation.source")
    at = time_at(given, "conversation.created_at")
    incoming, private = (_flag(given, f"conversation.{name}") for name in ("incoming", "private"))
    if source == _SURVEY:
        return False
    fields: dict[str, Any] = {"author": "customer"}
    if not incoming:
        user = text_at(given, "conversation.user_id")
        is_bot = user in ticket.account.bots
        fields = {"author": "bot"} if is_bot else {"author": "agent", "agent_id": ticket.account.agent_id(user)}
    reaches = not private and source != _FORWARDED
    is_number = number.isascii() and number.isdigit()
    seq = min(int(number[:20]), _BEHIND - 1) if is_number else 0
    ticket.events.add("message.sent", at, "conversation", number, seq=seq, public=None if reaches else False, **fields)
    return reaches and fields["author"] == "agent"


def _flag(given: JsonObject, path: str) -> bool:
    found = value_at(given, path)
    if not isinstance(found, bool):
        raise UnmappableError(path, "must be true or false")
    return found


def add_states(ticket: Ticket, *, is_answered: bool) -> None:
    """Add what the ticket is in now: priority, group, tags, status."""
    given, add = ticket.given, ticket.events.add
    object_at(given, "ticket.stats")
    updated_at = time_at(given, "ticket.updated_at")
    written, group = text_at(given, "ticket.priority"), optional_text_at(given, "ticket.group_id")
    priority, queue = priority_named(written, "ticket.priority"), ticket.account.queue_named(group)
    version = ("version", written, group, updated_at)
    add("contact.prioritised", updated_at, *version, seq=_QUEUE, priority=priority, queue=queue)
    state = ticket.state_named(text_at(given, "ticket.status"), "ticket.status")
    if state == "open" and queue and not is_answered and ticket.source != _OUTBOUND:
        at = updated_at
        if datetime.fromisoformat(at) - datetime.fromisoformat(ticket.created_at) <= _CREATION:
            at = ticket.created_at
        add_group(ticket, group, queue, at)
    tags = [text_at({"tag": tag}, "tag") for tag in list_at(given, "ticket.tags")]
    ticket.events.add_all_tags(updated_at, tags, "tags", updated_at, seq=_TAGS)
    add_state(ticket, state, _since(given, state) or updated_at)
    for gone, reason in (("spam", "spam"), ("deleted", "other")):
        if value_at(given, f"ticket.{gone}") is True:
            add("contact.discarded", updated_at, gone, updated_at, reason=reason)


def _since(given: JsonObject, state: TicketState) -> str:
    """Tell since when a ticket is in its state; a ticket that is closed was resolved before."""
    names = ["status_updated_at"]
    if state == "resolved":
        names = ["resolved_at", "closed_at", *names]
    elif state == "paused":
        names += ["pending_since"]
    known = next((name for name in names if value_at(given, f"ticket.stats.{name}")), None)
    return time_at(given, f"ticket.stats.{known}") if known else ""


def add_state(ticket: Ticket, state: TicketState, at: str) -> None:
    """Add that the ticket is in a state from a time on."""
    add, seq = ticket.events.add, _STATE_SEQ[state]
    if state == "open":
        if at > ticket.created_at:
            add("contact.reopened", at, "status", "open", at, "reopened", seq=seq)
            add("contact.unpaused", at, "status", "open", at, "unpaused", seq=seq + 1)
    elif state == "resolved":
        add("contact.resolved", at, "status", state, at, seq=seq)
    else:
        waits_for = {"for_": "third_party"} if state == "paused_third_party" else {}
        if at > ticket.created_at:  # what waits is open, also where nothing says that it was opened again
            add("contact.reopened", at, "status", state, at, "reopened", seq=_STATE_SEQ["open"])
        add("contact.paused", at, "status", state, at, seq=seq, **waits_for)


def add_group(ticket: Ticket, group: str, queue: str, at: str) -> None:
    """Add that the ticket waits in a group from a time on."""
    ticket.events.add("contact.queued", at, "group", group, at, seq=_QUEUE, queue=queue)


def priority_named(written: str, path: str) -> str:
    """Translate a priority, which activities may write as a name."""
    known = _PRIORITIES.get(written) or _PRIORITY_NAMES.get(written.casefold())
    if known is None:
        raise UnmappableError(path, "must be 1 to 4")
    return known
