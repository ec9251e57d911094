"""The journal's records, version 1: how one source partition's state is written, and how readers understand it.

A journal partition is a compacted log beside its source partition. What a step writes ends with its `Head`; only with
that head has it happened. A record's kind is the first byte of its key:

| key | value |
| --- | --- |
| `o` | `Open`: a worker took the partition over; its offset is the opening's number |
| `h` | `Head`: how far the source was read |
| `c` + contact id | three JSON lines: `Summary`, the events, the samples; nothing (a tombstone) once evicted |
| `p` + JSON array of `PaneKey` | JSON array of `Pane` |
| `t` + JSON array of `TagPaneKey` | JSON array of `TagPane` |
| `a` + agent id | two JSON lines: the agent's stretches (see `schemas.agents`), the events that are kept |

On a broker without transactions a step is one record batch, and `Head.open` names the opening that wrote it: a reader
drops a batch whose opening is older than the newest it has seen.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final, NamedTuple, TypedDict

import orjson

from schemas.panes import Pane, PaneKey, TagPane, TagPaneKey
from schemas.samples import Sample

VERSION: Final = 1

OPEN_KEY: Final = b"o"
HEAD_KEY: Final = b"h"
CONTACT: Final = b"c"
PANE: Final = b"p"
TAG_PANE: Final = b"t"
AGENT: Final = b"a"

_KEYS_AS_TEXT: Final = orjson.OPT_NON_STR_KEYS


class Head(NamedTuple):
    """How far a source partition was read, and by whom. The last record of each step."""

    #: First source offset that is not in.
    next: int = 0
    #: Steps so far in this journal; never goes back.
    step: int = 0
    #: The partition's clock, UTC milliseconds: the largest min(occurred_at, record timestamp) so far.
    clock: int = 0
    #: Which life of the source partition this is; raised when the topic was made anew.
    epoch: int = 1
    #: Journal offset of the `Open` record of the opening that wrote this.
    open: int = -1
    #: Hash of the last source record that is in, in hex; empty where there was none.
    last: str = ""
    #: Version of the configuration that the step was folded with.
    config: str = ""


class Summary(TypedDict):
    """A contact at a glance: what gauges and the `contacts` table need. Times in UTC ms, None where not yet."""

    v: int
    #: The step that last changed the contact; 0 where none has yet.
    step: int
    channel: str
    queue: str
    priority: str
    team: str
    segment: str
    language: str
    customer_id: str
    #: Agents who connected or replied, in order of appearance.
    agents: list[str]
    started_at: int | None
    last_at: int
    first_response_at: int | None
    first_response_ms: int | None
    abandoned_at: int | None
    first_resolved_at: int | None
    resolved_at: int | None
    first_resolution_ms: int | None
    resolution_ms: int | None
    #: Sum over closed segments; None where there is none.
    handle_ms: int | None
    tags: list[str]
    reopens: int
    replies: int
    #: Millionths; None where there is none.
    rating: int | None
    partial: bool
    discarded: bool
    #: Started, and not resolved, abandoned or discarded, and no call that was disconnected.
    open: bool
    #: Since when the contact waits for a human (an open visit, or a clock without a response); None: it does not.
    waiting_since: int | None
    #: Since when the customer waits for the next reply; None: not at all.
    awaiting_since: int | None
    #: The running first-response clock and the target it is held against; None where none runs or none applies.
    clock_since: int | None
    target_ms: int | None
    #: Open handle segments.
    handling: int
    #: The agents who have them, each once.
    handling_agents: list[str]


class ContactRecord(NamedTuple):
    """A contact as the sink reads it."""

    summary: Summary
    #: Each row with the step that last changed it.
    rows: list[tuple[int, Sample]]
    #: Keys `(sample, slot)` of rows once issued and taken back since, with the step that took them back.
    gone: list[tuple[int, str, str]]


def encode_open(worker: str) -> bytes:
    """Write an opening; `worker` says who, for people."""
    return orjson.dumps({"v": VERSION, "worker": worker})


def encode_head(head: Head) -> bytes:
    """Write a head."""
    return orjson.dumps({"v": VERSION, **head._asdict()})


def decode_head(value: bytes) -> Head:
    """Read a head. Raises ValueError where a newer version wrote it."""
    fields = orjson.loads(value)
    if fields.pop("v") > VERSION:
        raise ValueError("the journal was written by a newer Pulssi: upgrade this one")
    return Head(**fields)


def decode_summary(value: bytes) -> Summary:
    """Read the first line of a contact's record: all that gauges need."""
    summary: Summary = orjson.loads(value[: value.index(b"\n")])
    return summary


def decode_contact(value: bytes, after: int = -1) -> ContactRecord:
    """Read a contact's record without its events, and of its rows what changed after a step."""
    first, _, last = value.split(b"\n")
    samples = orjson.loads(last)
    return ContactRecord(
        orjson.loads(first),
        [(row[0], Sample(*row[1:])) for row in samples["rows"] if row[0] > after],
        [(step, sample, slot) for step, sample, slot in samples["gone"] if step > after],
    )


def encode_pane_key(key: PaneKey) -> bytes:
    """Write a pane's key."""
    return PANE + orjson.dumps(tuple(key))


def decode_pane_key(key: bytes) -> PaneKey:
    """Read a pane's key."""
    return PaneKey(*orjson.loads(key[1:]))


def encode_tag_pane_key(key: TagPaneKey) -> bytes:
    """Write a tag pane's key."""
    return TAG_PANE + orjson.dumps(tuple(key))


def decode_tag_pane_key(key: bytes) -> TagPaneKey:
    """Read a tag pane's key."""
    return TagPaneKey(*orjson.loads(key[1:]))


def encode_pane(fields: Iterable[Any]) -> bytes:
    """Write a pane's value from its fields in order."""
    return orjson.dumps(list(fields), option=_KEYS_AS_TEXT)


def decode_pane(value: bytes) -> Pane:
    """Read a pane's value."""
    *counts, hist, business = orjson.loads(value)
    return Pane._make([*counts, _buckets(hist), _buckets(business)])


def _buckets(counts: dict[str, int]) -> dict[int, int]:
    return {int(bucket): n for bucket, n in counts.items()}


def decode_tag_pane(value: bytes) -> TagPane:
    """Read a tag pane's value."""
    return TagPane(*orjson.loads(value))
