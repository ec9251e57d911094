"""What is kept, read back: contact by contact in the order of their ids, and hour by hour of panes.

Reading only, in pieces whose size does not grow with the history. Rows are those in effect (`FINAL`), with the samples
that were taken back; the archive comes as it stands, every content of an event id. No words of people are asked for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal, NamedTuple, Self

from schemas.panes import PANE_MS
from schemas.settings import Settings
from sinks.clickhouse.store import TABLES, columns, explained
from sinks.rows import Progress
from streams.clickhouse.connection import connect, selected

HOUR_MS: Final = 3_600_000
#: 2262-01-01: behind the last instant that an event can have, UTC milliseconds.
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
    """Contacts whose ids come after one, up to and including another; None: to the last. Twice the same: that one."""

    after: str
    last: str | None


class PaneRange(NamedTuple):
    """Panes to read at once, of one kind of sample, or of all (None)."""

    sample: str | None
    span: Span

    @property
    def values(self) -> dict[str, Any]:
        """Name what a question is asked with."""
        return {"sample": self.sample or "", **self.span._asdict()}


def _all_of(table: str) -> str:
    return f"SELECT {selected(columns(TABLES[table]))} FROM {table} FINAL"  # noqa: S608 - our own names


def _within(column: str) -> str:
    since, until = (f"fromUnixTimestamp64Milli({{{name}:Int64}})" for name in ("begin", "end"))
    return f"{column} >= {since} AND {column} < {until}"


def _in(span: Span) -> str:
    return "" if span.is_all else f" AND {_within('occurred_at')}"


def _hour(column: str) -> str:
    return f"intDiv(toUnixTimestamp64Milli({column}), {HOUR_MS}) AS hour"


_EVENTS: Final = (
    "SELECT contact_id, normalised, channel, topic, `partition`, epoch, `offset`, toUnixTimestamp64Milli(received_at)"
    " FROM events_rows WHERE {where} ORDER BY contact_id, agent_key, event_id, normalised, version DESC"
)
#: Ids travel as hexadecimal digits: whatever is in them, no escaping can change it.
_AFTER: Final = "contact_id > unhex({after:String})"
_START: Final = f"intDiv(toUnixTimestamp64Milli(at), {PANE_MS}) * {PANE_MS}"
_HOURS: Final = f"""
SELECT sample, hour, sum(n) FROM (
    SELECT sample, {_hour("at")}, count() AS n FROM samples_rows FINAL WHERE NOT gone GROUP BY 1, 2
    UNION ALL SELECT sample, {_hour("pane_start")}, 0 FROM panes_rows GROUP BY 1, 2
    UNION ALL SELECT 'tagged', {_hour("pane_start")}, 0 FROM tag_panes_rows GROUP BY 1, 2
) GROUP BY 1, 2 ORDER BY 1, 2
"""  # noqa: S608 - our own names
_OF_KIND: Final = "({sample:String} = '' OR sample = {sample:String})"
#: Of the samples in effect: a pane's key, its counters and sums, the durations by both clocks.
_OWED: Final = f"""
SELECT sample, {_START} AS start, channel, queue, priority, team, segment,
    count(), countIf(target_ms IS NOT NULL), countIf(target_ms IS NOT NULL AND ifNull(within, false)),
    countIf(target_ms IS NOT NULL AND ifNull(short, false)), countIf(ifNull(satisfied, false)),
    sum(ifNull(value_ms, 0)), count(business_ms), sum(ifNull(business_ms, 0)), sum(ifNull(value, 0)),
    groupArray(value_ms), groupArray(business_ms)
FROM samples_rows FINAL WHERE {_OF_KIND} AND NOT gone AND {_within("at")}
GROUP BY sample, start, channel, queue, priority, team, segment
"""  # noqa: S608 - our own names
#: A tag pane's key, its number, and the outcomes that the samples name.
_OWED_TAGS: Final = f"""
SELECT {_START} AS start, channel, queue, tag, count(), groupUniqArray(outcome)
FROM samples_rows FINAL WHERE sample = 'tagged' AND NOT gone AND {_within("at")}
GROUP BY start, channel, queue, tag
"""  # noqa: S608 - our own names


class StoredRows:
    """A connection that reads. Making it and asking raise StoreError."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        with explained(settings):
            self._client = connect(settings)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def _rows(self, sql: str, values: Mapping[str, Any] | None = None) -> Sequence[Row]:
        with explained(self._settings):
            return self._client.query(sql, parameters=dict(values or {})).result_rows

    def progress(self) -> list[Progress]:
        """Return every epoch's progress."""
        return [Progress._make(row) for row in self._rows(_all_of("progress"))]

    def how_many(self, span: Span) -> int:
        """Estimate how many contacts there are, for a progress bar."""
        sql = f"SELECT uniq(contact_id) FROM events_rows WHERE contact_id != ''{_in(span)}"  # noqa: S608 - our own names
        return int(self._rows(sql, span._asdict())[0][0])

    def page(self, after: str, span: Span, size: int) -> ContactRange | None:
        """Find the next ids with an archived event in the span; None once there are none and all ids were passed."""
        found = self._rows(
            f"SELECT DISTINCT contact_id FROM events_rows WHERE {_AFTER}{_in(span)}"  # noqa: S608 - our own names
            " ORDER BY contact_id LIMIT {size:UInt32}",
            {"after": after.encode().hex(), "size": size, **span._asdict()},
        )
        if len(found) == size:
            return ContactRange(after, str(found[-1][0]))
        return ContactRange(after, None) if found or span.is_all else None

    def _of(self, between: ContactRange, span: Span, sql: str) -> Sequence[Row]:
        """Read rows of contacts between two ids, but of those without an event in the span."""
        values: dict[str, Any] = {"after": between.after.encode().hex(), **span._asdict()}
        ids = _AFTER
        if between.last == between.after:
            ids = "contact_id = unhex({after:String})"
        elif between.last is not None:
            values["last"] = between.last.encode().hex()
            ids += " AND contact_id <= unhex({last:String})"
        where = ids
        if not span.is_all:
            where += f" AND contact_id IN (SELECT contact_id FROM events_rows WHERE {ids}{_in(span)})"  # noqa: S608 - our own names
        return self._rows(sql.format(where=where), values)

    def of_contacts(self, table: Literal["samples", "contacts"], between: ContactRange, span: Span) -> list[Any]:
        """Return samples, those taken back too, or contacts' rows."""
        name = f"{table}_rows"
        return [TABLES[name](*row) for row in self._of(between, span, f"{_all_of(name)} WHERE {{where}}")]

    def events(self, between: ContactRange, span: Span) -> Sequence[Row]:
        """Return archived events as the columns of `_EVENTS`, the earliest delivery of each content first."""
        return self._of(between, span, _EVENTS)

    def like(self, contact_id: str, most: int) -> list[str]:
        """Find contacts whose ids end, or begin, as the one given: people know a source's own number."""
        rows = self._rows(
            "SELECT contact_id FROM contacts_rows FINAL WHERE endsWith(contact_id, unhex({id:String}))"
            " OR startsWith(contact_id, unhex({id:String}))"
            " ORDER BY endsWith(contact_id, concat(':', unhex({id:String}))) DESC, last_at DESC LIMIT {most:UInt32}",
            {"id": contact_id.encode().hex(), "most": most},
        )
        return [str(row[0]) for row in rows]

    def hours(self) -> list[tuple[str, int, int]]:
        """Name every sample's hours that have samples or panes, with the number of samples."""
        return [(str(sample), int(hour), int(n)) for sample, hour, n in self._rows(_HOURS)]

    def owed(self, table: Literal["panes", "tag_panes"], piece: PaneRange) -> Sequence[Row]:
        """Add samples in effect up: rows as `_OWED` and `_OWED_TAGS` ask for them."""
        return self._rows(_OWED if table == "panes" else _OWED_TAGS, piece.values)

    def panes(self, table: Literal["panes", "tag_panes"], piece: PaneRange) -> list[Any]:
        """Return panes, each part by itself."""
        name = f"{table}_rows"
        kind = f"{_OF_KIND} AND" if table == "panes" else ""
        sql = f"{_all_of(name)} WHERE {kind} {_within('pane_start')}"
        return [TABLES[name](*row) for row in self._rows(sql, piece.values)]
