"""The sink's health: what it counts for Prometheus, whether it is ready, and whether it is stuck."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Final

from schemas import metric_definitions as declared
from schemas.topics import SourcePartition
from sinks.pending_batch import Position
from sinks.store_protocol import Batch
from streams.monitoring.activities import Activities
from streams.monitoring.health import Health
from streams.monitoring.outage import Outage
from streams.monitoring.prometheus import MetricValue, histogram, render
from streams.monitoring.watchdog import health_line

#: Longer than any single insert or fetch: after so long without a sign of life the process is stuck.
STUCK_AFTER_S: Final = 180.0


class SinkHealth:
    """Counters, signs of life, and what the sink is waiting for."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic, now: Callable[[], float] = time.time) -> None:
        self._monotonic = monotonic
        self.activities = Activities(monotonic)
        self.kafka = Outage("Kafka", monotonic)
        self._now = now
        self._beat = monotonic()
        self._rows = Counter[str]()
        self._batches = 0
        self._failures = 0
        self._positions: dict[SourcePartition, Position] = {}
        self._written_at = 0.0
        self._freshness = histogram(declared.SINK_FRESHNESS)
        self._durations = histogram(declared.SINK_INSERT_DURATION)
        self._insert_rows = histogram(declared.SINK_INSERT_ROWS)
        self.pending_bytes = 0
        #: Partitions of which nothing more is written, with the reason.
        self.held: dict[SourcePartition, str] = {}
        #: Why the sink is not ready; None once it is.
        self.waiting_for: str | None = "the sink is starting"

    def beat(self) -> None:
        """Give a sign of life."""
        self._beat = self._monotonic()

    def note_failure(self, why: str) -> None:
        """Note a write that failed and will be tried again."""
        self._failures += 1
        self.waiting_for = why
        self.beat()

    def note_insert(self, batch: Batch, seconds: float) -> None:
        """Note what was written, and how long that took."""
        self._rows.update(batch.counts())
        self._durations.observe(seconds)
        self._insert_rows.observe(len(batch))
        self.beat()

    def note_batch(self, positions: dict[SourcePartition, Position], oldest: Mapping[str, int]) -> None:
        """Note a finished batch and how far the partitions are; `oldest` has the time of a record by topic, UTC ms."""
        self._batches += 1
        self._positions.update(positions)
        self._written_at = self._now()
        for topic, at_ms in oldest.items():  # a producer's clock may be ahead
            self._freshness.labels(topic).observe(max(0.0, self._written_at - at_ms / 1000))
        self.beat()

    def server(self) -> Health:
        """Make the server that answers health checks and Prometheus."""
        histograms = self._freshness, self._durations, self._insert_rows
        return Health(
            ready=self._unready,
            started=self._unstarted,
            progress=self._stuck,
            metrics=lambda: render(self._readings(), histograms),
            slow=lambda: health_line(self.activities),
        )

    def _unready(self) -> str | None:
        return "; ".join(self.held.values()) or self._unstarted()

    def _unstarted(self) -> str | None:
        """Say why the sink does not write what it may; held partitions wait for another version, not for it."""
        return self.kafka.unready() or health_line(self.activities) or self.waiting_for

    def _stuck(self) -> str | None:
        still = self._monotonic() - self._beat
        where = health_line(self.activities)
        return f"no progress for {still:.0f} s{f'; {where}' if where else ''}" if still > STUCK_AFTER_S else None

    def _readings(self) -> Iterator[MetricValue]:
        yield MetricValue(declared.SINK_BATCHES, self._batches)
        yield MetricValue(declared.SINK_WRITE_FAILURES, self._failures)
        yield MetricValue(declared.SINK_PENDING_BYTES, self.pending_bytes)
        yield MetricValue(declared.SINK_LAST_WRITE, self._written_at)
        for topic, partition in self._positions.keys() | self.held.keys():
            yield MetricValue(declared.SINK_HELD, int((topic, partition) in self.held), (topic, str(partition)))
        for table, n in self._rows.items():
            yield MetricValue(declared.SINK_ROWS, n, (table,))
        for (topic, partition), (head, _) in self._positions.items():
            labels = topic, str(partition)
            yield MetricValue(declared.SINK_NEXT_OFFSET, head.next, labels)
            yield MetricValue(declared.SINK_STEP, head.step, labels)
