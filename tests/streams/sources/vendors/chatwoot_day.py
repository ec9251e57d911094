"""A contact of the simulator's day as Chatwoot tells it: hooks, and rows of its API; and what it can tell of it at all.

Nobody accepts a conversation, so connections, holds and wrap-up are not told, nor who gives up waiting, nor that a
conversation is spam or another's twin. One that comes back to its queue does not enter it again.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC
from typing import Any, Final

from tests.streams.sources.vendor_folds import Instant, Told

QUEUES: Final[dict[str, int]] = {}
_CHANNELS: Final = {"chat": "Channel::WebWidget", "email": "Channel::Email"}
_PRIORITIES: Final = {"": None, "normal": "medium"}
_UNTOLD: Final = {
    *("contact.connected", "contact.disconnected", "contact.held", "contact.resumed", "contact.wrapped"),
    *("contact.abandoned", "contact.missed", "contact.evaluated", "contact.handed_off", "contact.dequeued"),
    "contact.discarded",
}
_ENTRIES: Final = {"contact.queued", "contact.transferred"}


def number_of(queue: str) -> int:
    """Give the number of the inbox, and of the team, that is a queue."""
    return QUEUES.setdefault(queue, 3 + len(QUEUES))


def agent(name: str) -> int:
    """Give the number of one of the simulator's agents."""
    return 10_000 + int.from_bytes(name.encode()[-4:], "big") % 9_000_000 + len(name)


class ConversationDay:
    """One contact's conversation."""

    def __init__(self, number: int, instants: Sequence[Instant]) -> None:
        self.number = number
        self.channel = instants[0].events[0]["channel"]
        self._instants = instants
        events = [event for instant in instants for event in instant.events]
        self._inbox = number_of(next((event["queue"] for event in events if "queue" in event), "none"))
        self._voided = {event["voids"] for event in events if event["type"] == "event.voided"}
        self.created = int(instants[0].at.timestamp())
        self._reset()

    def _reset(self) -> None:
        first = {event["type"] for event in self._instants[0].events}
        self._status = "open" if "contact.queued" in first else "pending"
        self._queued = self._status == "open"
        self._team: int | None = None
        self._priority = ""
        self._labels: list[str] = []
        self._count = 0
        self._at = self._instants[0].at
        self.messages: list[dict[str, Any]] = []
        self.reporting: list[dict[str, Any]] = []
        self.answers: list[dict[str, Any]] = []

    def hooks(self) -> list[Told]:
        """Give the hooks in the order of what happened; rows of the API are there afterwards."""
        self._reset()
        return [Told("hook", body) for instant in self._instants for body in self._update(instant)]

    def row(self) -> dict[str, Any]:
        """Give the conversation as the API shows it in the end."""
        row = self._conversation()
        row["meta"] = {**row["meta"], "channel": row.pop("channel")}
        return {**row, "account_id": 1, "first_reply_created_at": 0, "messages": [{"content": "secret"}]}

    def _update(self, instant: Instant) -> Iterator[dict[str, Any]]:
        self._at = instant.at
        before = self._status, self._team, self._priority, list(self._labels)
        told = [body for event in instant.events for body in self._event(event)]
        if instant is self._instants[0]:
            first = dict(self._conversation(), status=before[0])
            yield {**first, "event": "conversation_created"}
        for body in told:
            yield {**body, "conversation": self._conversation()}
        changed = {
            name: {"previous_value": was, "current_value": now}
            for name, was, now in zip(
                ("status", "team_id", "priority", "label_list"),
                before,
                (self._status, self._team, self._priority, list(self._labels)),
                strict=True,
            )
            if was != now
        }
        attributes = [{name: change} for name, change in changed.items()]
        if "status" in changed:
            self._report(before[0])
            yield {
                **self._conversation(),
                "event": "conversation_status_changed",
                "changed_attributes": [each for each in attributes if "status" in each],
            }
        if changed:
            yield {**self._conversation(), "event": "conversation_updated", "changed_attributes": attributes}

    def _report(self, before: str) -> None:
        names = {"resolved": ["conversation_resolved"], "open": ["conversation_opened"]}.get(self._status, [])
        if before == "pending" and self._status == "open":
            names = ["conversation_bot_handoff", *names]
        for name in names:
            event = {"id": len(self.reporting), "name": name, "value": 1.0, "conversation_id": 900_000 + self.number}
            self.reporting.append({**event, "event_end_time": f"{self._at:%Y-%m-%dT%H:%M:%S}.000Z"})

    def _event(self, event: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        kind = event["type"]
        self._priority = event.get("priority", self._priority)
        if kind in {"contact.queued", "contact.transferred"}:
            number = number_of(event["queue"])
            self._team = number if number != (self._team or self._inbox) else self._team
            self._status = "open"
        elif kind == "message.sent":
            yield self._message(event)
        elif kind in {"contact.tagged", "contact.untagged"} and event["event_id"] not in self._voided:
            kept = [] if event.get("replace") else [tag for tag in self._labels if tag not in event["tags"]]
            self._labels = kept + (event["tags"] if kind == "contact.tagged" else [])
        elif kind == "contact.resolved":
            self._status = "resolved"
        elif kind in {"contact.reopened", "contact.unpaused"}:
            self._status = "open"
        elif kind == "contact.paused":
            self._status = "snoozed"
        elif kind == "contact.rated":
            yield self._rating(event)

    def _message(self, event: Mapping[str, Any]) -> dict[str, Any]:
        author = event["author"]
        if author == "customer" and self._status in {"resolved", "snoozed"}:
            self._status = "open"
        senders: dict[str, dict[str, Any] | None] = {
            "customer": {"id": 501, "name": "X", "type": "contact"},
            "agent": {"id": agent(event.get("agent_id", "")), "name": "X", "type": "user"},
            "bot": {"id": 3, "name": "X", "type": "agent_bot"},
        }
        number = 0 if author == "customer" else 3 if event.get("automatic") else 1
        return self._sent(number, senders.get(author), private=not event.get("public", True))

    def _sent(self, number: int, sender: Mapping[str, Any] | None, **fields: Any) -> dict[str, Any]:  # noqa: ANN401
        self._count += 1
        known = {"id": self.number * 1000 + self._count, "content": "secret", "content_type": "text", "private": False}
        row = {**known, "message_type": number, "created_at": int(self._at.timestamp()), "sender": sender, **fields}
        self.messages.append(row)
        words = ("incoming", "outgoing", "activity", "template")
        hook = {**row, "message_type": words[number], "created_at": f"{self._at:%Y-%m-%dT%H:%M:%S}.123Z"}
        if number == 0:
            hook["sender"] = {"id": 501, "name": "X"}
        return {**hook, "event": "message_created", "account": {"id": 1}, "inbox": {"id": self._inbox}}

    def _rating(self, event: Mapping[str, Any]) -> dict[str, Any]:
        answer = {"rating": event["score"], "feedback_message": "secret" if event.get("comment_present") else None}
        told = self._sent(
            3,
            None,
            content_type="input_csat",
            content_attributes={"submitted_values": {"csat_survey_response": answer}},
        )
        row = {"id": len(self.answers), **answer, "message_id": told["id"], "conversation_id": self.number}
        self.answers.append({**row, "assigned_agent": None, "created_at": int(self._at.timestamp())})
        return {**told, "event": "message_updated"}

    def _conversation(self) -> dict[str, Any]:
        team = None if self._team is None else {"id": self._team, "name": f"team {self._team}"}
        at = int(self._at.timestamp())
        return {
            "id": self.number,
            "inbox_id": self._inbox,
            "channel": _CHANNELS[self.channel],
            "labels": list(self._labels),
            "meta": {"sender": {"id": 501, "name": "X"}, "assignee": None, "team": team},
            "status": self._status,
            "priority": _PRIORITIES.get(self._priority, self._priority),
            "created_at": self.created,
            "updated_at": float(at),
            "last_activity_at": at,
            "timestamp": at,
            "messages": [],
        }

    def expected(self) -> Iterator[dict[str, Any]]:
        """Give what Chatwoot can tell of the contact, as the contract has it; of an update the priority is first."""
        queue = ""
        for number, instant in enumerate(self._instants):
            at = instant.at.astimezone(UTC).isoformat()
            for place, event in enumerate(instant.events):
                kind, its_queue = event["type"], event.get("queue", "")
                if kind in _UNTOLD or (kind in _ENTRIES and its_queue == queue):
                    continue
                known = {"contact_id": f"chatwoot:acme:{self.number}", "occurred_at": at}
                told = {**event, **known, "seq": 1 if kind == "contact.prioritised" else place + 2}
                for name in ("team", "priority") if kind != "contact.prioritised" else ("team",):
                    told.pop(name, None)
                if kind in _ENTRIES:
                    told["type"], queue = "contact.queued", its_queue
                elif kind == "contact.started":
                    told.pop("queue", None)
                    priority = {"type": "contact.prioritised", "priority": event.get("priority", "normal"), "seq": 0}
                    inbox = next(name for name, its in QUEUES.items() if its == self._inbox)
                    yield {**told, "event_id": "first state", "queue": inbox, **priority}
                elif kind == "contact.rated":
                    told["survey_id"] = f"{number}/{place}"
                if told.pop("agent_id", None) and kind == "message.sent":
                    told["agent_id"] = f"chatwoot:acme:{agent(event['agent_id'])}"
                yield told
