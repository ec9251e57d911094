"""A worker's health server: readiness, progress and Prometheus metrics, from its partitions."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from schemas import metric_definitions as declared
from schemas.topics import SourcePartition
from streams.assignment.assigned_partitions import AssignedPartitions
from streams.configuration.reloading import refusal_notice
from streams.monitoring.activities import UNHEALTHY_AFTER_S
from streams.monitoring.health import Health
from streams.monitoring.prometheus import MetricValue, histogram, render
from streams.monitoring.watchdog import health_line


class BatchMetrics:
    """What a worker measures of each batch that it has committed."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic, now: Callable[[], float] = time.time) -> None:
        self._monotonic = monotonic
        self._now = now
        self._latency = histogram(declared.WORKER_STEP_LATENCY)
        self._freshness = histogram(declared.WORKER_FRESHNESS)
        self._records = histogram(declared.WORKER_BATCH_RECORDS)
        self._lag = histogram(declared.WORKER_BATCH_LAG)
        self.histograms = (self._latency, self._freshness, self._records, self._lag)
        #: Of each partition's last batch.
        self.lags: dict[SourcePartition, int] = {}

    def committed(self, partition: SourcePartition, records: Sequence[Any], fetched_at: float, log_end: int) -> None:
        """Note a batch that was fetched at `fetched_at`, by the monotonic clock, when the log ended at `log_end`."""
        topic, _ = partition
        lag = self.lags[partition] = max(0, log_end - records[-1].offset - 1)
        self._latency.labels(topic).observe(self._monotonic() - fetched_at)
        # A producer's clock may be ahead; negative values would break the sum.
        self._freshness.labels(topic).observe(max(0.0, self._now() - records[0].timestamp / 1000))
        self._records.labels(topic).observe(len(records))
        self._lag.labels(topic).observe(lag)


def worker_health_server(
    partitions: AssignedPartitions,
    batch_metrics: BatchMetrics,
    now: Callable[[], float] = time.monotonic,
    refused: Callable[[], bool] = lambda: False,
) -> Health:
    """Make a worker's health server; `refused` tells whether its changed configuration is refused."""
    return Health(
        ready=lambda: _unready(partitions, now()),
        started=lambda: _unstarted(partitions, now()),
        progress=lambda: _stuck(partitions, now()),
        stuck=lambda: _hung(partitions),
        slow=lambda: health_line(partitions.activities),
        notice=lambda: refusal_notice(refused=refused()),
        metrics=lambda: render(
            _metric_values(partitions, batch_metrics.lags, refused=refused()), batch_metrics.histograms
        ),
    )


def _unready(partitions: AssignedPartitions, now: float) -> str | None:
    if partitions.refusals:
        return "; ".join(partitions.refusals)
    return _unstarted(partitions, now)


def _unstarted(partitions: AssignedPartitions, now: float) -> str | None:
    """Say why a worker has not opened all that it may; refused partitions wait for an operator, not for it."""
    if unanswered := partitions.topics.kafka.unready():
        return unanswered
    if wait := partitions.shared.longest_wait:
        return wait.line(now)
    return None if partitions.started else "the partitions that this worker is assigned are not all open yet"


def _hung(partitions: AssignedPartitions) -> str | None:
    """Tell what a restart would end; it ends no wait for ClickHouse, and unblocks no partition."""
    return health_line(partitions.activities, after_s=UNHEALTHY_AFTER_S)


def _stuck(partitions: AssignedPartitions, now: float) -> str | None:
    wait = partitions.shared.longest_wait
    if line := _hung(partitions):
        return line
    if wait and not wait.opening and now - wait.since > UNHEALTHY_AFTER_S:
        return wait.line(now)
    return partitions.blocked


def _metric_values(
    partitions: AssignedPartitions, lags: Mapping[SourcePartition, int], *, refused: bool
) -> Iterator[MetricValue]:
    yield MetricValue(declared.WORKER_CONFIGURATION_REFUSED, refused)
    for (topic, number), current in partitions.waiting_reasons.items():
        for reason in declared.HELD_BY:
            yield MetricValue(declared.WORKER_WAITING, current == reason, (topic, str(number), reason))
    for topic, number in partitions.refused_partitions:
        yield MetricValue(declared.WORKER_REFUSED, 1, (topic, str(number)))
    for partition in partitions.open_states:
        labels = partition.source, str(partition.number)
        if (lag := lags.get((partition.source, partition.number))) is not None:
            yield MetricValue(declared.WORKER_LAG, lag, labels)
        for metric, value in (
            (declared.WORKER_RECORDS, partition.events),
            (declared.WORKER_DEAD_LETTERS, partition.dead_letters),
            (declared.WORKER_CONFLICTS, partition.conflicts),
            (declared.WORKER_STRAYS, partition.strays),
            (declared.WORKER_EVICTED, partition.evictions),
            (declared.WORKER_REVIVED, partition.revivals),
            (declared.WORKER_SUPPLEMENTS, partition.supplemented),
            (declared.WORKER_PARKED, partition.waits),
            (declared.WORKER_PARKED_CONTACTS, len(partition.parked)),
            (declared.WORKER_CONTACTS, len(partition.contacts)),
            (declared.WORKER_AGENTS, len(partition.agents)),
            (declared.WORKER_PANES, len(partition.panes)),
            (declared.WORKER_NEXT_OFFSET, partition.head.next),
            (declared.WORKER_REFUSED, 0),
        ):
            yield MetricValue(metric, value, labels)
