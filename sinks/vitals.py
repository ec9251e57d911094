"""How the sink is: what it counts, and what it tells of it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Final

from sinks.pending import Place, Reached
from sinks.port import Batch
from streams.exposition import Metric, Reading, render
from streams.health import Health

#: Longer than any one insert or fetch may take: without a sign of life for so long, the process is stuck.
STUCK_AFTER_S: Final = 180.0

ROWS: Final = Metric("pulssi_sink_rows_total", "counter", "Rows written, by table.")
BATCHES: Final = Metric("pulssi_sink_batches_total", "counter", "Batches written.")
FAILURES: Final = Metric("pulssi_sink_write_failures_total", "counter", "Writes that failed and were tried again.")
NEXT: Final = Metric("pulssi_sink_next_offset", "gauge", "First source offset that is not in ClickHouse yet.")
STEP: Final = Metric("pulssi_sink_step", "gauge", "Last step of the partition that is in ClickHouse.")
PENDING: Final = Metric("pulssi_sink_pending_bytes", "gauge", "Bytes read from the journals and not yet written.")
WRITTEN_AT: Final = Metric("pulssi_sink_last_write_timestamp_seconds", "gauge", "When a batch was last written.")


class Vitals:
    """Counts, signs of life, and the one thing that is waited for, if any."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic, now: Callable[[], float] = time.time) -> None:
        self._monotonic = monotonic
        self._now = now
        self._beat = monotonic()
        self._rows: dict[str, int] = {}
        self._batches = 0
        self._failures = 0
        self._reached: dict[Place, Reached] = {}
        self._written_at = 0.0
        self.pending_bytes = 0
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
        counts = {
            "events": len(batch.events),
            "panes": len(batch.panes),
            "tag_panes": len(batch.tag_panes),
            "samples": len(batch.samples),
            "contacts": len(batch.contacts),
        }
        for table, n in counts.items():
            self._rows[table] = self._rows.get(table, 0) + n
        self.beat()

    def reached(self, reached: dict[Place, Reached]) -> None:
        """Note a finished batch and how far the partitions are."""
        self._batches += 1
        self._reached.update(reached)
        self._written_at = self._now()
        self.beat()

    def health(self) -> Health:
        """Make the server that tells."""
        return Health(ready=lambda: self.waiting_for, progress=self._stuck, metrics=lambda: render(self._readings()))

    def _stuck(self) -> str | None:
        still = self._monotonic() - self._beat
        return f"no progress for {still:.0f} s" if still > STUCK_AFTER_S else None

    def _readings(self) -> Iterator[Reading]:
        yield Reading(BATCHES, self._batches)
        yield Reading(FAILURES, self._failures)
        yield Reading(PENDING, self.pending_bytes)
        yield Reading(WRITTEN_AT, self._written_at)
        for table, n in self._rows.items():
            yield Reading(ROWS, n, {"table": table})
        for (topic, partition), (head, _) in self._reached.items():
            labels = {"topic": topic, "partition": str(partition)}
            yield Reading(NEXT, head.next, labels)
            yield Reading(STEP, head.step, labels)
