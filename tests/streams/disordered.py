"""Chats as they come on a bad day: with replies, reopenings, ratings and tags, twice, late, and in any order.

Drawn by one seed, so that a test of long courses of events shrinks to what happened rather than to what was said.
"""

import random
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from tests.streams.flow import chat_event

BEGIN: Final = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)

#: What a chat may come to after its beginning, each a few events; the times are seconds since the one before.
SCENES: Final[tuple[tuple[tuple[int, str, dict[str, Any]], ...], ...]] = (
    ((1, "contact.queued", {"queue": "red"}),),
    ((9, "contact.connected", {"agent_id": "ann", "team": "north"}),),
    ((5, "message.sent", {"author": "customer"}), (40, "message.sent", {"author": "agent", "agent_id": "ann"})),
    ((70, "contact.transferred", {"agent_id": "ann", "queue": "blue"}), (2, "contact.connected", {"agent_id": "bo"})),
    ((3, "contact.tagged", {"tags": ["refund", "late"]}), (1, "contact.untagged", {"tags": ["late"]})),
    ((30, "contact.disconnected", {"agent_id": "ann"}), (8, "contact.wrapped", {"agent_id": "ann"})),
    ((4, "contact.resolved", {}), (50, "contact.rated", {"score": 4, "scale_max": 5})),
    ((6, "contact.resolved", {}), (3_600, "contact.reopened", {}), (90, "contact.resolved", {})),
    ((2, "contact.abandoned", {}),),
    ((20, "contact.rated", {"score": 1, "scale_max": 5}),),
)


def _chat(number: int, rng: random.Random) -> list[dict[str, Any]]:
    at, events = BEGIN + timedelta(seconds=rng.randint(0, 600)), list[dict[str, Any]]()
    scenes = rng.choices(SCENES, k=rng.randint(1, 6))
    for after, kind, fields in ((0, "contact.started", {}), *(event for scene in scenes for event in scene)):
        at += timedelta(seconds=after)
        told_at = at.isoformat(timespec="milliseconds")
        events.append(chat_event(kind, f"c{number}", told_at, event_id=str(len(events)), **fields))
    return events


def chats(seed: int) -> list[dict[str, Any]]:
    """Draw the events of one to three chats, about in their order: some later than they should, some twice."""
    rng = random.Random(seed)  # noqa: S311 - a test's disorder
    events = [event for number in range(rng.randint(1, 3)) for event in _chat(number, rng)]
    again = rng.choices(events, k=rng.randint(0, 4))
    events.sort(key=lambda event: event["occurred_at"])
    for event in again:
        changed = {**event, "seq": 7} if rng.random() < 0.3 else event
        events.insert(rng.randint(0, len(events)), changed)
    for _ in range(rng.randint(0, len(events) // 3)):
        events.append(events.pop(rng.randrange(len(events))))
    return events
