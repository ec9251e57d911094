"""Faults where contacts are forgotten and found again: at the archive, at each step, at reading the journal.

As in `test_every_await.py`, with horizons of seconds and an archive beside the journal, so that nearly every batch asks
for what was evicted. Faults of every kind strike one after the other, until all records are in.
"""

from __future__ import annotations

import asyncio
import functools
import random
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any, Final

import orjson
import pytest
from aiokafka.errors import KafkaError
from confluent_kafka import Producer

from schemas.policies import Rules
from schemas.settings import Settings, load
from streams.archive import ArchiveAwayError
from streams.journal.writing import Writer
from streams.partitions import Partitions
from streams.recovery import recover
from streams.topics import migrate_topics
from tests.bench.events import write_chats
from tests.core.test_against_batch import key_of, told
from tests.kafka.server import KafkaServer
from tests.oracle.batch import samples
from tests.streams.beside import Beside, Placed
from tests.streams.test_every_await import Died
from tests.streams.whole_panes import added_panes, kept_panes

SOURCE: Final = "contacts.chat"
PARTITIONS: Final = 6
EVENTS: Final = 60
#: Faults of one partition; between two of them a few awaits go well.
MOST_FAULTS: Final = 14
RULES: Final = Rules(horizons_ms={"chat": 5_000, "email": 5_000, "call": 5_000})

Method = Callable[..., Awaitable[Any]]


class Faults:
    """Strikes awaits by chance, each time in another way; none once it has struck as often as it may."""

    def __init__(self, seed: int) -> None:
        self._chance = random.Random(seed)  # noqa: S311 - a test's faults
        self._left = 0
        self._waits = 0
        #: What was struck, and whether it had done its work.
        self.struck: Counter[tuple[str, bool]] = Counter()

    def arm(self, faults: int) -> None:
        """Allow so many faults from now on."""
        self._left = faults
        self._waits = self._chance.randint(0, 3)

    def around(self, name: str, method: Method, fails: type[Exception]) -> Method:
        """Have a method struck now and then; `fails` is how it does that itself."""

        @functools.wraps(method)
        async def struck(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - any method's
            kind: type[BaseException] | None = None
            if self._left and self._waits == 0:
                kind = self._chance.choice([fails, fails, Died, asyncio.CancelledError])
                self._left -= 1
                self._waits = self._chance.randint(0, 5)
            else:
                self._waits = max(0, self._waits - 1)
            after = self._chance.random() < 0.5
            if kind is not None:
                self.struck[name, after] += 1
            if kind is not None and not after:
                raise kind
            answer = await method(*args, **kwargs)
            if kind is not None:
                raise kind
            return answer

        return struck


@pytest.fixture
def settings(fresh_kafka: KafkaServer) -> Settings:
    """Return the settings of a broker with a partition for each run."""
    settings = load({**fresh_kafka.settings_env(), "PULSSI_PARTITIONS": str(PARTITIONS)})
    assert migrate_topics(settings, wait_s=60).ok
    return settings


def _records(number: int, chance: random.Random) -> list[Placed]:
    """Make chats whose events come in disorder, and one bad record."""
    events = [{**event, "contact_id": f"p{number}-{event['contact_id']}"} for event in write_chats(EVENTS)]
    places = {event["event_id"]: at + chance.uniform(0, 12) for at, event in enumerate(events)}
    events.sort(key=lambda event: places[event["event_id"]])
    events.insert(len(events) // 2, {**events[0], "occurred_at": "no time", "event_id": "bad"})
    return [
        Placed(at, event["contact_id"].encode(), orjson.dumps(event), SOURCE, number) for at, event in enumerate(events)
    ]


def _produce(settings: Settings, records: list[Placed]) -> None:
    producer = Producer({"bootstrap.servers": settings.kafka_brokers})
    for record in records:
        producer.produce(SOURCE, key=record.key, value=record.value, partition=record.partition)
    assert producer.flush(30) == 0


async def _run(settings: Settings, records: list[Placed], archive: Beside, chance: random.Random) -> int:
    """Be a worker, and the next one where it dies, until all is in and nothing waits; returns how many were needed."""
    place, workers = (SOURCE, records[0].partition), 0
    while True:
        partitions = Partitions(settings, RULES, archive)
        workers += 1
        try:
            while True:
                positions = await partitions.settle(frozenset({place}))
                if place not in positions:
                    continue  # its opening was cancelled
                begin, session = positions[place]
                held = partitions._held[place]  # noqa: SLF001 - what its own loop takes up every second
                if begin >= len(records) and not held.partition.parked:
                    await partitions.close()
                    return workers
                await partitions.take(place, session, begin, records[begin : begin + chance.randint(1, 8)])
                await partitions.tend_one(place, held)
        except (Died, asyncio.CancelledError):
            continue  # nobody closes anything: the next one opens beside what is left


async def test_at_every_await(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Archive, eviction, steps and reading back fail, die and are cancelled: samples and panes are the batch's."""
    faults, archive = Faults(seed=5), Beside(settings, SOURCE)
    monkeypatch.setattr("streams.partition.Partition._is_own", lambda *_: True)
    for name in ("contacts", "passed"):
        monkeypatch.setattr(archive, name, faults.around(name, getattr(archive, name), ArchiveAwayError))
    monkeypatch.setattr(Writer, "append", faults.around("append", Writer.append, KafkaError))
    monkeypatch.setattr("streams.opening.recover", faults.around("recover", recover, KafkaError))
    await archive.start()
    produced: list[Placed] = []
    for number in range(PARTITIONS):
        chance = random.Random(number)  # noqa: S311 - a test's cuts
        records = _records(number, chance)
        await asyncio.to_thread(_produce, settings, records)
        archive.produced((SOURCE, number), records)
        faults.arm(MOST_FAULTS)
        assert await _run(settings, records, archive, chance) > 1
        produced += records
    faults.arm(0)
    await archive.keep_up()
    await archive.stop()
    events = [orjson.loads(record.value or b"") for record in produced]
    should = samples(event for event in events if event["event_id"] != "bad")
    rows = sorted((key_of(row) for row in archive.keeper.samples()), key=told)
    assert rows == sorted((key_of(row) for row in should), key=told)
    assert kept_panes(archive.keeper.panes()) == added_panes(should)
    assert archive.found > 3 * PARTITIONS
    ways = {(name, after) for name in ("contacts", "passed", "append", "recover") for after in (True, False)}
    assert ways <= set(faults.struck), faults.struck
