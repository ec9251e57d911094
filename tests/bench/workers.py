"""Two workers against one: what a second process adds, on the same machine and broker.

Workers share partitions, so they are started first and asked for a few events each; then they are halted (SIGSTOP), the
backlog is produced, and the clock runs from when they are let go to the last committed step.
"""

import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Final

from schemas.topics import journal_of
from tests.bench.contest import STARTS_WITHIN_S, TOPIC
from tests.bench.events import EVENTS_A_CHAT, write_chats
from tests.bench.report import Part, spread, times
from tests.bench.results import JournalReading, Watch
from tests.bench.servers import broker
from tests.deploy.program import Program, clean_environment
from tests.kafka.server import KafkaServer
from tests.streams.flow import keyed, produce

#: Enough that each partition has some.
WARM_UP: Final = 200 * EVENTS_A_CHAT
#: Halted for longer, a worker would lose its partitions.
HALTED_AT_MOST_S: Final = 4.0


def _timed(server: KafkaServer, workers: int, records: Sequence[tuple[str, bytes, bytes]]) -> float:
    """Give the events a second that so many workers manage."""
    settings = server.with_topics()
    command = [sys.executable, "-m", "tests.streams.worker_process"]
    watch = Watch(server.bootstrap, journal_of(TOPIC), JournalReading())
    with ExitStack() as running:
        running.callback(watch.close)
        folder = Path(running.enter_context(tempfile.TemporaryDirectory(ignore_cleanup_errors=True)))
        environment = clean_environment(folder, **server.settings_env(), PULSSI_WORKER_PORT="0")
        programs = []
        for number in range(workers):
            program = running.enter_context(Program(command, environment))
            programs.append(program)
            # The first has all partitions; the next one gets its share of them.
            left = settings.partitions // (number + 1)
            while left:
                left -= TOPIC in program.await_line(": open, ", STARTS_WITHIN_S)

        def check() -> None:
            for program in programs:
                program.check()

        produce(settings, records[:WARM_UP])
        watch.until(WARM_UP, check)
        for program in programs:
            program.process.send_signal(signal.SIGSTOP)
        halted = time.monotonic()
        try:
            produce(settings, records[WARM_UP:])
        finally:
            began = time.monotonic()
            for program in programs:
                program.process.send_signal(signal.SIGCONT)
        if began - halted > HALTED_AT_MOST_S:
            raise AssertionError(f"the backlog took {began - halted:.1f} s to produce: take fewer --events")
        if watch.until(len(records), check) != "whole":
            raise AssertionError("not every event came through")
        return (len(records) - WARM_UP) / (watch.changed - began)


def run(events: int, rounds: int) -> Part:
    """Measure one and two, in turn."""
    records = keyed(write_chats(WARM_UP + events))
    ones, twos = [], []
    for _ in range(rounds):
        with broker() as server:
            ones.append(_timed(server, 1, records))
        with broker() as server:
            twos.append(_timed(server, 2, records))
    ratios = [two / one for one, two in zip(ones, twos, strict=True)]
    rows = [("one worker", spread(ones), "1"), ("two workers", spread(twos), spread(ratios, "{:.2f}"))]
    where = "Apache Kafka on the same cores", f"{events:,} events", times(rounds)
    return Part(rows, where, columns=("", "events/s", "to one worker"))
