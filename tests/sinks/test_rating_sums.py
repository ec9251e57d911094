"""Sums of scores in ClickHouse: those of exact fractions, whatever was taken back and written again meanwhile."""

import random
from typing import Final

from clickhouse_connect.driver.client import Client

from schemas.settings import Settings
from tests.sinks.reconcile.worker_and_sink import WorkerAndSink
from tests.streams.test_ratings import SCORES, events, exact, written

#: Records that go to ClickHouse before the next come.
AT_ONCE: Final = 500


def test_sums_are_exact_in_clickhouse(database: Settings, client: Client) -> None:
    """Thousands of ratings of few contacts, written as they come: samples and panes tell the fractions' sums."""
    draws = random.Random(3)  # noqa: S311 - nothing secret
    kinds = ("contact.rated", "contact.rated", "contact.rated", "contact.evaluated")
    told = [
        (draws.randint(1, 40), draws.randint(0, 59), draws.choice(kinds), draws.choice(SCORES)) for _ in range(3_000)
    ]
    arriving = events(told)
    draws.shuffle(arriving)
    stream = WorkerAndSink(database)
    for begin in range(0, len(arriving), AT_ONCE):
        stream.play((event["contact_id"].encode(), written(event)) for event in arriving[begin : begin + AT_ONCE])
    expected = exact(arriving)
    for table, counted in (
        ("samples", "count(), countIf(satisfied), sum(value)"),
        ("panes", "sum(n), sum(n_satisfied), sum(sum_value)"),
    ):
        rows = client.query(
            f"SELECT sample, queue, {counted} FROM {table} WHERE sample IN ('rated', 'evaluated') GROUP BY ALL"  # noqa: S608 - our own names
        ).result_rows
        assert {tuple(row[:2]): tuple(row[2:]) for row in rows} == expected, table
