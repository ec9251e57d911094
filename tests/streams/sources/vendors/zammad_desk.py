"""Writes a contact as Zammad would: its webhooks, and its ticket with articles and history, as the API gives them."""

from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import groupby
from typing import Any, Final

from streams.sources.simulator.centre import QUEUES
from tests.streams.sources.vendors.made_desk import Contact, Step

GROUPS: Final = tuple(sorted({queue.name for queue in QUEUES}))
BOT: Final = 77
_STATES: Final = {1: "new", 2: "open", 3: "pending reminder", 4: "closed", 9: "waits for supplier"}
_PRIORITIES: Final = {"low": 1, "normal": 2, "high": 3, "urgent": 4}
_ARTICLES: Final = {"customer": ("Customer", 2), "agent": ("Agent", 1), "bot": ("Agent", 1)}


def at(ms: int) -> str:
    """Write a time."""
    return datetime.fromtimestamp(ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class ZammadDesk:
    """A ticket that lives through a contact's steps."""

    def __init__(self, contact: Contact) -> None:
        self._contact = contact
        self._first = contact.steps[0]
        kind = "email" if contact.channel == "email" else "chat"
        self.ticket: dict[str, Any] = {
            "id": contact.number,
            "create_article_type": kind,
            "create_article_sender": "Customer",
            "created_at": at(self._first.at),
            "updated_at": at(self._first.at),
            "customer_id": 8,
            "article_count": 0,
            "state_id": 1,
            "group_id": 1,
            "priority_id": 2,
            "owner_id": 1,
            "first_response_at": None,
            "last_contact_agent_at": None,
            "close_at": None,
        }
        self.articles: list[dict[str, Any]] = []
        self.history = [self._row(self._first.at, type="created")]

    def webhooks(self) -> Iterator[dict[str, Any]]:
        """Live, and yield the webhooks of each update: what is done at one time is one, and triggers run behind it."""
        steps = self._contact.steps
        for step in steps:
            if step.type == "contact.queued" and step.at == self._first.at:
                self.ticket["group_id"] = self._group(step)  # the group that it was created in
        for _, update in groupby(steps, key=lambda step: step.at):
            known = len(self.articles)
            if any([self._live(step) for step in update]):  # noqa: C419 - all are lived
                articles: list[dict[str, Any] | None] = [*self.articles[known:]]
                for article in articles or [None]:
                    yield {"ticket": self._named(hook=True), "article": article}

    def answers(self) -> dict[str, Any]:
        """Return what the API tells of it, at the end."""
        return {"ticket": self._named(hook=False), "articles": self.articles, "history": self.history[::-1]}

    def _live(self, step: Step) -> bool:
        """Tell whether a step is an update of the ticket; tags and ratings are none."""
        fields = step.fields
        if step.type == "message.sent":
            self._write(step)
        elif step.type == "contact.queued":
            self._change(step.at, "group", self._group(step))
        elif step.type == "contact.prioritised":
            self._change(step.at, "priority", _PRIORITIES[fields["priority"]])
        elif step.type == "contact.paused":
            self._change(step.at, "state", 9 if fields["for"] == "third_party" else 3)
        elif step.type in {"contact.unpaused", "contact.reopened"}:
            self._change(step.at, "state", 2)
        elif step.type == "contact.resolved":
            self.ticket["close_at"] = self.ticket["close_at"] or at(step.at)
            self._change(step.at, "state", 4)
        elif step.type in {"contact.tagged", "contact.untagged"}:
            self._tag(step)
            return False
        else:
            return False
        return True

    def _write(self, step: Step) -> None:
        """Write an article; a customer's opens the ticket again, an agent's is the first response."""
        author = step.fields["author"]
        sender, sender_id = _ARTICLES[author]
        public = step.fields.get("public", True)
        number = self._contact.number * 1000 + len(self.articles)
        by = {"customer": 8, "bot": BOT, "agent": 5}[author]
        kind = self.ticket["create_article_type"] if public else "note"
        self.articles.append(
            {
                "id": number,
                "ticket_id": self._contact.number,
                "sender": sender,
                "sender_id": sender_id,
                "type": kind,
                "internal": not public,
                "created_at": at(step.at),
                "created_by_id": by,
                "preferences": {},
            }
        )
        self.ticket["article_count"] = len(self.articles)
        if author == "customer" and self.ticket["state_id"] in {3, 4}:
            self._change(step.at, "state", 2)
        elif author == "agent" and public:
            self.ticket["first_response_at"] = self.ticket["first_response_at"] or at(step.at)
            self.ticket["last_contact_agent_at"] = at(step.at)
        self.ticket["updated_at"] = at(step.at)

    def _change(self, ms: int, attribute: str, value: int) -> None:
        """Change an attribute, and write it into the history."""
        key, self.ticket["updated_at"] = f"{attribute}_id", at(ms)
        before, self.ticket[key] = self.ticket[key], value
        if before != value:
            names = {f"value_{side}": self._name(attribute, each) for side, each in (("from", before), ("to", value))}
            self.history.append(
                self._row(ms, type="updated", attribute=attribute, id_from=before, id_to=value, **names)
            )

    def _tag(self, step: Step) -> None:
        there = self._tags()
        for tag in step.fields["tags"] if step.type == "contact.untagged" else ():
            self.history.append(self._row(step.at, type="removed", attribute="tag", value_from=tag, value_to=""))
        if step.type == "contact.tagged":
            gone = there - set(step.fields["tags"]) if step.fields.get("replace") else set()
            for tag in sorted(gone):
                self.history.append(self._row(step.at, type="removed", attribute="tag", value_from=tag, value_to=""))
            for tag in step.fields["tags"]:
                if tag not in there:
                    self.history.append(self._row(step.at, type="added", attribute="tag", value_from="", value_to=tag))

    def _tags(self) -> set[str]:
        found: set[str] = set()
        for row in self.history:
            if row.get("attribute") == "tag":
                found = found | {row["value_to"]} if row["type"] == "added" else found - {row["value_from"]}
        return found

    def _row(self, ms: int, **fields: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON
        number = self._contact.number * 1000 + (len(self.history) if fields["type"] != "created" else 0)
        return {"id": number, "o_id": self._contact.number, "object": "Ticket", "created_at": at(ms), **fields}

    def _group(self, step: Step) -> int:
        return GROUPS.index(step.fields["queue"]) + 1

    def _name(self, attribute: str, value: int) -> str:
        if attribute == "group":
            return GROUPS[value - 1]
        if attribute == "state":
            return _STATES[value]
        return next(f"{value} {name}" for name, number in _PRIORITIES.items() if number == value)

    def _named(self, *, hook: bool) -> dict[str, Any]:
        """Write the ticket with names: as objects in a webhook, as text in the API."""
        names = {name: self._name(name, self.ticket[f"{name}_id"]) for name in ("group", "priority", "state")}
        objects = {name: {"id": self.ticket[f"{name}_id"], "name": names[name]} for name in ("group", "priority")}
        return {**self.ticket, **names, **(objects if hook else {})}
