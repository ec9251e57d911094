"""Journal records written by hand: contacts and samples as a worker would write them."""

from __future__ import annotations

from typing import Any

from schemas.contact_record import encode_contact
from schemas.panes import PaneKey
from schemas.samples import Sample
from tests.streams.live.steps import summary

KEY = PaneKey(1, 60_000, "q", "normal", "", "", "handle")


def sample(slot: str, **fields: Any) -> Sample:  # noqa: ANN401 - any fields
    """Make a sample."""
    return Sample("handle", slot, 60_000, "q", "normal", "", "", "", "x", **fields)


def contact(rows: list[tuple[int, Sample]], gone: list[tuple[int, str, str]], **fields: Any) -> bytes:  # noqa: ANN401
    """Write a contact's journal record."""
    told = {"queue": "", "priority": "", "started_at": None, "last_at": 1, **fields}
    return encode_contact(summary(**told), [], rows, gone)
