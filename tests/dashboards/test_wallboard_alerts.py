"""Alerts on a running wallboard, on a real broker: shown as the topic has them, and never as none before it is read."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

import pytest

from schemas.alerts import ALERT_COMMANDS, Acknowledge, Alert, decode_command
from schemas.settings import Settings
from streams.alert_engine.alert_log import AlertLog
from streams.alert_engine.leadership import Leadership
from streams.kafka.topic_reader import read_newest
from tests.dashboards.wallboard_process import running
from tests.kafka.server import KafkaServer
from tests.sinks.hooks.alerts import alert

THERE: Final = {"PULSSI_PARTITIONS": "1", "PULSSI_WALLBOARD_PORT": "0"}


@pytest.fixture
def settings(fresh_kafka: KafkaServer) -> Settings:
    """Point at a broker with Pulssi's topics and nothing in them."""
    return fresh_kafka.with_topics(**THERE)


@asynccontextmanager
async def _engine(settings: Settings) -> AsyncIterator[AlertLog]:
    """Be an SLA engine: a member of its group, which writes the topic."""
    leadership, log = Leadership(settings, "alerts"), AlertLog(settings)
    await leadership.start()
    try:
        async with asyncio.timeout(30):
            while leadership.turn is None:
                await leadership.commands()
        await log.open("test")
        yield log
    finally:
        await log.stop()
        await leadership.stop()


def _fires(said: dict[str, Any]) -> list[str]:
    return [each["id"] for each in said["alerts"]["listed"]]


async def test_alerts_are_shown_and_acknowledged(settings: Settings, fresh_kafka: KafkaServer) -> None:
    """Unknown, not none, until an engine is there; then what fires, who looks after it, and that it is over."""
    first = alert(key="a", id="fires")
    async with running(settings) as wallboard:
        said = await wallboard.until(lambda said: "does the SLA engine run" in said["alerts"]["reason"])
        assert said["alerts"]["state"] in {"waiting", "stale"}
        async with _engine(settings) as log:
            await log.write([first, alert(key="b", id="over", state="resolved")])
            said = await wallboard.until(lambda said: _fires(said) == ["fires"])
            said = await wallboard.until(lambda said: said["alerts"]["state"] == "live")
            assert (said["alerts"]["total"], said["alerts"]["reason"]) == (1, "")
            answers = []
            for alert_id in ("fires", "over", "none"):
                url = f"{wallboard.url}api/alerts/{alert_id}/ack"
                async with wallboard.http.post(url, json={"by": "Maija"}, headers={"X-Pulssi": "1"}) as answer:
                    answers.append(answer.status)
            assert answers == [202, 409, 404]
            (command,) = [decode_command(value) for value in (await read_newest(settings, ALERT_COMMANDS)).values()]
            assert isinstance(command, Acknowledge)
            assert (command.alert_id, command.by) == ("fires", "Maija")
            await log.write([_acknowledged(first, command)])
            acknowledged = {"by": "Maija", "at": command.at}
            await wallboard.until(lambda said: said["alerts"]["listed"][0]["acknowledged"] == acknowledged)
            await log.write([first.model_copy(update={"state": "resolved"})])
            await wallboard.until(lambda said: said["alerts"]["total"] == 0)
        fresh_kafka.kill()
        said = await wallboard.until(lambda said: "broker" in said["alerts"]["reason"])
        assert said["alerts"]["state"] == "stale"
        fresh_kafka.start()


def _acknowledged(alert: Alert, command: Acknowledge) -> Alert:
    return alert.model_copy(update={"acknowledged_by": command.by, "acknowledged_at": command.at, "sequence": 3})
