"""The wallboard as a process, on real brokers: it shows what the journals say, at once, and says when it cannot."""

import asyncio
import signal
from pathlib import Path
from typing import Any, Final

import orjson
import pytest
from aiokafka import AIOKafkaProducer

from deploy.embedded.ports import any_free
from schemas.settings import Settings
from streams.configuration.environment import load_settings
from streams.kafka.topic_migration import migrate_topics
from streams.times import now_ms
from tests.dashboards.wallboard_process import minute_now, running, write
from tests.kafka.server import KafkaServer
from tests.streams.journal_by_hand import JournalByHand
from tests.streams.live.steps import Journal, contact, contact_key, pane_of, pane_record, summary

CHAT = "contacts.chat"
THERE: Final = {"PULSSI_PARTITIONS": "2", "PULSSI_WALLBOARD_PORT": "0"}


@pytest.fixture
def settings(fresh_kafka: KafkaServer) -> Settings:
    """Point at a broker with Pulssi's topics and nothing in them."""
    return fresh_kafka.with_topics(**THERE)


def _centre(said: dict[str, Any]) -> dict[str, Any]:
    assert (said["groups"][0]["channel"], said["groups"][0]["queue"]) == (None, None)
    centre: dict[str, Any] = said["groups"][0]
    return centre


def _offered(said: dict[str, Any]) -> int:
    return int(_centre(said)["windows"]["15m"]["offered"])


async def test_it_shows_what_the_journals_say(settings: Settings) -> None:
    """All partitions are added up; a new step comes to the page by itself; gauges follow contacts."""
    journals = [Journal(CHAT, 0), Journal(CHAT, 1), Journal("contacts.call", 1)]
    record = pane_record(minute_now(), "billing", "offered", pane_of([0, 0]))
    await write(settings, [journal.step(record) for journal in journals])
    async with running(settings) as wallboard:
        said = await wallboard.until(lambda said: said["state"] == "live" and _offered(said) == 6)
        assert said["at"] - said["as_of"] <= 3_000
        waiting = contact(summary(waiting_since=now_ms() - 5_000))
        written = asyncio.create_task(write(settings, [journals[0].step(record, (contact_key("a"), waiting))]))
        await wallboard.until(lambda said: _centre(said)["now"]["waiting"] == 1)
        await written
        # What is seen of a step that a worker's standing producer writes: the writing above makes a new one first.
        async with JournalByHand(settings, CHAT, 1) as hand:
            opened = await hand.open()
            step = journals[1].step(pane_record(minute_now(), "billing", "offered", pane_of([0] * 9)))
            await hand.step(step.head._replace(open=opened, next=0), [(k, v) for _, k, v in step.records])
            await wallboard.until(lambda said: _offered(said) in {13, 15})
        assert (await wallboard.status("readyz"))[0] == 200
        assert (await wallboard.status("healthz"))[0] == 200
        assert "pulssi_wallboard_contacts 1" in (await wallboard.status("metrics"))[1]
        wallboard.process.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(wallboard.process.wait(), 10) == 0


async def test_events_that_nobody_counts_make_it_stale(settings: Settings) -> None:
    """Where events come and no worker counts them, the page does not look live."""
    async with running(settings) as wallboard:
        await wallboard.until(lambda said: said["state"] == "live")
        async with AIOKafkaProducer(bootstrap_servers=settings.kafka_brokers) as producer:
            await producer.send_and_wait(CHAT, b"{}", partition=1)
        said = await wallboard.until(lambda said: said["state"] == "stale")
        assert (said["behind"], "worker" in said["reason"]) == (1, True)
        async with JournalByHand(settings, CHAT, 1) as hand:
            opened = await hand.open()
            head = Journal(CHAT, 1).head
            await hand.step(head._replace(open=opened, next=1, step=1), [])
        await wallboard.until(lambda said: said["state"] == "live")


async def test_a_transaction_marker_is_no_event(settings: Settings) -> None:
    """What only a transaction leaves behind a head is not taken for an event that is not counted."""
    producer = AIOKafkaProducer(bootstrap_servers=settings.kafka_brokers, transactional_id="stray")
    async with producer, producer.transaction():
        await producer.send_and_wait(CHAT, b"{}", partition=0)
    async with JournalByHand(settings, CHAT, 0) as hand:
        opened = await hand.open()
        await hand.step(Journal(CHAT).head._replace(open=opened, next=1, step=1), [])
    async with running(settings) as wallboard:
        said = await wallboard.until(lambda said: said["state"] == "live")
        assert said["behind"] == 0


@pytest.mark.long
async def test_started_before_the_broker_it_waits_and_says_so(fresh_kafka: KafkaServer) -> None:
    """The page is there at once and says what it waits for; then the broker comes, and its topics, and it is live."""
    fresh_kafka.stop()
    settings = load_settings({**fresh_kafka.settings_env(), **THERE})
    async with running(settings) as wallboard:
        said = await wallboard.until(lambda said: said["state"] == "waiting")
        assert (said["as_of"], "broker" in said["reason"]) == (None, True)
        assert (await wallboard.status("readyz"))[0] == 503
        assert (await wallboard.status("healthz"))[0] == 200
        assert (await wallboard.status(""))[0] == 200
        fresh_kafka.start()
        assert migrate_topics(settings, wait_s=10).ok
        await wallboard.until(lambda said: said["state"] == "live")
        assert (await wallboard.status("readyz"))[0] == 200


@pytest.mark.long
async def test_it_outlives_the_broker_with_an_honest_word(fresh_kafka: KafkaServer, settings: Settings) -> None:
    """Within seconds of the broker's end the numbers are called stale, with their age; it comes back by itself."""
    journal = Journal(CHAT, 0)
    await write(settings, [journal.step(pane_record(minute_now(), "billing", "offered", pane_of([0, 0])))])
    async with running(settings) as wallboard:
        await wallboard.until(lambda said: said["state"] == "live" and _offered(said) == 2)
        fresh_kafka.kill()
        killed_at = now_ms()
        said = await wallboard.until(lambda said: said["state"] == "stale")
        assert "broker" in said["reason"]
        assert said["as_of"] <= killed_at + 100, "nobody can know more than was there"
        assert _offered(said) == 2, "what was known is still shown"
        fresh_kafka.start()
        record = pane_record(minute_now(), "billing", "offered", pane_of([0, 0, 0]), epoch=journal.head.epoch, team="b")
        await write(settings, [journal.step(record)])
        await wallboard.until(lambda said: said["state"] == "live" and _offered(said) == 5, within_s=60)


async def test_boards_follow_their_file(settings: Settings, tmp_path: Path) -> None:
    """A board that is added is there at once, with its public figures; a faulty change leaves what there was."""
    journal = Journal(CHAT, 0)
    records = [pane_record(minute_now(), queue, "offered", pane_of([0, 0])) for queue in ("billing", "sales")]
    await write(settings, [journal.step(*records, (contact_key("a"), contact(summary(waiting_since=now_ms()))))])
    async with running(settings, tmp_path) as wallboard:
        said = await wallboard.until(lambda said: said["state"] == "live" and _offered(said) == 4)
        assert said["boards"] == [{"name": "default", "title": "All"}]
        assert [(await wallboard.status(path))[0] for path in ("board/sales", "public/waiting.json")] == [404, 404]
        boards = tmp_path / "boards.toml"
        boards.write_text(
            '[[board]]\nname = "sales"\ntitle = "Sales"\nqueues = ["sales"]\n'
            '[[public]]\nname = "waiting"\nlabel = "Waiting"\nfigure = "waiting"\nchannel = "chat"\n'
        )
        await wallboard.until(lambda said: len(said["boards"]) == 2)
        boards.write_text('[[board]]\nname = "sales"\n')
        assert (await wallboard.status("board/sales"))[0] == 200
        sales = orjson.loads((await wallboard.status("api/live?board=sales&window=15m"))[1])
        assert (_offered(sales), _centre(sales)["now"]["waiting"], sales["groups"][2]["queue"]) == (2, 0, "sales")
        public = orjson.loads((await wallboard.status("public/waiting.json"))[1])
        assert (public["value"], public["state"]) == (1, "live")
        metrics = "pulssi_wallboard_configuration_refused 1.0"
        async with asyncio.timeout(20):
            while metrics not in (await wallboard.status("metrics"))[1]:
                await wallboard.until(lambda said: said["boards"])
        assert (await wallboard.status("board/sales"))[0] == 200


async def test_a_port_in_use_is_named(settings: Settings) -> None:
    """It ends with 3 and a line that names the setting."""
    settings = settings.model_copy(update={"wallboard_port": any_free("127.0.0.1")})
    async with running(settings) as wallboard:
        assert wallboard.url.endswith(f":{settings.wallboard_port}/")
        with pytest.raises(AssertionError):
            async with running(settings):
                pass
