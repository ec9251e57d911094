"""How the sink is: what it counts, and what it tells of it."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Final

from schemas.topics import SourcePartition
from sinks.batching import Reached
from sinks.port import Batch
from streams.monitoring.activities import Activities
from streams.monitoring.health import Health
from streams.monitoring.prometheus import MetricValue, render
from streams.monitoring.watchdog import health_line

#: Longer than any one insert or fetch may take: without a sign of life for so long, the process is stuck.
STUCK_AFTER_S: Final = 180.0


class SinkHealth:
    """Counts, signs of life, and the one thing that is waited for, if any."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic, now: Callable[[], float] = time.time) -> None:
        self._monotonic = monotonic
        self.activities = Activities(monotonic)
        self._now = now
        self._beat = monotonic()
        self._rows = Counter[str]()
        self._batches = 0
        self._failures = 0
        self._reached: dict[SourcePartition, Reached] = {}
        self._written_at = 0.0
        self.pending_bytes = 0
        #: Partitions of which nothing more is written, and why.
        self.held: dict[SourcePartition, str] = {}
        #: Why the sink is not ready; None once it is.
        self.waiting_for: str | None = "the sink is starting"

    def beat(self) -> None:
        """Give a sign of life."""
        self._beat = self._monotonic()

    def failed(self, why: str) -> None:
        """Note a write that failed and will be tried again."""
        self._failures += 1
        self.waiting_for = why
        self.beat()

    def wrote(self, batch: Batch) -> None:
        """Note what was written."""
        self._rows.update(batch.counts())
        self.beat()

    def reached(self, reached: dict[SourcePartition, Reached]) -> None:
        """Note a finished batch and how far the partitions are."""
        self._batches += 1
        self._reached.update(reached)
        self._written_at = self._now()
        self.beat()

    def health(self) -> Health:
        """Make the server that tells."""
        return Health(
            ready=self._unready,
            progress=self._stuck,
            metrics=lambda: render(self._readings()),
            slow=lambda: health_line(self.activities),
        )

    def _unready(self) -> str | None:
        return "; ".join(self.held.values()) or self.waiting_for

    def _stuck(self) -> str | None:
        still = self._monotonic() - self._beat
        where = health_line(self.activities)
        return f"no progress for {still:.0f} s{f'; {where}' if where else ''}" if still > STUCK_AFTER_S else None

    def _readings(self) -> Iterator[MetricValue]:
        yield MetricValue("pulssi_sink_batches_total", "Batches written.", self._batches)
        yield MetricValue(
            "pulssi_sink_write_failures_total", "Writes that failed and were tried again.", self._failures
        )
        pending = "Bytes read from the journals and not yet written."
        yield MetricValue("pulssi_sink_pending_bytes", pending, self.pending_bytes)
        written = "When a batch was last written."
        yield MetricValue("pulssi_sink_last_write_timestamp_seconds", written, self._written_at)
        for topic, partition in self.held:
            labels = {"topic": topic, "partition": str(partition)}
            held = "1 while an event that a worker counted cannot be read: nothing more of the partition is written."
            yield MetricValue("pulssi_sink_held", held, 1, labels)
        for table, n in self._rows.items():
            yield MetricValue("pulssi_sink_rows_total", "Rows written, by table.", n, {"table": table})
        for (topic, partition), (head, _) in self._reached.items():
            labels = {"topic": topic, "partition": str(partition)}
            reached = "First source offset that is not in ClickHouse yet."
            yield MetricValue("pulssi_sink_next_offset", reached, head.next, labels)
            step = "Last step of the partition that is in ClickHouse."
            yield MetricValue("pulssi_sink_step", step, head.step, labels)
