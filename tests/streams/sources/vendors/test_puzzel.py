"""Puzzel: rows are polled with an overlap, a database that is away is waited for, rows in any order are one call."""

import itertools
import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from schemas.exits import EndError
from schemas.policies import Rules
from streams.core.event import event_of, merge
from streams.core.fold import fold
from streams.decoding.decoder import decode
from streams.sources.adapter import Payload
from streams.sources.backfill.pages import Page
from streams.sources.checked_events import map_payload
from streams.sources.database_rows import DatabaseAwayError, Row
from streams.sources.following import puzzel
from streams.sources.registry import adapter_of
from streams.sources.sql_server import SqlServer
from tests.streams.sources.golden_cases import account_rules
from tests.streams.sources.vendors import made_day
from tests.streams.sources.vendors.made_day import Call

ADAPTER: Final = adapter_of("puzzel")
ACCOUNT: Final = account_rules("puzzel", {"time_zone": "Europe/Oslo", "channel": "call", "queues": {"7": "billing"}})


class Tables:
    """A database in memory, which is away when it is asked for the first time after `fail`."""

    def __init__(self, **tables: list[Row]) -> None:
        self.tables = tables
        self.asked: list[tuple[str, int]] = []
        self.fail = False

    async def rows(self, table: str, after: int, limit: int) -> list[Row]:
        """Answer as the database does."""
        self.asked.append((table, after))
        if self.fail:
            self.fail = False
            raise DatabaseAwayError("the database at puzzel.example.com does not answer")
        found = sorted(
            (row for row in self.tables.get(table, []) if row["rec_id"] > after), key=lambda row: row["rec_id"]
        )
        return found[:limit]


def numbers(page: Page) -> list[int]:
    """Give the numbers of a page's rows."""
    return [orjson.loads(payload.body)["rec_id"] for payload in page.payloads]


async def test_a_row_that_comes_late_is_not_missed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A poll begins before the last row; pages are full and in order; the position is the highest number."""
    monkeypatch.setattr(puzzel, "EVERY_S", 0.0)
    monkeypatch.setattr(puzzel, "AGAIN_S", 0.0)
    monkeypatch.setattr(puzzel, "ROWS_AT_ONCE", 3)
    database = Tables(call_events=[{"rec_id": number} for number in (1, 2, 4, 5, 6)], agent_events=[{"rec_id": 9}])
    pages = puzzel.pages(database, None)
    assert [numbers(await anext(pages)) for _ in range(3)] == [[1, 2, 4], [5, 6], [9]]
    database.tables["call_events"].append({"rec_id": 3})
    database.fail = True
    away = await anext(pages)
    assert (away.fault, away.payloads) == ("the database at puzzel.example.com does not answer", ())
    page = await anext(pages)
    assert page.fault is None
    assert numbers(page) == [1, 2, 3]
    assert page.position == {"call_events": 6, "agent_events": 9}
    assert [(each.form, each.where) for each in page.payloads][-1] == ("call_event", "call_events 3")


async def test_empty_tables_that_answer_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """A page without rows ends the fault."""
    monkeypatch.setattr(puzzel, "EVERY_S", 0.0)
    monkeypatch.setattr(puzzel, "AGAIN_S", 0.0)
    database = Tables()
    database.fail = True
    pages = puzzel.pages(database, {"call_events": 7})
    assert [(await anext(pages)).fault is None for _ in range(2)] == [False, True]


async def test_it_goes_on_from_its_position() -> None:
    """A restart reads the overlap and what is behind it, not everything."""
    database = Tables(call_events=[{"rec_id": number} for number in (10, 9_800, 10_001)])
    page = await anext(puzzel.pages(database, {"call_events": 10_000, "agent_events": 0}))
    assert numbers(page) == [9_800, 10_001]
    assert database.asked[0] == ("call_events", 10_000 - puzzel.OVERLAP)


def row(rec_id: int, kind: str, at: str, **fields: object) -> dict[str, Any]:
    """Write a row of one call."""
    known = {"rec_id": rec_id, "call_id": "77", "call_sequence": rec_id, "media_type_id": 1, "source": "+4712345678"}
    return {
        **known,
        "event_type": kind,
        "dte_start": f"2026-03-02 09:{at}",
        "destination": "7",
        "result_code": "k",
        **fields,
    }


#: A menu, a wait, a talk, a transfer to another queue and a second talk.
CALL: Final = [
    row(1, "m", "00:00.000", duration_tot_sec=10),
    row(2, "q", "00:10.000", duration_tot_sec=20),
    row(3, "c", "00:25.000", user_id=31, dte_speak_start="2026-03-02 09:00:30.000", duration_speak_sec=60),
    row(4, "q", "01:30.000", duration_tot_sec=15, destination="8"),
    row(5, "c", "01:40.000", user_id=32, dte_speak_start="2026-03-02 09:01:45.000", duration_speak_sec=120),
]


def samples_of(rows: Sequence[Mapping[str, Any]]) -> list[tuple[str, int | None]]:
    """Map rows and fold the call: its samples by name and value."""
    events = [
        event_of(decode(*record))
        for each in rows
        for record in map_payload(ADAPTER, "call_event", Payload(orjson.dumps(each)), ACCOUNT).records
    ]
    merged, _ = merge([], events)
    return sorted((sample.sample, sample.value_ms or 0) for sample in fold("call", merged, Rules()).samples)


@given(st.permutations(CALL), st.lists(st.sampled_from(CALL), max_size=4))
def test_rows_in_any_order_are_one_call(order: list[Mapping[str, Any]], again: list[Mapping[str, Any]]) -> None:
    """However rows come, and if some come twice, the call gives the same samples."""
    assert samples_of([*order, *again]) == samples_of(CALL)


def test_what_a_call_measures() -> None:
    """The wait is that of the queue, the answer when somebody spoke, the work that of each agent."""
    found = samples_of(CALL)
    assert ("first_response", 20_000) in found
    assert [value for name, value in found if name == "queue_wait"] == [15_000, 20_000]
    assert [value for name, value in found if name == "handle"] == [60_000, 120_000]


@pytest.mark.parametrize(
    "address", ["", "postgres://a:b@h/d", "mssql://h", "mssql://u:s3cret@h:x/d", "mssql://u:s3cret[@h/d"]
)
def test_addresses_of_databases(address: str) -> None:
    """An address that is none is told in one line, without what it holds."""
    with pytest.raises(EndError) as refused:
        SqlServer(SecretStr(address))
    assert "s3cret" not in str(refused.value)


@pytest.mark.sqlserver
async def test_a_real_database() -> None:
    """Rows of a real SQL Server are read in order; its address is in PULSSI_TEST_SQL_SERVER."""
    address = os.environ.get("PULSSI_TEST_SQL_SERVER")
    if not address:
        pytest.skip("no SQL Server: PULSSI_TEST_SQL_SERVER names none")
    async with SqlServer(SecretStr(address)) as database:
        read = await database.rows("(SELECT 1 AS rec_id UNION SELECT 2) AS numbered", 0, 10)
    assert [each["rec_id"] for each in read] == [1, 2]


def test_a_ticket_has_as_many_tags_as_it_has() -> None:
    """An event holds 32 tags: of a ticket with more the next events put on the rest."""
    tags = [f"tag-{number:02}" for number in range(70)]
    body = {"event": "tags", "ticket": "17", "at": "2026-03-01T08:00:00Z", "tags": [*tags, " ", ""]}
    records = map_payload(ADAPTER, "hook", Payload(orjson.dumps(body)), ACCOUNT).records
    events = [orjson.loads(each.value) for each in records]
    assert [tag for event in events for tag in event["tags"]] == tags
    assert [event.get("replace", False) for event in events] == [True, False, False]


#: What rows tell to the millisecond; other ends are a whole number of seconds after their begin.
EXACT: Final = ("offered", "entered", "first_response", "missed")
IN_SECONDS: Final = ("queue_wait", "abandoned", "handle")


def raw_data(call_id: str, call: Call, rec_ids: Iterator[int]) -> list[tuple[str, Any]]:
    """Tell a simulated call by its rows."""
    rows: list[tuple[str, Any]] = []

    def tell(kind: str, begun: str, **fields: Any) -> None:  # noqa: ANN401 - JSON
        known = {"rec_id": next(rec_ids), "call_id": call_id, "call_sequence": len(rows) + 1, "media_type_id": 1}
        rows.append(("call_event", {**known, "event_type": kind, "dte_start": begun, "result_code": "k", **fields}))

    tell("initiation", call.started)
    if call.left_in_menu:
        tell("m", call.started, result_code="h", duration_tot_sec=seconds(call.started, call.left_in_menu))
    for visit in call.visits:
        ended = visit.connected or visit.ended
        code = "k" if visit.connected else {"abandoned": "h", "callback": "q", "overflow": "b"}.get(visit.how, "t")
        if visit.entered:
            length = 0 if ended is None else seconds(visit.entered, ended)
            tell("q", visit.entered, destination=visit.queue, result_code=code, duration_tot_sec=length)
        for at, agent in visit.missed:
            tell("c", at, user_id=agent)
        if visit.connected and visit.ended:
            spoken = {"dte_speak_start": visit.connected, "duration_speak_sec": seconds(visit.connected, visit.ended)}
            tell("c", visit.connected, user_id=visit.agent, **spoken)
    return rows


def seconds(begun: str, ended: str) -> int:
    """Give a length as Puzzel does, in whole seconds."""
    return round((made_day.ms(ended) - made_day.ms(begun)) / 1000)


def test_a_made_day() -> None:
    """A simulated day of calls, told by rows, gives the same samples: some exactly, the others within a second."""
    calls = {
        call_id: (call, events)
        for call_id, events in made_day.contacts("call", ("contact.discarded",)).items()
        if not (call := made_day.call_of(events)).outbound
        and all(visit.ended or not visit.connected for visit in call.visits)
        and not any(visit.held_ms for visit in call.visits)
        and (call.left_in_menu or call.visits[-1].connected or call.visits[-1].how in {"abandoned", "callback"})
    }
    assert len(calls) > 20
    rec_ids = itertools.count(1)
    rows = [row for call_id, (call, _) in calls.items() for row in raw_data(call_id, call, rec_ids)]
    account = account_rules("puzzel", {"time_zone": "UTC", "channel": "call"})
    mapped = made_day.mapped(ADAPTER, account, rows)
    told = [event for _, events in calls.values() for event in events if event["type"] != "contact.wrapped"]
    assert made_day.rows(mapped, EXACT) == made_day.rows(told, EXACT)
    ours, theirs = made_day.rows(mapped, IN_SECONDS), made_day.rows(told, IN_SECONDS)
    assert sorted(key[:2] for key in ours.elements()) == sorted(key[:2] for key in theirs.elements())
    pairs = zip(sorted(ours.elements(), key=_in_order), sorted(theirs.elements(), key=_in_order), strict=True)
    for one, other in pairs:
        assert one[:2] == other[:2]
        assert abs(one[5] - other[5]) <= 500


def _in_order(row: tuple[Any, ...]) -> tuple[Any, ...]:
    return row[0], row[1], round(row[2] / 1000)
