"""Metrics as Prometheus reads them, written by its own client library.

A part lists the values of its counters and gauges; the library keeps histograms. Both follow their declarations.
"""

from collections.abc import Iterable
from types import SimpleNamespace
from typing import Final, NamedTuple, cast

from prometheus_client import Histogram, Metric, disable_created_metrics, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.registry import Collector

from schemas.metric_definitions import MetricDefinition

CONTENT_TYPE: Final = CONTENT_TYPE_PLAIN_0_0_4

disable_created_metrics()  # type: ignore[no-untyped-call]  # the library's; else each histogram has a series more


class MetricValue(NamedTuple):
    """One value of a counter or gauge; `labels` holds the labels' values in the order of the declaration."""

    metric: MetricDefinition
    value: float
    labels: tuple[str, ...] = ()


def histogram(metric: MetricDefinition) -> Histogram:
    """Make a histogram that belongs to one part, and not to the process."""
    return Histogram(metric.name, metric.help, metric.labels, buckets=metric.buckets, registry=None)


def render(values: Iterable[MetricValue], histograms: Iterable[Histogram] = ()) -> str:
    """Write values and histograms as Prometheus text, those of one metric together."""
    families: dict[str, Metric] = {}
    for metric, value, labels in values:
        family = Metric(metric.name.removesuffix("_total"), metric.help, metric.kind)
        family = families.setdefault(metric.name, family)
        family.add_sample(metric.name, dict(zip(metric.labels, labels, strict=True)), value)
    collected = [*families.values(), *(family for each in histograms for family in each.collect())]
    return generate_latest(cast("Collector", SimpleNamespace(collect=lambda: collected))).decode()
