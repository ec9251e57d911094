"""Reading events for the archive: when they count as gone. The consumer is a stand-in with a clock of its own."""

from typing import Any, Final
from unittest.mock import AsyncMock

import pytest
from aiokafka import TopicPartition

from sinks.source_reader import SourceReader
from streams.configuration.environment import load_settings
from streams.kafka.brokers import admin_client
from tests.kafka.server import KafkaServer
from tests.streams.flow import produce
from tests.streams.records import Record

TP: Final = TopicPartition("contacts.chat", 0)
PLACE: Final = ("contacts.chat", 0)


class _Consumer:
    """`told` says, look by look, at which second the broker answered last, and where the log ended then."""

    def __init__(self, told: list[tuple[int, int]], records: list[Record]) -> None:
        self._told = iter(told)
        self._second, self._end = next(self._told)
        self._records = records
        self._at = 0

    def assignment(self) -> set[TopicPartition]:
        return {TP}

    def seek(self, _: object, offset: int) -> None:
        self._at = offset

    def pause(self, *_: object) -> None:
        """Change nothing: there is one partition."""

    resume = pause

    async def position(self, _: object) -> int:
        return self._at

    def highwater(self, _: object) -> int:
        return self._end

    def last_poll_timestamp(self, _: object) -> int:
        return self._second * 1000

    async def getmany(self, *_: object, **__: object) -> dict[TopicPartition, list[Any]]:
        self._second, self._end = next(self._told)
        found = self._records[self._at : self._end]
        self._at += len(found)
        return {TP: found} if found else {}


async def _archived(monkeypatch: pytest.MonkeyPatch, told: list[tuple[int, int]]) -> tuple[int, bool]:
    """Read ten records; returns how many came, and whether some were said to be gone."""
    consumer = _Consumer(told, [Record(at, b"c", b"{}") for at in range(10)])
    monkeypatch.setattr("sinks.source_reader.connect", AsyncMock(return_value=consumer))
    reader = SourceReader(load_settings({}), "test")
    await reader.start({})
    read = [len(records) async for _, records in reader.records_below({PLACE: 10})]
    return sum(read), bool(reader.lost)


async def test_a_broker_that_is_away_has_lost_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """It said before that the log was shorter, and is away for a minute: what was folded is read when it is back."""
    away = [(2, 8)] * 600
    assert await _archived(monkeypatch, [(1, 8), (2, 8), *away, (60, 8), (61, 8), (62, 10)]) == (10, False)


async def test_a_log_that_stays_shorter_is_another_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """The broker says for ten seconds that the log ends below what was folded: nothing may wait for the rest."""
    assert await _archived(monkeypatch, [(second, 8) for second in range(1, 30)]) == (8, True)


async def test_partitions_that_are_added_are_read_too(fresh_kafka: KafkaServer) -> None:
    """What is asked for and not there, as after a topic was made again with fewer, holds up nothing."""
    settings = fresh_kafka.with_topics(PULSSI_PARTITIONS="1")
    reader = SourceReader(settings, f"{settings.application}-test")
    await reader.start({})
    produce(settings, [(TP.topic, b"k", b"0"), (TP.topic, b"k", b"1")], partition=0)
    assert [len(read) async for _, read in reader.records_below({PLACE: 1})] == [1]
    with admin_client(settings.kafka_brokers, 10) as admin:
        admin.create_partitions({TP.topic: 2})
    produce(settings, [(TP.topic, b"k", b"2")], partition=1)
    ends = {PLACE: 2, (TP.topic, 1): 1, (TP.topic, 9): 5}
    found = [(tp.partition, each.value) async for tp, read in reader.records_below(ends) for each in read]
    assert sorted(found) == [(0, b"1"), (1, b"2")]
    await reader.stop()
