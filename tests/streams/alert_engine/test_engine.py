"""The SLA engine as a process, beside a real worker: who slips is told within seconds, once, whatever dies."""

import asyncio
import signal
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import aiohttp
import pytest

from deploy.embedded.ports import any_free
from schemas.alerts import ALERTS, OPENING_KEY, Acknowledge, Alert, decode_alert
from schemas.settings import Settings
from schemas.topics import CONTACTS
from streams import times
from streams.alert_engine import commands
from streams.kafka.topic_reader import TopicReader, reading
from streams.times import now_ms
from tests.kafka.server import KafkaServer
from tests.streams.alert_engine.engines import engine_process
from tests.streams.flow import PartProcess, keyed, produce, worker_process

WITHIN_S: Final = 60.0


@pytest.fixture
def settings(fresh_kafka: KafkaServer) -> Settings:
    """Point at a broker with Pulssi's topics and nothing in them."""
    return fresh_kafka.with_topics(PULSSI_PARTITIONS="2")


@pytest.fixture
def environment(fresh_kafka: KafkaServer, settings: Settings) -> Mapping[str, str]:
    """Return the environment of the parts."""
    return {**fresh_kafka.settings_env(), "PULSSI_PARTITIONS": str(settings.partitions)}


@pytest.fixture
def worker(environment: Mapping[str, str], tmp_path: Path) -> Iterator[PartProcess]:
    """Run a worker."""
    with worker_process(environment, tmp_path / "worker.log") as part:
        part.start()
        yield part


class Changes:
    """The changes of alerts in the order in which they were written."""

    def __init__(self, reader: TopicReader) -> None:
        self._reader = reader
        self.seen: list[Alert] = []

    async def until(self, *wanted: str, rule: str = "call-20s") -> list[Alert]:
        """Read until the changes of a rule have been these: `state reason`."""
        async with asyncio.timeout(WITHIN_S):
            while (found := [f"{each.state} {each.reason}" for each in self.of(rule)]) != list(wanted):
                assert found == list(wanted)[: len(found)], found
                for record in await self._reader.records():
                    if record.key != OPENING_KEY and record.value is not None:
                        self.seen.append(decode_alert(record.value))
        return self.of(rule)

    def of(self, rule: str) -> list[Alert]:
        """Give the changes of a rule's alerts about contacts, without those of a machine that is slow for a moment."""
        own = [each for each in self.seen if each.rule == rule and each.kind == "contact"]
        return [each for each in own if each.reason not in {"held", "released"}]


@asynccontextmanager
async def changes(settings: Settings) -> AsyncIterator[Changes]:
    """Follow the topic."""
    async with reading(settings, ALERTS) as reader:
        yield Changes(reader)


def call(kind: str, at: int, contact: str = "pbx:main:17", **fields: object) -> dict[str, Any]:
    """Write an event of a call in the queue `sales`."""
    moment = times.at(at).isoformat()
    own = {"type": kind, "contact_id": contact, "channel": "call", "source": "pbx", "queue": "sales"}
    return {**own, "event_id": f"{kind} {contact} {at}", "occurred_at": moment, **fields}


async def _answers(port: int, path: str, text: str) -> None:
    url = f"http://127.0.0.1:{port}/{path}"
    async with asyncio.timeout(WITHIN_S), aiohttp.ClientSession() as session:
        while True:
            try:
                async with session.get(url) as answer:
                    if text in await answer.text():
                        return
            except aiohttp.ClientError:
                pass
            await asyncio.sleep(0.1)


@pytest.mark.long
async def test_a_caller_who_waits_too_long_is_told_once(
    settings: Settings, environment: Mapping[str, str], worker: PartProcess, tmp_path: Path
) -> None:
    """At risk, breached, acknowledged, and resolved by the answer; an engine that is killed repeats nothing of it."""
    port = any_free("127.0.0.1")
    async with changes(settings) as told:
        with engine_process(environment, tmp_path / "engine.log", port) as engine:
            engine.start()
            await _answers(port, "metrics", "pulssi_alerts_leads 1")
            begun = now_ms()
            produce(settings, keyed([call("contact.started", begun), call("contact.queued", begun)]))
            (at_risk,) = await told.until("firing first")
            assert (at_risk.condition, at_risk.dimensions.contact_id) == ("at_risk", "pbx:main:17")
            assert at_risk.at >= begun + 15_000
            breached = (await told.until("firing first", "firing changed"))[-1]
            assert (breached.condition, breached.severity, breached.id) == ("breached", "critical", at_risk.id)
            assert begun + 20_000 < breached.at
            engine.end(signal.SIGKILL)
            engine.start()
            said = Acknowledge(type="acknowledge", at=now_ms(), by="Maija", alert_id=breached.id)
            await commands.send(settings, said)
            acknowledged = (await told.until("firing first", "firing changed", "firing acknowledged"))[-1]
            assert acknowledged.acknowledged_by == "Maija"
            produce(settings, keyed([call("contact.connected", now_ms(), agent_id="a1")]))
            ended = await told.until("firing first", "firing changed", "firing acknowledged", "resolved resolved")
            assert [each.sequence for each in ended] == sorted({each.sequence for each in ended})
            assert {each.id for each in ended} == {at_risk.id}
            assert engine.end(signal.SIGTERM) == 0
    worker.check()


@pytest.mark.long
async def test_dead_letters_are_told(
    settings: Settings, environment: Mapping[str, str], worker: PartProcess, tmp_path: Path
) -> None:
    """More bad records than the rule allows raise its alert."""
    port = any_free("127.0.0.1")
    async with reading(settings, ALERTS) as told:
        with engine_process(environment, tmp_path / "engine.log", port) as engine:
            engine.start()
            await _answers(port, "metrics", "pulssi_alerts_leads 1")
            produce(settings, [(CONTACTS["call"], b"pbx:main:17", b"{")] * 12)
            found: list[Alert] = []
            async with asyncio.timeout(WITHIN_S):
                while not found:
                    alerts = [
                        decode_alert(record.value)
                        for record in await told.records()
                        if record.key != OPENING_KEY and record.value is not None
                    ]
                    found = [each for each in alerts if (each.condition, each.state) == ("dead_letters", "firing")]
            assert found[0].measured.value == 12
            assert engine.end(signal.SIGTERM) == 0
    worker.check()


@pytest.mark.long
async def test_of_two_engines_one_judges_and_the_other_follows(
    settings: Settings, environment: Mapping[str, str], worker: PartProcess, tmp_path: Path
) -> None:
    """The second engine stands by; when the first is killed it goes on, and tells nothing twice."""
    long_ago, ports = now_ms() - 60_000, [any_free("127.0.0.1"), any_free("127.0.0.1")]
    with (
        engine_process(environment, tmp_path / "first.log", ports[0]) as first,
        engine_process(environment, tmp_path / "second.log", ports[1]) as second,
    ):
        first.start()
        await _answers(ports[0], "metrics", "pulssi_alerts_leads 1.0")
        second.start()
        await _answers(ports[1], "readyz", "ok")
        await _answers(ports[1], "metrics", "pulssi_alerts_leads 0.0")
        async with changes(settings) as told:
            produce(settings, keyed([call("contact.started", long_ago), call("contact.queued", long_ago)]))
            await told.until("firing first")
            first.end(signal.SIGKILL)
            await _answers(ports[1], "metrics", "pulssi_alerts_leads 1.0")
            produce(settings, keyed([call("contact.abandoned", now_ms())]))
            await told.until("firing first", "resolved resolved")
    worker.check()
