"""A contact's record in the journal: dense, because the record of every contact in hand stands in memory too.

Two lines of JSON. The first is the `Summary`, its values in order: gauges read no more. The second is one array:

| part | holds |
| --- | --- |
| texts | every text but the ids of events, once; what follows names a text by its place here |
| kinds | distinct contents of events: type, then field and value in turn |
| ids, since, at, kinds, seq | of each event, in order; times count from `since`; no `seq` where none has one |
| dimensions | distinct queue, priority, team, segment, language and agent of rows |
| marks | what rows have besides, where it is not usual: field and value in turn |
| rows | for each step the rows that it last changed: sample, cause, slot, dimensions, marks, then numbers |
| gone | rows taken back: step, sample, slot |

A row's cause is the place of an event, whose time it has; a slot is that too, or a text (from -1 downwards). Types,
fields and samples have numbers, which never change their meaning: new ones are added at the end.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from types import MappingProxyType
from typing import Any, Final, NamedTuple, TypedDict

import orjson

from schemas.samples import Sample

#: Version of the journal, this record being most of it.
VERSION: Final = 2

TYPES: Final = (
    *("contact.started", "contact.queued", "contact.handed_off", "contact.connected", "contact.held"),
    *("contact.resumed", "contact.transferred", "contact.disconnected", "contact.wrapped", "contact.abandoned"),
    *("message.sent", "contact.tagged", "contact.untagged", "contact.prioritised", "contact.resolved"),
    *("contact.reopened", "contact.paused", "contact.unpaused", "contact.discarded", "contact.missed"),
    *("contact.evaluated", "contact.rated", "event.voided"),
)
FIELDS: Final = (
    *("source", "queue", "priority", "team", "language", "segment", "customer_id", "agent_id", "attributes"),
    *("author", "public", "automatic", "tags", "direction", "initiated_by", "for_", "reason", "into", "score"),
    *("scale_max", "form", "evaluator_id", "comment_present", "voids"),
)
SAMPLES: Final = (
    *("offered", "entered", "queue_wait", "first_response", "next_response", "nudges", "slow", "abandoned"),
    *("handle", "hold", "wrap", "talk", "replies", "resolution", "reopened", "transferred", "tagged", "any_tag"),
    *("untagged_resolved", "rated", "evaluated", "missed", "bot_contained"),
)

#: An event: UTC milliseconds, `seq`, id, type, fields.
EventFields = tuple[int, int, str, str, dict[str, Any]]
#: A row taken back: the step that did, sample, slot.
Gone = tuple[int, str, str]


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
    gone: list[Gone]


class State(NamedTuple):
    """A contact as the fold reads it."""

    #: In the order of the fold.
    events: Iterator[EventFields]
    rows: list[tuple[int, Sample]]
    gone: list[Gone]


def encode_contact(
    summary: Summary, events: Sequence[EventFields], rows: Iterable[tuple[int, Sample]], gone: Iterable[Gone]
) -> bytes:
    """Write a contact's record."""
    texts: dict[str, int] = {}
    body = [texts, *_pack_events(events, texts), *_pack_rows(events, rows, gone, texts)]
    body[0] = list(texts)  # only now are they all there
    return orjson.dumps(list(summary.values())) + b"\n" + orjson.dumps(body)


def decode_summary(value: bytes) -> Summary:
    """Read the first line of a contact's record: all that gauges need."""
    return _summary(value[: value.index(b"\n")])


def decode_contact(value: bytes, after: int = -1) -> ContactRecord:
    """Read a contact's record without its events, and of its rows what changed after a step."""
    first, _, second = value.partition(b"\n")
    summary, body = _summary(first), orjson.loads(second)
    return ContactRecord(summary, _rows(body, after), _gone(body, after))


def decode_state(value: bytes) -> State:
    """Read a contact's record without its summary."""
    body = orjson.loads(value[value.index(b"\n") :])
    return State(_events(body), _rows(body, -1), _gone(body, -1))


_SUMMARY: Final = tuple(Summary.__annotations__)
_OF_TYPE: Final[Mapping[str, int]] = MappingProxyType({name: number for number, name in enumerate(TYPES)})
_OF_FIELD: Final[Mapping[str, int]] = MappingProxyType({name: number for number, name in enumerate(FIELDS)})
_OF_SAMPLE: Final[Mapping[str, int]] = MappingProxyType({name: number for number, name in enumerate(SAMPLES)})

_Marks = tuple[Any, ...]

#: Marks where nothing is said: tag, outcome, policy, target, within, short, satisfied, partial, in hours, instance.
_UNMARKED: Final[_Marks] = ("", "", "", None, None, None, None, False, None, None)
_LAST_TEXT_MARK: Final = 2
#: The marks before a row's numbers, and those behind them.
_FIRST_UNMARKED: Final = _UNMARKED[:2]
_LAST_UNMARKED: Final = _UNMARKED[2:]
#: What is left of a row's four numbers, by how many it has.
_NO_NUMBERS: Final = ((None,) * 4, (None,) * 3, (None,) * 2, (None,), ())

_sample: Final = tuple.__new__  # makes a named tuple of its fields in half the time that naming it takes


def _summary(line: bytes) -> Summary:
    return dict(zip(_SUMMARY, orjson.loads(line), strict=True))  # type: ignore[return-value]  # in the order of its fields


def _pack_events(events: Sequence[EventFields], texts: dict[str, int]) -> list[Any]:
    if not events:
        return [[], [], 0, [], [], []]
    at, seq, ids, types, fields = zip(*events, strict=True)
    since = at[0]
    kinds: dict[tuple[str, bytes], int] = {}
    packed: list[list[Any]] = []
    of: list[int] = []
    for key in zip(types, map(orjson.dumps, fields), strict=True):
        place = kinds.get(key)
        if place is None:
            place = kinds[key] = len(packed)
            packed.append(_pack_kind(key[0], fields[len(of)], texts))
        of.append(place)
    return [packed, ids, since, [one - since for one in at], of, seq if any(seq) else []]


def _pack_kind(kind: str, fields: dict[str, Any], texts: dict[str, int]) -> list[Any]:
    number = texts.setdefault
    packed: list[Any] = [_OF_TYPE.get(kind, kind)]
    for name, value in fields.items():
        packed.append(_OF_FIELD.get(name, name))
        if isinstance(value, str):
            packed.append(number(value, len(texts)))
        elif isinstance(value, list):
            packed.append([number(text, len(texts)) for text in value])
        else:  # true, false, or attributes
            packed.append(value)
    return packed


def _pack_rows(
    events: Sequence[EventFields], rows: Iterable[tuple[int, Sample]], gone: Iterable[Gone], texts: dict[str, int]
) -> list[Any]:
    # Most of a record's making is here: names are looked up once, and what is usual is told by one comparison.
    places: dict[str | None, int] = {event[2]: place for place, event in enumerate(events)}
    dimensions: dict[tuple[Any, ...], int] = {}
    marks: dict[_Marks, int] = {_UNMARKED: 0}
    by_step: dict[int, list[Any]] = {}
    text_number, samples = texts.setdefault, _OF_SAMPLE
    for step, row in rows:
        sample, slot = row[0], row[1]
        cause, slot_place, of = places.get(row[23]), places.get(slot), row[3:9]
        first, last, numbers = row[9:11], row[15:23], row[11:15]
        usual = first == _FIRST_UNMARKED and last == _LAST_UNMARKED
        packed: list[Any] = [
            samples.get(sample, sample),
            (row[23], row[2]) if cause is None or events[cause][0] != row[2] else cause,
            -1 - text_number(slot, len(texts)) if slot_place is None else slot_place,
            dimensions.setdefault(of, len(dimensions)),
            0 if usual else marks.setdefault(first + last, len(marks)),
        ]
        if numbers != _NO_NUMBERS[0]:
            packed += numbers
            while packed[-1] is None:
                del packed[-1]
        group = by_step.get(step)
        if group is None:
            by_step[step] = [step, packed]
        else:
            group.append(packed)
    return [
        [[text_number(text, len(texts)) for text in one] for one in dimensions],
        [_pack_marks(one, texts) for one in marks],
        list(by_step.values()),
        [(step, samples.get(sample, sample), _pack_slot(slot, places, texts)) for step, sample, slot in gone],
    ]


def _pack_slot(slot: str, places: dict[str | None, int], texts: dict[str, int]) -> int:
    place = places.get(slot)
    return -1 - texts.setdefault(slot, len(texts)) if place is None else place


def _pack_marks(marks: _Marks, texts: dict[str, int]) -> list[Any]:
    packed: list[Any] = []
    for place, value in _marked(marks):
        packed += place, texts.setdefault(value, len(texts)) if place <= _LAST_TEXT_MARK else value
    return packed


@lru_cache(maxsize=4_096)
def _marked(marks: _Marks) -> tuple[tuple[int, Any], ...]:
    """Give the marks that are not usual with their places; contacts share most of them."""
    return tuple(
        (place, value)
        for place, (value, usual) in enumerate(zip(marks, _UNMARKED, strict=True))
        if value is not usual and value != usual
    )


def _events(body: list[Any]) -> Iterator[EventFields]:
    texts, kinds, ids, since, at, of, seq = body[:7]
    types = [TYPES[kind[0]] if isinstance(kind[0], int) else kind[0] for kind in kinds]
    fields = [_fields(kind, texts) for kind in kinds]
    return zip(
        [since + one for one in at],
        seq or [0] * len(at),
        ids,
        [types[kind] for kind in of],
        [fields[kind] for kind in of],
        strict=True,
    )


def _fields(kind: list[Any], texts: list[str]) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    for name, value in zip(kind[1::2], kind[2::2], strict=True):
        given = value
        if type(value) is int:  # true and false are none of these
            given = texts[value]
        elif isinstance(value, list):
            given = [texts[one] for one in value]
        fields[FIELDS[name] if isinstance(name, int) else name] = given
    return fields


def _rows(body: list[Any], after: int) -> list[tuple[int, Sample]]:
    rows: list[tuple[int, Sample]] = []
    by_step = body[9]
    if not any(group[0] > after for group in by_step):
        return rows
    texts, _, ids, since, at = body[:5]
    dimensions = [tuple([texts[text] for text in one]) for one in body[7]]
    marks = [_marks(one, texts) for one in body[8]]
    for step, *packed in by_step:
        if step <= after:
            continue
        for sample, cause, slot, dimension, mark, *numbers in packed:
            if isinstance(cause, int):
                caused_by, happened = ids[cause], since + at[cause]
            else:
                caused_by, happened = cause
            first, last = marks[mark]
            fields = (
                SAMPLES[sample] if isinstance(sample, int) else sample,
                ids[slot] if slot >= 0 else texts[-1 - slot],
                happened,
                *dimensions[dimension],
                *first,
                *numbers,
                *_NO_NUMBERS[len(numbers)],
                *last,
                caused_by,
            )
            rows.append((step, _sample(Sample, fields)))
    return rows


def _marks(packed: list[Any], texts: list[str]) -> tuple[list[Any], list[Any]]:
    """Give the marks before a row's numbers and those behind them."""
    marks = list(_UNMARKED)
    for place, value in zip(packed[::2], packed[1::2], strict=True):
        marks[place] = texts[value] if place <= _LAST_TEXT_MARK else value
    return marks[:2], marks[2:]


def _gone(body: list[Any], after: int) -> list[Gone]:
    texts, ids = body[0], body[2]
    return [
        (step, SAMPLES[sample] if isinstance(sample, int) else sample, ids[slot] if slot >= 0 else texts[-1 - slot])
        for step, sample, slot in body[10]
        if step > after
    ]
