"""A contact's record in the journal: small, because a worker keeps the record of every contact in memory too.

The first line is the `Summary`, its values in order, as JSON: gauges read no more. The rest is the body, compressed by
Zstandard, in two lines of JSON: the samples, each behind the step that last changed it, with the keys of the retracted
ones; and the events, in the order of the fold. Events and samples are encoded one by one (`encode_event`,
`encode_issued`), so that a caller who has kept the former ones encodes only the new ones.

What contacts have in common is in a dictionary (`contact_record.dictionary`, trained on simulated contacts by
`python -m tests.bench.dictionary`), so that even a small record compresses well. A record can be read only with the
dictionary that it was written with: another dictionary is another version of the journal.
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
VERSION: Final = 6
#: The oldest one that is read: its summaries have no `source`, which is all that differs.
OLDEST_READ: Final = 5

#: An event: UTC milliseconds, `seq`, id, type, fields.
EventFields = tuple[int, int, str, str, dict[str, Any]]
#: A sample in effect, behind the step that last changed it.
IssuedSample = tuple[int, Sample]
#: A retracted sample: the step that retracted it, name, slot.
RetractedSample = tuple[int, str, str]
#: A clock that runs: what is measured, since when, and the queue where that is not the one in force (a visit's).
Clock = tuple[Metric, int, str]
#: A pause of the open stretch: begin and end; None: it lasts.
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
    #: The system that it came from, as its first event names it; empty: a record of version 5, not changed since.
    source: str


class ContactRecord(NamedTuple):
    """A contact as the sink reads it."""

    summary: Summary
    samples: list[IssuedSample]
    retracted: list[RetractedSample]


def encode_event(event: EventFields) -> bytes:
    """Encode one event."""
    return orjson.dumps(tuple(event))


def encode_issued(step: int, sample: Sample) -> bytes:
    """Encode one sample, with the step that last changed it."""
    return orjson.dumps((step,) + sample)  # noqa: RUF005 - twice as fast


def encode_contact(
    summary: Summary,
    events: Iterable[EventFields],
    samples: Iterable[IssuedSample],
    retracted: Sequence[RetractedSample],
) -> bytes:
    """Write a contact's record."""
    encoded = b",".join([encode_issued(*each) for each in samples])
    return join_contact(summary, b",".join(map(encode_event, events)), encoded, retracted)


def join_contact(
    summary: Summary, events: bytes | bytearray, samples: bytes | bytearray, retracted: Sequence[RetractedSample]
) -> bytes:
    """Write a contact's record of events and samples that are encoded already, with commas between them."""
    return orjson.dumps(list(summary.values())) + b"\n" + _zstd().compress(encode_body(events, samples, retracted))


def encode_body(events: bytes | bytearray, samples: bytes | bytearray, retracted: Sequence[RetractedSample]) -> bytes:
    """Write a contact's body, as it is before it is compressed."""
    return b"".join((b"[[", samples, b"],", orjson.dumps(retracted), b"]\n[", events, b"]"))


def decode_summary(value: bytes) -> Summary:
    """Read the first line of a contact's record: all that gauges need."""
    return _summary(value[: value.index(b"\n")])


def with_summary(value: bytes, summary: Summary) -> bytes:
    """Give a contact's record another summary."""
    return orjson.dumps(list(summary.values())) + value[value.index(b"\n") :]


def decode_contact(value: bytes, after: int = -1) -> ContactRecord:
    """Read a contact's record without its events, and of its samples what changed after a step."""
    line, _, body = value.partition(b"\n")
    plain = _zstd().decompress(body)
    samples, retracted = orjson.loads(plain[: plain.index(b"\n")])
    return ContactRecord(_summary(line), _samples(samples, after), _retracted(retracted, after))


def decode_body(value: bytes) -> tuple[list[Any], list[IssuedSample], list[RetractedSample]]:
    """Read a contact's record without its summary: its events, each as a list, in order; its samples; the retracted."""
    first, _, events = _zstd().decompress(value[value.index(b"\n") + 1 :]).partition(b"\n")
    samples, retracted = orjson.loads(first)
    return orjson.loads(events), _samples(samples), _retracted(retracted)


_SUMMARY: Final = tuple(Summary.__annotations__)

_new_tuple: Final = tuple.__new__  # makes a named tuple of its fields in half the time that calling its type takes


def _summary(line: bytes) -> Summary:
    values = orjson.loads(line)
    if values[0] == OLDEST_READ:
        values = [VERSION, *values[1:], ""]
    summary = dict(zip(_SUMMARY, values, strict=True))
    for name in ("clocks", "pauses", "deadlines"):
        summary[name] = [tuple(each) for each in summary[name]]
    return summary  # type: ignore[return-value]  # in the order of its fields


def _samples(issued: list[list[Any]], after: int = -1) -> list[IssuedSample]:
    return [(fields[0], _new_tuple(Sample, fields[1:])) for fields in issued if fields[0] > after]


def _retracted(retracted: list[list[Any]], after: int = -1) -> list[RetractedSample]:
    return [(step, sample, slot) for step, sample, slot in retracted if step > after]


class _Zstd(threading.local):
    """A thread's own compressor and decompressor, made at first use: two threads may not use one at the same time."""

    def __init__(self) -> None:
        dictionary = zstandard.ZstdCompressionDict(files("schemas").joinpath("contact_record.dictionary").read_bytes())
        dictionary.precompute_compress(level=LEVEL)
        self.compress: Final = zstandard.ZstdCompressor(level=LEVEL, dict_data=dictionary, write_dict_id=False).compress
        self.decompress: Final = zstandard.ZstdDecompressor(dict_data=dictionary).decompress


@cache
def _zstd() -> _Zstd:
    return _Zstd()
