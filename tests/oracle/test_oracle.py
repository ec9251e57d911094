"""The oracle against small contacts whose samples were worked out by hand."""

from __future__ import annotations

import random
from typing import Any

from tests.oracle.batch import batch, contact_rows, samples, tag_counts

Event = dict[str, Any]


def at(seconds: float) -> str:
    """Return a time on the day of these contacts."""
    minutes, rest = divmod(seconds, 60)
    return f"2026-03-02T{9 + int(minutes) // 60:02d}:{int(minutes) % 60:02d}:{rest:06.3f}Z"


def contact(channel: str, *steps: tuple[float, str, dict[str, Any]], contact_id: str = "c") -> list[Event]:
    """Write a contact's events shortly: seconds, type, own fields."""
    return [
        {
            "event_id": f"e{number}",
            "type": event_type,
            "contact_id": contact_id,
            "channel": channel,
            "source": "test",
            "occurred_at": at(seconds),
            **fields,
        }
        for number, (seconds, event_type, fields) in enumerate(steps)
    ]


def values(events: list[Event], sample: str) -> list[tuple[str, int | None]]:
    """Return queue and duration of each sample of a kind, in order of time."""
    rows = [each for each in samples(events) if each.sample == sample]
    return [(each.queue, each.value_ms) for each in sorted(rows, key=lambda each: each.at)]


A, B = {"agent_id": "a"}, {"agent_id": "b"}
CUSTOMER, AGENT, BOT = {"author": "customer"}, {"author": "agent", "agent_id": "a"}, {"author": "bot"}

CALL = contact(
    "call",
    (0, "contact.started", {}),
    (10, "contact.queued", {"queue": "support"}),
    (25.5, "contact.connected", A),
    (60, "contact.held", A),
    (70, "contact.held", A),
    (90, "contact.resumed", A),
    (120, "contact.transferred", {**A, "queue": "billing"}),
    (140, "contact.wrapped", A),
    (150, "contact.connected", B),
    (200, "contact.disconnected", {}),
    (230, "contact.wrapped", B),
    (231, "contact.resolved", {}),
)


def test_a_call_with_hold_and_transfer() -> None:
    """Two visits, two segments; the hold counts once; the hang-up ends the stretch, resolving then changes nothing."""
    assert values(CALL, "first_response") == [("support", 15_500)]
    assert values(CALL, "queue_wait") == [("support", 15_500), ("billing", 30_000)]
    assert values(CALL, "handle") == [("support", 114_500), ("billing", 80_000)]
    assert values(CALL, "hold") == [("support", 30_000), ("billing", 0)]
    assert values(CALL, "wrap") == [("support", 20_000), ("billing", 30_000)]
    assert values(CALL, "talk") == [("support", 64_500), ("billing", 50_000)]
    assert values(CALL, "transferred") == [("support", None)]
    assert values(CALL, "resolution") == [("billing", 200_000)]
    assert batch(CALL)["first_response", "call", "support"] == (1, 15_500, 1, 1, 0)


def test_a_chat_that_a_bot_hands_off() -> None:
    """The clock starts with the queue after the hand-off; the first response ends no turn, the next one does."""
    chat = contact(
        "chat",
        (0, "contact.started", {"queue": "sales"}),
        (0.001, "message.sent", CUSTOMER),
        (2, "message.sent", BOT),
        (30, "contact.handed_off", {}),
        (31, "contact.queued", {"queue": "support"}),
        (40, "contact.connected", A),
        (101, "message.sent", AGENT),
        (110, "message.sent", CUSTOMER),
        (120, "message.sent", CUSTOMER),
        (250, "message.sent", AGENT),
        (260, "contact.resolved", {}),
        (300, "message.sent", CUSTOMER),
        (310, "message.sent", AGENT),
        (320, "contact.resolved", {}),
    )
    assert values(chat, "offered") == [("sales", None)]
    assert batch(chat)["first_response", "chat", "support"] == (1, 70_000, 1, 0, 0)
    assert values(chat, "next_response") == [("support", 140_000), ("support", 10_000)]
    assert [each.value for each in samples(chat) if each.sample == "nudges"] == [1, 0]
    assert [each.value for each in samples(chat) if each.sample == "replies"] == [3]
    assert len(values(chat, "slow")) == 1
    assert values(chat, "resolution") == [("support", 260_000), ("support", 20_000)]
    assert values(chat, "reopened") == [("support", None)]


def test_giving_up() -> None:
    """A short abandonment counts as short, one with the bot not at all, one after an answer neither."""
    short = contact(
        "call", (0, "contact.started", {}), (1, "contact.queued", {"queue": "q"}), (5, "contact.abandoned", {})
    )
    assert batch(short)["abandoned", "call", "q"] == (1, 4_000, 1, 1, 1)
    with_bot = contact("chat", (0, "contact.started", {}), (1, "message.sent", BOT), (9, "contact.abandoned", {}))
    assert values(with_bot, "abandoned") == []
    answered = contact("call", (0, "contact.started", {}), (1, "contact.connected", A), (9, "contact.abandoned", {}))
    assert values(answered, "abandoned") == []
    assert values(answered, "first_response") == [("unassigned", 1_000)]


def test_partial_and_outbound() -> None:
    """Partial contacts are held against no target; an outbound call has no clock and is not offered."""
    partial = contact("chat", (0, "contact.queued", {"queue": "q"}), (9, "message.sent", AGENT))
    assert batch(partial)["first_response", "chat", "q"] == (1, 9_000, 0, 0, 0)
    outbound = contact("call", (0, "contact.started", {"direction": "outbound"}), (5, "contact.connected", A))
    assert {key[0] for key in batch(outbound)} == set()
    mail = contact(
        "email",
        (0, "contact.started", {"direction": "outbound", "initiated_by": "agent"}),
        (1, "message.sent", AGENT),
        (100, "message.sent", CUSTOMER),
        (160, "message.sent", AGENT),
    )
    assert values(mail, "offered") == [("unassigned", None)]
    assert values(mail, "first_response") == [("unassigned", 60_000)]
    assert values(mail, "next_response") == []


def test_answered_after_a_reopening_without_a_response() -> None:
    """Resolved unanswered and opened again: the clock runs from the opening."""
    chat = contact(
        "chat",
        (0, "contact.started", {}),
        (1, "message.sent", CUSTOMER),
        (50, "contact.resolved", {}),
        (100, "message.sent", CUSTOMER),
        (130, "message.sent", AGENT),
    )
    assert values(chat, "first_response") == [("unassigned", 30_000)]


def test_tags_in_effect_at_the_end() -> None:
    """A tag taken off and put on again counts where it was put on last; spelling does not matter."""
    chat = contact(
        "chat",
        (0, "contact.started", {"queue": "q"}),
        (1, "contact.tagged", {"tags": ["Refund", "slow"]}),
        (2, "contact.untagged", {"tags": ["refund "]}),
        (3, "contact.tagged", {"tags": ["REFUND"], "queue": "r"}),
    )
    assert tag_counts(chat) == {("refund", "chat", "r"): 1, ("slow", "chat", "q"): 1}
    assert contact_rows(chat)["c"].tags == ("refund", "slow")


def test_voided_and_discarded() -> None:
    """A voided event is as if it had not been, a discard too; a discarded contact counts nowhere."""
    events = [*CALL, *contact("call", (300, "contact.discarded", {"reason": "test"}))]
    events[-1]["event_id"] = "x"
    assert samples(events) == []
    undone = {**events[-1], "event_id": "y", "type": "event.voided", "voids": "x"}
    assert batch([*events, undone]) == batch(CALL)


def test_order_and_repetition_do_not_matter() -> None:
    """Shuffled and sent twice: the same counts. Of two under one id, the first by its JSON stays."""
    chance = random.Random(7)  # noqa: S311 - disorder, no secret
    for _ in range(20):
        heap = CALL * 2
        chance.shuffle(heap)
        assert batch(heap) == batch(CALL)
    other = {**CALL[1], "queue": "zzz"}
    assert batch([other, *CALL]) == batch([*CALL, other]) == batch(CALL)
