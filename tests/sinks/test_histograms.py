"""Histograms in ClickHouse: every bucket stands for what it does in the stream, and every quantile is the stream's."""

import math
import random
from collections import Counter
from collections.abc import Mapping
from typing import Final

import pytest
from clickhouse_connect.driver.client import Client

from streams.core.histogram import ACCURACY, GAMMA, bucket, estimate, merge, quantile

#: Buckets up to that of 2^53.
BUCKETS: Final = bucket(2**53) + 1
SHARES: Final = (0.0, 0.01, 1 / 3, 0.5, 0.55, 0.8, 0.9, 0.95, 0.99, 1.0)
GROUPS: Final = 120
#: ClickHouse's pow and Python's may differ in the last bits.
NEAR: Final = 1e-12


def _map(histogram: Mapping[int, int]) -> str:
    return "map(" + ", ".join(f"{b}, {n}" for b, n in histogram.items()) + ")"


def _durations(draws: random.Random) -> list[int]:
    """Draw durations: of all lengths, at the borders of buckets, and nothing at all."""
    found = []
    for _ in range(draws.randint(1, 60)):
        border = math.floor(GAMMA ** draws.randint(0, BUCKETS - 3))
        kinds = (0, 1, draws.randint(0, 600_000), round(10 ** draws.uniform(0, 15.9)), border, border + 1)
        found.append(draws.choice(kinds))
    return found


def test_bucket_for_bucket(client: Client) -> None:
    """A histogram of one duration tells what its bucket stands for, whichever it is."""
    rows = client.query(
        "SELECT pulssi_quantile(CAST(map(toUInt16(number), 1), 'Map(UInt16, Int64)'), 0.5)"  # noqa: S608 - our own number
        f" FROM numbers({BUCKETS}) ORDER BY number"
    ).result_rows
    assert [row[0] for row in rows] == pytest.approx([estimate(b) for b in range(BUCKETS)], rel=NEAR)


def test_quantile_for_quantile(client: Client) -> None:
    """Thousands of durations in histograms merged of parts, some taken back: the stream's quantiles, within 1 %."""
    draws = random.Random(53)  # noqa: S311 - nothing secret
    values, expected, exact = [], [], []
    for group in range(GROUPS):
        kept, gone = _durations(draws), _durations(draws)
        at = draws.randint(0, len(kept))
        parts = [Counter(map(bucket, [*kept[:at], *gone])), Counter(map(bucket, kept[at:]))]
        back = {b: -n for b, n in Counter(map(bucket, gone)).items()}
        values += [f"({group}, {_map(part)})" for part in (*parts, back) if part]
        whole = merge([*parts, back])
        assert whole == Counter(map(bucket, kept))
        expected += [quantile(whole, q) for q in SHARES]
        exact += [sorted(kept)[max(1, math.ceil(q * len(kept) - 1e-9)) - 1] for q in SHARES]
    rows = client.query(
        "SELECT arrayMap(q -> pulssi_quantile(hist, q), "  # noqa: S608 - our own numbers
        f"{list(SHARES)}) FROM (SELECT g, sumMap(h) AS hist FROM values('g UInt16, h Map(UInt16, Int64)', "
        f"{', '.join(values)}) GROUP BY g) ORDER BY g"
    ).result_rows
    found = [each for row in rows for each in row[0]]
    assert found == pytest.approx(expected, rel=NEAR)
    assert all(abs(one - other) <= ACCURACY * other * (1 + 1e-9) for one, other in zip(found, exact, strict=True))


def test_a_histogram_that_came_to_nothing(client: Client) -> None:
    """Zero counts are no durations: where only they are left, there is no quantile."""
    ask = "SELECT pulssi_quantile(sumMap(h), 0.5) FROM values('h Map(UInt16, Int64)', {})"
    assert client.query(ask.format("(map(5, 3)), (map(5, -3, 0, 2))")).result_rows == [(0.0,)]
    assert client.query(ask.format("(map(5, 3)), (map(5, -3))")).result_rows == [(None,)]
