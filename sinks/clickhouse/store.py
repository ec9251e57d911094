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
from sinks.rows import (
    AlertChangeRow,
    AlertDeliveryRow,
    ContactRow,
    EventRow,
    ObjectiveRow,
    PaneRow,
    Progress,
    SampleRow,
    SourceGaugeRow,
    TagPaneRow,
)
from sinks.store_protocol import Batch, StoreError
from streams.clickhouse.addresses import clickhouse_address
from streams.clickhouse.connection import ANSWER_TIMEOUT_S, connect, is_unavailable, reason
from streams.live.gauges import GaugeReading
from streams.monitoring.activities import Phase, doing

#: Each table with its rows' class, in the order in which a batch is written; a batch has a field for each.
TABLES: Final[dict[str, type[tuple[Any, ...]]]] = {
    "events_rows": EventRow,
    "panes_rows": PaneRow,
    "tag_panes_rows": TagPaneRow,
    "samples_rows": SampleRow,
    "contacts_rows": ContactRow,
    "alert_changes_rows": AlertChangeRow,
    "alert_deliveries_rows": AlertDeliveryRow,
    "objectives_rows": ObjectiveRow,
    "source_gauges_rows": SourceGaugeRow,
    "progress": Progress,
}

#: The columns whose names are not those of their fields.
_COLUMNS: Final = {"retracted": "gone"}

#: Waits until the rows are in, whatever the server's own settings say; years of history may come in one batch.
_SYNCHRONOUS: Final = {"async_insert": 0, "wait_end_of_query": 1, "max_partitions_per_insert_block": 0}

#: What a server, or its client, says of a column, table or database that is not there.
_NOT_MIGRATED: Final = ("ode: 16.", "ode: 47.", "ode: 60.", "ode: 81.", "Unrecognized column")

#: Gauges saved minutes later would be wrong: a server that takes so long counts as one that does not answer.
_GAUGES_SETTINGS: Final = {"wait_end_of_query": 1, "max_execution_time": 15}

_PROGRESS: Final = """
SELECT topic, `partition`, argMax(
    (epoch, next, step, opened, journal_end, toUnixTimestamp64Milli(at), parked, journal), (epoch, step, at)
)
FROM progress GROUP BY topic, `partition`
"""


def _join(pattern: str, names: tuple[str, ...]) -> str:
    return ", ".join(pattern.format(name) for name in names)


#: The gauges' columns, named as in the live view: times, of which the earliest counts, and numbers that are added up.
_TIMES: Final = tuple(name for name in GaugeReading._fields if name.endswith("_since"))
_COUNTS: Final = tuple(name for name in GaugeReading._fields if name not in _TIMES)
#: How long zeros are saved for a queue that has become empty, in milliseconds.
ZEROS_FOR_MS: Final = 3_600_000


_MINUTE: Final = "fromUnixTimestamp64Milli({minute:Int64}, 'UTC')"
_HOUR_BEFORE: Final = f"fromUnixTimestamp64Milli({{minute:Int64}} - {ZEROS_FOR_MS}, 'UTC')"

#: Saves the gauges of now under `minute` (its beginning, UTC milliseconds), all within ClickHouse. A queue that was not
#: empty within the last hour and is empty now gets zeros, so that its graph falls to 0 and does not just end. A minute
#: that is there already is not changed, whoever wrote it.
_SAVE_GAUGES: Final = f"""
INSERT INTO gauge_history_rows (at, channel, queue, taken_at, {_join("{}", _TIMES)}, {_join("{}", _COUNTS)})
SELECT {_MINUTE}, channel, queue, now64(3, 'UTC'), {_join("min(g.{})", _TIMES)}, {_join("sum(g.{})", _COUNTS)}
FROM (
    SELECT channel, queue, {_join("{}", _TIMES)}, {_join("{}", _COUNTS)} FROM gauges
    UNION ALL
    SELECT DISTINCT channel, queue, {_join("NULL AS {}", _TIMES)}, {_join("toUInt64(0) AS {}", _COUNTS)}
    FROM (
        SELECT channel, queue FROM gauge_history
        WHERE at >= {_HOUR_BEFORE} AND at < {_MINUTE} AND {" + ".join(_COUNTS)} > 0
    )
) AS g
WHERE (SELECT count() FROM gauge_history_rows WHERE at = {_MINUTE}) = 0
GROUP BY channel, queue
"""  # noqa: S608 - our own names

_SAVE_FRESHNESS: Final = f"INSERT INTO freshness_rows (part, at) SELECT 'sink', {_MINUTE}"


def columns(row: type[tuple[Any, ...]]) -> list[str]:
    """Return the names of a table's columns, in the order of the row's fields."""
    names: tuple[str, ...] = row._fields  # type: ignore[attr-defined]  # every row is a named tuple
    return [_COLUMNS.get(name, name.rstrip("_")) for name in names]


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

    def save_gauges(self, minute: int) -> None:
        """Save the gauges of now."""
        with self._connected() as client:
            client.command(_SAVE_GAUGES, parameters={"minute": minute}, settings=_GAUGES_SETTINGS)
            # Only then: it says that the gauges are in, too. It comes also in minutes in which nothing has gauges.
            client.command(_SAVE_FRESHNESS, parameters={"minute": minute})

    def close(self) -> None:
        """Close the client; a second call does nothing."""
        client, self._client = self._client, None
        if client is not None:
            client.close()

    @contextmanager
    def _connected(self) -> Iterator[Client]:
        """Return the client, connecting first where there is none; an error closes it."""
        try:
            with store_errors(self._settings):
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
def store_errors(settings: Settings) -> Iterator[None]:
    """Raise ClickHouse's errors as a StoreError of one line without secrets."""
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
