"""A contact of the simulator's day as Zendesk tells it: hooks and audits; and what Zendesk can tell of it at all.

Nobody accepts a ticket, so connections, holds and wrap-up are not told, nor who gives up waiting; a ticket that comes
back to its group does not enter it again; a bot's handing over is the first group. Only of messages it says who did it.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from tests.streams.sources.vendor_folds import Instant, Told

GROUPS: Final = {"billing": "7001", "support": "7002", "sales": "7003", "technical": "7004"}
_STATUS_OF_PAUSE: Final = {"customer": "pending", "third_party": "hold"}
CUSTOMER, SYSTEM = "501", "-1"
#: What is told of nothing.
_UNTOLD: Final = {
    *("contact.connected", "contact.disconnected", "contact.held", "contact.resumed", "contact.wrapped"),
    *("contact.abandoned", "contact.missed", "contact.evaluated", "contact.rated"),
    *("contact.handed_off", "contact.dequeued"),
}


def agent(name: str) -> str:
    """Give the number of one of the simulator's agents."""
    return str(10_000 + int.from_bytes(name.encode()[-4:], "big") % 9_000_000 + len(name))


def group_of(queue: str) -> str:
    """Give the number of the group that is a queue."""
    return GROUPS.setdefault(queue, str(7001 + len(GROUPS)))


class TicketDay:
    """One contact's ticket."""

    def __init__(self, number: int, contact: str, instants: Sequence[Instant]) -> None:
        self.number = str(number)
        self._contact = contact
        self._instants = instants
        self.channel = instants[0].events[0]["channel"]
        self._created = _time(instants[0].at)
        self._out = instants[0].events[0].get("direction") == "outbound"
        self._status, self._group, self._priority = "new", "", ""
        self._tags: list[str] = []
        self._messages = 0
        self._voided: set[str] = {
            event["voids"] for instant in instants for event in instant.events if event["type"] == "event.voided"
        }

    def hooks(self) -> Iterator[Told]:
        """Give the hooks in the order of what happened."""
        for instant, changes in self._updates():
            detail = self._detail(instant.at)
            for name, event in changes:
                if name == "message_added":
                    yield Told("hook", self._hook(f"messaging_ticket.{name}", event, instant.at, {"id": self.number}))
                elif name != "audit":
                    yield Told("hook", self._hook(f"ticket.{name}", event, instant.at, detail))

    def audits(self) -> Iterator[Told]:
        """Give the audits, of e-mail only: the messages of messaging are in none."""
        for instant, changes in self._updates():
            events = [event for name, event in changes if name == "audit"]
            if events:
                ids = {event["author_id"] for event in events if "author_id" in event}
                yield Told("audit", self._audit(events, instant.at, ids))

    def _updates(self) -> Iterator[tuple[Instant, list[tuple[str, dict[str, Any]]]]]:
        self._status, self._group, self._priority, self._messages = "new", "", "", 0
        self._tags = []
        for instant in self._instants:
            changes: list[tuple[str, dict[str, Any]]] = []
            before = self._status, self._group, self._priority, list(self._tags)
            for event in instant.events:
                changes += self._told(event, instant)
            changes += self._changed(*before, first=instant is self._instants[0])
            if changes:
                yield instant, changes

    def _told(self, event: Mapping[str, Any], instant: Instant) -> Iterator[tuple[str, dict[str, Any]]]:
        kind = event["type"]
        self._group = group_of(event["queue"]) if "queue" in event and kind != "contact.started" else self._group
        self._priority = event.get("priority", self._priority)
        if kind == "contact.started":
            yield "created", {}
            yield "audit", {"type": "Create", "field_name": "requester_id", "value": CUSTOMER}
        elif kind == "message.sent":
            yield from self._message(event, instant)
        elif kind in {"contact.tagged", "contact.untagged"} and event["event_id"] not in self._voided:
            kept = [] if event.get("replace") else [tag for tag in self._tags if tag not in event["tags"]]
            self._tags = kept + (event["tags"] if kind == "contact.tagged" else [])
        elif kind == "contact.resolved":
            self._status = "solved"
        elif kind in {"contact.reopened", "contact.unpaused"}:
            self._status = "open"
        elif kind == "contact.paused":
            self._status = _STATUS_OF_PAUSE[event.get("for", "customer")]
        elif kind == "contact.discarded":
            name = {"spam": "marked_as_spam", "merged": "merged"}.get(event["reason"], "soft_deleted")
            yield name, {"target_ticket_id": "999999"} if name == "merged" else {}
            merged = {"type": "Change", "field_name": "tags", "previous_value": [], "value": ["closed_by_merge"]}
            gone = {"type": "Change", "field_name": "status", "previous_value": "open", "value": "deleted"}
            yield "audit", merged if name == "merged" else gone

    def _message(self, event: Mapping[str, Any], instant: Instant) -> Iterator[tuple[str, dict[str, Any]]]:
        self._messages += 1
        author, public = event["author"], event.get("public", True)
        if author == "customer" and self._status != "new":
            self._status = "open"
        number = f"{self.number}{self._messages:04}"
        who = {"customer": CUSTOMER, "agent": agent(event.get("agent_id", "")), "bot": "850"}.get(author, SYSTEM)
        if self.channel == "chat":
            kind = {"customer": "end_user", "agent": "agent", "bot": "system"}.get(author, "trigger")
            yield (
                "message_added",
                {
                    "actor": {"id": "zd:answerBot" if author == "bot" else who, "name": "X", "type": kind},
                    "conversation_id": "67ab",
                    "message": {"id": number, "body": "…"},
                    "time": f"{_time(instant.at)[:-1]}.000000{event.get('seq', 0):03}Z",
                },
            )
            return
        staff = {"id": who, "is_staff": author != "customer", "name": "X"}
        yield "comment_added", {"comment": {"id": number, "is_public": public, "author": staff, "body": "…"}}
        yield "audit", {"type": "Comment", "id": int(number), "author_id": int(who), "public": public}

    def _changed(
        self, status: str, group: str, priority: str, tags: list[str], *, first: bool
    ) -> Iterator[tuple[str, dict[str, Any]]]:
        kind = "Create" if first else "Change"
        for name, field, before, now in (
            ("status_changed", "status", status, self._status),
            ("group_assignment_changed", "group_id", group, self._group),
            ("priority_changed", "priority", priority, self._priority),
        ):
            if before != now:
                yield name, {"current": now.upper() if name != "group_assignment_changed" else now, "previous": before}
                yield "audit", {"type": kind, "field_name": field, "value": now, "previous_value": before or None}
        if sorted(tags) != sorted(self._tags):
            yield "tags_changed", {"tags_added": [], "tags_removed": []}
            yield "audit", {"type": kind, "field_name": "tags", "value": list(self._tags), "previous_value": tags}

    def _detail(self, at: datetime) -> dict[str, Any]:
        return {
            **self._ticket(),
            "group_id": self._group or None,
            "status": self._status.upper(),
            "priority": self._priority.upper() or None,
            "tags": list(self._tags),
            "updated_at": _time(at),
            "assignee_id": None,
        }

    def _ticket(self) -> dict[str, Any]:
        via = "native_messaging" if self.channel == "chat" else "web_form" if self._out else "mail"
        submitter = "888" if self._out else CUSTOMER
        return {
            "id": self.number,
            "created_at": self._created,
            "requester_id": CUSTOMER,
            "submitter_id": submitter,
            "via": {"channel": via},
        }

    def _hook(self, name: str, event: Mapping[str, Any], at: datetime, detail: Mapping[str, Any]) -> dict[str, Any]:
        time = event.get("time", f"{_time(at)[:-1]}.304701605Z")
        told = {key: value for key, value in event.items() if key != "time"}
        return {
            "account_id": 1,
            "detail": detail,
            "event": told,
            "id": f"{self.number}-{at.timestamp()}",
            "subject": f"zen:ticket:{self.number}",
            "time": time,
            "type": f"zen:event-type:{name}",
            "zendesk_event_version": "2022-11-06",
        }

    def _audit(self, events: list[dict[str, Any]], at: datetime, authors: set[int]) -> dict[str, Any]:
        numbered = [{"id": number, **event} for number, event in enumerate(events, 1)]
        audit = {"id": 1, "ticket_id": int(self.number), "created_at": _time(at), "author_id": int(CUSTOMER)}
        return {
            "audit": {**audit, "via": {"channel": "web"}, "events": numbered},
            "ticket": self._ticket(),
            "users": {str(each): "end-user" if str(each) == CUSTOMER else "agent" for each in authors},
        }

    def expected(self, contact_id: str) -> Iterator[dict[str, Any]]:
        """Give what Zendesk can tell of the contact, in the contract's form; of one update the priority comes first."""
        group = ""
        for instant in self._instants:
            for place, event in enumerate(instant.events):
                kind = event["type"]
                if kind in _UNTOLD:
                    continue
                told = {
                    **event,
                    "contact_id": contact_id,
                    "occurred_at": _time(instant.at),
                    "seq": 0 if kind == "contact.prioritised" else place + 1,
                }
                told.pop("team", None)
                if kind in {"contact.queued", "contact.transferred"}:
                    told["type"] = "contact.queued"
                    if group == event["queue"]:
                        continue
                    group = event["queue"]
                elif kind == "contact.started":
                    told.pop("queue", None)  # the group, where there is one, comes with the entry into it
                    told["priority"] = ["normal", *(each["priority"] for each in instant.events if "priority" in each)][
                        -1
                    ]
                if told.pop("agent_id", None) and kind == "message.sent":
                    told["agent_id"] = f"zendesk:acme:{agent(event['agent_id'])}"
                yield told


def _time(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")
