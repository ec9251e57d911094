"""Metrics as Prometheus reads them: each name with its unit and meaning once, rendered as text.

Every part lists its metrics as `Metric` constants in one place; nothing here knows them, or counts.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final, Literal, NamedTuple

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"


class Metric(NamedTuple):
    """A metric's name, with its unit at the end as Prometheus has it, and its meaning in one line."""

    name: str
    kind: Literal["counter", "gauge"]
    meaning: str


class Reading(NamedTuple):
    """One value of a metric."""

    metric: Metric
    value: float
    labels: Mapping[str, str] = {}


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _line(reading: Reading) -> str:
    pairs = ",".join(f'{name}="{_escaped(value)}"' for name, value in reading.labels.items())
    labels = f"{{{pairs}}}" if pairs else ""
    return f"{reading.metric.name}{labels} {reading.value:.17g}"


def render(readings: Iterable[Reading]) -> str:
    """Write readings as text, those of one metric together under its meaning."""
    by_metric: dict[Metric, list[str]] = {}
    for reading in readings:
        by_metric.setdefault(reading.metric, []).append(_line(reading))
    lines = []
    for metric, values in by_metric.items():
        lines += [f"# HELP {metric.name} {metric.meaning}", f"# TYPE {metric.name} {metric.kind}", *values]
    return "\n".join(lines) + "\n" if lines else ""
