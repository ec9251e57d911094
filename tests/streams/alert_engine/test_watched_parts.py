"""The sink and the deliverer as the engine sees them from a real broker: there, gone, and how old what is unread is."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from schemas.alerts import ALERT_DELIVERIES, ALERTS, STATE_KEY, DelivererState
from schemas.journal import Head
from schemas.settings import Settings
from sinks import pipeline
from streams.alert_engine.leadership import Leadership
from streams.alert_engine.watched_parts import WatchedParts
from streams.alerts.pipeline_rules import PartReading
from streams.kafka.cluster import Cluster
from streams.kafka.fenced_topic import FencedTopic
from streams.kafka.log_ends import LogEnds
from streams.times import now_ms
from tests.kafka.server import KafkaServer
from tests.sinks.memory_store import MemoryStore
from tests.sinks.running_sink import sink
from tests.streams.journal_by_hand import JournalByHand

WITHIN_S = 60.0
CHAT = "contacts.chat"
Look = Callable[[], Awaitable[dict[str, PartReading]]]


@pytest.fixture
def settings(fresh_kafka: KafkaServer, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Point at a broker with Pulssi's topics and nothing in them; the sink shows more often that it is there."""
    monkeypatch.setattr(pipeline, "ALIVE_EVERY_MS", 50)
    return fresh_kafka.with_topics(PULSSI_PARTITIONS="1", PULSSI_SINK_PORT="0")


@asynccontextmanager
async def _looking(settings: Settings) -> AsyncIterator[Look]:
    parts, cluster, ends = WatchedParts(settings, 0.05), Cluster(settings), LogEnds(settings)

    async def look() -> dict[str, PartReading]:
        await parts.look(cluster, ends)
        return parts.readings(now_ms())

    following = asyncio.create_task(parts._follow_deliveries())  # noqa: SLF001 - as `watch` does
    try:
        yield look
    finally:
        following.cancel()
        await asyncio.wait([following])
        await ends.close()
        await cluster.stop()


async def _until(look: Look, part: str, holds: Callable[[PartReading | None], bool]) -> PartReading | None:
    async with asyncio.timeout(WITHIN_S):
        while not holds(reading := (await look()).get(part)):  # noqa: ASYNC110 - the broker tells nobody
            await asyncio.sleep(0.05)
    return reading


async def test_a_sink_that_is_idle_is_there_and_one_that_has_ended_is_not(settings: Settings) -> None:
    """Without one that ever ran nothing is expected; one that is there shows it, although no step comes."""
    async with _looking(settings) as look:
        assert await look() == {}
        async with sink(settings, MemoryStore()):
            first = await _until(look, "sink", lambda reading: reading is not None)
            assert first is not None
            shown = first.seen_at
            later = await _until(look, "sink", lambda reading: reading is not None and reading.seen_at > shown)
        last = (await look())["sink"]
        again = await _until(look, "sink", lambda reading: reading is not None and now_ms() - reading.seen_at > 300)
    assert later is not None
    assert again is not None
    assert (first.behind_ms, later.behind_ms, again.behind_ms) == (0, 0, 0)
    assert again.seen_at <= last.seen_at + 50


@pytest.mark.long
async def test_what_a_sink_has_not_written_gets_old_and_openings_do_not(settings: Settings) -> None:
    """A journal's opening is no step: no sink writes it, and it is not behind."""
    async with _looking(settings) as look, JournalByHand(settings, CHAT, 0) as journal:
        opened = await journal.open()
        async with sink(settings, MemoryStore()):
            await _until(look, "sink", lambda reading: reading is not None)
            await journal.step(Head(next=1, step=1, open=opened), [])
            opened = await journal.open()
            await asyncio.sleep(0)
            await _until(look, "sink", lambda reading: reading is not None and not reading.behind_ms)
        behind_from = now_ms()
        await journal.step(Head(next=2, step=2, open=opened), [])
        behind = await _until(look, "sink", lambda reading: reading is not None and reading.behind_ms > 0)
        assert behind is not None
        assert behind.behind_ms <= now_ms() - behind_from
        async with sink(settings, MemoryStore()):
            await _until(look, "sink", lambda reading: reading is not None and not reading.behind_ms)


async def test_a_deliverer_is_there_while_its_group_has_a_member(settings: Settings) -> None:
    """Where none ever ran none is expected."""
    async with _looking(settings) as look:
        assert "hooks" not in await look()
        member = Leadership(settings, "hooks")
        await member.start()
        async with asyncio.timeout(WITHIN_S):
            while member.turn is None:
                await member.commands()
        first = await _until(look, "hooks", lambda reading: reading is not None)
        assert first is not None
        await _until(look, "hooks", lambda reading: reading is not None and reading.seen_at > first.seen_at)
        await member.stop()
        gone = await _until(look, "hooks", lambda reading: reading is not None and reading.seen_at < now_ms() - 200)
        assert gone is not None


async def test_what_a_deliverer_has_not_told_gets_old(settings: Settings) -> None:
    """By the position that it keeps, and the time of the first change behind it."""
    alerts, deliveries = FencedTopic(settings, ALERTS, "alerts"), FencedTopic(settings, ALERT_DELIVERIES, "hooks")
    await alerts.open("engine")
    await deliveries.open("deliverer")
    begun = now_ms()
    await alerts.write([(b"slow", b"{}")])
    member = Leadership(settings, "hooks")
    await member.start()
    async with _looking(settings) as look:
        async with asyncio.timeout(WITHIN_S):
            while member.turn is None:
                await member.commands()
        await deliveries.write([(STATE_KEY, DelivererState(position=0).model_dump_json().encode())])
        behind = await _until(look, "hooks", lambda reading: reading is not None and reading.behind_ms > 0)
        assert behind is not None
        assert behind.behind_ms <= now_ms() - begun + 1_000
        await deliveries.write([(STATE_KEY, DelivererState(position=100).model_dump_json().encode())])
        await _until(look, "hooks", lambda reading: reading is not None and not reading.behind_ms)
    await member.stop()
    await alerts.stop()
    await deliveries.stop()
