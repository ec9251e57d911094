"""A step that fails, is cancelled or dies at any of its awaits: what is opened again continues with the same result.

Faults strike the producer's own methods, before they do anything or after they have done it, which is when a worker
cannot know whether its step was written.
"""

import asyncio
import functools
import random
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from typing import Any, Final

import orjson
import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from schemas.journal import encode_pane, encode_pane_key
from schemas.panes import PaneKey
from schemas.policies import Rules
from schemas.settings import Settings
from streams.assignment.assigned_partitions import AssignedPartitions
from streams.assignment.takeover import take_over
from streams.clickhouse.archive import ClickHouseArchive
from tests.bench.events import write_chats
from tests.kafka.server import KafkaServer
from tests.streams.flow import produce
from tests.streams.followers import expected
from tests.streams.records import Record, pane_totals, records_of
from tests.streams.stand_ins import EmptyArchive, takeover_services

SOURCE: Final = "contacts.chat"
AWAITS: Final = (
    *("start", "begin_transaction", "send_batch", "send", "commit_transaction", "abort_transaction"),
    "stop",
)
#: Steps and openings of one run come to fewer awaits than this.
MOST: Final = 24


Method = Callable[..., Awaitable[Any]]


class Died(BaseException):
    """The process ended here."""


class Faults:
    """Strikes awaits: here the n-th one, once."""

    def __init__(self) -> None:
        self._left = 0
        self._how: tuple[type[BaseException], bool] = (KafkaError, False)
        #: What was struck, and whether it had done its work.
        self.struck: Counter[tuple[str, bool]] = Counter()

    def arm(self, place: int, kind: type[BaseException], *, after: bool) -> None:
        """Strike at this await from now on, before or after it has done what it does."""
        self._left, self._how = place, (kind, after)
        self.struck.clear()

    def strike(self, fails: type[Exception]) -> tuple[type[BaseException] | None, bool]:
        """Say how the next await is struck, None: not at all, and whether after it has done its work."""
        del fails
        self._left -= 1
        kind, after = self._how
        return kind if self._left == 0 else None, after

    def around(self, name: str, method: Method, fails: type[Exception] = KafkaError) -> Method:
        """Have a method struck when its turn comes; `fails` is how it does that itself."""

        @functools.wraps(method)
        async def struck(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - any method's
            kind, after = self.strike(fails)
            if kind is not None:
                self.struck[name, after] += 1
                if not after:
                    raise kind
            answer = await method(*args, **kwargs)
            if kind is not None:
                raise kind
            return answer

        return struck


@pytest.fixture
def faults(monkeypatch: pytest.MonkeyPatch) -> Iterator[Faults]:
    """Put faults around what a writer awaits."""
    faults = Faults()
    for name in AWAITS:
        monkeypatch.setattr(AIOKafkaProducer, name, faults.around(name, getattr(AIOKafkaProducer, name)))
    yield faults
    faults.arm(0, KafkaError, after=False)


def chats(number: int, events: int, rng: random.Random | None = None) -> list[Record]:
    """Make the records of a partition, one of them bad; by chance, where it is given, in disorder."""
    told = [{**event, "contact_id": f"p{number}-{event['contact_id']}"} for event in write_chats(events)]
    if rng is not None:
        places = {event["event_id"]: at + rng.uniform(0, 12) for at, event in enumerate(told)}
        told.sort(key=lambda event: places[event["event_id"]])
    told.insert(len(told) // 2, {**told[0], "occurred_at": "no time", "event_id": "bad"})
    return records_of(told, number)


def valid_events(records: list[Record]) -> list[dict[str, Any]]:
    """Give the events that count."""
    events = [orjson.loads(record.value or b"") for record in records]
    return [event for event in events if event["event_id"] != "bad"]


def produce_records(settings: Settings, records: list[Record]) -> None:
    """Put the records where they say they stand: a topic that lacks them would be another one."""
    produce(
        settings, [(SOURCE, each.key or b"", each.value or b"") for each in records], partition=records[0].partition
    )


async def run_workers(
    settings: Settings, rules: Rules, archive: ClickHouseArchive, records: list[Record], many: Callable[[], int]
) -> int:
    """Be a worker, and the next one where it dies, until all is in and nothing waits; returns how many were needed."""
    place, workers = (SOURCE, records[0].partition), 0
    while True:
        partitions = AssignedPartitions(settings, rules, archive)
        workers += 1
        try:
            while True:
                positions = await partitions.assign(frozenset({place}))
                if place not in positions:
                    continue  # its opening was cancelled
                begin, session = positions[place]
                opened = partitions._opened[place]  # noqa: SLF001 - what its own loop takes up every second
                if begin >= len(records) and not opened.state.parked:
                    await partitions.close()
                    return workers
                await partitions.process_batch(place, session, begin, records[begin : begin + many()])
                await partitions.maintain_one(place, opened)
        except (Died, asyncio.CancelledError):
            continue  # nobody closes anything: the next one opens beside what is left


@pytest.mark.parametrize(
    ("kind", "after"),
    [
        pytest.param(KafkaError, False, id="fails before", marks=pytest.mark.long),
        pytest.param(KafkaError, True, id="fails after", marks=pytest.mark.long),
        pytest.param(Died, False, id="dies before", marks=pytest.mark.long),
        pytest.param(Died, True, id="dies after"),
        pytest.param(asyncio.CancelledError, False, id="is cancelled before"),
        pytest.param(asyncio.CancelledError, True, id="is cancelled after", marks=pytest.mark.long),
    ],
)
async def test_at_every_await(
    fresh_kafka: KafkaServer, faults: Faults, monkeypatch: pytest.MonkeyPatch, kind: type[BaseException], *, after: bool
) -> None:
    """Whichever await it is, and whether it had done its work or not, counts and sums are those of the batch."""
    monkeypatch.setattr("streams.partition.state.PartitionState._is_own", lambda *_: True)
    settings, struck = fresh_kafka.with_topics(PULSSI_PARTITIONS=str(MOST)), 0
    for number in range(MOST):
        records, rng = chats(number, 50), random.Random(number)  # noqa: S311 - a test's cuts
        await asyncio.to_thread(produce_records, settings, records)
        faults.arm(number + 1, kind, after=after)
        await run_workers(settings, Rules(), EmptyArchive(), records, functools.partial(rng.randint, 1, 20))
        was_struck = faults.struck.total()
        struck += was_struck
        faults.arm(0, kind, after=after)
        async with takeover_services(settings) as whom:
            partition, writer = await take_over(settings, Rules(), (SOURCE, number), whom)
        await writer.stop()
        written = {
            encode_pane_key(key): encode_pane(pane)
            for key, pane in partition.panes.totals()
            if isinstance(key, PaneKey)
        }
        assert pane_totals(written) == expected(valid_events(records)), f"await {number + 1}"
        assert partition.head.next == len(records)
        if not was_struck and number > struck:
            return  # no await is left to strike
    assert struck >= 10
