"""What the checks have in common: counts, percentiles and levels of the oracle's rows."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any, TypeVar

import pytest

from tests.oracle.derived import service_levels
from tests.oracle.rows import Row

K = TypeVar("K")
Key = Callable[[Row], K]

#: Lines of a graph at most.
LINES = 8


def place(row: Row) -> tuple[str, str]:
    """Return a row's channel and queue."""
    return row.channel, row.queue


def line(row: Row) -> str:
    """Name the line of a row where lines are queues."""
    return f"{row.channel} · {row.queue}"


def only(rows: Iterable[Row], *samples: str) -> list[Row]:
    """Keep the rows of some samples."""
    return [row for row in rows if row.sample in samples]


def counts(rows: Iterable[Row], sample: str, key: Key[K]) -> Counter[K]:
    """Count the rows of a sample."""
    return Counter(key(row) for row in only(rows, sample))


def groups(rows: Iterable[Row], key: Key[K]) -> dict[K, list[Row]]:
    """Group rows by a key."""
    found: dict[K, list[Row]] = defaultdict(list)
    for row in rows:
        found[key(row)].append(row)
    return found


def seconds(rows: Iterable[Row], sample: str) -> list[float]:
    """Give the durations of a sample in order."""
    return sorted((row.value_ms or 0) / 1_000 for row in only(rows, sample))


def mean(values: list[float]) -> float | None:
    """Give the mean; None of nothing."""
    return sum(values) / len(values) if values else None


def share(part: float, whole: float) -> float | None:
    """Give a share; None of nothing."""
    return part / whole if whole else None


def percentile(values: list[float], q: float) -> object:
    """Give the value of rank ⌈qn⌉ of values in order, as within 1 %; None of nothing."""
    if not values:
        return None
    rank = max(1, -int(-(q * len(values) - 1e-9) // 1))
    return pytest.approx(values[rank - 1], rel=0.01)


def about(value: float | None) -> object:
    """Compare but for rounding."""
    return None if value is None else pytest.approx(value)


def level(rows: Iterable[Row]) -> float | None:
    """Give the service level by the default formula."""
    return service_levels(only(rows, "first_response", "abandoned"))["short_excluded"]


def at(time: datetime) -> int:
    """Give a time of an answer in UTC milliseconds."""
    return round(time.replace(tzinfo=UTC).timestamp() * 1_000)


def hour(row: Row) -> int:
    """Say when the hour of a row begins, in zones that are whole hours from UTC."""
    return row.at - row.at % 3_600_000


def largest(weights: Counter[str]) -> set[str]:
    """Name those with most, as many as a graph has lines."""
    return {name for name, _ in sorted(weights.items(), key=lambda each: (-each[1], each[0]))[:LINES]}


def worst_first(values: list[Any]) -> bool:
    """Tell whether the smallest come first, and what is not known last."""
    known = [value for value in values if value is not None]
    return values == sorted(known) + [None] * (len(values) - len(known))
