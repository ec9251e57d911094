"""What is produced in a chaos run: simulated events, some twice, late, into a wrong partition, and bad records between.

Pure: the same seed gives the same records in the same order. A bad record is told by a header of its own, so that each
is found again among the dead letters.
"""

import itertools
import random
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

import orjson

from schemas.topics import AGENTS, CONTACTS
from tests.streams.flow import topic_and_key

MINUTE_MS: Final = 60_000

DUPLICATES: Final = 0.1
LATE: Final = 0.02
STRAYS: Final = 0.01
BAD: Final = 0.005
#: Every event is late or early by up to this.
SHUFFLED_MS: Final = 3 * MINUTE_MS

Event = dict[str, Any]


class PlannedRecord(NamedTuple):
    """A record to be produced."""

    topic: str
    key: bytes | None
    value: bytes | None
    #: Goes into a partition that its key does not belong to.
    stray: bool = False
    #: The code of a bad record, and its number; empty of a good one.
    bad: str = ""
    number: int = 0


def arriving(events: Sequence[Event], seed: int, late_ms: int) -> list[PlannedRecord]:
    """Order events as they arrive: shuffled, some late by up to `late_ms`, some twice, bad records between."""
    rng = random.Random(seed)  # noqa: S311 - nothing secret
    numbers = itertools.count(1)
    found: list[tuple[float, PlannedRecord]] = []
    for event in events:
        at = datetime.fromisoformat(event["occurred_at"]).timestamp() * 1000
        topic, key = topic_and_key(event)
        value = orjson.dumps(event)
        times = 2 if rng.random() < DUPLICATES else 1
        for again in range(times):
            late = late_ms if again or rng.random() < LATE else SHUFFLED_MS
            record = PlannedRecord(topic, key, value, stray=rng.random() < STRAYS)
            found.append((at + rng.uniform(0, late), record))
        if rng.random() < BAD:
            found.append((at, _bad(event, topic, key, rng, next(numbers))))
    found.sort(key=lambda each: each[0])
    return [record for _, record in found]


def _bad(event: Event, topic: str, key: bytes, rng: random.Random, number: int) -> PlannedRecord:
    kinds = dict(_spoilt(event, topic, key))
    code = rng.choice(sorted(kinds))
    if code == "too_large" and rng.random() < 0.8:  # few of these are enough
        code = "invalid"
    where, with_key, value = kinds[code]
    return PlannedRecord(where, with_key, value, bad=code, number=number)


def _spoilt(
    event: Mapping[str, Any], topic: str, key: bytes
) -> Iterator[tuple[str, tuple[str, bytes | None, bytes | None]]]:
    whole = orjson.dumps(event)
    yield "not_json", (topic, key, whole[:-2])
    yield "not_an_object", (topic, key, b"[" + whole + b"]")
    yield "invalid", (topic, key, orjson.dumps({**event, "occurred_at": "2026-03-02T08:00:00"}))
    yield "wrong_key", (topic, key + b"-another", whole)
    yield "too_large", (topic, key, orjson.dumps({**event, "unknown": "x" * 300_000}))
    if topic == AGENTS:
        yield "wrong_type", (CONTACTS["chat"], key, whole)
    else:
        yield "wrong_type", (AGENTS, key, whole)
        others = [other for channel, other in CONTACTS.items() if channel != event["channel"]]
        yield "wrong_channel", (others[0], key, whole)
