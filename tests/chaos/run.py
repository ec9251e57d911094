"""One chaos run: records flow, things happen one after the other, then all is drained and compared."""

import random
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from schemas import metric_definitions as declared
from schemas.exits import Exit
from tests.chaos.counter_totals import CounterTotals
from tests.chaos.disturbances import LONG, SHORT, Disturbance, Scene, ordered
from tests.chaos.feed import Feed
from tests.chaos.installation import Installation
from tests.chaos.records import MINUTE_MS, arriving
from tests.chaos.verdict import dead_letter_faults, differences
from tests.kafka.server import KafkaServer
from tests.oracle.centre import Centre
from tests.streams.flow import simulated

DRAINED_WITHIN_S: Final = 300.0
#: How a worker may end: killed, told to before it listens, told to, and by itself where its producer did not stop.
ENDS: Final = {-signal.SIGKILL, -signal.SIGTERM, 0, Exit.STUCK}


@dataclass(frozen=True)
class Scenario:
    """How much, how fast, and what happens."""

    events: int
    seed: int
    #: Simulated events a second of their own time; the horizons below are in that time.
    rate: float
    per_second: float
    late_ms: int
    horizons: str
    disturbances: Sequence[Disturbance]
    #: How long ClickHouse is away.
    away_s: float


def long(events: int = 200_000, seed: int = 5) -> Scenario:
    """Hours of a busy centre, in ten minutes or so."""
    horizons = 'call = "10m"\nchat = "10m"\nemail = "30m"'
    return Scenario(events, seed, 8.0, 900.0, 180 * MINUTE_MS, horizons, LONG, away_s=60.0)


def short(events: int = 20_000, seed: int = 5) -> Scenario:
    """An hour and a half of a small centre, in a minute: for every change."""
    horizons = 'call = "4m"\nchat = "4m"\nemail = "10m"'
    return Scenario(events, seed, 4.0, 500.0, 40 * MINUTE_MS, horizons, SHORT, away_s=6.0)


@dataclass
class Outcome:
    """What was done, how often what came of it, and what is wrong in the end."""

    done: Counter[str] = field(default_factory=Counter)
    counted: dict[str, int] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)


def chaos(kafka: KafkaServer, scenario: Scenario, folder: Path, say: Callable[[str], None] = print) -> Outcome:
    """Run a course on a broker; the outcome's faults are empty where all is as it should be."""
    rng = random.Random(scenario.seed)  # noqa: S311 - nothing secret
    events = simulated(scenario.events, scenario.rate, scenario.seed)
    records = arriving(events, scenario.seed, scenario.late_ms)
    order = ordered(scenario.disturbances, rng)
    outcome, began = Outcome(), time.monotonic()
    centre = f"[horizons]\n{scenario.horizons}\n"
    with Installation(kafka, folder, workers=2, centre=centre) as installation:
        feed = Feed(installation.settings, records, scenario.per_second)
        totals = CounterTotals(installation.urls)
        totals.start()
        installation.await_ready(*installation.workers)
        feed.start()
        try:
            for scene, disturbance in _scenes(installation, feed, rng, order, len(records), scenario.away_s):
                say(f"{time.monotonic() - began:6.1f} s  {feed.sent:>7,} of {len(records):,}  {disturbance.name}")
                disturbance.do(scene)
                outcome.done[disturbance.name] += 1
                installation.check()
            feed.allow(len(records))
            feed.until(len(records))
            feed.flush()
            say(f"{time.monotonic() - began:6.1f} s  all is produced; draining")
            installation.pulssi("drain", "--timeout", f"{DRAINED_WITHIN_S:g}", within_s=DRAINED_WITHIN_S + 60)
        finally:
            feed.stop()
            totals.stop()
        say(f"{time.monotonic() - began:6.1f} s  drained; comparing")
        for view, differing in differences(installation.rows, (events, Centre({"centre": centre}))).items():
            outcome.faults += [f"{view}: {line}" for line in differing]
        repeated, wrong = dead_letter_faults(installation, feed)
        outcome.faults += wrong
        for part in (*installation.workers, installation.sink):
            if not set(part.ended) <= ENDS:
                outcome.faults.append(f"{part.name} ended with {part.ended}")
        outcome.counted = _counted(installation, feed, totals, len(events), repeated)
        try:
            installation.pulssi("reconcile")
        except AssertionError as error:
            outcome.faults += str(error).splitlines()
    outcome.counted["seconds"] = round(time.monotonic() - began)
    return outcome


def _scenes(
    installation: Installation,
    feed: Feed,
    rng: random.Random,
    order: Sequence[Disturbance],
    records: int,
    away_s: float,
) -> Iterator[tuple[Scene, Disturbance]]:
    """Let a slice of the records flow for each disturbance, and come to it at a random moment of that slice."""
    parts = 2 + sum(each.weight for each in order)
    at = 1
    for disturbance in order:
        begins, ends = at * records // parts, (at + disturbance.weight) * records // parts
        feed.allow(ends)
        feed.until(rng.randint(begins, begins + (ends - begins) // (2 if disturbance.weight > 1 else 1)))
        yield Scene(installation, feed, rng, ends, away_s), disturbance
        at += disturbance.weight


def _counted(
    installation: Installation, feed: Feed, totals: CounterTotals, events: int, repeated: int
) -> dict[str, int]:
    supplements = installation.rows("SELECT count() FROM panes_rows FINAL WHERE supplement != ''")
    epochs = installation.rows("SELECT max(epoch) FROM progress")
    return {
        "events": events,
        "records produced": feed.sent,
        "bad records": len(feed.bad),
        "dead letters that came twice": repeated,
        "records into a wrong partition": feed.strays,
        "epochs": int(epochs[0][0]),
        "contacts evicted, at least": totals.seen[declared.WORKER_EVICTED.name],
        "contacts revived, at least": totals.seen[declared.WORKER_REVIVED.name],
        "contacts parked, at least": totals.seen[declared.WORKER_PARKED.name],
        "changes of evicted panes, at least": totals.seen[declared.WORKER_SUPPLEMENTS.name],
        "supplement rows in ClickHouse": int(supplements[0][0]),
        "ends of workers by themselves": sum(part.ended.count(Exit.STUCK) for part in installation.workers),
    }
