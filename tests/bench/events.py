"""Events to measure with: chats of ten events, many under way at a time, in order of time."""

from datetime import UTC, datetime
from typing import Any, Final

from tests.streams.flow import chat_event

EVENTS_A_CHAT: Final = 10
START: Final = datetime(2026, 3, 2, 8, 0, tzinfo=UTC).timestamp()
QUEUES: Final = ("billing", "support", "sales", "returns", "onboarding")
TAGS: Final = ("refund", "delivery", "invoice", "password", "outage", "warranty")
#: Chats that start each second.
ARRIVALS_PER_S: Final = 20


def _chat(number: int) -> list[dict[str, Any]]:
    began = START + number / ARRIVALS_PER_S
    queue, agent = QUEUES[number % len(QUEUES)], f"agent-{number % 61:02}"
    wait, talk = 5 + number * 7 % 90, 60 + number * 13 % 400
    steps: list[tuple[float, str, dict[str, Any]]] = [
        (0, "contact.started", {"queue": queue, "customer_id": f"customer-{number % 9973}", "language": "en"}),
        (0.1, "message.sent", {"author": "customer"}),
        (0.5, "contact.queued", {"queue": queue}),
        (wait, "contact.connected", {"agent_id": agent, "team": f"team-{number % 4}"}),
        (wait + 8, "message.sent", {"author": "agent", "agent_id": agent}),
        (wait + talk / 2, "message.sent", {"author": "customer"}),
        (wait + talk / 2 + 25, "message.sent", {"author": "agent", "agent_id": agent}),
        (wait + talk + 30, "contact.tagged", {"tags": [TAGS[number % len(TAGS)]]}),
        (wait + talk + 40, "contact.disconnected", {"agent_id": agent}),
        (wait + talk + 60, "contact.resolved", {}),
    ]
    contact_id = f"bench:1:{number:012d}"
    return [
        chat_event(
            kind,
            contact_id,
            datetime.fromtimestamp(began + after, UTC).isoformat(timespec="milliseconds"),
            event_id=f"{contact_id}-{at}",
            **fields,
        )
        for at, (after, kind, fields) in enumerate(steps)
    ]


def write_chats(events: int) -> list[dict[str, Any]]:
    """Make that many events, in order of time."""
    chats = [event for number in range(events // EVENTS_A_CHAT) for event in _chat(number)]
    return sorted(chats, key=lambda event: (event["occurred_at"], event["event_id"]))
