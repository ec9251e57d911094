"""Zendesk's hooks: events of tickets (`zen:event-type:ticket.…`) and messages of messaging tickets.

Each ticket event carries the ticket as it was then (`detail`, as of `detail.updated_at`), so it is read twice: for what
has happened, and for the state that it shows, which mends what an earlier, lost hook would have said. A message of a
messaging ticket carries its ticket's id and nothing more; queue and priority stay what earlier events have named.
"""

import re
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final

from streams.sources.adapter import AccountRules, Mapped, Payload, Request, UnmappableError
from streams.sources.contact_events import ContactEvents
from streams.sources.vendor_values import (
    JsonObject,
    json_object,
    object_at,
    optional_text_at,
    text_at,
    time_at,
    value_at,
)
from streams.sources.vendors.zendesk.ticket import (
    SYSTEM_USER,
    Ticket,
    message_author,
    tags_at,
    ticket_facts,
    whole_second,
)
from streams.sources.vendors.zendesk.via import left_out, via_of

_PREFIX: Final = "zen:event-type:"
_TICKET: Final = f"{_PREFIX}ticket."
_MESSAGE_ADDED: Final = f"{_PREFIX}messaging_ticket.message_added"
#: A hook's time and its ticket's `updated_at` are of one update if they are no further apart.
_ONE_UPDATE_S: Final = 2
#: Digits of a second behind the milliseconds.
_FINER: Final = re.compile(r"\.\d{3}(\d{1,6})")


def map_hook(payload: Payload, account: AccountRules, answers: Mapping[Request, Any]) -> Mapped:
    """Map a hook."""
    del answers
    body = json_object(payload.body)
    kind = optional_text_at(body, "type")
    if not kind.startswith(_PREFIX):
        raise UnmappableError(
            "type", "is no event of Zendesk: subscribe the webhook to ticket events, not to a trigger or automation"
        )
    if kind == _MESSAGE_ADDED:
        return _message_added(body, account)
    if kind.startswith(_TICKET):
        return _ticket_event(kind.removeprefix(_TICKET), body, account)
    return Mapped(nothing=f"{kind.removeprefix(_PREFIX)[:64]}: is not about a ticket")


def _ticket_event(name: str, body: JsonObject, account: AccountRules) -> Mapped:
    if name in _REFUSED:
        raise UnmappableError("type", f"ticket.{name} {_REFUSED[name]}")
    object_at(body, "detail")
    if reason := left_out(via_of(body, "detail.via"), account):
        return Mapped(nothing=reason)
    ticket = Ticket(ticket_facts(body, "detail", account), account, "detail.priority")
    at = _time_of_update(body)
    if name in _GONE:
        _GONE[name](ticket, body, at)
        return Mapped(ticket.events)
    if name in _CHANGES:
        _CHANGES[name](ticket, body, at)
    _state(ticket, body, name, at)
    return Mapped(ticket.events)


def _time_of_update(body: JsonObject) -> str:
    """Give the second of the update that a hook is of, as the ticket's audit has it.

    That is `detail.updated_at`, unless the ticket went on meanwhile.
    """
    told = whole_second(value_at(body, "time"), "time")
    if value_at(body, "detail.updated_at") is None:
        return told
    updated = whole_second(value_at(body, "detail.updated_at"), "detail.updated_at")
    apart = abs((datetime.fromisoformat(told) - datetime.fromisoformat(updated)).total_seconds())
    return updated if apart <= _ONE_UPDATE_S else told


def _state(ticket: Ticket, body: JsonObject, name: str, at: str) -> None:
    """State what the ticket was when it was last updated."""
    if value_at(body, "detail.updated_at") is not None:
        at = whole_second(value_at(body, "detail.updated_at"), "detail.updated_at")
    if "tags" in object_at(body, "detail"):
        ticket.tags(tags_at(body, "detail.tags"), at)
    ticket.is_in(_id_at(body, "detail.group_id"), optional_text_at(body, "detail.priority"), at)
    if name != "status_changed" and (status := optional_text_at(body, "detail.status")):
        ticket.status(status, "detail.status", at)


def _created(ticket: Ticket, body: JsonObject, at: str) -> None:
    del at
    created = whole_second(value_at(body, "detail.created_at"), "detail.created_at")
    ticket.started(created, optional_text_at(body, "detail.priority"))
    ticket.created_in(_id_at(body, "detail.group_id"), created)


def _commented(ticket: Ticket, body: JsonObject, at: str) -> None:
    comment = object_at(body, "event.comment")
    if not ticket.facts.has_comments:
        return  # a transcript: its messages come one by one
    public = comment.get("is_public")
    if not isinstance(public, bool):
        raise UnmappableError("event.comment.is_public", "must be true or false")
    author_id = optional_text_at(body, "event.comment.author.id")
    staff = value_at(body, "event.comment.author.is_staff")
    if author_id == SYSTEM_USER:
        author = "system"
    elif author_id and author_id == ticket.facts.requester:
        author = "customer"  # whoever asks for something is a customer, of the staff or not
    elif not isinstance(staff, bool):
        raise UnmappableError("event.comment.author.is_staff", "must be true or false")
    else:
        author = text_at(body, "event.comment.author.id") if staff else "customer"
    ticket.comment(text_at(body, "event.comment.id"), at, author, public=public)


def _made_private(ticket: Ticket, body: JsonObject, at: str) -> None:
    if ticket.facts.has_comments:
        ticket.withdrawn(text_at(body, "event.comment.id"), at)


def _group_changed(ticket: Ticket, body: JsonObject, at: str) -> None:
    ticket.moved_to(_id_at(body, "event.current"), at)


def _status_changed(ticket: Ticket, body: JsonObject, at: str) -> None:
    ticket.status(text_at(body, "event.current"), "event.current", at)


def _merged(ticket: Ticket, body: JsonObject, at: str) -> None:
    ticket.merged_into(text_at(body, "event.target_ticket_id"), at)


def _id_at(body: JsonObject, path: str) -> str:
    """Return an id; empty where there is none, which some hooks write as 0."""
    found = optional_text_at(body, path)
    return "" if found == "0" else found


_Read = Callable[[Ticket, JsonObject, str], None]
#: What has happened, beside the state that every ticket event shows.
_CHANGES: Final[Mapping[str, _Read]] = {
    "created": _created,
    "comment_added": _commented,
    "comment_made_private": _made_private,
    "group_assignment_changed": _group_changed,
    "status_changed": _status_changed,
}
#: After these the ticket counts nowhere, or again: its state is of no use.
_GONE: Final[Mapping[str, _Read]] = {
    "merged": _merged,
    "marked_as_spam": lambda ticket, _, at: ticket.spam(at),
    "soft_deleted": lambda ticket, _, at: ticket.deleted(at),
    "permanently_deleted": lambda ticket, _, at: ticket.deleted(at),
    "undeleted": lambda ticket, _, at: ticket.restored(at),
}
#: What is for the numbers, in a form that nobody has described.
_REFUSED: Final[Mapping[str, str]] = {
    "csat_received": "is not described by Zendesk: leave it out of the subscription, ratings come with the import",
}


def _message_added(body: JsonObject, account: AccountRules) -> Mapped:
    actor, kind = optional_text_at(body, "event.actor.id"), optional_text_at(body, "event.actor.type").lower()
    if kind == "system" or actor.startswith("zd:"):
        author = "bot"
    elif kind == "trigger":
        author = "system"
    elif kind == "end_user":
        author = "customer"
    elif kind == "agent":
        author = text_at(body, "event.actor.id")
    else:
        raise UnmappableError("event.actor.type", f"is {kind[:64]!r}, which is not known" if kind else "is missing")
    finer = _FINER.search(text_at(body, "time"))
    made = ContactEvents(account, text_at(body, "detail.id"), "chat")
    made.add(
        "message.sent",
        time_at(body, "time"),
        "message",
        text_at(body, "event.message.id"),
        seq=int(finer[1].ljust(6, "0")) if finer else 0,
        **message_author(account, author),
    )
    return Mapped(tuple(made.events))
