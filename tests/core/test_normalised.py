"""An event's normalised JSON, which the archive keeps, says all that the fold knows of the event."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given

from schemas.events import ContactEvent
from schemas.topics import Channel
from streams.core.event import Event, event_of, from_normalised, normalised
from streams.decode import decode
from tests.core.contacts import contacts


@given(contacts())
def test_it_reads_back(drawn: tuple[Channel, list[Event]]) -> None:
    """Any event comes back as it was, defaults left out again."""
    for event in drawn[1]:
        assert from_normalised(normalised(event)) == event


@pytest.mark.parametrize(
    "fields",
    [
        {"type": "contact.rated", "score": 1e2, "scale_max": 1000, "comment_present": True, "comment": "hush"},
        {"type": "message.sent", "author": "agent", "public": True, "automatic": True, "text": "hush"},
        {"type": "contact.paused", "for": "customer", "attributes": {"product": "ä"}},
        {"type": "contact.unheard_of", "score": 3, "queue": "q"},
    ],
)
def test_fields_of_every_kind_read_back(fields: dict[str, Any]) -> None:
    """Decimals, flags, aliases, attributes and unknown types; words of people are in neither."""
    whole = {"event_id": "1", "contact_id": "c", "channel": "chat", "source": "s", "seq": 7, **fields}
    whole["occurred_at"] = "2026-03-02T08:15:30.250+02:00"
    read = decode("contacts.chat", b"c", json.dumps(whole).encode())
    assert isinstance(read, ContactEvent)
    event = event_of(read)
    assert from_normalised(normalised(event)) == event
    assert b"hush" not in normalised(event)
