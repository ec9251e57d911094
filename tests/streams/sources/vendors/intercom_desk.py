"""Writes a contact as Intercom would: its webhooks, and the conversation with its parts as the API gives it.

Times are whole seconds. A notification is written a moment after what it tells, so what happens within a second is seen
in all of that second's.
"""

from collections.abc import Iterator
from itertools import groupby
from typing import Any, Final

from streams.sources.simulator.centre import QUEUES
from tests.streams.sources.vendors.made_desk import Contact, Step

TEAMS: Final = {queue: str(5_017_690 + number) for number, queue in enumerate(sorted({each.name for each in QUEUES}))}
_CUSTOMER: Final = {"type": "user", "id": "6762f1781bb69f9f2193bbc8"}
_ROUTER: Final = {"type": "bot", "id": "991267002"}
_FIN: Final = {"type": "admin", "id": "991267000", "from_ai_agent": True, "is_ai_answer": True}
_AUTHOR_OF_STATE: Final = {"type": "admin", "id": "991267712"}
_PRIORITIES: Final = {"low": "low", "normal": "none", "high": "high", "urgent": "urgent"}
#: The part, the topic and the state that a step gives.
_STATES: Final = {
    "contact.resolved": ("close", "conversation.admin.closed", "closed"),
    "contact.reopened": ("open", "conversation.admin.opened", "open"),
    "contact.paused": ("snoozed", "conversation.admin.snoozed", "snoozed"),
    "contact.unpaused": ("unsnoozed", "conversation.admin.unsnoozed", "open"),
}


class IntercomDesk:
    """A conversation that lives through a contact's steps."""

    def __init__(self, contact: Contact) -> None:
        self._contact = contact
        self._parts: list[dict[str, Any]] = []
        self._tags: list[str] = []
        at = contact.steps[0].at // 1000
        self._given: dict[str, Any] = {
            "type": "conversation",
            "id": str(contact.number),
            "created_at": at,
            "updated_at": at,
            "source": {
                "type": "email" if contact.channel == "email" else "conversation",
                "id": str(403_000_000 + contact.number),
                "delivered_as": "customer_initiated",
                "body": "<p>Hello</p>",
                "author": _CUSTOMER,
            },
            "contacts": {"type": "contact.list", "contacts": [{"type": "contact", "id": _CUSTOMER["id"]}]},
            "state": "open",
            "priority": "none",
            "team_assignee_id": None,
            "conversation_rating": None,
        }

    def webhooks(self) -> Iterator[dict[str, Any]]:
        """Live, and yield the notification of each step."""
        for at, steps in groupby(self._contact.steps, key=lambda step: step.at):
            told = [each for step in steps if (each := self._live(step)) is not None]
            self._given["updated_at"] = at // 1000
            for topic, parts in told:
                item = self._item(parts)
                data = {"type": "notification_event_data", "item": item}
                yield {"type": "notification_event", "id": "notif_1", "topic": topic, "data": data}

    def conversation(self) -> dict[str, Any]:
        """Return it with all its parts, at the end."""
        return self._item(self._parts)

    def _item(self, parts: list[dict[str, Any]]) -> dict[str, Any]:
        tags = [{"type": "tag", "id": str(number), "name": name} for number, name in enumerate(self._tags)]
        listed = {"type": "conversation_part.list", "conversation_parts": parts, "total_count": len(parts)}
        return {**self._given, "tags": {"type": "tag.list", "tags": tags}, "conversation_parts": listed}

    def _live(self, step: Step) -> tuple[str, list[dict[str, Any]]] | None:
        """Return the topic of a step, and its part if it has one; the opening message is told with the start."""
        if step.type == "contact.started":
            return "conversation.user.created", []
        if step.type == "message.sent":
            return self._write(step)
        if step.type == "contact.queued":
            team = TEAMS[step.fields["queue"]]
            self._given["team_assignee_id"] = int(team)
            assigned = {"assigned_to": {"type": "team", "id": team}}
            return "conversation.admin.assigned", [self._part(step, "assignment", _ROUTER, **assigned)]
        if step.type in _STATES:
            kind, topic, self._given["state"] = _STATES[step.type]
            return topic, [self._part(step, kind, _AUTHOR_OF_STATE)]
        if step.type == "contact.prioritised":
            self._given["priority"] = _PRIORITIES[step.fields["priority"]]
            return "conversation.priority.updated", []
        if step.type == "contact.rated":
            at = step.at // 1000
            self._given["conversation_rating"] = {
                "rating": step.fields["score"],
                "created_at": at - 60,
                "updated_at": at,
            }
            return "conversation.rating.added", []
        tags = step.fields["tags"]
        if step.type == "contact.untagged":
            self._tags = [tag for tag in self._tags if tag not in tags]
        else:
            self._tags = [] if step.fields.get("replace") else self._tags
            self._tags += [tag for tag in tags if tag not in self._tags]
        return "conversation_part.tag.created", []

    def _write(self, step: Step) -> tuple[str, list[dict[str, Any]]] | None:
        author, body = step.fields["author"], {"body": "<p>…</p>"}
        if author == "customer":
            if step.at // 1000 == self._given["created_at"] and not self._parts:
                return None
            kind = "open" if self._given["state"] == "closed" else "comment"
            self._given["state"] = "open"
            return "conversation.user.replied", [self._part(step, kind, _CUSTOMER, **body)]
        if author == "bot":
            return "conversation.operator.replied", [self._part(step, "comment", _FIN, **body)]
        by = {"type": "admin", "id": str(991_267_100 + int(step.fields["agent_id"].rpartition("-")[2]))}
        if step.fields.get("public", True):
            return "conversation.admin.replied", [self._part(step, "comment", by, **body)]
        return "conversation.admin.noted", [self._part(step, "note", by, **body)]

    def _part(self, step: Step, kind: str, author: dict[str, Any], **fields: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON
        part = {
            "type": "conversation_part",
            "id": str(self._contact.number * 1000 + len(self._parts)),
            "part_type": kind,
            "body": None,
            "created_at": step.at // 1000,
            "assigned_to": None,
            "author": author,
            **fields,
        }
        self._parts.append(part)
        return part
