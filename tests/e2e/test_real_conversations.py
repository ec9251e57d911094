"""Hundreds of real customer-care conversations: their first responses from the file alone, and by their events.

The file is named by CONVERSATIONS_FILE, or lies beside the checkout; where it is not there, its tests are skipped.
"""

import json
import os
import statistics
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

import orjson
import pytest

from schemas.events import CONTACT_EVENT
from streams.sources.conversations import events_of
from tests.oracle.batch import contact_rows

_BESIDE: Final = Path(__file__).resolve().parents[2] / ".." / "shared" / "data" / "customer-care-chats.jsonl"
CONVERSATIONS: Final = Path(os.environ.get("CONVERSATIONS_FILE", _BESIDE))

needs_conversations: Final = pytest.mark.skipif(
    not CONVERSATIONS.is_file(), reason="no file of real conversations here: name one in CONVERSATIONS_FILE"
)


def expected_first_responses() -> dict[str, int]:
    """Return each contact's time from its first customer message to the first agent's after it, in milliseconds.

    Computed by nothing of Pulssi. A conversation without such an answer is left out.
    """
    expected = {}
    for line in CONVERSATIONS.read_text(encoding="utf-8").splitlines():
        read = json.loads(line)
        messages = sorted((datetime.fromisoformat(each["at"]), each["author"]) for each in read["messages"])
        asked = next((at for at, author in messages if author == "customer"), None)
        answered = [at for at, author in messages if author == "agent" and asked is not None and at >= asked]
        if asked is not None and answered:
            contact = f"conversations:{read['brand']}:{read['conversation']}"
            expected[contact] = (answered[0] - asked) // timedelta(milliseconds=1)
    return expected


@needs_conversations
def test_what_is_expected() -> None:
    """All 525 were answered, half of them within 6,128.8 s."""
    expected = expected_first_responses()
    assert len(expected) == 525
    assert statistics.median(expected.values()) / 1000 == pytest.approx(6_128.8, abs=0.05)


@needs_conversations
def test_their_events_say_the_same() -> None:
    """Turned into events of the contract and folded in batch, each first response is the one computed directly."""
    told = [event for line in CONVERSATIONS.read_bytes().splitlines() for event in events_of(line)]
    for event in told:
        CONTACT_EVENT.validate_json(event)
    rows = contact_rows(orjson.loads(event) for event in told)
    assert {name: row.first_response_ms for name, row in rows.items()} == expected_first_responses()
