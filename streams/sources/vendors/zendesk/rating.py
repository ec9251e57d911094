"""Satisfaction ratings and ticket metric events, as the import reads them.

A rating is put beside its ticket: {"rating": {…}, "ticket": {…} or null}. Metric events are Zendesk's own figures: they
repeat what audits tell, so no event comes of them; docs/sources/zendesk.md says how they are compared with ours.
"""

from collections.abc import Mapping
from typing import Any, Final

from streams.sources.adapter import AccountRules, Mapped, Payload, Request, UnmappableError
from streams.sources.vendor_values import json_object, object_at, optional_text_at, text_at, value_at
from streams.sources.vendors.zendesk.ticket import Ticket, ticket_facts, whole_second
from streams.sources.vendors.zendesk.via import left_out, via_of

_SCORES: Final = {
    "good": "good",
    "good_with_comment": "good",
    "good_without_comment": "good",
    "bad": "bad",
    "bad_with_comment": "bad",
    "bad_without_comment": "bad",
}
_NO_SCORES: Final = frozenset({"offered", "unoffered"})
_METRIC_EVENTS: Final = frozenset(
    ["activate", "pause", "fulfill", "apply_sla", "apply_group_sla", "breach", "update_status", "measure"]
)


def map_satisfaction(payload: Payload, account: AccountRules, answers: Mapping[Request, Any]) -> Mapped:
    """Map a satisfaction rating with its ticket."""
    del answers
    body = json_object(payload.body)
    object_at(body, "rating")
    if "ticket" in body and body["ticket"] is None:
        return Mapped(nothing="a deleted ticket: it counts nowhere")
    if reason := left_out(via_of(body, "ticket.via"), account):
        return Mapped(nothing=reason)
    ticket = Ticket(ticket_facts(body, "ticket", account), account, "")
    if text_at(body, "rating.ticket_id") != ticket.facts.ticket_id:
        raise UnmappableError("rating.ticket_id", "is not the ticket's id")
    score = text_at(body, "rating.score").lower()
    if score in _NO_SCORES:
        return Mapped(nothing=f"{score}: the customer was asked, and has not answered")
    if score not in _SCORES:
        raise UnmappableError("rating.score", f"is {score[:64]!r}, which is not known")
    field = "rating.updated_at" if value_at(body, "rating.updated_at") is not None else "rating.created_at"
    comment = bool(optional_text_at(body, "rating.comment")) or score.endswith("_with_comment")
    agent = optional_text_at(body, "rating.assignee_id")
    ticket.rated(_SCORES[score], whole_second(value_at(body, field), field), agent, comment=comment)
    return Mapped(ticket.events)


def map_metric_event(payload: Payload, account: AccountRules, answers: Mapping[Request, Any]) -> Mapped:
    """Say why a metric event is no event."""
    del account, answers
    body = json_object(payload.body)
    kind, metric = text_at(body, "type").lower(), text_at(body, "metric").lower()
    if kind not in _METRIC_EVENTS:
        raise UnmappableError("type", f"is {kind[:64]!r}, which is not known")
    return Mapped(nothing=f"{metric[:64]}/{kind}: Zendesk's own figure of what the audits tell")
