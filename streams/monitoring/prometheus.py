"""Metrics as Prometheus reads them, written by its own client library.

A part lists its readings where it has the values, each with its name, unit and meaning; nothing here counts.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import SimpleNamespace
from typing import Final, NamedTuple, cast

from prometheus_client import Metric, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.registry import Collector

CONTENT_TYPE: Final = CONTENT_TYPE_PLAIN_0_0_4


class MetricValue(NamedTuple):
    """One value of a metric: its name ends with its unit, that of a counter with `_total`."""

    name: str
    meaning: str
    value: float
    labels: Mapping[str, str] = {}


def render(readings: Iterable[MetricValue]) -> str:
    """Write readings as text, those of one metric together."""
    families: dict[str, Metric] = {}
    for name, meaning, value, labels in readings:
        kind = "counter" if name.endswith("_total") else "gauge"
        family = families.setdefault(name, Metric(name.removesuffix("_total"), meaning, kind))
        family.add_sample(name, dict(labels), value)
    return generate_latest(cast("Collector", SimpleNamespace(collect=families.values))).decode()
