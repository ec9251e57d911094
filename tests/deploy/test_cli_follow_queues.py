"""`pulssi follow puzzel` of queues' states as production runs it: a real broker, kills, and no secret in its log."""

import asyncio
import json
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson

from deploy.embedded.stack_layout import pulssi_command
from schemas.settings import Settings
from schemas.source_gauges import SOURCE_GAUGES, SourceGauge, decode_source_gauge
from streams.configuration.environment import load_settings
from tests.deploy.program import PATIENCE_S, Program, clean_environment
from tests.kafka.server import KafkaServer
from tests.streams.flow import read_all
from tests.streams.sources.puzzel_server import PASSWORD, SESSION, PuzzelServer, queue


def _told(settings: Settings) -> list[SourceGauge]:
    told = (decode_source_gauge(each.value()) for each in read_all(settings, SOURCE_GAUGES))
    return [each for each in told if isinstance(each, SourceGauge)]


def _await(settings: Settings, program: Program, holds: Callable[[list[SourceGauge]], bool]) -> list[SourceGauge]:
    """Return the states once something holds of them."""
    deadline = time.monotonic() + PATIENCE_S
    while not holds(told := _told(settings)):
        program.check()
        assert time.monotonic() < deadline, told
    return told


def _write(config: Path, entry: dict[str, Any]) -> None:
    lines = "\n".join(f"{name} = {json.dumps(value)}" for name, value in entry.items())
    text = f'[[source]]\nsource = "puzzel"\naccount = "acme"\nqueues = {{ "1" = "support" }}\n{lines}\n'
    (config / "sources.toml").write_text(text, encoding="utf-8")


async def test_killed_it_goes_on(fresh_kafka: KafkaServer, tmp_path: Path) -> None:
    """States are told again after kill -9; each names its source and its time."""
    fresh_kafka.with_topics()
    settings = load_settings(fresh_kafka.settings_env())
    config = tmp_path / "config"
    config.mkdir()
    said = ""

    def follow(run: Callable[[Program], object], end: signal.Signals) -> None:
        nonlocal said
        environment = clean_environment(
            tmp_path, PULSSI_FOLLOW_PORT="0", PUZZEL_PASSWORD=PASSWORD, **fresh_kafka.settings_env()
        )
        with Program(pulssi_command("follow", "puzzel", "acme", "--config", str(config)), environment) as program:
            run(program)
            program.signal(end)
            code = program.await_end()
            said += program.text
        assert end is signal.SIGKILL or code == 0, program.text

    async with PuzzelServer() as puzzel:
        puzzel.queues = [queue(1, "Support", 3), queue(2, "Sales", 0)]
        _write(config, {**puzzel.entry(), "every": "5s"})
        await asyncio.to_thread(
            follow, lambda program: _await(settings, program, lambda told: len(told) >= 2), signal.SIGKILL
        )
        first = await asyncio.to_thread(_told, settings)
        puzzel.queues = [queue(1, "Support", 8)]
        await asyncio.to_thread(
            follow,
            lambda program: _await(settings, program, lambda told: len(told) > len(first)),
            signal.SIGTERM,
        )
        told = await asyncio.to_thread(_told, settings)
    assert {(each.source, each.account, each.channel) for each in told} == {("puzzel", "acme", "call")}
    assert [(each.queue, each.waiting, each.longest_wait_ms) for each in first[:2]] == [
        ("support", 3, 30_000),
        ("Sales", 0, 0),
    ]
    assert (told[-1].queue, told[-1].waiting) == ("support", 8)
    assert told[-1].at > first[0].at == first[1].at
    assert not any(secret in said for secret in (PASSWORD, SESSION, "eyJt0ken"))
    kept = await asyncio.to_thread(read_all, settings, "source_positions")
    assert not any(secret.encode() in each.value() for each in kept for secret in (PASSWORD, SESSION, "eyJt0ken"))
    assert orjson.loads(kept[-1].value())["position"] == {}
