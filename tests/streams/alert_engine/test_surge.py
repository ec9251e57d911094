"""Surges in the engine's process: today's calls by the journals against the last weeks in a real ClickHouse."""

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pytest

from deploy.embedded.ports import any_free
from schemas.alerts import ALERTS, OPENING_KEY, Alert, decode_alert
from schemas.objectives import OBJECTIVES, Objective, decode_objective
from schemas.settings import Settings
from sinks.store_protocol import Batch
from streams.alerts.pipeline_rules import PAST
from streams.kafka.topic_reader import TopicReader, reading
from streams.times import now_ms
from tests.kafka.server import KafkaServer
from tests.sinks.rows import pane, write
from tests.streams.alert_engine.engines import engine_process
from tests.streams.alert_engine.test_engine import WITHIN_S, call
from tests.streams.flow import keyed, produce, worker_process

MINUTE: Final = 60_000
HOUR: Final = 60 * MINUTE
WEEK: Final = 7 * 24 * HOUR
RULES: Final = """
pipeline.away = "1s"
pipeline.hold = "0s"
[[floor]]
name = "rush"
condition = "surge"
minimum_volume = 5
hold = "0s"
"""


@pytest.fixture
def environment(fresh_kafka: KafkaServer, tmp_path: Path) -> Mapping[str, str]:
    """Return the environment of parts whose rules are these; no ClickHouse answers."""
    fresh_kafka.with_topics(PULSSI_PARTITIONS="1")
    folder = tmp_path / "config"
    folder.mkdir()
    (folder / "alerts.toml").write_text(RULES)
    return {
        **fresh_kafka.settings_env(),
        "PULSSI_PARTITIONS": "1",
        "PULSSI_CONFIG": str(folder),
        "PULSSI_CLICKHOUSE_URL": f"http://127.0.0.1:{any_free('127.0.0.1')}",
    }


@pytest.fixture
def settings(fresh_kafka: KafkaServer) -> Settings:
    """Return the settings of a test's own clients."""
    return Settings(kafka_brokers=fresh_kafka.bootstrap)


@contextmanager
def _worker_and_engine(environment: Mapping[str, str], folder: Path) -> Iterator[None]:
    """Run both; the worker has to live as long."""
    with (
        worker_process(environment, folder / "worker.log") as worker,
        engine_process(environment, folder / "engine.log") as engine,
    ):
        worker.start()
        engine.start()
        yield
        worker.check()


async def _firing(reader: TopicReader, rule: str) -> Alert:
    async with asyncio.timeout(WITHIN_S):
        while True:
            for record in await reader.records():
                if record.key != OPENING_KEY and record.value is not None:
                    alert = decode_alert(record.value)
                    if (alert.rule, alert.state) == (rule, "firing"):
                        return alert


async def _told(reader: TopicReader, window_ms: int) -> Objective:
    """Give what is told of an objective once it is judged over a window."""
    async with asyncio.timeout(WITHIN_S):
        while True:
            for record in await reader.records():
                if record.key != OPENING_KEY and record.value is not None:
                    objective = decode_objective(record.value)
                    if objective.window_ms == window_ms and objective.state != "too_few":
                        return objective


async def test_far_more_calls_than_in_the_last_weeks(
    settings: Settings, environment: Mapping[str, str], database: Settings, tmp_path: Path
) -> None:
    """One call each quarter hour was usual: twenty within a minute are a surge. All were answered at once."""
    now = now_ms()
    quarters = range(now - 4 * WEEK - 12 * HOUR, now - WEEK + 12 * HOUR, 15 * MINUTE)
    usual = [pane(sample="offered", pane_start=at - at % MINUTE, n=1, channel="call", queue="sales") for at in quarters]
    write(database, Batch(panes=usual))
    environment = {
        **environment,
        "PULSSI_CLICKHOUSE_URL": database.clickhouse_url,
        "PULSSI_CLICKHOUSE_DATABASE": database.clickhouse_database,
    }
    calls = [f"pbx:main:{number}" for number in range(20)]
    kinds = "contact.started", "contact.queued", "contact.connected"
    events = [call(kind, now, contact, agent_id="a1") for contact in calls for kind in kinds]
    with _worker_and_engine(environment, tmp_path):
        async with reading(settings, ALERTS) as reader:
            produce(settings, keyed(events))
            alert = await _firing(reader, "rush")
        async with reading(settings, OBJECTIVES) as reader:
            objective = await _told(reader, 1_800_000)
    assert (objective.policy, objective.queue, objective.attained, objective.state) == ("call-20s", "sales", 1.0, "met")
    assert (alert.kind, alert.condition, alert.dimensions.queue) == ("floor", "surge", "sales")
    measured = alert.measured
    assert measured.expected == pytest.approx(2, abs=0.5)
    assert (measured.weeks, measured.window_ms) == (4, 30 * MINUTE)
    assert measured.value <= 20
    assert measured.value >= measured.limit > 5


async def test_without_the_last_weeks_an_alert_says_so(
    settings: Settings, environment: Mapping[str, str], tmp_path: Path
) -> None:
    """Once, while all other rules are judged."""
    with _worker_and_engine(environment, tmp_path):
        async with reading(settings, ALERTS) as reader:
            alert = await _firing(reader, f"part_away {PAST}")
    assert (alert.severity, alert.condition) == ("warning", "part_away")
    assert "the last weeks are not read, trying again: Connection refused" in (tmp_path / "engine.log").read_text()
