"""Hundreds of real customer-care conversations: what is expected of them, and that their events say the same."""

from __future__ import annotations

import statistics
from pathlib import Path

import orjson
import pytest

from schemas.events import CONTACT_EVENT
from streams.sources.conversations import events
from tests.e2e.conversations import conversations_file, expected_first_responses, missing
from tests.oracle.batch import contact_rows


@pytest.fixture
def real_conversations() -> Path:
    """Return the file of real conversations; skips where there is none."""
    path = conversations_file()
    if path is None:
        pytest.skip(missing())
    return path


def test_what_is_expected(real_conversations: Path) -> None:
    """All 525 were answered, half of them within 6,128.8 s."""
    expected = expected_first_responses(real_conversations)
    assert len(expected) == 525
    assert statistics.median(expected.values()) / 1000 == pytest.approx(6_128.8, abs=0.05)


def test_their_events_say_the_same(real_conversations: Path) -> None:
    """Turned into events of the contract and folded in batch, each first response is the one computed directly."""
    told = [event for line in real_conversations.read_bytes().splitlines() for event in events(line)]
    for event in told:
        CONTACT_EVENT.validate_json(event)
    rows = contact_rows(orjson.loads(event) for event in told)
    assert {name: row.first_response_ms for name, row in rows.items()} == expected_first_responses(real_conversations)
