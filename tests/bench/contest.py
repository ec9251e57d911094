"""Who is measured, and how one of them is timed: the same records, the same broker, the same rule.

The clock starts when the first record reaches a program's own code, and stops when a reader of what is committed has
seen the last result.
"""

import os
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Final

from kafka.admin import NewTopic

from schemas.topics import CONTACTS, journal_of
from streams.configuration.environment import load_settings
from streams.kafka.brokers import admin_client
from tests.bench import job
from tests.bench.job import Pane
from tests.bench.results import JournalReading, PeerReading, Watch
from tests.deploy.program import Program, clean_environment
from tests.kafka.server import KafkaServer

TOPIC: Final = CONTACTS["chat"]
FAUST_APP: Final = "bench-faust"
_INSTANT_S: Final = 0.001
STARTS_WITHIN_S: Final = 120.0
#: What is not through by then is left: the rate is known well enough.
AT_MOST_S: Final = 60.0


@dataclass(frozen=True)
class Contestant:
    """One of those measured."""

    #: What it is called in the table.
    title: str
    #: What it keeps, as set up here.
    keeps: str
    #: The words behind `python -m`.
    words: tuple[str, ...]
    #: The topic that its results are read from.
    results: str


CONTESTANTS: Final = {
    "pulssi": Contestant(
        "Pulssi worker", "every step in a Kafka transaction; exactly once", ("tests.bench.ours",), journal_of(TOPIC)
    ),
    "faust": Contestant(
        f"idiomatic Faust (faust-streaming {version('faust-streaming')})",
        "tables with changelog topics; at least once",
        ("tests.bench.idiomatic", "worker", "-l", "warn", "--without-web"),
        f"{FAUST_APP}-panes-changelog",
    ),
    "plain": Contestant(
        f"plain confluent-kafka loop {version('confluent-kafka')}",
        "nothing: a crash forgets all",
        ("tests.bench.plain",),
        "bench.plain.panes",
    ),
}


@dataclass(frozen=True)
class Outcome:
    """How one run went."""

    #: Events a second; None where it could not run, or dropped facts.
    rate: float | None
    #: What was wrong, in words; empty where nothing was.
    fault: str = ""
    #: Events by second of its own processor time, which what else runs on the machine sways less.
    efficiency: float | None = None


def _cpu_s(program: Program) -> float:
    """Tell what processor time a program has taken; 0 where the system does not tell."""
    stat = Path(f"/proc/{program.process.pid}/stat")
    if not stat.is_file():
        return 0.0
    fields = stat.read_text("ascii", "replace").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def time_one(name: str, server: KafkaServer, events: int, wanted: Mapping[str, Pane]) -> Outcome:
    """Run one of them over the topic's events; the topic holds them all."""
    settings = load_settings(server.settings_env())
    contestant = CONTESTANTS[name]
    ours = name == "pulssi"
    reading: JournalReading | PeerReading = JournalReading() if ours else PeerReading()
    all_of_it = events if ours else sum(pane[0] for pane in wanted.values())
    if name == "plain":  # the others make their own
        with admin_client(settings.kafka_brokers, wait_s=STARTS_WITHIN_S) as admin:
            admin.create_topics([NewTopic(contestant.results, settings.partitions, replication_factor=1)])
    watch = Watch(server.bootstrap, contestant.results, reading)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        environment = clean_environment(
            Path(folder),
            **server.settings_env(),
            PULSSI_WORKER_PORT="0",
            BENCH_APP=FAUST_APP,
            BENCH_BROKER=server.bootstrap,
            BENCH_TOPIC=TOPIC,
            BENCH_RESULTS=contestant.results,
            BENCH_PARTITIONS=str(settings.partitions),
            BENCH_FOLDER=folder,
        )
        command = [sys.executable, "-m", *contestant.words]
        try:
            with Program(command, environment) as program:
                program.await_line(job.CONSUMING, STARTS_WITHIN_S)
                began, cpu = time.monotonic(), _cpu_s(program)
                how = watch.until(all_of_it, program.check, at_most_s=AT_MOST_S)
                spent = _cpu_s(program) - cpu
        except AssertionError as error:
            return Outcome(None, str(error))
        finally:
            watch.close()
    through = reading.count() / all_of_it
    rate = events * through / max(watch.changed - began, _INSTANT_S)
    efficiency = events * through / spent if spent else None
    if how == "late":
        told = f"ended after {AT_MOST_S:g} s, with {through:.0%} through, which is its rate here"
        return Outcome(rate, told, efficiency)
    fault = difference(reading.panes(), wanted)
    return Outcome(None, fault) if fault else Outcome(rate, "", efficiency)


def difference(found: Mapping[str, Pane], wanted: Mapping[str, Pane]) -> str:
    """Say in words how two sets of panes differ; empty where they do not."""
    wrong = sorted(name for name in found.keys() | wanted.keys() if found.get(name) != wanted.get(name))
    if not wrong:
        return ""
    lost = sum(pane[0] for pane in wanted.values()) - sum(pane[0] for pane in found.values())
    told = f"{lost:,} facts missing" if lost > 0 else f"{-lost:,} facts too many" if lost else "as many facts"
    first = wrong[0]
    return (
        f"{len(wrong):,} of {len(wanted):,} panes differ, {told} ({first}: {found.get(first)}, not {wanted.get(first)})"
    )
