"""Conversation logs become events of the contract, or say what is wrong with them."""

import orjson
import pytest

from schemas.events import CONTACT_EVENT
from streams.sources.conversations import ConversationError, events_of


def line(**changed: object) -> bytes:
    """Write a conversation, with some fields changed."""
    told = {
        "conversation": "17",
        "brand": "Acme",
        "messages": [
            {"id": "m2", "at": "2026-03-02T10:00:05.250Z", "author": "agent"},
            {"id": "m1", "at": "2026-03-02T10:00:00Z", "author": "customer"},
        ],
    }
    return orjson.dumps(told | changed)


def test_a_contact_starts_with_its_first_message() -> None:
    """The start and the first message share a time; `seq` puts the start first."""
    told = [orjson.loads(event) for event in events_of(line())]
    for event in told:
        CONTACT_EVENT.validate_json(orjson.dumps(event))
    assert [event["type"] for event in told] == ["contact.started", "message.sent", "message.sent"]
    assert [event.get("seq", 0) for event in told] == [0, 1, 2]
    assert [event.get("author") for event in told] == [None, "customer", "agent"]
    assert told[0]["occurred_at"] == told[1]["occurred_at"]
    assert told[0]["queue"] == "Acme"
    assert {event["contact_id"] for event in told} == {"conversations:Acme:17"}


def test_a_conversation_that_an_agent_began_is_outbound() -> None:
    """Who wrote first decides the direction."""
    began = line(messages=[{"id": "m1", "at": "2026-03-02T10:00:00Z", "author": "agent"}])
    started = orjson.loads(next(iter(events_of(began))))
    assert (started["direction"], started["initiated_by"]) == ("outbound", "agent")


@pytest.mark.parametrize(
    ("bad", "field"),
    [
        (b"{", "line"),
        (line(brand=None), "brand"),
        (line(messages=[]), "messages"),
        (line(messages=[{"id": "m1", "at": "2026-03-02T10:00:00", "author": "customer"}]), "messages.0.at"),
        (line(messages=[{"id": "m1", "at": "2026-03-02T10:00:00Z", "author": "cat"}]), "messages.0.author"),
    ],
)
def test_what_is_no_conversation_is_named(bad: bytes, field: str) -> None:
    """The error names the field."""
    with pytest.raises(ConversationError, match=f"no conversation: {field}"):
        list(events_of(bad))
