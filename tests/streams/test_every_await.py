"""A step that fails, is cancelled or dies at any of its awaits: what is opened anew goes on with the same result.

Faults strike the producer's own methods, before they do anything or after they have done it, which is when a worker
cannot know whether its step was written.
"""

from __future__ import annotations

import asyncio
import functools
import random
from collections.abc import Awaitable, Callable, Iterator
from typing import Any, Final

import orjson
import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError
from confluent_kafka import Producer

from schemas.journal import encode_pane, encode_pane_key
from schemas.panes import PaneKey
from schemas.policies import Rules
from schemas.settings import Settings, load
from streams.opening import open_partition
from streams.partitions import Partitions
from streams.topics import migrate_topics
from tests.bench.events import write_chats
from tests.kafka.server import KafkaServer
from tests.streams.no_archive import NoArchive, asked
from tests.streams.records import Record, pane_totals
from tests.streams.world import expected

SOURCE: Final = "contacts.chat"
AWAITS: Final = (
    *("start", "begin_transaction", "send_batch", "send", "commit_transaction", "abort_transaction"),
    "stop",
)
#: Steps and openings of one run come to fewer awaits than this.
MOST: Final = 24


class Died(BaseException):
    """The process ended here."""


class Faults:
    """Strikes the n-th await of any producer, once."""

    def __init__(self) -> None:
        self._left = 0
        self._how: tuple[type[BaseException], bool] = (KafkaError, False)
        self.struck = False

    def arm(self, place: int, kind: type[BaseException], *, after: bool) -> None:
        """Strike at this await from now on, before or after it has done what it does."""
        self._left, self._how, self.struck = place, (kind, after), False

    def around(self, method: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        """Have a method struck when its turn comes."""

        @functools.wraps(method)
        async def struck(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - any method's
            self._left -= 1
            kind, after = self._how
            hit = self._left == 0
            if hit and not after:
                self.struck = True
                raise kind
            answer = await method(*args, **kwargs)
            if hit:
                self.struck = True
                raise kind
            return answer

        return struck


@pytest.fixture
def faults(monkeypatch: pytest.MonkeyPatch) -> Iterator[Faults]:
    """Put faults around what a writer awaits."""
    faults = Faults()
    for name in AWAITS:
        monkeypatch.setattr(AIOKafkaProducer, name, faults.around(getattr(AIOKafkaProducer, name)))
    yield faults
    faults.arm(0, KafkaError, after=False)


@pytest.fixture
def settings(fresh_kafka: KafkaServer) -> Settings:
    """Return the settings of a broker with a partition for each run."""
    settings = load({**fresh_kafka.settings_env(), "PULSSI_PARTITIONS": str(MOST)})
    assert migrate_topics(settings, wait_s=60).ok
    return settings


def _records(partition: int) -> list[Record]:
    events = [{**event, "contact_id": f"p{partition}-{event['contact_id']}"} for event in write_chats(50)]
    events.append({**events[0], "occurred_at": "no time", "event_id": "bad"})
    return [Record(at, event["contact_id"].encode(), orjson.dumps(event)) for at, event in enumerate(events)]


def _produce(settings: Settings, number: int, records: list[Record]) -> None:
    """Put the records where they say they stand: a topic that lacks them would be another one."""
    producer = Producer({"bootstrap.servers": settings.kafka_brokers})
    for record in records:
        producer.produce(SOURCE, key=record.key, value=record.value, partition=number)
    assert producer.flush(30) == 0


async def _run(settings: Settings, number: int, records: list[Record], chance: random.Random) -> None:
    """Be a worker, and the next one where it dies, until all records are in."""
    place = (SOURCE, number)
    while True:
        partitions = Partitions(settings, Rules(), NoArchive())
        try:
            while True:
                positions = await partitions.settle(frozenset({place}))
                if place not in positions:
                    continue  # its opening was cancelled
                begin, session = positions[place]
                if begin >= len(records):
                    await partitions.close()
                    return
                many = chance.randint(1, 20)
                await partitions.take(place, session, begin, records[begin : begin + many])
        except (Died, asyncio.CancelledError):
            continue  # nobody closes anything: the next one opens beside what is left


@pytest.mark.parametrize(
    ("kind", "after"),
    [(kind, after) for kind in (KafkaError, Died, asyncio.CancelledError) for after in (False, True)],
    ids=[f"{what} {when}" for what in ("fails", "dies", "is cancelled") for when in ("before", "after")],
)
async def test_at_every_await(
    settings: Settings, faults: Faults, monkeypatch: pytest.MonkeyPatch, kind: type[BaseException], *, after: bool
) -> None:
    """Whichever await it is, and whether it had done its work or not, counts and sums are those of the batch."""
    monkeypatch.setattr("streams.partition.Partition._is_own", lambda *_: True)
    struck = 0
    for number in range(MOST):
        records, chance = _records(number), random.Random(number)  # noqa: S311 - a test's cuts
        await asyncio.to_thread(_produce, settings, number, records)
        faults.arm(number + 1, kind, after=after)
        await _run(settings, number, records, chance)
        struck += faults.struck
        faults.arm(0, kind, after=after)
        async with asked(settings) as whom:
            partition, writer = await open_partition(settings, Rules(), (SOURCE, number), whom)
        await writer.stop()
        written = {
            encode_pane_key(key): encode_pane(pane)
            for key, pane in partition.panes.totals()
            if isinstance(key, PaneKey)
        }
        good = [orjson.loads(record.value or b"") for record in records[:-1]]
        assert pane_totals(written) == expected(good), f"await {number + 1}"
        assert partition.head.next == len(records)
        if not faults.struck and number > struck:
            return  # no await is left to strike
    assert struck >= 10
