"""A broker that is halted in the middle of a backlog: the worker says what hangs, and readers get all of it."""

import asyncio
import os
import re
import signal
import time
from pathlib import Path
from typing import Final

import pytest

from tests.kafka.server import KafkaServer
from tests.streams.flow import Journals, keyed, produce, simulated, worker_process

EVENTS: Final = 60_000
#: Above the time after which something is stuck.
SAID_WITHIN_S: Final = 60.0


def logged(log: Path, pattern: str) -> None:
    """Wait until another process has logged a line."""
    deadline = time.monotonic() + SAID_WITHIN_S
    while not re.search(pattern, log.read_text(encoding="utf-8", errors="replace")):
        assert time.monotonic() < deadline, f"{pattern} is not in the log"
        time.sleep(0.1)


@pytest.mark.long
async def test_what_waits_for_a_halted_broker_is_named(fresh_kafka: KafkaServer, tmp_path: Path) -> None:
    """Its connections stay open, and nothing answers: the step or the opening that waits is in the log, with where.

    The broker may call a step committed that it leaves open in the journal. Readers have that one too in the end.
    """
    settings, log = fresh_kafka.with_topics(), tmp_path / "worker.log"
    produce(settings, keyed(simulated(EVENTS, rate=20.0, seed=5)))
    with worker_process(fresh_kafka.settings_env(), log) as worker:
        worker.start()
        async with Journals(settings) as journals:
            await journals.until(1, worker)
            pid = fresh_kafka.pid
            assert pid is not None
            os.kill(pid, signal.SIGSTOP)
            try:
                await asyncio.to_thread(
                    logged, log, r"(contacts|agents)\.\w+/\d+ is stuck [\w ']+: \d+ s so far, at streams/\S+:\d+ \w+"
                )
            finally:
                os.kill(pid, signal.SIGCONT)
            await asyncio.to_thread(logged, log, "no longer stuck")
            await journals.until(EVENTS, worker)
