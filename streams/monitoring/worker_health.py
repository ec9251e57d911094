"""How a worker is: readiness, progress and numbers for Prometheus, from its partitions."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

from streams.assignment.assigned_partitions import AssignedPartitions
from streams.monitoring.activities import UNHEALTHY_AFTER_S
from streams.monitoring.health import Health
from streams.monitoring.prometheus import MetricValue, render
from streams.monitoring.watchdog import health_line


def health_of(partitions: AssignedPartitions, now: Callable[[], float] = time.monotonic) -> Health:
    """Make the server that reports how a worker is."""
    return Health(
        ready=lambda: _unready(partitions, now()),
        progress=lambda: _stuck(partitions, now()),
        slow=lambda: health_line(partitions.activities),
        metrics=lambda: render(_readings(partitions)),
    )


def _unready(partitions: AssignedPartitions, now: float) -> str | None:
    if partitions.refused:
        return "; ".join(partitions.refused)
    if partitions.waits is not None:
        return partitions.waits.line(now)
    return None if partitions.ready else "the partitions that this worker is assigned are not all open yet"


def _stuck(partitions: AssignedPartitions, now: float) -> str | None:
    waits = partitions.waits
    if line := health_line(partitions.activities, after_s=UNHEALTHY_AFTER_S):
        return line
    if waits is not None and not waits.opening and now - waits.since > UNHEALTHY_AFTER_S:
        return waits.line(now)
    return partitions.blocked


def _readings(partitions: AssignedPartitions) -> Iterator[MetricValue]:
    for topic, number in partitions.refused_partitions:
        labels = {"topic": topic, "partition": str(number)}
        yield MetricValue("pulssi_worker_refused", "Partitions that wait for `pulssi epoch begin`.", 1, labels)
    for partition in partitions.open_states:
        labels = {"topic": partition.source, "partition": str(partition.number)}
        for name, value, meaning in (
            ("events_total", partition.events, "Records read since the partition was opened."),
            ("dead_letters_total", partition.dead_letters, "Bad records sent to the dead letters."),
            ("conflicts_total", partition.conflicts, "Events that came under an id with other contents."),
            ("strays_total", partition.strays, "Records sent on to the partition of their key."),
            ("evicted_total", partition.evictions, "Contacts forgotten for their age."),
            ("revived_total", partition.revivals, "Evicted contacts found again in ClickHouse."),
            ("supplements_total", partition.supplemented, "Changes of panes that were evicted."),
            ("parked_total", partition.waits, "Evicted contacts that had to wait for ClickHouse."),
            ("parked", len(partition.parked), "Contacts whose events wait for ClickHouse."),
            ("contacts", len(partition.contacts), "Contacts in memory."),
            ("agents", len(partition.agents), "Agents in memory."),
            ("panes", len(partition.panes), "Panes in memory."),
            ("next_offset", partition.head.next, "Next source offset to be counted."),
        ):
            yield MetricValue(f"pulssi_worker_{name}", meaning, value, labels)
