"""What is kept, read back: contact by contact in the order of their ids, and hour by hour of panes.

Reading only, in pieces whose size does not grow with the history. Rows are those in effect (`FINAL`), with the samples
that were taken back; the archive comes as it stands, every content of an event id. No words of people are asked for.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final, NamedTuple, Self

from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError

from schemas.panes import PANE_MS
from schemas.settings import Settings
from sinks.clickhouse.keeper import columns, failure
from sinks.rows import ContactRow, PaneRow, Progress, SampleRow, TagPaneRow
from streams.clickhouse import connect

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
        return self == Span()


class Between(NamedTuple):
    """Contacts whose ids come after one, up to and including another; None: to the last. Twice the same: that one."""

    after: str
    last: str | None


def _selected(row: type[tuple[Any, ...]], table: str) -> str:
    """Ask for a row's columns in its order, times as UTC milliseconds."""
    names = ", ".join(
        f"toUnixTimestamp64Milli(`{name}`)"
        if name == "at" or name.endswith(("_at", "_since", "_start"))
        else f"`{name}`"
        for name in columns(row)
    )
    return f"SELECT {names} FROM {table} FINAL"  # noqa: S608 - our own names


_SAMPLES: Final = _selected(SampleRow, "samples_rows")
_CONTACTS: Final = _selected(ContactRow, "contacts_rows")
_PANES: Final = _selected(PaneRow, "panes_rows")
_TAG_PANES: Final = _selected(TagPaneRow, "tag_panes_rows")
_PROGRESS: Final = _selected(Progress, "progress")
_EVENTS: Final = (
    "contact_id, normalised, channel, topic, `partition`, epoch, `offset`, toUnixTimestamp64Milli(received_at)"
)
_RANGE: Final = (
    "occurred_at >= fromUnixTimestamp64Milli({begin:Int64}) AND occurred_at < fromUnixTimestamp64Milli({end:Int64})"
)
#: Ids travel as hexadecimal digits: whatever is in them, no escaping can change it.
_AFTER: Final = "contact_id > unhex({after:String})"

_PANE_KEY: Final = "channel, queue, priority, team, segment"
_START: Final = f"intDiv(toUnixTimestamp64Milli(at), {PANE_MS}) * {PANE_MS}"
_HOUR_OF: Final = f"intDiv(toUnixTimestamp64Milli({{column}}), {HOUR_MS}) AS hour"
_AT_HOUR: Final = _HOUR_OF.format(column="at")
_PANE_HOUR: Final = _HOUR_OF.format(column="pane_start")
_HOURS: Final = f"""
SELECT sample, hour, sum(n) FROM (
    SELECT sample, {_AT_HOUR}, count() AS n FROM samples_rows FINAL WHERE NOT gone GROUP BY 1, 2
    UNION ALL SELECT sample, {_PANE_HOUR}, 0 FROM panes_rows GROUP BY 1, 2
    UNION ALL SELECT 'tagged', {_PANE_HOUR}, 0 FROM tag_panes_rows GROUP BY 1, 2
) GROUP BY 1, 2 ORDER BY 1, 2
"""  # noqa: S608 - our own names
_IN_HOURS: Final = (
    "{column} >= fromUnixTimestamp64Milli({{begin:Int64}}) AND {column} < fromUnixTimestamp64Milli({{end:Int64}})"
)
_SUMS: Final = (
    "count(), countIf(target_ms IS NOT NULL), countIf(target_ms IS NOT NULL AND ifNull(within, false)),"
    " countIf(target_ms IS NOT NULL AND ifNull(short, false)), countIf(ifNull(satisfied, false)),"
    " sum(ifNull(value_ms, 0)), count(business_ms), sum(ifNull(business_ms, 0)), sum(ifNull(value, 0)),"
    " groupArray(value_ms), groupArray(business_ms)"
)


def _in(span: Span) -> str:
    return "" if span.is_all else f" AND {_RANGE}"


def _of_kind(sample: str | None) -> str:
    return "" if sample is None else "sample = {sample:String} AND"


class KeptRows:
    """A connection that reads. Raises KeeperAwayError and KeeperUnfitError."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._client: Client | None = None

    def __enter__(self) -> Self:
        with self._explained():
            self._client = connect(self._settings)
        return self

    def __exit__(self, *_: object) -> None:
        if self._client is not None:
            self._client.close()

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except (ClickHouseError, OSError) as error:
            raise failure(self._settings, error) from None

    def _rows(self, sql: str, parameters: Mapping[str, Any] | None = None) -> Sequence[Row]:
        if self._client is None:
            raise RuntimeError("used outside its context")
        with self._explained():
            return self._client.query(sql, parameters=dict(parameters or {})).result_rows

    def progress(self) -> list[Progress]:
        """Give every epoch's progress."""
        return [Progress._make(row) for row in self._rows(_PROGRESS)]

    def how_many(self, span: Span) -> int:
        """Estimate how many contacts there are, for a progress bar."""
        found = self._rows(
            f"SELECT uniq(contact_id) FROM events_rows WHERE contact_id != ''{_in(span)}",  # noqa: S608 - our own names
            span._asdict(),
        )
        return int(found[0][0])

    def page(self, after: str, span: Span, size: int) -> Between | None:
        """Find the next ids with an archived event in the span; None once there are none and all ids were passed."""
        found = self._rows(
            f"SELECT DISTINCT contact_id FROM events_rows WHERE {_AFTER}{_in(span)}"  # noqa: S608 - our own names
            " ORDER BY contact_id LIMIT {size:UInt32}",
            {"after": after.encode().hex(), "size": size, **span._asdict()},
        )
        if len(found) == size:
            return Between(after, str(found[-1][0]))
        return Between(after, None) if found or span.is_all else None

    def _of(self, between: Between, span: Span, what: str) -> Sequence[Row]:
        """Read rows of contacts between two ids, but of those without an event in the span."""
        parameters: dict[str, Any] = {"after": between.after.encode().hex(), **span._asdict()}
        ids = _AFTER
        if between.last == between.after:
            ids = "contact_id = unhex({after:String})"
        elif between.last is not None:
            parameters["last"] = between.last.encode().hex()
            ids += " AND contact_id <= unhex({last:String})"
        where = ids
        if not span.is_all:
            where += f" AND contact_id IN (SELECT contact_id FROM events_rows WHERE {ids} AND {_RANGE})"  # noqa: S608 - our own names
        return self._rows(what.format(where=where), parameters)

    def samples(self, between: Between, span: Span) -> list[SampleRow]:
        """Give samples, those taken back too."""
        return [SampleRow._make(row) for row in self._of(between, span, f"{_SAMPLES} WHERE {{where}}")]

    def contacts(self, between: Between, span: Span) -> list[ContactRow]:
        """Give contacts' rows."""
        return [ContactRow._make(row) for row in self._of(between, span, f"{_CONTACTS} WHERE {{where}}")]

    def events(self, between: Between, span: Span) -> Sequence[Row]:
        """Give archived events as the columns of `_EVENTS`, the earliest delivery of each content first."""
        order = "contact_id, agent_key, event_id, normalised, version DESC"
        return self._of(between, span, f"SELECT {_EVENTS} FROM events_rows WHERE {{where}} ORDER BY {order}")  # noqa: S608 - our own names

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

    def owed_panes(self, sample: str | None, span: Span) -> Sequence[Row]:
        """Add samples in effect up, one kind or all: a pane's key, nine counters and sums, durations by both clocks."""
        return self._rows(
            f"SELECT sample, {_START} AS start, {_PANE_KEY}, {_SUMS} FROM samples_rows FINAL"  # noqa: S608 - our own names
            f" WHERE {_of_kind(sample)} NOT gone AND {_IN_HOURS.format(column='at')}"
            f" GROUP BY sample, start, {_PANE_KEY}",
            {"sample": sample or "", **span._asdict()},
        )

    def panes(self, sample: str | None, span: Span) -> list[PaneRow]:
        """Give panes of one kind of sample or all, each part by itself."""
        rows = self._rows(
            f"{_PANES} WHERE {_of_kind(sample)} {_IN_HOURS.format(column='pane_start')}",
            {"sample": sample or "", **span._asdict()},
        )
        return [PaneRow._make(row) for row in rows]

    def owed_tag_panes(self, span: Span) -> Sequence[Row]:
        """Count tags in effect: start, channel, queue, tag, n, the outcomes that the samples name."""
        return self._rows(
            f"SELECT {_START} AS start, channel, queue, tag, count(), groupUniqArray(outcome) FROM samples_rows FINAL"  # noqa: S608 - our own names
            f" WHERE sample = 'tagged' AND NOT gone AND {_IN_HOURS.format(column='at')}"
            " GROUP BY start, channel, queue, tag",
            span._asdict(),
        )

    def tag_panes(self, span: Span) -> list[TagPaneRow]:
        """Give tags' panes, each part by itself."""
        rows = self._rows(f"{_TAG_PANES} WHERE {_IN_HOURS.format(column='pane_start')}", span._asdict())
        return [TagPaneRow._make(row) for row in rows]
