"""What happens to an installation while records flow: each a plain function, in a list with how often it comes."""

import random
import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

from schemas.topics import CONTACTS
from tests.chaos.feed import Feed
from tests.chaos.installation import Installation

#: Longer than a worker's session: another has its partitions when it wakes up.
PAUSE_S: Final = 9.0
#: How often the next thing happens to workers that are at work again; else they may be opening their partitions.
AT_WORK: Final = 0.8


@dataclass(frozen=True)
class Scene:
    """What a disturbance may touch, and the slice of the records that flow meanwhile."""

    installation: Installation
    feed: Feed
    rng: random.Random
    slice_ends: int
    #: How long ClickHouse is away.
    away_s: float


@dataclass(frozen=True)
class Disturbance:
    """Something that happens, `weight` slices long; `late`: in the second half, when much is to be found again."""

    name: str
    do: Callable[[Scene], None]
    weight: int = 1
    late: bool = False


def _end_worker(scene: Scene, by: signal.Signals) -> None:
    worker = scene.rng.choice(scene.installation.workers)
    worker.end(by)
    worker.start()
    if scene.rng.random() < AT_WORK:
        scene.installation.await_ready(worker)


def _pause(scene: Scene) -> None:
    worker = scene.rng.choice(scene.installation.workers)
    worker.send(signal.SIGSTOP)
    time.sleep(PAUSE_S)
    worker.send(signal.SIGCONT)


def _kill_broker(scene: Scene) -> None:
    scene.installation.kafka.kill()
    scene.installation.kafka.start()


def _without_clickhouse(scene: Scene, by: signal.Signals) -> None:
    installation = scene.installation
    assert installation.clickhouse is not None
    installation.clickhouse.end(by)
    installation.clickhouse = None
    time.sleep(scene.away_s)
    scene.feed.until(scene.slice_ends)
    installation.start_clickhouse()


def _kill_sink(scene: Scene) -> None:
    scene.installation.sink.end(signal.SIGKILL)
    scene.installation.sink.start()


def _sink_away(scene: Scene) -> None:
    """Keep the sink away until the slice is through: longer than the horizons, in time of events."""
    scene.installation.sink.end(signal.SIGTERM)
    scene.feed.until(scene.slice_ends)
    scene.installation.sink.start()


def _recreate_topic(scene: Scene) -> None:
    """Delete a source topic, and make it again, when all of it was kept; the operator begins an epoch."""
    scene.feed.until(scene.slice_ends)
    scene.feed.flush()
    scene.installation.pulssi("drain", "--timeout", "240", within_s=300)
    scene.installation.recreate_topic(CONTACTS["call"])
    scene.installation.pulssi("epoch", "begin", CONTACTS["call"], "--yes", within_s=120)
    scene.feed.reconnect()


def ordered(disturbances: Sequence[Disturbance], rng: random.Random) -> list[Disturbance]:
    """Put them in an order that is drawn."""
    found = [each for each in disturbances if not each.late]
    rng.shuffle(found)
    for each in disturbances:
        if each.late:
            found.insert(rng.randint(len(found) // 2 + 1, len(found)), each)
    return found


KILLED: Final = Disturbance("worker killed", partial(_end_worker, by=signal.SIGKILL))
STOPPED: Final = Disturbance("worker told to stop", partial(_end_worker, by=signal.SIGTERM))
PAUSED: Final = Disturbance("worker paused past its session", _pause, weight=2)
BROKER_KILLED: Final = Disturbance("broker killed and started again", _kill_broker, weight=2)
CLICKHOUSE_AWAY: Final = Disturbance(
    "ClickHouse stopped for a while", partial(_without_clickhouse, by=signal.SIGTERM), weight=3, late=True
)
CLICKHOUSE_KILLED: Final = Disturbance(
    "ClickHouse killed for a while", partial(_without_clickhouse, by=signal.SIGKILL), weight=3, late=True
)
SINK_KILLED: Final = Disturbance("sink killed", _kill_sink)
SINK_AWAY: Final = Disturbance("sink away past the horizons", _sink_away, weight=4)
TOPIC_RECREATED: Final = Disturbance("source topic recreated", _recreate_topic)

LONG: Final = (
    *(*[KILLED] * 10, *[STOPPED] * 5, *[PAUSED] * 3, BROKER_KILLED, CLICKHOUSE_AWAY, CLICKHOUSE_KILLED),
    *(*[SINK_KILLED] * 2, SINK_AWAY, TOPIC_RECREATED),
)
SHORT: Final = (*[KILLED] * 3, *[STOPPED] * 2, CLICKHOUSE_AWAY, SINK_AWAY, PAUSED, BROKER_KILLED, TOPIC_RECREATED)
