"""An agent's states as the journal tells them, version 1: stretches in order, from the one in force on.

A record of kind `a` (see `schemas.journal`) has two parts, with a line break between them: these stretches as JSON, for
every reader, and the events that the worker keeps to correct them, compressed, for the worker alone.

Each event reports a state. Groups and capacity are in force from the event that names them until
another does, status and reason are each event's own. Events that tell the same state again make no new stretch.
"""

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

import orjson
import zstandard

from schemas.journal import JournalVersionError

VERSION: Final = 1

#: How far back an agent's events are kept, and how long after its last event an agent counts as present.
HORIZON_MS: Final = 24 * 3_600_000

#: Clocks of sources differ. A state that is dated no further ahead than this is in force at once; one that is dated
#: beyond it waits for its time, so that a single wrong date does not hold an agent's state for ever.
AHEAD_MS: Final = 5 * 60_000

STATUSES: Final = ("available", "busy", "wrap_up", "away", "offline")


class AgentStretch(NamedTuple):
    """An agent in one state. Times in UTC milliseconds."""

    since: int
    #: The time of its newest event.
    last_event_at: int
    status: str
    #: Empty where none was given.
    reason: str
    groups: list[str]
    #: Slots by channel; empty where the source tells none, which is not the same as 0.
    capacity: dict[str, int]


def encode_agent(stretches: Iterable[AgentStretch], kept: bytes) -> bytes:
    """Write a record: the part that everyone reads, and the worker's own."""
    shared = orjson.dumps({"v": VERSION, "stretches": [tuple(stretch) for stretch in stretches]})
    return shared + b"\n" + zstandard.ZstdCompressor().compress(kept)


def decode_kept(value: bytes) -> bytes:
    """Read the part of a record that is the worker's own."""
    return zstandard.ZstdDecompressor().decompress(value[value.index(b"\n") + 1 :])


def decode_stretches(value: bytes) -> list[AgentStretch]:
    """Read the stretches of a record. Raises JournalVersionError where a newer version wrote it."""
    fields = orjson.loads(value[: value.index(b"\n")])
    if fields["v"] > VERSION:
        raise JournalVersionError("the journal was written by a newer Pulssi: upgrade this one")
    return [AgentStretch._make(stretch) for stretch in fields["stretches"]]


def stretch_at(stretches: Sequence[AgentStretch], now_ms: int) -> AgentStretch | None:
    """Find the stretch at a time; None before the first."""
    return next((stretch for stretch in reversed(stretches) if stretch.since <= now_ms + AHEAD_MS), None)
