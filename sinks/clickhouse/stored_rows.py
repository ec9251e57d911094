"""Reads the stored rows: contacts in the order of their ids, panes by the hour.

Reading only, in pieces whose size does not grow with the history. Of each key it reads the newest version (`FINAL`),
retracted samples included; of the archive every content of an event id. It never reads what people wrote.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, Literal, NamedTuple, Self

from schemas.panes import PANE_MS
from schemas.settings import Settings
from sinks.clickhouse.store import TABLES, columns, store_errors
from sinks.rows import Progress
from streams.clickhouse.connection import connect, selected

HOUR_MS: Final = 3_600_000
#: 2262-01-01: after any time that an event can have, UTC milliseconds.
END_OF_TIME: Final = 9_214_646_400_000

Row = Sequence[Any]


class Span(NamedTuple):
    """From `begin` up to, not including, `end`; UTC milliseconds."""

    begin: int = 0
    end: int = END_OF_TIME

    @property
    def is_all(self) -> bool:
        """Whether nothing is left out."""
        return self == EVERYTHING


EVERYTHING: Final = Span()


class ContactRange(NamedTuple):
    """Contacts with ids above `after`, up to `last` (None: all that follow). Both the same: that contact alone."""

    after: str
    last: str | None


class PaneRange(NamedTuple):
    """Panes that are read together: of one kind of sample, or of all (None)."""

    sample: str | None
    span: Span

    @property
    def parameters(self) -> dict[str, Any]:
        """The parameters of a query for these panes."""
        return {"sample": self.sample or "", **self.span._asdict()}


def _select_all(table: str) -> str:
    return f"SELECT {selected(columns(TABLES[table]))} FROM {table} FINAL"  # noqa: S608 - our own names


def _within(column: str) -> str:
    since, until = (f"fromUnixTimestamp64Milli({{{name}:Int64}})" for name in ("begin", "end"))
    return f"{column} >= {since} AND {column} < {until}"


def _event_in(span: Span) -> str:
    return "" if span.is_all else f" AND {_within('occurred_at')}"


def _hour(column: str) -> str:
    return f"intDiv(toUnixTimestamp64Milli({column}), {HOUR_MS}) AS hour"


_EVENTS: Final = (
    "SELECT contact_id, normalised, channel, topic, `partition`, epoch, `offset`, toUnixTimestamp64Milli(received_at)"
    " FROM events_rows WHERE {where} ORDER BY contact_id, agent_key, event_id, normalised, version DESC"
)
#: Ids travel as hexadecimal digits: whatever is in them, no escaping can change it.
_ID_AFTER: Final = "contact_id > unhex({after:String})"
_PANE_START: Final = f"intDiv(toUnixTimestamp64Milli(at), {PANE_MS}) * {PANE_MS}"
_SAMPLES_BY_HOUR: Final = f"""
SELECT sample, hour, sum(n) FROM (
    SELECT sample, {_hour("at")}, count() AS n FROM samples_rows FINAL WHERE NOT gone GROUP BY 1, 2
    UNION ALL SELECT sample, {_hour("pane_start")}, 0 FROM panes_rows GROUP BY 1, 2
    UNION ALL SELECT 'tagged', {_hour("pane_start")}, 0 FROM tag_panes_rows GROUP BY 1, 2
) GROUP BY 1, 2 ORDER BY 1, 2
"""  # noqa: S608 - our own names
_OF_SAMPLE: Final = "({sample:String} = '' OR sample = {sample:String})"
#: Sums of the samples in effect: a pane's key, counters and sums, durations in clock time and in business time.
_SAMPLE_SUMS: Final = f"""
SELECT sample, {_PANE_START} AS start, channel, queue, priority, team, segment,
    count(), countIf(target_ms IS NOT NULL), countIf(target_ms IS NOT NULL AND ifNull(within, false)),
    countIf(target_ms IS NOT NULL AND ifNull(short, false)), countIf(ifNull(satisfied, false)),
    sum(ifNull(value_ms, 0)), count(business_ms), sum(ifNull(business_ms, 0)), sum(ifNull(value, 0)),
    groupArray(value_ms), groupArray(business_ms)
FROM samples_rows FINAL WHERE {_OF_SAMPLE} AND NOT gone AND {_within("at")}
GROUP BY sample, start, channel, queue, priority, team, segment
"""  # noqa: S608 - our own names
#: A tag pane's key, the number of its samples, and their outcomes.
_TAG_SAMPLE_SUMS: Final = f"""
SELECT {_PANE_START} AS start, channel, queue, tag, count(), groupUniqArray(outcome)
FROM samples_rows FINAL WHERE sample = 'tagged' AND NOT gone AND {_within("at")}
GROUP BY start, channel, queue, tag
"""  # noqa: S608 - our own names


class StoredRows:
    """A connection for reading. Connecting and every query raise StoreError."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        with store_errors(settings):
            self._client = connect(settings)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def _rows(self, sql: str, values: Mapping[str, Any] | None = None) -> Sequence[Row]:
        with store_errors(self._settings):
            return self._client.query(sql, parameters=dict(values or {})).result_rows

    def progress(self) -> list[Progress]:
        """Return every epoch's progress."""
        return [Progress._make(row) for row in self._rows(_select_all("progress"))]

    def estimate_contacts(self, span: Span) -> int:
        """Estimate how many contacts there are, for a progress bar."""
        sql = f"SELECT uniq(contact_id) FROM events_rows WHERE contact_id != ''{_event_in(span)}"  # noqa: S608 - our own names
        return int(self._rows(sql, span._asdict())[0][0])

    def next_contacts(self, after: str, span: Span, size: int) -> ContactRange | None:
        """Find the next `size` ids with an archived event in the span; None where no more follow."""
        found = self._rows(
            f"SELECT DISTINCT contact_id FROM events_rows WHERE {_ID_AFTER}{_event_in(span)}"  # noqa: S608 - our own names
            " ORDER BY contact_id LIMIT {size:UInt32}",
            {"after": after.encode().hex(), "size": size, **span._asdict()},
        )
        if len(found) == size:
            return ContactRange(after, str(found[-1][0]))
        return ContactRange(after, None) if found or span.is_all else None

    def _rows_of(self, contacts: ContactRange, span: Span, sql: str) -> Sequence[Row]:
        """Read rows of contacts that have an event in the span."""
        values: dict[str, Any] = {"after": contacts.after.encode().hex(), **span._asdict()}
        ids = _ID_AFTER
        if contacts.last == contacts.after:
            ids = "contact_id = unhex({after:String})"
        elif contacts.last is not None:
            values["last"] = contacts.last.encode().hex()
            ids += " AND contact_id <= unhex({last:String})"
        where = ids
        if not span.is_all:
            where += f" AND contact_id IN (SELECT contact_id FROM events_rows WHERE {ids}{_event_in(span)})"  # noqa: S608 - our own names
        return self._rows(sql.format(where=where), values)

    def contact_rows(self, table: Literal["samples", "contacts"], contacts: ContactRange, span: Span) -> list[Any]:
        """Return the contacts' samples, retracted ones too, or their own rows."""
        name = f"{table}_rows"
        return [TABLES[name](*row) for row in self._rows_of(contacts, span, f"{_select_all(name)} WHERE {{where}}")]

    def events(self, contacts: ContactRange, span: Span) -> Sequence[Row]:
        """Return archived events as the columns of `_EVENTS`, the earliest delivery of each content first."""
        return self._rows_of(contacts, span, _EVENTS)

    def recorded(self, span: Span) -> Iterator[Row]:
        """Yield the events of a span as they occurred: topic, contact, agent, channel and content."""
        sql = (
            "SELECT topic, contact_id, agent_key, channel, normalised FROM events_rows"  # noqa: S608 - our own names
            f" WHERE {_within('occurred_at')} ORDER BY occurred_at, seq, event_id"
        )
        with (
            store_errors(self._settings),
            self._client.query_row_block_stream(sql, parameters=span._asdict()) as blocks,
        ):
            for block in blocks:
                yield from block

    def similar_ids(self, contact_id: str, limit: int) -> list[str]:
        """Find contacts whose ids end or begin with the given text: people know a source's own number."""
        rows = self._rows(
            "SELECT contact_id FROM contacts_rows FINAL WHERE endsWith(contact_id, unhex({id:String}))"
            " OR startsWith(contact_id, unhex({id:String}))"
            " ORDER BY endsWith(contact_id, concat(':', unhex({id:String}))) DESC, last_at DESC LIMIT {limit:UInt32}",
            {"id": contact_id.encode().hex(), "limit": limit},
        )
        return [str(row[0]) for row in rows]

    def hours(self) -> list[tuple[str, int, int]]:
        """Return the hours that have samples or panes, by kind of sample, with the number of samples."""
        return [(str(sample), int(hour), int(n)) for sample, hour, n in self._rows(_SAMPLES_BY_HOUR)]

    def sample_sums(self, table: Literal["panes", "tag_panes"], panes: PaneRange) -> Sequence[Row]:
        """Add up the samples in effect; returns the columns of `_SAMPLE_SUMS` or `_TAG_SAMPLE_SUMS`."""
        return self._rows(_SAMPLE_SUMS if table == "panes" else _TAG_SAMPLE_SUMS, panes.parameters)

    def panes(self, table: Literal["panes", "tag_panes"], panes: PaneRange) -> list[Any]:
        """Return panes; those of several source partitions, epochs or supplements are not added up."""
        name = f"{table}_rows"
        kind = f"{_OF_SAMPLE} AND" if table == "panes" else ""
        sql = f"{_select_all(name)} WHERE {kind} {_within('pane_start')}"
        return [TABLES[name](*row) for row in self._rows(sql, panes.parameters)]
