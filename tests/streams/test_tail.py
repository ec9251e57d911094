"""Following real journals on real brokers."""

import asyncio
import logging
from collections.abc import AsyncIterator

import pytest

from schemas.journal import HEAD_KEY, Head, encode_head
from schemas.settings import Settings
from schemas.topics import journal_of
from streams.configuration.environment import load_settings
from streams.journal.step_assembly import Step
from streams.journal.tail import JournalTail
from streams.kafka.brokers import admin_client
from streams.kafka.topic_migration import migrate_topics
from tests.kafka.server import KafkaServer
from tests.streams.journal_by_hand import JournalByHand

SOURCE = "contacts.chat"
OTHER = "contacts.call"
WITHIN_S = 20.0


@pytest.fixture
def settings(fresh_kafka: KafkaServer) -> Settings:
    """Return the settings of a broker that has the topics."""
    return fresh_kafka.with_topics(PULSSI_PARTITIONS="2")


@pytest.fixture
async def tail(settings: Settings) -> AsyncIterator[JournalTail]:
    """Return a tail that is not started, and is stopped in the end."""
    tail = JournalTail(settings, group=f"{settings.application}-test")
    yield tail
    await tail.stop()


async def _steps(tail: JournalTail, count: int) -> list[Step]:
    steps: list[Step] = []
    async with asyncio.timeout(WITHIN_S):
        while len(steps) < count:
            steps += await tail.steps()
    return steps


async def _caught_up(tail: JournalTail, max_records: int = 20_000) -> list[Step]:
    steps: list[Step] = []
    async with asyncio.timeout(WITHIN_S):
        while not tail.caught_up():
            steps += await tail.steps(max_records=max_records)
    return steps


async def test_whole_steps_of_all_partitions(settings: Settings, tail: JournalTail) -> None:
    """Each step comes once, whole, in order per partition, with the offset behind it."""
    async with JournalByHand(settings, SOURCE, 0) as chat, JournalByHand(settings, OTHER, 1) as call:
        opened = await chat.open()
        first = await chat.step(Head(step=1, next=5, open=opened), [(b"cA", b"1"), (b"cB", b"1")])
        second = await chat.step(Head(step=2, next=9, open=opened), [(b"cA", None)])
        await call.step(Head(step=1, next=1, open=-1), [])
        await tail.start()
        steps = await _steps(tail, 3)
    by_partition = {source: [step for step in steps if step.source == source] for source in (SOURCE, OTHER)}
    one, two = by_partition[SOURCE]
    assert (one.partition, one.head.next, one.end, one.restarted) == (0, 5, first + 1, True)
    assert [(key, value) for _, key, value in one.records] == [(b"cA", b"1"), (b"cB", b"1")]
    assert (two.end, two.restarted, two.records) == (second + 1, False, [(second - 1, b"cA", None)])
    assert [(step.partition, step.restarted) for step in by_partition[OTHER]] == [(1, True)]


async def test_what_was_not_committed_has_not_happened(settings: Settings, tail: JournalTail) -> None:
    """Records of an aborted step are never seen."""
    async with JournalByHand(settings, SOURCE, 0) as hand:
        first = await hand.open()
        await hand.step(Head(step=1, open=first), [(b"cA", b"1")])
        await hand.abort([(b"cA", b"never"), (HEAD_KEY, encode_head(Head(step=2, open=first)))])
        opened = await hand.open()
        await hand.step(Head(step=2, open=opened), [(b"cA", b"2")])
    await tail.start()
    steps = await _caught_up(tail)
    assert [value for step in steps for _, _, value in step.records] == [b"1", b"2"]


async def test_it_is_caught_up_only_at_the_end(settings: Settings, tail: JournalTail) -> None:
    """Ready means: all that was there has been read, also where most partitions are empty."""
    async with JournalByHand(settings, SOURCE, 1) as hand:
        for number in range(1, 31):
            await hand.step(Head(step=number), [(b"c%d" % n, b"x" * 100) for n in range(100)])
    await tail.start()
    assert not tail.caught_up()
    assert [step.head.step for step in await _caught_up(tail, max_records=500)] == list(range(1, 31))


async def test_it_goes_on_at_positions(settings: Settings, tail: JournalTail) -> None:
    """With positions only what stands behind them is read; other partitions are read from their beginning."""
    async with JournalByHand(settings, SOURCE, 0) as hand, JournalByHand(settings, OTHER, 0) as other:
        first = await hand.step(Head(step=1), [(b"cA", b"1")])
        await hand.step(Head(step=2), [(b"cA", b"2")])
        await other.step(Head(step=1), [])
    await tail.start({(SOURCE, 0): first + 1}, {(SOURCE, 0): Head(step=1)})
    steps = await _caught_up(tail)
    assert sorted((step.source, step.head.step, step.restarted) for step in steps) == [
        (OTHER, 1, True),
        (SOURCE, 2, False),
    ]


async def test_a_position_beyond_the_end_reads_from_the_beginning(settings: Settings, tail: JournalTail) -> None:
    """A journal that is shorter than what was read of it is another one."""
    async with JournalByHand(settings, SOURCE, 0) as hand:
        await hand.step(Head(step=1, epoch=2), [(b"cA", b"1")])
    await tail.start({(SOURCE, 0): 1000}, {(SOURCE, 0): Head(step=50)})
    assert [(step.head.epoch, step.restarted) for step in await _steps(tail, 1)] == [(2, True)]


async def test_a_recreated_journal_that_is_as_long_as_before(
    fresh_kafka: KafkaServer, settings: Settings, tail: JournalTail, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither a record nor an end nor an error tells that it is another one; its id does, and it is read."""
    monkeypatch.setattr("streams.journal.tail.CHECK_IDS_EVERY_S", 0.1)
    async with JournalByHand(settings, SOURCE, 0) as hand:
        await hand.step(Head(step=7, open=await hand.open()), [(b"cA", b"old")])
    await tail.start()
    await _caught_up(tail)
    fresh_kafka.clear()
    assert migrate_topics(settings, wait_s=10).ok
    async with JournalByHand(settings, SOURCE, 0) as hand:
        await hand.step(Head(step=7, open=await hand.open(), epoch=2), [(b"cA", b"new")])
    assert [(step.head.epoch, step.restarted) for step in await _steps(tail, 1)] == [(2, True)]
    await _caught_up(tail)


async def test_a_position_in_another_journal_reads_from_the_beginning(settings: Settings, tail: JournalTail) -> None:
    """One that is as long as the journal before is known by its id, at the start too."""
    async with JournalByHand(settings, SOURCE, 0) as hand:
        end = 1 + await hand.step(Head(step=7), [(b"cA", b"new")])
    await tail.start({(SOURCE, 0): end}, {(SOURCE, 0): Head(step=7, journal="of before")})
    assert [(step.head.step, step.restarted) for step in await _steps(tail, 1)] == [(7, True)]
    await _caught_up(tail)


async def test_a_broker_that_restarts_is_waited_for(
    fresh_kafka: KafkaServer, settings: Settings, tail: JournalTail
) -> None:
    """It comes back with what it had: reading continues where it was."""
    async with JournalByHand(settings, SOURCE, 0) as hand:
        await hand.step(Head(step=1), [(b"cA", b"1")])
    await tail.start()
    await _caught_up(tail)
    fresh_kafka.stop()
    assert await tail.steps(timeout_ms=50) == []
    fresh_kafka.start()
    async with JournalByHand(settings, SOURCE, 0) as hand:
        await hand.step(Head(step=2), [(b"cA", b"2")])
    assert [(step.head.step, step.restarted) for step in await _steps(tail, 1)] == [(2, False)]


async def test_started_first_it_waits_and_says_so(fresh_kafka: KafkaServer, caplog: pytest.LogCaptureFixture) -> None:
    """Neither a missing broker nor missing topics end it."""
    settings = load_settings({**fresh_kafka.settings_env(), "PULSSI_PARTITIONS": "1"})
    tail = JournalTail(settings)
    with caplog.at_level(logging.WARNING, logger="streams.journal.tail"):
        starting = asyncio.create_task(tail.start())
        async with asyncio.timeout(WITHIN_S):
            while "waiting" not in caplog.text:
                await asyncio.wait([starting], timeout=0.05)
    assert "no topic" in caplog.text
    assert "Error" not in caplog.text
    await asyncio.to_thread(migrate_topics, settings, 10)
    async with asyncio.timeout(WITHIN_S):
        await starting
    await _caught_up(tail)
    await tail.stop()


async def test_commits_are_for_lag_only(tail: JournalTail) -> None:
    """A commit is readable by other tools, and one that fails passes."""
    await tail.start()
    await tail.commit({(SOURCE, 0): (12, "1:3")})
    partition = next(tp for tp in tail.partitions if (tp.topic, tp.partition) == (f"{SOURCE}.journal", 0))
    assert await tail._consumer.committed(partition) == 12  # noqa: SLF001 - what another tool would see
    await tail.stop()


async def test_partitions_that_are_added_are_read_too(
    settings: Settings, tail: JournalTail, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From their beginning, and the others go on where they were."""
    monkeypatch.setattr("streams.journal.tail.CHECK_IDS_EVERY_S", 0.0)
    async with JournalByHand(settings, SOURCE, 0) as chat:
        await chat.step(Head(step=1, next=5), [(b"cA", b"1")])
        await tail.start()
        assert [step.head.step for step in await _steps(tail, 1)] == [1]
        with admin_client(settings.kafka_brokers, 10) as admin:
            admin.create_partitions({journal_of(SOURCE): 3})
        async with JournalByHand(settings, SOURCE, 2) as added:
            await added.step(Head(step=1, next=7), [(b"cB", b"1")])
        [step] = await _steps(tail, 1)
        assert (step.partition, step.head.next, step.restarted) == (2, 7, True)
        await chat.step(Head(step=2, next=6), [])
        assert [(each.partition, each.head.step, each.restarted) for each in await _steps(tail, 1)] == [(0, 2, False)]
    await _caught_up(tail)
