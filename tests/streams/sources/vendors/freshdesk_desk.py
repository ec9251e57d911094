"""Writes a contact as Freshdesk would: the ticket and its conversations whenever they are asked for, and activities.

Times are whole seconds; a rule that runs on updates calls its webhook behind all that happens in one.
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import groupby
from typing import Any, Final, NamedTuple

from streams.sources.simulator.centre import QUEUES
from tests.streams.sources.vendors.made_desk import Contact, Step

GROUPS: Final = {queue: 67_000_000_000 + number for number, queue in enumerate(sorted({each.name for each in QUEUES}))}
_AGENT: Final = 67_013_000_000
_CUSTOMER: Final = 67_042_965_499
_PRIORITIES: Final = {"low": 1, "normal": 2, "high": 3, "urgent": 4}
_NAMES: Final = {2: "Open", 3: "Pending", 4: "Resolved", 5: "Closed", 7: "Waiting on Third Party"}


def at(ms: int) -> str:
    """Write a time of the API."""
    return datetime.fromtimestamp(ms / 1000, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def day_first(ms: int) -> str:
    """Write a time of an export."""
    return f"{datetime.fromtimestamp(ms / 1000, UTC):%d-%m-%Y %H:%M:%S} +0000"


class Answers(NamedTuple):
    """What the API tells of a ticket at a moment."""

    ticket: dict[str, Any]
    conversations: list[dict[str, Any]]


class FreshdeskDesk:
    """A ticket that lives through a contact's steps."""

    def __init__(self, contact: Contact) -> None:
        self._contact = contact
        self._first_at = contact.steps[0].at
        self._stats: dict[str, str | None] = dict.fromkeys(
            ("first_responded_at", "reopened_at", "resolved_at", "closed_at", "pending_since")
        )
        self._stats["status_updated_at"] = at(self._first_at)
        self._ticket: dict[str, Any] = {
            "id": contact.number,
            "source": 1 if contact.channel == "email" else 7,
            "created_at": at(self._first_at),
            "updated_at": at(self._first_at),
            "requester_id": _CUSTOMER,
            "status": 2,
            "priority": 2,
            "group_id": None,
            "tags": [],
            "spam": False,
        }
        self._conversations: list[dict[str, Any]] = []
        self.activities = [self._row(self._first_at, status="Open", priority=2)]

    def webhooks(self) -> Iterator[Answers]:
        """Live, and yield what the API answers behind each second."""
        for ms, steps in groupby(self._contact.steps, key=lambda step: step.at):
            for step in steps:
                self._live(step)
            self._ticket["updated_at"] = at(ms)
            yield self.answers()

    def answers(self) -> Answers:
        """Return what the API tells now."""
        tags = [*self._ticket["tags"]]
        return Answers({**self._ticket, "tags": tags, "stats": {**self._stats}}, [*self._conversations])

    def _live(self, step: Step) -> None:
        fields, ticket = step.fields, self._ticket
        if step.type == "message.sent":
            self._write(step)
        elif step.type == "contact.queued":
            ticket["group_id"] = GROUPS[fields["queue"]]
            self.activities.append(self._row(step.at, group=fields["queue"]))
        elif step.type == "contact.prioritised":
            ticket["priority"] = _PRIORITIES[fields["priority"]]
            self.activities.append(self._row(step.at, priority=ticket["priority"]))
        elif step.type == "contact.paused":
            self._stats["pending_since"] = at(step.at)
            self._set_status(step.at, 7 if fields["for"] == "third_party" else 3)
        elif step.type in {"contact.unpaused", "contact.reopened"}:
            self._set_status(step.at, 2)
        elif step.type == "contact.resolved":
            self._set_status(step.at, 4)
        elif step.type == "contact.untagged":
            ticket["tags"] = [tag for tag in ticket["tags"] if tag not in fields["tags"]]
        elif step.type == "contact.tagged":
            before = [] if fields.get("replace") else ticket["tags"]
            ticket["tags"] = before + [tag for tag in fields["tags"] if tag not in before]

    def _write(self, step: Step) -> None:
        incoming, public = step.fields["author"] == "customer", step.fields.get("public", True)
        if incoming and step.at == self._first_at and not self._conversations:
            return  # the description
        user = _CUSTOMER if incoming else _AGENT + int(step.fields["agent_id"].rpartition("-")[2])
        self._conversations.append(
            {
                "id": self._contact.number * 1000 + len(self._conversations),
                "incoming": incoming,
                "private": not public,
                "source": 0 if public else 2,
                "user_id": user,
                "created_at": at(step.at),
            }
        )
        if incoming and self._ticket["status"] in {3, 4}:
            self._set_status(step.at, 2)
        elif not incoming and public:
            self._stats["first_responded_at"] = self._stats["first_responded_at"] or at(step.at)

    def _set_status(self, ms: int, status: int) -> None:
        if self._ticket["status"] == status:
            return
        was_resolved, self._ticket["status"] = self._ticket["status"] == 4, status
        self._stats["status_updated_at"] = at(ms)
        self._stats["resolved_at"] = at(ms) if status == 4 else None
        if was_resolved:
            self._stats["reopened_at"] = at(ms)
        self.activities.append(self._row(ms, status=_NAMES[status]))

    def _row(self, ms: int, **activity: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON
        row = {"performed_at": day_first(ms), "ticket_id": self._contact.number, "performer_type": "user"}
        return {**row, "performer_id": _AGENT, "activity": activity}
