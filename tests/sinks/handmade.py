"""Journal records written by hand: contacts and samples as a worker would write them."""

from __future__ import annotations

from typing import Any, cast

from schemas.journal import Summary, encode_contact
from schemas.panes import PaneKey
from schemas.samples import Sample

KEY = PaneKey(1, 60_000, "q", "normal", "", "", "handle")


def sample(slot: str, **fields: Any) -> Sample:  # noqa: ANN401 - any fields
    """Make a sample."""
    return Sample("handle", slot, 60_000, "q", "normal", "", "", "", "x", **fields)


def contact(rows: list[tuple[int, Sample]], gone: list[tuple[int, str, str]], **fields: Any) -> bytes:  # noqa: ANN401
    """Write a contact's journal record."""
    times = ("started_at", "first_response_at", "first_response_ms", "abandoned_at", "first_resolved_at", "resolved_at")
    more = ("first_resolution_ms", "resolution_ms", "handle_ms", "rating", "waiting_since", "awaiting_since")
    texts = ("queue", "priority", "team", "segment", "language", "customer_id")
    summary = {
        **dict.fromkeys((*times, *more, "clock_since", "target_ms")),
        **dict.fromkeys(texts, ""),
        "v": 1,
        "step": 1,
        "channel": "chat",
        "agents": [],
        "last_at": 1,
        "tags": [],
        "reopens": 0,
        "replies": 0,
        "partial": False,
        "discarded": False,
        "open": True,
        "handling": 0,
        "handling_agents": [],
        "inbound": True,
        "clocks": [],
        "pauses": [],
        "deadlines": [],
        "leaves_at": 1 << 53,
        **fields,
    }
    whole = cast("Summary", {name: summary[name] for name in Summary.__annotations__})
    return encode_contact(whole, [], rows, gone)
