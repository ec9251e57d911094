"""Zammad: the webhook of a trigger, and a ticket with its articles and its history from the REST API.

Facts: Zammad's `trigger_webhook_job.rb`, `user_agent.rb`, `history.rb`, `has_ticket_contact_attributes_impact.rb` and
seeds (github.com/zammad/zammad), and the admin documentation's `manage/webhook/payload.rst`.
"""

from collections.abc import Mapping
from typing import Any, Final

from streams.sources.adapter import (
    FULL,
    AccountRules,
    Adapter,
    Feed,
    Hook,
    Mapped,
    Payload,
    Request,
    UnmappableError,
)
from streams.sources.signatures import HmacOfBody
from streams.sources.vendor_values import json_object, list_at, object_at, time_at, value_at
from streams.sources.vendors.zammad.history import add_history
from streams.sources.vendors.zammad.tickets import Ticket, add_article, add_started, add_version, version_now


def map_hook(payload: Payload, account: AccountRules, answers: Mapping[Request, Any]) -> Mapped:
    """Map a trigger's webhook: how the ticket is now, and the article of the update, if it has one."""
    del answers
    body = json_object(payload.body)
    ticket = Ticket.read(object_at(body, "ticket"), account)
    if ticket.is_first_known:
        add_started(ticket)
    version = version_now(ticket)
    if value_at(body, "article"):
        is_reply = add_article(ticket, object_at(body, "article"))
        version = version._replace(waits=version.waits and not is_reply)
    add_version(ticket, version)
    return Mapped(tuple(ticket.events.events))


def map_ticket(payload: Payload, account: AccountRules, answers: Mapping[Request, Any]) -> Mapped:
    """Map `{"ticket", "articles", "history"}`, the three answers of the API about one ticket."""
    del answers
    body = json_object(payload.body)
    ticket = Ticket.read(object_at(body, "ticket"), account)
    articles, rows = list_at(body, "articles"), list_at(body, "history")
    if not articles:
        raise UnmappableError("articles", "are missing: give the answer of ticket_articles/by_ticket with expand=true")
    add_started(ticket)
    replied_at = [time_at({"article": each}, "article.created_at") for each in articles if add_article(ticket, each)]
    add_history(ticket, rows, min(replied_at, default=None))
    return Mapped(tuple(ticket.events.events))


_BY_IMPORT: Final = Feed("part", "tags come with an import only: webhooks have none")
_VISITS: Final = Feed("part", "the wait for the first reply; later moves to another group come with an import only")

ADAPTER: Final = Adapter(
    name="zammad",
    title="Zammad",
    forms={"hook": map_hook, "ticket": map_ticket},
    hook=Hook(
        HmacOfBody("X-Hub-Signature", "sha1", "sha1="),
        timeout_s=30,
        delivery_header="X-Zammad-Delivery",
    ),
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
        "tagged": _BY_IMPORT,
        "any_tag": _BY_IMPORT,
        "untagged_resolved": _BY_IMPORT,
        "bot_contained": Feed("part", "where `bots` names the users that are bots"),
    },
)
