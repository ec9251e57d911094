"""Freshdesk: a webhook that names a ticket, the ticket with its conversations, its activities and its ratings.

A webhook's body is written by whoever sets it up, from placeholders that have no times and no ids of messages. So ours
names only the ticket (docs/sources/freshdesk-webhook.json), and all else is asked of the API. Facts: airbytehq/airbyte
`source-freshdesk`, zulip/zulip `zerver/webhooks/freshdesk`, developers.freshdesk.com.
"""

from collections.abc import Mapping
from typing import Any, Final

from streams.sources.adapter import FULL, AccountRules, Adapter, Feed, Hook, Mapped, Payload, Request, UnmappableError
from streams.sources.signatures import SharedSecret
from streams.sources.vendor_values import Json, json_object, list_at, object_at, text_at, value_at
from streams.sources.vendors.freshdesk.activities import add_activities
from streams.sources.vendors.freshdesk.ratings import add_rating
from streams.sources.vendors.freshdesk.tickets import Ticket, add_conversation, add_started, add_states

#: Conversations that the API gives at once.
CONVERSATIONS_A_PAGE: Final = 100

#: The header of the webhook that shows that it is Freshdesk's.
HEADER: Final = "X-Pulssi-Secret"


def ticket_request(ticket_id: str) -> Request:
    """Make the request for a ticket."""
    return Request(f"/api/v2/tickets/{ticket_id}", (("include", "stats"),))


def conversations_request(ticket_id: str, page: int) -> Request:
    """Make the request for a page of a ticket's conversations, from 1."""
    query = (("page", str(page)), ("per_page", str(CONVERSATIONS_A_PAGE)))
    return Request(f"/api/v2/tickets/{ticket_id}/conversations", query)


def map_hook(payload: Payload, account: AccountRules, answers: Mapping[Request, Any]) -> Mapped:
    """Map `{"ticket_id": …}`: ask for that ticket and map what the API answers."""
    body = json_object(payload.body)
    path = "freshdesk_webhook.ticket_id" if "freshdesk_webhook" in body else "ticket_id"
    ticket_id = text_at(body, path)
    if not ticket_id.isascii() or not ticket_id.isdigit():
        raise UnmappableError(path, "must be a ticket's number: is the webhook's body that of the docs?")
    missing = [each for each in (ticket_request(ticket_id),) if each not in answers]
    conversations: list[Json] = []
    page = 1
    while True:
        request = conversations_request(ticket_id, page)
        if request not in answers:
            missing.append(request)
            break
        some = list_at({"conversations": answers[request]}, "conversations")
        conversations += some
        if len(some) < CONVERSATIONS_A_PAGE:
            break
        page += 1
    if missing:
        return Mapped(requests=tuple(missing))
    return _map(answers[ticket_request(ticket_id)], conversations, account)


def map_ticket(payload: Payload, account: AccountRules, answers: Mapping[Request, Any]) -> Mapped:
    """Map `{"ticket", "conversations"}`, as the API gives them."""
    del answers
    body = json_object(payload.body)
    if value_at(body, "conversations") is None:
        raise UnmappableError("conversations", "are missing")
    return _map(object_at(body, "ticket"), list_at(body, "conversations"), account)


def _map(given: Json, conversations: list[Json], account: AccountRules) -> Mapped:
    ticket = Ticket.read(given, account)
    add_started(ticket)
    replied = [add_conversation(ticket, each) for each in conversations]
    add_states(ticket, is_answered=any(replied))
    return Mapped(tuple(ticket.events.events))


def map_activity(payload: Payload, account: AccountRules, answers: Mapping[Request, Any]) -> Mapped:
    """Map `{"ticket", "activities"}`: a ticket, and rows about it from a day's export."""
    del answers
    body = json_object(payload.body)
    ticket = Ticket.read(object_at(body, "ticket"), account)
    add_activities(ticket, list_at(body, "activities"))
    events = tuple(ticket.events.events)
    return Mapped(events) if events else Mapped(nothing="activities that change nothing that is counted")


def map_rating(payload: Payload, account: AccountRules, answers: Mapping[Request, Any]) -> Mapped:
    """Map `{"rating", "ticket"}`: a satisfaction rating and its ticket, which may be null."""
    del answers
    body = json_object(payload.body)
    if "ticket" in body and body["ticket"] is None:
        return Mapped(nothing="the rating of a deleted ticket")
    ticket = Ticket.read(object_at(body, "ticket"), account)
    add_rating(ticket, body)
    return Mapped(tuple(ticket.events.events))


_VISITS: Final = Feed("part", "the wait for the first reply; later moves to another group come with an import only")

ADAPTER: Final = Adapter(
    name="freshdesk",
    title="Freshdesk",
    forms={"hook": map_hook, "ticket": map_ticket, "activity": map_activity, "rating": map_rating},
    hook=Hook(SharedSecret(HEADER, "secret"), timeout_s=30),
    secret_keys=frozenset({HEADER.lower()}),
    unread_keys=frozenset({"attachments", "body", "body_text", "description", "description_text"}),
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
        "tagged": FULL,
        "any_tag": Feed("part", "at the ticket's last update, as every update states its tags"),
        "untagged_resolved": FULL,
        "rated": Feed("part", "by import only: no webhook has a rating"),
        "bot_contained": Feed("part", "where `bots` names the users that are bots"),
    },
)
