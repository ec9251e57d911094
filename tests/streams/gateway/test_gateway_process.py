"""The gateway as a process on a real broker: what is answered with 2xx is in Kafka, whatever dies."""

import asyncio
import signal
import time
from pathlib import Path

import aiohttp
import pytest

from deploy.embedded.readiness_probes import http_answer
from schemas.exits import Exit
from schemas.topics import CONTACTS, DEAD_LETTERS
from streams.configuration.environment import load_settings
from streams.sources.adapter import UnmappableError
from tests.kafka.server import KafkaServer
from tests.streams.flow import read_all
from tests.streams.gateway.gateways import WITHIN_S, Gateway, await_ready
from tests.streams.gateway.load import Load, stored
from tests.streams.gateway.made import OTHER_SECRET, SECRET, SOURCES, body, zendesk
from tests.until import until

ACME = "/hooks/zendesk/acme"


async def post(gateway: Gateway, sent: bytes, headers: dict[str, str], path: str = ACME) -> int:
    """Post once; returns the status."""
    url = f"{gateway.url}{path}"
    async with aiohttp.ClientSession() as session, session.post(url, data=sent, headers=headers) as answer:
        return answer.status


async def metrics(gateway: Gateway) -> str:
    """Read the metrics."""
    async with aiohttp.ClientSession() as session, session.get(f"{gateway.url}/metrics") as answer:
        return await answer.text()


async def says(gateway: Gateway, text: str) -> None:
    """Wait until its log says so."""
    await until(lambda: text in gateway.log.read_text(), WITHIN_S)


async def test_what_is_acknowledged_outlives_the_gateway(fresh_kafka: KafkaServer, tmp_path: Path) -> None:
    """Killed again and again while hooks come: each that was answered with 2xx is in Kafka."""
    settings = fresh_kafka.with_topics()
    with Gateway(settings, tmp_path) as gateway:
        load = Load(gateway.url)
        for _ in range(3):
            gateway.start()
            await await_ready(gateway)
            async with load.running():
                await load.until(200)
                gateway.end(signal.SIGKILL)
                await load.until(0, 5)
    assert set(load.statuses) <= {0, 200, 503}
    assert len(load.acknowledged) >= 900
    assert load.acknowledged - stored(settings).keys() == set()


async def test_an_orderly_end_answers_what_is_under_way(fresh_kafka: KafkaServer, tmp_path: Path) -> None:
    """SIGTERM while hooks come: none that was answered is lost, and the process ends with 0."""
    settings = fresh_kafka.with_topics()
    with Gateway(settings, tmp_path) as gateway:
        gateway.start()
        await await_ready(gateway)
        load = Load(gateway.url)
        async with load.running():
            await load.until(200)
            gateway.send(signal.SIGTERM)
            await load.until(0, 5)
        assert await asyncio.to_thread(gateway.end) == Exit.DONE
    assert set(load.statuses) <= {0, 200}
    assert load.acknowledged - stored(settings).keys() == set()
    assert "Traceback" not in gateway.log.read_text()


@pytest.mark.long
async def test_a_broker_that_goes_away_and_comes_back(fresh_kafka: KafkaServer, tmp_path: Path) -> None:
    """Meanwhile nothing is acknowledged; afterwards the gateway goes on by itself, and all 2xx are in Kafka."""
    settings = fresh_kafka.with_topics()
    with Gateway(settings, tmp_path) as gateway:
        gateway.start()
        await await_ready(gateway)
        load = Load(gateway.url)
        async with load.running():
            await load.until(200)
            await asyncio.to_thread(fresh_kafka.kill)
            await load.until(503)
            await await_ready(gateway, ready=False)
            async with aiohttp.ClientSession() as session, session.get(f"{gateway.url}/healthz") as answer:
                assert answer.status == 200  # a restart would help nobody
            acknowledged = len(load.acknowledged)
            await load.until(503)
            assert len(load.acknowledged) == acknowledged
            await asyncio.to_thread(fresh_kafka.start)
            await load.until(200)
        await await_ready(gateway)
    assert set(load.statuses) == {200, 503}
    assert load.acknowledged - stored(settings).keys() == set()
    assert "Traceback" not in gateway.log.read_text()


async def test_it_waits_for_the_broker_it_begins_without(fresh_kafka: KafkaServer, tmp_path: Path) -> None:
    """Hooks are answered with 503 until Kafka is there, and until it has the topics."""
    sent = body()
    fresh_kafka.stop()
    try:
        with Gateway(load_settings(fresh_kafka.settings_env()), tmp_path) as gateway:
            gateway.start()
            await await_ready(gateway, ready=False)
            assert await post(gateway, sent, zendesk(sent, time.time())) == 503
            fresh_kafka.start()
            settings = fresh_kafka.with_topics()
            await await_ready(gateway)
            assert await post(gateway, sent, zendesk(sent, time.time())) == 200
        assert len(read_all(settings, CONTACTS["chat"])) == 2
    finally:
        fresh_kafka.start()


async def test_dead_letters_and_replays(fresh_kafka: KafkaServer, tmp_path: Path) -> None:
    """A dead letter is in its topic with its reason; a hook that comes again has the same events, by their ids."""
    settings = fresh_kafka.with_topics()
    with Gateway(settings, tmp_path) as gateway:
        gateway.start()
        await await_ready(gateway)
        unheard, sent = body("unheard"), body()
        assert await post(gateway, unheard, zendesk(unheard, time.time())) == 200
        headers = zendesk(sent, time.time())
        assert [await post(gateway, sent, headers) for _ in range(3)] == [200] * 3
        assert await post(gateway, sent, zendesk(sent, time.time() - 400)) == 401
        counted = await metrics(gateway)
    assert stored(settings) == {"created:1": 3, "queued:1": 3}
    (letter,) = read_all(settings, DEAD_LETTERS)
    assert (letter.value(), letter.key()) == (unheard, b"zendesk/acme")
    told = dict(letter.headers())
    assert told["pulssi-reason"].decode() == str(UnmappableError("kind", "is none that is known"))
    for outcome, number in (("stored", 3), ("dead_letter", 1), ("unsigned", 1)):
        wanted = f'hooks_total{{account="acme",outcome="{outcome}",source="zendesk"}} {number}.0'
        assert wanted in counted


@pytest.mark.long
async def test_a_changed_file_is_taken_over_and_a_faulty_one_is_not(fresh_kafka: KafkaServer, tmp_path: Path) -> None:
    """A secret of a file, an account: without a restart. What is faulty is named, and what was in force stays."""
    settings = fresh_kafka.with_topics()
    sent = body()
    with Gateway(settings, tmp_path) as gateway:
        gateway.start()
        await await_ready(gateway)
        (tmp_path / "old").write_text(OTHER_SECRET)
        await says(gateway, "sources.toml has changed: 5 accounts are in force")
        assert await post(gateway, sent, zendesk(sent, time.time(), OTHER_SECRET)) == 200
        (tmp_path / "sources.toml").write_text("[[source]\n")
        await says(gateway, "sources.toml has changed and is refused")
        assert "configuration_refused 1.0" in await metrics(gateway)
        assert await post(gateway, sent, zendesk(sent, time.time())) == 200
        third = f'{SOURCES}\n[[source]]\nsource = "zendesk"\naccount = "third"\nsecret_env = ["ACME"]\n'
        (tmp_path / "sources.toml").write_text(third)
        await says(gateway, "6 accounts are in force")
        assert await post(gateway, sent, zendesk(sent, time.time()), "/hooks/zendesk/third") == 200
        assert "configuration_refused 0.0" in await metrics(gateway)
    log = gateway.log.read_text()
    assert not any(secret in log for secret in (SECRET, OTHER_SECRET))


async def test_a_faulty_account_is_taken_over_once_it_is_mended(fresh_kafka: KafkaServer, tmp_path: Path) -> None:
    """At the start its secret is missing: the others take their hooks, it answers 503 and is named everywhere."""
    settings = fresh_kafka.with_topics()
    sent, path = body(), "/hooks/zendesk/third"
    with Gateway(settings, tmp_path) as gateway:
        third = f'{SOURCES}\n[[source]]\nsource = "zendesk"\naccount = "third"\nsecret_file = ["third"]\n'
        (tmp_path / "sources.toml").write_text(third)
        gateway.start()
        await await_ready(gateway)
        assert await post(gateway, sent, zendesk(sent, time.time())) == 200
        assert await post(gateway, sent, zendesk(sent, time.time()), path) == 503
        assert 'pulssi_gateway_fault{account="third",source="zendesk"} 1.0' in await metrics(gateway)
        for asked in ("/readyz", "/healthz"):
            told = http_answer(f"{gateway.url}{asked}")
            assert (told.fault, "zendesk/third: its hooks are answered with 503" in told.notice) == (None, True)
        (tmp_path / "third").write_text(SECRET)
        await says(gateway, "sources.toml is without a fault again")
        assert await post(gateway, sent, zendesk(sent, time.time()), path) == 200
        assert http_answer(f"{gateway.url}/readyz").notice == ""
    log = gateway.log.read_text()
    assert log.count("zendesk/third: its hooks are answered with 503 until this is mended") == 1
    assert f"{tmp_path}/third cannot be read: No such file or directory" in log


async def test_a_file_that_is_no_toml_ends_it(tmp_path: Path) -> None:
    """With the line, and without waiting for Kafka; the exit code says that somebody must act."""
    with Gateway(load_settings({"PULSSI_KAFKA_BROKERS": "127.0.0.1:9"}), tmp_path) as gateway:
        (tmp_path / "sources.toml").write_text("[[source]\n")
        gateway.start()
        assert await asyncio.to_thread(gateway.end) == Exit.NO
    assert "sources.toml:1: is not TOML" in gateway.log.read_text()


@pytest.mark.long
async def test_overload_takes_no_more_memory(fresh_kafka: KafkaServer, tmp_path: Path) -> None:
    """More than it can do, for a while, and then without Kafka: its memory stays where it was at first."""
    settings = fresh_kafka.with_topics()
    with Gateway(settings, tmp_path) as gateway:
        gateway.start()
        await await_ready(gateway)
        load = Load(gateway.url, size=20_000)
        async with load.running(vendors=100):
            await load.until(200, 5_000)
            before = _resident(gateway.pid)
            await load.until(200, 20_000)
            under_load = _resident(gateway.pid)
            await asyncio.to_thread(fresh_kafka.kill)
            await load.until(503, 20_000)
            without_kafka = _resident(gateway.pid)
            await asyncio.to_thread(fresh_kafka.start)
            await load.until(200, 1_000)
    assert under_load - before < 30 * 1024 * 1024
    assert without_kafka - before < 150 * 1024 * 1024  # what waits is bounded by 64 MiB, beside what is under way
    assert load.acknowledged - stored(settings).keys() == set()


def _resident(pid: int) -> int:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * 4096
