"""The journal's records, version 6: how one source partition's state is written, and how readers understand it.

A journal partition is a compacted log beside its source partition. What a step writes ends with its `Head`; only with
that head has it happened. A record's kind is the first byte of its key:

| key | value |
| --- | --- |
| `o` | `Open`: a worker took the partition over; its offset is the opening's number |
| `h` | `Head`: how far the source was read |
| `c` + contact id | a contact's record (`schemas.contact_record`); nothing (a tombstone) once evicted |
| `p` + JSON array of `PaneKey` | JSON array of `Pane` |
| `t` + JSON array of `TagPaneKey` | JSON array of `TagPane` |
| `s` + JSON array of `PaneKey` and a step | JSON array of `Pane`: what that step adds to a pane that was evicted |
| `u` + JSON array of `TagPaneKey` and a step | JSON array of `TagPane`, likewise |
| `x` + JSON array of an epoch and a step | JSON array of `[begin, end)`: source offsets that the step set aside |
| `w` + contact id | JSON array of events that wait until ClickHouse tells what their evicted contact was |
| `b` + number | a Bloom filter of evicted contacts (`streams.partition.evicted_ids`) |
| `a` + agent id | two JSON lines: the agent's stretches (see `schemas.agents`), the events that are kept |

A step is a transaction. An opening ends the transactions of every older one, so no step of a former owner stands behind
it, and readers that read what is committed need no rule of their own for that.
"""

from collections.abc import Iterable
from typing import Any, Final, NamedTuple

import orjson

from schemas.contact_record import OLDEST_READ, VERSION
from schemas.panes import Pane, PaneKey, TagPane, TagPaneKey

OPEN_KEY: Final = b"o"
HEAD_KEY: Final = b"h"
CONTACT: Final = b"c"
PANE: Final = b"p"
TAG_PANE: Final = b"t"
AGENT: Final = b"a"
SUPPLEMENT: Final = b"s"
TAG_SUPPLEMENT: Final = b"u"
PARKED: Final = b"w"
EVICTED: Final = b"b"
SET_ASIDE: Final = b"x"

#: Kinds of records of panes, and of supplements to them.
PANES: Final = frozenset({PANE, TAG_PANE})
SUPPLEMENTS: Final = frozenset({SUPPLEMENT, TAG_SUPPLEMENT})


#: Source offsets from the first up to, and without, the second.
OffsetRange = tuple[int, int]


class JournalVersionError(ValueError):
    """A journal was written by another version of Pulssi; says which, and the way out."""


class Head(NamedTuple):
    """How far a source partition was read, and by whom. The last record of each step."""

    #: First source offset that is not in.
    next: int = 0
    #: Steps so far in this journal; never goes back.
    step: int = 0
    #: The partition's clock, UTC milliseconds: the largest min(occurred_at, record timestamp) so far.
    clock: int = 0
    #: Which life of the source partition this is; raised by `pulssi epoch begin`, after the topic was recreated.
    epoch: int = 1
    #: Journal offset of the `Open` record of the opening that wrote this.
    open: int = -1
    #: Version of the configuration that the step was folded with.
    config: str = ""
    #: Partitions of the source topic; 0: not known.
    partitions: int = 0
    #: Panes that begin before this and are not in the journal may have been evicted, UTC milliseconds.
    panes_from: int = 0
    #: Which source offsets below this were set aside may not be in the journal any more; the sink has archived them.
    set_aside_from: int = 0
    #: Contacts whose events wait for ClickHouse.
    parked: int = 0
    #: The ids that Kafka gave the source topic and the journal's (KIP-516): a recreated topic has another one.
    topic: str = ""
    journal: str = ""


def encode_open(worker: str) -> bytes:
    """Write an opening; `worker` says who, for people."""
    return orjson.dumps({"v": VERSION, "worker": worker})


def encode_head(head: Head) -> bytes:
    """Write a head."""
    return orjson.dumps({"v": VERSION, **head._asdict()})


def decode_head(value: bytes) -> Head:
    """Read a head. Raises JournalVersionError where a version wrote it that is not read here."""
    fields = orjson.loads(value)
    version = fields.pop("v")
    if version > VERSION:
        raise JournalVersionError("the journal was written by a newer Pulssi: upgrade this one")
    if version < OLDEST_READ:
        raise JournalVersionError(
            f"the journal has version {version}, which no release wrote and this Pulssi does not read: stop the"
            " workers, delete the topics whose names end in .journal, run `pulssi migrate`, then `pulssi epoch begin"
            " TOPIC` for each source topic: its records are read again from the beginning"
        )
    return Head(**fields)


def encode_set_aside(epoch: int, step: int, offsets: Iterable[int]) -> tuple[bytes, bytes]:
    """Write key and value of the source offsets that a step set aside, in ranges: they may be all of it."""
    ranges: list[list[int]] = []
    for offset in sorted(offsets):
        if ranges and ranges[-1][1] == offset:
            ranges[-1][1] += 1
        else:
            ranges.append([offset, offset + 1])
    return SET_ASIDE + orjson.dumps((epoch, step)), orjson.dumps(ranges)


def decode_set_aside(key: bytes, value: bytes) -> tuple[int, int, list[OffsetRange]]:
    """Read the epoch and step that set source offsets aside, and which, in order."""
    epoch, step = orjson.loads(key[1:])
    return epoch, step, [(begin, end) for begin, end in orjson.loads(value)]


def encode_pane_key(key: PaneKey | TagPaneKey, step: int | None = None) -> bytes:
    """Write the key of a pane, or of what a step adds to one that was evicted."""
    of_tag = isinstance(key, TagPaneKey)
    if step is None:
        return (TAG_PANE if of_tag else PANE) + orjson.dumps(tuple(key))
    return (TAG_SUPPLEMENT if of_tag else SUPPLEMENT) + orjson.dumps((*key, step))


def decode_pane_key(key: bytes) -> PaneKey:
    """Read the key of a pane, or of a supplement to it."""
    return PaneKey(*orjson.loads(key[1:])[: len(PaneKey._fields)])


def decode_tag_pane_key(key: bytes) -> TagPaneKey:
    """Read the key of a tag's pane, or of a supplement to it."""
    return TagPaneKey(*orjson.loads(key[1:])[: len(TagPaneKey._fields)])


def decode_any_pane_key(key: bytes) -> PaneKey | TagPaneKey:
    """Read the key of a pane, which may be a tag's."""
    return decode_tag_pane_key(key) if key[:1] == TAG_PANE else decode_pane_key(key)


def supplement_of(key: bytes) -> str:
    """Return the step of a supplement; empty for a pane's own value."""
    return str(orjson.loads(key[1:])[-1]) if key[:1] in SUPPLEMENTS else ""


def encode_pane(fields: Iterable[Any]) -> bytes:
    """Write a pane's value from its fields in order."""
    return orjson.dumps(list(fields), option=orjson.OPT_NON_STR_KEYS)


def decode_pane(value: bytes) -> Pane:
    """Read a pane's value."""
    *counts, hist, business = orjson.loads(value)
    return Pane._make([*counts, _buckets(hist), _buckets(business)])


def _buckets(counts: dict[str, int]) -> dict[int, int]:
    return {int(bucket): n for bucket, n in counts.items()}


def decode_tag_pane(value: bytes) -> TagPane:
    """Read a tag pane's value."""
    return TagPane(*orjson.loads(value))
