"""The archive reads whatever the decoder accepted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import pytest

from sinks.archive import event_rows

_EVENT: Final = (
    b'{"event_id":"1","type":"contact.started","contact_id":"c","channel":"chat",'
    b'"occurred_at":"2026-03-02T09:30:00Z","source":"test","x":%s}'
)


@dataclass
class _Record:
    value: bytes | None
    topic: str = "contacts.chat"
    partition: int = 0
    offset: int = 0
    timestamp: int = 0
    key: bytes | None = b"c"


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        (b"1e999", '{"x":null}'),
        (b"-1e999", '{"x":null}'),
        (b"1e5", '{"x":100000.0}'),
        (b"[" * 150 + b"]" * 150, '{"x":' + "[" * 150 + "]" * 150 + "}"),
        (b'"caf\\u00e9"', '{"x":"caf\u00e9"}'),
    ],
    ids=["too large", "too small", "large", "deep", "text"],
)
def test_unknown_fields_that_are_odd(written: bytes, kept: str) -> None:
    """A number beyond any double becomes null; nothing that the decoder accepts stops the sink."""
    (row,) = event_rows([_Record(_EVENT % written)], 1)
    assert row.extra == kept
