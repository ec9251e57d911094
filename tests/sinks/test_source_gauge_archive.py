"""What polled sources tell of their queues, from the topic to the views."""

import asyncio
from typing import Any, Final

from schemas.settings import Settings
from schemas.source_gauges import NoQueues, QueueState, SourceGauge
from streams.clickhouse.connection import connect
from streams.sources.source_gauges import SourceGauges
from streams.times import now_ms
from tests.sinks.running_sink import WITHIN_S, sink

#: 2026-03-02 09:00 UTC.
AT: Final = 1_772_442_000_000
#: Kafka refuses a record that is an hour ahead.
AHEAD_MS: Final = 1_800_000
#: Finds the row of an answer without queues.
EMPTIED: Final = "SELECT 1 FROM source_gauges_rows WHERE account = 'emptied' AND queue = ''"


def _gauge(at: int, queue: str = "web-chat", **state: Any) -> SourceGauge:  # noqa: ANN401 - as it has them
    return SourceGauge(
        at=at, source="giosg", account="acme", **QueueState(queue=queue, channel="chat", **state).model_dump()
    )


def _ask(settings: Settings, query: str) -> list[tuple[Any, ...]]:
    with connect(settings) as client:
        return [tuple(row) for row in client.query(query).result_rows]


async def test_states_reach_their_views(settings: Settings) -> None:
    """The last answer of each account, and each over time; what the source does not tell, or no more, is not there.

    An answer of a clock that was ahead is none of now. After an answer without queues nothing is shown of the account.
    """
    async with sink(settings), SourceGauges(settings, "test") as gauges:
        await gauges.write(
            [
                _gauge(now_ms() + AHEAD_MS, waiting=9),
                _gauge(AT, waiting=3, longest_wait_ms=41_000),
                _gauge(AT + 15_000, waiting=1),
                _gauge(AT, "mobile", waiting=2),
                _gauge(AT + 15_000, "desk", waiting=0),
                _gauge(AT, "mobile", waiting=5).model_copy(update={"account": "other"}),
                _gauge(AT, "gone", waiting=7).model_copy(update={"account": "emptied"}),
                NoQueues(at=AT + 15_000, source="giosg", account="emptied"),
            ]
        )
        async with asyncio.timeout(WITHIN_S):
            while len(_ask(settings, "SELECT 1 FROM source_gauge_history")) < 7 or not _ask(settings, EMPTIED):  # noqa: ASYNC110 - ClickHouse tells nobody
                await asyncio.sleep(0.1)
    assert _ask(
        settings, "SELECT queue, waiting, longest_wait_ms, source, account FROM source_gauges ORDER BY queue"
    ) == [
        ("desk", 0, None, "giosg", "acme"),
        ("mobile", 5, None, "giosg", "other"),
        ("web-chat", 1, None, "giosg", "acme"),
    ]
    history = "SELECT waiting, longest_wait_ms FROM source_gauge_history WHERE queue = 'web-chat' ORDER BY at"
    assert _ask(settings, history) == [(3, 41_000), (1, None), (9, None)]
