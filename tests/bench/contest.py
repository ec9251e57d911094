"""Who is measured, and how one of them is timed: the same records, the same broker, the same rule.

The clock starts when the first record reaches a program's own code, and stops when a reader of what is committed has
seen the last result.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from kafka.admin import NewTopic

from schemas.settings import Settings, load
from schemas.topics import CONTACTS, journal_of
from streams.brokers import admin_client
from tests.bench import environments, job
from tests.bench.job import Pane
from tests.bench.program import EndedError, Program
from tests.bench.results import JournalReading, PeerReading, Watch
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

    name: str
    #: What it is called in the table.
    title: str
    #: The package whose version is told, locked in `peers/<name>.txt`; empty for what runs in our own environment.
    package: str
    #: What it keeps, as set up here.
    keeps: str


CONTESTANTS: Final = (
    Contestant("pulssi", "Pulssi worker", "", "every step in a Kafka transaction; exactly once"),
    Contestant("faust", "idiomatic Faust", "", "tables with changelog topics; at least once"),
    Contestant("quixstreams", "Quix Streams", "quixstreams", "RocksDB, changelog topics; at least once"),
    Contestant("bytewax", "Bytewax", "bytewax", "snapshot to a folder each second; at least once"),
    Contestant("pathway", "Pathway", "pathway", "snapshot to a folder each second; at least once"),
    Contestant("plain", "plain confluent-kafka loop", "confluent-kafka", "nothing: a crash forgets all"),
)
NAMES: Final = tuple(each.name for each in CONTESTANTS)


@dataclass(frozen=True)
class Outcome:
    """How one run went."""

    #: Events a second; None where it could not run, or dropped facts.
    rate: float | None
    #: What was wrong, in words; empty where nothing was.
    fault: str = ""
    #: Events by second of its own processor time, which what else runs on the machine sways less.
    efficiency: float | None = None


def _results_topic(name: str) -> str:
    if name == "pulssi":
        return journal_of(TOPIC)
    return f"{FAUST_APP}-panes-changelog" if name == "faust" else f"bench.{name}.panes"


def _program(name: str, server: KafkaServer, settings: Settings, folder: Path) -> Program:
    log = folder / f"{name}.log"
    if name == "pulssi":
        environment = {**server.settings_env(), "PULSSI_WORKER_PORT": "0"}
        return Program([sys.executable, "-m", "tests.bench.ours"], environment, log, job.CONSUMING)
    state = folder / name
    state.mkdir()
    environment = {
        "BENCH_APP": FAUST_APP,
        "BENCH_BROKER": server.bootstrap,
        "BENCH_TOPIC": TOPIC,
        "BENCH_RESULTS": _results_topic(name),
        "BENCH_PARTITIONS": str(settings.partitions),
        "BENCH_FOLDER": str(state),
    }
    if name == "faust":
        command = [sys.executable, "-m", "tests.bench.idiomatic", "worker", "-l", "warn", "--without-web"]
    else:
        command = [str(environments.make(name)), "-m", f"tests.bench.peers.{name}"]
    return Program(command, environment, log, job.CONSUMING)


def _make_topic(settings: Settings, topic: str) -> None:
    with admin_client(settings.kafka_brokers, wait_s=STARTS_WITHIN_S) as admin:
        admin.create_topics([NewTopic(topic, num_partitions=settings.partitions, replication_factor=1)])


def time_one(name: str, server: KafkaServer, events: int, wanted: Mapping[str, Pane]) -> Outcome:
    """Run one of them over the topic's events; the topic holds them all."""
    settings = load(server.settings_env())
    ours = name == "pulssi"
    reading: JournalReading | PeerReading = JournalReading() if ours else PeerReading()
    watch = Watch(server.bootstrap, _results_topic(name), reading)
    try:
        if not ours and name != "faust":  # those two make their own
            _make_topic(settings, _results_topic(name))
        with (
            tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder,
            _program(name, server, settings, Path(folder)) as program,
        ):
            program.wait(STARTS_WITHIN_S)
            facts = sum(pane[0] for pane in wanted.values())
            all_of_it = events if ours else facts
            how = watch.until(all_of_it, program.check, at_most_s=AT_MOST_S)
            through = reading.count() / all_of_it
            rate = events * through / max(watch.changed - program.began, _INSTANT_S)
            spent = program.spent_s()
            efficiency = events * through / spent if spent else None
    except (EndedError, environments.UnavailableError) as error:
        return Outcome(None, str(error))
    finally:
        watch.close()
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
