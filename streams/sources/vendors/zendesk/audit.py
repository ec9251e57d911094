"""A ticket's audits, as the import reads them: what each update changed.

An audit names neither its ticket's channel nor its authors' roles, so the import adds both to it:

    {"audit": {…}, "ticket": {id, via, created_at, requester_id, submitter_id} or null,
     "users": {"user's id": "end-user" | "agent" | "admin"}, "comment_authors": {"comment's id": "user's id"}}

The ticket is null where Zendesk does not give it any more: deleted tickets count nowhere.
"""

from collections.abc import Mapping
from typing import Any, Final

from streams.sources.adapter import AccountRules, Mapped, Payload, Request, UnmappableError
from streams.sources.vendor_values import (
    JsonObject,
    json_object,
    list_at,
    object_at,
    optional_text_at,
    text_at,
    value_at,
)
from streams.sources.vendors.zendesk.ticket import SYSTEM_USER, Ticket, tags_at, ticket_facts, whole_second
from streams.sources.vendors.zendesk.via import left_out, via_of

#: Zendesk puts it on a ticket that is merged into another, which the audit does not name.
_MERGED_TAG: Final = "closed_by_merge"
_STAFF: Final = frozenset({"agent", "admin"})
_SCORES: Final = ("good", "bad")


def map_audit(payload: Payload, account: AccountRules, answers: Mapping[Request, Any]) -> Mapped:
    """Map an audit with its ticket."""
    del answers
    body = json_object(payload.body)
    object_at(body, "audit")
    if "ticket" in body and body["ticket"] is None:
        return Mapped(nothing="a deleted ticket: it counts nowhere")
    if reason := left_out(via_of(body, "ticket.via"), account):
        return Mapped(nothing=reason)
    ticket = Ticket(ticket_facts(body, "ticket", account), account, "audit.events")
    if text_at(body, "audit.ticket_id") != ticket.facts.ticket_id:
        raise UnmappableError("audit.ticket_id", "is not the ticket's id")
    for number, event in enumerate(list_at(body, "audit.events")):
        if not isinstance(event, dict):
            raise UnmappableError(f"audit.events.{number}", "must be an object")
        _Change(ticket, body, event, f"audit.events.{number}", account).tell()
    return Mapped(ticket.events) if ticket.events else Mapped(nothing="nothing of this audit is for the numbers")


class _Change:
    """One event of an audit."""

    def __init__(self, ticket: Ticket, body: JsonObject, event: JsonObject, path: str, account: AccountRules) -> None:
        self._ticket = ticket
        self._account = account
        self._body = body
        self._event = {path: event}
        self._path = path
        self._at = whole_second(value_at(body, "audit.created_at"), "audit.created_at")

    def tell(self) -> None:
        """Tell the ticket what it says; Zendesk asks to pass over kinds that one does not know."""
        kind = self._text("type")
        if kind in {"Create", "Change"}:
            self._field_set(created=kind == "Create")
        elif kind == "Comment":
            self._commented()
        elif kind == "CommentPrivacyChange":
            self._privacy_changed()
        elif kind == "SatisfactionRating":
            self._rated()

    def _field_set(self, *, created: bool) -> None:
        field, value = self._text("field_name"), self._event[self._path].get("value")
        if field == "requester_id" and created:
            # Every ticket is created with a requester: this is its first audit.
            self._ticket.started(self._created_at(), self._priority_then())
        elif field == "group_id":
            (self._ticket.created_in if created else self._ticket.moved_to)(self._text("value"), self._at)
        elif field == "priority" and (value is not None or not created):
            self._ticket.priority(self._text("value"), self._at)
        elif field == "status":
            self._status_set(self._text("value"))
        elif field == "tags":
            self._tags_set(created=created)

    def _status_set(self, status: str) -> None:
        if self._text("previous_value").lower() == "deleted":
            self._ticket.restored(self._at)
        self._ticket.status(status, f"{self._path}.value", self._at)

    def _tags_set(self, *, created: bool) -> None:
        event = self._event[self._path]
        tags = tags_at(event, "value")
        self._ticket.tags(tags, self._at)
        # A follow-up is created with the tags of the ticket that it follows.
        if not created and _MERGED_TAG in tags and _MERGED_TAG not in tags_at(event, "previous_value"):
            self._ticket.merged(self._at)

    def _priority_then(self) -> str:
        """Give the priority that the first audit leaves the ticket with: a trigger may have set it at once."""
        priority = ""
        for event in list_at(self._body, "audit.events"):
            if isinstance(event, dict) and event.get("field_name") == "priority":
                priority = optional_text_at(event, "value")
        return priority

    def _created_at(self) -> str:
        return whole_second(value_at(self._body, "ticket.created_at"), "ticket.created_at")

    def _commented(self) -> None:
        public = self._event[self._path].get("public")
        if not isinstance(public, bool):
            raise UnmappableError(f"{self._path}.public", "must be true or false")
        if self._ticket.facts.has_comments:
            author_id = self._text("author_id") or optional_text_at(self._body, "audit.author_id")
            author = "system" if self._is_of_a_rule() else self._author(author_id)
            self._ticket.comment(self._needed("id"), self._at, author, public=public)

    def _is_of_a_rule(self) -> bool:
        return self._via() in {"rule", "rule_revision"}

    def _via(self) -> str:
        """Name how it came: its own via, where that differs from the audit's."""
        return via_of(self._event[self._path], "via") or via_of(self._body, "audit.via")

    def _author(self, user: str) -> str:
        """Give an agent's id, or `customer` or `system`."""
        if user == SYSTEM_USER:
            return "system"
        if user and user == self._ticket.facts.requester:
            return "customer"
        former = self._account.former_agents
        roles = self._body.get("users")
        role = roles.get(user) if isinstance(roles, dict) else None
        if user in former or (user and isinstance(role, str) and role in _STAFF):
            return user
        if not user:
            raise UnmappableError(f"{self._path}.author_id", "is missing")
        if not former:
            # Roles are told as they are now, and a customer in copy looks like an agent who has left.
            raise UnmappableError(
                f"{self._path}.author_id",
                f"user {user[:64]} is no agent now, and not the requester: name those who were agents once in "
                "`former_agents` of the account, or 0 if there are none",
            )
        return "customer"

    def _privacy_changed(self) -> None:
        public = self._event[self._path].get("public")
        if not isinstance(public, bool):
            raise UnmappableError(f"{self._path}.public", "must be true or false")
        comment = self._needed("comment_id")
        if not self._ticket.facts.has_comments:
            return
        if not public:
            self._ticket.withdrawn(comment, self._at)
            return
        author = optional_text_at(self._body, f"comment_authors.{comment}")
        if not author:
            raise UnmappableError("comment_authors", f"does not say who wrote the comment of {self._path}")
        self._ticket.published(comment, self._at, self._author(author))

    def _rated(self) -> None:
        score = self._text("score").lower().removesuffix("_with_comment")
        if score in _SCORES:
            comment = bool(self._text("body"))
            self._ticket.rated(score, self._at, self._text("assignee_id"), comment=comment)

    def _text(self, key: str) -> str:
        found = self._event[self._path].get(key)
        if found is not None and (isinstance(found, bool) or not isinstance(found, str | int)):
            raise UnmappableError(f"{self._path}.{key}", "must be text or a whole number")
        return "" if found is None else str(found).strip()

    def _needed(self, key: str) -> str:
        found = self._text(key)
        if not found:
            raise UnmappableError(f"{self._path}.{key}", "is missing")
        return found
