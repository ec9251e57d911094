"""Real conversations, and what their first responses are: computed from the file alone, by nothing of Pulssi.

The file is named by CONVERSATIONS_FILE, or lies beside the checkout; where it is not there, its tests are skipped.
"""

from __future__ import annotations

import json
import os
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

_NAMED_BY: Final = "CONVERSATIONS_FILE"
_BESIDE: Final = Path(__file__).resolve().parents[2] / ".." / "shared" / "data" / "customer-care-chats.jsonl"


def conversations_file() -> Path | None:
    """Find the file; None where there is none on this machine."""
    named = os.environ.get(_NAMED_BY)
    path = Path(named) if named else _BESIDE
    return path if path.is_file() else None


def missing() -> str:
    """Say why a test that needs the file is skipped."""
    return f"no file of real conversations here: name one in {_NAMED_BY}"


def expected_first_responses(path: Path) -> dict[str, int]:
    """Return each contact's time from its first customer message to the first agent's after it, in milliseconds.

    A conversation without such an answer is left out.
    """
    expected = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        read = json.loads(line)
        messages = sorted(
            ((datetime.fromisoformat(message["at"]), message["author"]) for message in read["messages"]),
            key=lambda message: message[0],
        )
        asked = next((at for at, author in messages if author == "customer"), None)
        answered = next(
            (at for at, author in messages if author == "agent" and asked is not None and at >= asked), None
        )
        if asked is not None and answered is not None:
            contact = f"conversations:{read['brand']}:{read['conversation']}"
            expected[contact] = (answered - asked) // timedelta(milliseconds=1)
    return expected
