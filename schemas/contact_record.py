"""A contact's record in the journal: dense, because the record of every contact in hand stands in memory too.

The first line is the `Summary`, its values in order, as JSON: gauges read no more. Behind it stands the rest, by
Zstandard, in two lines of JSON: the rows, each behind the step that last changed it, with what is gone; and the events,
in the order of the fold. Events and rows are written one by one (`event_line`, `row_line`), so that who has those of
before writes the new ones only.

What contacts have in common is in a dictionary (`contact_record.dictionary`, trained on simulated contacts by
`python -m tests.bench.dictionary`), so that even a small record is mostly what is its own. Records cannot be read
without the one they were written with: another one is another version of the journal.
"""

import threading
from collections.abc import Iterable, Sequence
from functools import cache
from importlib.resources import files
from typing import Any, Final, NamedTuple, TypedDict

import orjson
import zstandard

from schemas.policies import Metric
from schemas.samples import Sample

#: Version of the journal, this record being most of it.
VERSION: Final = 5

#: An event: UTC milliseconds, `seq`, id, type, fields.
EventFields = tuple[int, int, str, str, dict[str, Any]]
#: A row taken back: the step that did, sample, slot.
Gone = tuple[int, str, str]
#: A clock that runs: what is measured, since when, and the queue where that is not the one in force (a visit's).
Clock = tuple[Metric, int, str]
#: A pause of the open stretch: from when to when; None: it lasts.
Pause = tuple[int, int | None]
#: A target that a running clock is held against: metric, policy, since when the clock runs, from when on the contact is
#: at risk and from when on beyond the target. UTC milliseconds; None: never.
Deadline = tuple[Metric, str, int, int | None, int | None]

#: Of Zstandard's: more is slower, and saves little where a dictionary does most of it.
LEVEL: Final = 1


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
    #: Whether it came from the customer; else it is outbound, or an agent or the system began it.
    inbound: bool
    #: The clocks that run and could be held against a target, at most one a metric, and the pauses that may stop one:
    #: what the deadlines follow from, whatever rules come into force.
    clocks: list[Clock]
    pauses: list[Pause]
    #: Of the clocks those for which a policy applies.
    deadlines: list[Deadline]
    #: From when on the contact is stale and in no gauge, unless something happens before.
    leaves_at: int


class ContactRecord(NamedTuple):
    """A contact as the sink reads it."""

    summary: Summary
    #: Each row with the step that last changed it.
    rows: list[tuple[int, Sample]]
    #: Keys `(sample, slot)` of rows once issued and taken back since, with the step that took them back.
    gone: list[Gone]


class State(NamedTuple):
    """A contact as the fold reads it."""

    #: In the order of the fold, each as a list.
    events: list[Any]
    rows: list[tuple[int, Sample]]
    gone: list[Gone]


def event_line(event: EventFields) -> bytes:
    """Write one event."""
    return orjson.dumps(tuple(event))


def row_line(step: int, row: Sample) -> bytes:
    """Write one row, with the step that last changed it."""
    return orjson.dumps((step,) + row)  # noqa: RUF005 - twice as fast


def encode_contact(
    summary: Summary, events: Iterable[EventFields], rows: Iterable[tuple[int, Sample]], gone: Sequence[Gone]
) -> bytes:
    """Write a contact's record."""
    lines = b",".join([row_line(step, row) for step, row in rows])
    return join_contact(summary, b",".join(map(event_line, events)), lines, gone)


def join_contact(summary: Summary, events: bytes | bytearray, rows: bytes | bytearray, gone: Sequence[Gone]) -> bytes:
    """Write a contact's record of events and rows that are written already, with commas between them."""
    return orjson.dumps(list(summary.values())) + b"\n" + _zstd().compress(encode_body(events, rows, gone))


def encode_body(events: bytes | bytearray, rows: bytes | bytearray, gone: Sequence[Gone]) -> bytes:
    """Write what stands behind the summary, as it is before it is compressed."""
    return b"".join((b"[[", rows, b"],", orjson.dumps(gone), b"]\n[", events, b"]"))


def decode_summary(value: bytes) -> Summary:
    """Read the first line of a contact's record: all that gauges need."""
    return _summary(value[: value.index(b"\n")])


def with_summary(value: bytes, summary: Summary) -> bytes:
    """Give a contact's record another summary."""
    return orjson.dumps(list(summary.values())) + value[value.index(b"\n") :]


def decode_contact(value: bytes, after: int = -1) -> ContactRecord:
    """Read a contact's record without its events, and of its rows what changed after a step."""
    line, _, rest = value.partition(b"\n")
    plain = _zstd().decompress(rest)
    rows, gone = orjson.loads(plain[: plain.index(b"\n")])
    return ContactRecord(_summary(line), _rows(rows, after), _gone(gone, after))


def decode_state(value: bytes) -> State:
    """Read a contact's record without its summary."""
    first, _, second = _zstd().decompress(value[value.index(b"\n") + 1 :]).partition(b"\n")
    rows, gone = orjson.loads(first)
    return State(orjson.loads(second), _rows(rows, -1), _gone(gone, -1))


_SUMMARY: Final = tuple(Summary.__annotations__)

_sample: Final = tuple.__new__  # makes a named tuple of its fields in half the time that naming it takes


def _summary(line: bytes) -> Summary:
    summary = dict(zip(_SUMMARY, orjson.loads(line), strict=True))
    for name in ("clocks", "pauses", "deadlines"):
        summary[name] = [tuple(each) for each in summary[name]]
    return summary  # type: ignore[return-value]  # in the order of its fields


def _rows(lines: list[list[Any]], after: int) -> list[tuple[int, Sample]]:
    return [(line[0], _sample(Sample, line[1:])) for line in lines if line[0] > after]


def _gone(gone: list[list[Any]], after: int) -> list[Gone]:
    return [(step, sample, slot) for step, sample, slot in gone if step > after]


class _Zstd(threading.local):
    """A thread's own way in and out, made when it is first needed: neither may be used by two threads at a time."""

    def __init__(self) -> None:
        dictionary = zstandard.ZstdCompressionDict(files("schemas").joinpath("contact_record.dictionary").read_bytes())
        dictionary.precompute_compress(level=LEVEL)
        self.compress: Final = zstandard.ZstdCompressor(level=LEVEL, dict_data=dictionary, write_dict_id=False).compress
        self.decompress: Final = zstandard.ZstdDecompressor(dict_data=dictionary).decompress


@cache
def _zstd() -> _Zstd:
    return _Zstd()
