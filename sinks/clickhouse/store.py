"""The store that is ClickHouse: a batch becomes one native, synchronous insert a table.

Every table replaces by key and version (`migrations/`), so that an insert that is sent twice changes nothing. Reading
is left to the views; the only thing asked here is how far the sink is.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError
from clickhouse_connect.driver.insert import InsertContext

from schemas.settings import Settings
from sinks.port import Batch, StoreError
from sinks.rows import ContactRow, EventRow, PaneRow, Progress, SampleRow, TagPaneRow
from streams.clickhouse.addresses import clickhouse_address
from streams.clickhouse.connection import ANSWER_TIMEOUT_S, connect, is_unavailable, reason
from streams.monitoring.activities import Phase, doing

#: Each table with its rows' class, in the order in which a batch is written; a batch has a field for each.
TABLES: Final[dict[str, type[tuple[Any, ...]]]] = {
    "events_rows": EventRow,
    "panes_rows": PaneRow,
    "tag_panes_rows": TagPaneRow,
    "samples_rows": SampleRow,
    "contacts_rows": ContactRow,
    "progress": Progress,
}

#: Waits until the rows are in, whatever the server's own settings say; years of history may come in one batch.
_SYNCHRONOUS: Final = {"async_insert": 0, "wait_end_of_query": 1, "max_partitions_per_insert_block": 0}

#: What a server, or its client, says of a column, table or database that is not there.
_NOT_MIGRATED: Final = ("ode: 16.", "ode: 47.", "ode: 60.", "ode: 81.", "Unrecognized column")

#: Minutes later the gauges are others: a server that takes so long is treated as one that is away.
_AT_ONCE: Final = {"wait_end_of_query": 1, "max_execution_time": 15}

_PROGRESS: Final = """
SELECT topic, `partition`, argMax(
    (epoch, next, step, opened, journal_end, toUnixTimestamp64Milli(at), parked, journal), (epoch, step, at)
)
FROM progress GROUP BY topic, `partition`
"""


def _each(pattern: str, names: tuple[str, ...]) -> str:
    return ", ".join(pattern.format(name) for name in names)


_COUNTS: Final = (
    *("waiting", "awaiting_reply", "at_risk", "breached", "open", "handling", "stale"),
    *("at_risk_next_response", "breached_next_response", "at_risk_resolution", "breached_resolution"),
    *("at_risk_queue_wait", "breached_queue_wait"),
)
_TIMES: Final = ("oldest_waiting_since", "oldest_awaiting_since")
#: How long a queue that has nothing any more is put down with zeros, in milliseconds.
FALLS_FOR_MS: Final = 3_600_000


_MINUTE: Final = "fromUnixTimestamp64Milli({minute:Int64}, 'UTC')"
_HOUR_BEFORE: Final = f"fromUnixTimestamp64Milli({{minute:Int64}} - {FALLS_FOR_MS}, 'UTC')"

#: The gauges of this moment, put down under `minute` (its beginning, UTC milliseconds): a question that ClickHouse
#: answers to itself. A queue that had something within the last hour and has nothing now is put down with zeros, so
#: that its graph falls to 0 and does not just end. A minute that is there already is left alone, whoever wrote it.
_NOTE_GAUGES: Final = f"""
INSERT INTO gauge_history_rows (at, channel, queue, taken_at, {_each("{}", _TIMES)}, {_each("{}", _COUNTS)})
SELECT {_MINUTE}, channel, queue, now64(3, 'UTC'), {_each("min(g.{})", _TIMES)}, {_each("sum(g.{})", _COUNTS)}
FROM (
    SELECT channel, queue, {_each("{}", _TIMES)}, {_each("{}", _COUNTS)} FROM gauges
    UNION ALL
    SELECT DISTINCT channel, queue, {_each("NULL AS {}", _TIMES)}, {_each("toUInt64(0) AS {}", _COUNTS)}
    FROM (
        SELECT channel, queue FROM gauge_history
        WHERE at >= {_HOUR_BEFORE} AND at < {_MINUTE} AND {" + ".join(_COUNTS)} > 0
    )
) AS g
WHERE (SELECT count() FROM gauge_history_rows WHERE at = {_MINUTE}) = 0
GROUP BY channel, queue
"""  # noqa: S608 - our own names


def columns(row: type[tuple[Any, ...]]) -> list[str]:
    """Name a table's columns: the row's fields."""
    return [name.rstrip("_") for name in row._fields]  # type: ignore[attr-defined]  # every row is a named tuple


class ClickHouseStore:
    """One client, made again after each failure."""

    def __init__(self, settings: Settings, answer_within_s: float = ANSWER_TIMEOUT_S) -> None:
        self._settings = settings
        self._answer_within_s = answer_within_s
        self._client: Client | None = None
        self._inserts: dict[str, InsertContext] = {}

    def write(self, batch: Batch) -> None:
        """Insert table by table."""
        with self._connected() as client:
            for table, insert in self._inserts.items():
                if rows := getattr(batch, table.removesuffix("_rows")):
                    doing(Phase.INSERTING)  # it gets on: each has a time limit of its own
                    insert.data = list(zip(*rows, strict=True))
                    client.insert(context=insert)

    def progress(self) -> list[Progress]:
        """Ask how far each source partition is."""
        with self._connected() as client:
            found = client.query(_PROGRESS).result_rows
        return [Progress(str(topic), int(partition), *latest) for topic, partition, latest in found]

    def note_gauges(self, minute: int) -> None:
        """Have ClickHouse put its gauges down."""
        with self._connected() as client:
            client.command(_NOTE_GAUGES, parameters={"minute": minute}, settings=_AT_ONCE)

    def close(self) -> None:
        """Close the client; a second call does nothing."""
        client, self._client = self._client, None
        if client is not None:
            client.close()

    @contextmanager
    def _connected(self) -> Iterator[Client]:
        """Return the client, connecting first where there is none; an error closes it."""
        try:
            with explained(self._settings):
                if self._client is None:
                    self._client = connect(self._settings, answer_within_s=self._answer_within_s)
                    self._inserts = {
                        table: self._client.create_insert_context(
                            table, column_names=columns(row), column_oriented=True, settings=_SYNCHRONOUS
                        )
                        for table, row in TABLES.items()
                    }
                yield self._client
        except StoreError:
            self.close()
            raise


@contextmanager
def explained(settings: Settings) -> Iterator[None]:
    """Raise what ClickHouse answers as a StoreError, in one line that holds no secret."""
    try:
        yield
    except (ClickHouseError, OSError) as error:
        where = clickhouse_address(settings)
        if is_unavailable(error):
            raise StoreError(f"ClickHouse at {where} does not answer: {reason(error)}") from None
        if any(words in str(error) for words in _NOT_MIGRATED):
            raise StoreError(
                f"ClickHouse at {where} has no database {settings.clickhouse_database} with the tables of this version:"
                " `pulssi migrate` makes them"
            ) from None
        raise StoreError(f"ClickHouse at {where} refuses: {reason(error)}") from None
