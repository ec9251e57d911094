"""Faults where contacts are forgotten and found again: at the archive, at each step, at reading the journal.

As in `test_every_await.py`, with horizons of seconds and an archive beside the journal, so that nearly every batch asks
for what was evicted. Faults of every kind strike one after the other, until all records are in.
"""

import asyncio
import functools
import random
from typing import Final

import pytest
from aiokafka.errors import KafkaError

from schemas.policies import Rules
from streams.assignment.recovery import recover
from streams.clickhouse.archive import ArchiveUnavailableError
from streams.journal.writer import JournalWriter
from tests.kafka.server import KafkaServer
from tests.oracle.batch import samples
from tests.streams.following_archive import FollowingArchive
from tests.streams.records import Record
from tests.streams.test_every_await import SOURCE, Died, Faults, chats, produce_records, run_workers, valid_events
from tests.streams.whole_panes import assert_as_batch

PARTITIONS: Final = 6
EVENTS: Final = 60
#: Faults of one partition; between two of them a few awaits go well.
MOST_FAULTS: Final = 14
RULES: Final = Rules(horizons_ms={"chat": 5_000, "email": 5_000, "call": 5_000})


class RandomFaults(Faults):
    """Strikes awaits by chance, each time in another way; none once it has struck as often as it may."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        self._rng = random.Random(seed)  # noqa: S311 - a test's faults
        self._waits = 0

    def allow(self, faults: int) -> None:
        """Allow so many faults from now on."""
        self._left = faults
        self._waits = self._rng.randint(0, 3)

    def strike(self, fails: type[Exception]) -> tuple[type[BaseException] | None, bool]:
        """Strike after a few awaits that went well."""
        kind: type[BaseException] | None = None
        if self._left and self._waits == 0:
            kind = self._rng.choice([fails, fails, Died, asyncio.CancelledError])
            self._left -= 1
            self._waits = self._rng.randint(0, 5)
        else:
            self._waits = max(0, self._waits - 1)
        return kind, self._rng.random() < 0.5


async def test_at_every_await(fresh_kafka: KafkaServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Archive, eviction, steps and reading back fail, die and are cancelled: samples and panes are the batch's."""
    settings, faults = fresh_kafka.with_topics(PULSSI_PARTITIONS=str(PARTITIONS)), RandomFaults(seed=5)
    archive = FollowingArchive(settings, SOURCE)
    monkeypatch.setattr("streams.partition.state.PartitionState._is_own", lambda *_: True)
    for name in ("contacts", "last_step_in_sink"):
        monkeypatch.setattr(archive, name, faults.around(name, getattr(archive, name), ArchiveUnavailableError))
    monkeypatch.setattr(JournalWriter, "append", faults.around("append", JournalWriter.append, KafkaError))
    monkeypatch.setattr("streams.assignment.takeover.recover", faults.around("recover", recover, KafkaError))
    await archive.start()
    produced: list[Record] = []
    for number in range(PARTITIONS):
        rng = random.Random(number)  # noqa: S311 - a test's cuts
        records = chats(number, EVENTS, rng)
        await asyncio.to_thread(produce_records, settings, records)
        archive.produced((SOURCE, number), records)
        faults.allow(MOST_FAULTS)
        assert await run_workers(settings, RULES, archive, records, functools.partial(rng.randint, 1, 8)) > 1
        produced += records
    faults.allow(0)
    await archive.keep_up()
    await archive.stop()
    assert_as_batch(archive.store, samples(valid_events(produced)))
    assert archive.found > 3 * PARTITIONS
    ways = {(name, after) for name in ("contacts", "last_step_in_sink", "append", "recover") for after in (True, False)}
    assert ways <= set(faults.struck), faults.struck
