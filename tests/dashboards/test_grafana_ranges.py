"""Figures at the edges: of the range, of days and steps in a zone, of choices, and of policies that change on a day."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

import pytest
from clickhouse_connect.driver.client import Client

from dashboards.grafana_definitions.alerts import rule_uid, rules
from dashboards.grafana_definitions.catalogue import dashboards
from dashboards.grafana_definitions.site import Json, Site
from schemas.calendars import DAY_MS, Calendar, Hours, Span
from schemas.objectives import ObjectiveKey
from schemas.policies import Policy, Rules
from schemas.settings import Settings
from sinks.objective_archive import objective_rows
from sinks.store_protocol import Batch
from streams import times
from streams.clickhouse.connection import connect
from streams.kafka.topic_reader import TopicRecord
from tests.dashboards.grafana_days import CHOSEN, SITE, ZONE, judged
from tests.dashboards.grafana_macros import Range, expand
from tests.dashboards.grafana_rules import alerting
from tests.fixtures.clickhouse import ClickHouseServer, own_database
from tests.oracle.contacts import milliseconds as ms
from tests.sinks.rows import contact, event, pane, sample, write

HOUR: Final = 3_600_000
T0: Final = ms("2026-06-01T12:00Z")
SAVED: Final = "Minutes in which gauges were saved"


def _panel(title: str, site: Site = SITE) -> Json:
    return next(one for of in dashboards(site) for one in of["panels"] if one["title"] == title)


def _ask(client: Client, title: str, over: Range, site: Site = SITE, **chosen: list[str]) -> list[dict[str, Any]]:
    sql = expand(_panel(title, site)["targets"][0]["rawSql"], over, {**CHOSEN, **chosen})
    return list(client.query(sql).named_results())


def _happened(kind: str, *times_ms: int, **fields: Any) -> Batch:  # noqa: ANN401 - of both rows
    """Write a sample at each of these times as the sink does: the sample, and its minute."""
    places = {"channel": "call", "queue": "q", "sample": kind, **fields}
    panes = [
        pane(pane_start=at - at % 60_000, supplement=f"{kind}{at}{number}", **places)
        for number, at in enumerate(times_ms)
    ]
    samples = [
        sample(1, contact_id=f"{kind}{at}{number}", at=at, value_ms=10, **places) for number, at in enumerate(times_ms)
    ]
    return Batch(panes=panes, samples=samples)


def test_each_bar_leads_to_its_own_contacts(database: Settings, client: Client) -> None:
    """Also the first, of which a part lies before the range, and one with a contact in its very last second."""
    clocks = ("12:29:40", "12:30:30", "12:31:05", "12:59:59.600", "13:00:20", "13:59:30", "13:59:59.999", "14:00:10")
    write(database, _happened("offered", *(ms(f"2026-06-01T{clock}Z") for clock in clocks)))
    for step_s in (60, 3_600):
        over = Range(ms("2026-06-01T12:30:10Z") // 1_000, ms("2026-06-01T14:00:05Z") // 1_000, step_s)
        bars = _ask(client, "Offered, answered, abandoned", over)
        for bar in bars:
            behind = _ask(
                client,
                "The contacts behind it",
                Range(bar["since"] // 1_000, bar["until"] // 1_000),
                sample=["offered"],
            )
            assert len(behind) == bar["Offered"], bar
        (calls,) = [row for row in _ask(client, "Offered", over) if row["channel"] == "call"]
        behind = _ask(client, "The contacts behind it", over, sample=["offered"])
        assert calls["contacts"] == len(behind) == sum(bar["Offered"] for bar in bars) == 6


def test_a_link_hands_on_what_its_figure_depends_on() -> None:
    """Where a figure is of the chosen teams and priorities, so are the contacts that it leads to."""
    followed = 0
    for one in dashboards(SITE):
        for panel in one["panels"]:
            sql = panel.get("targets", [{"rawSql": ""}])[0]["rawSql"]
            links = re.findall(r"/d/pulssi-contact/contact\?[^']*", repr(panel))
            for link in (link for link in links if "var-sample" in link):
                followed += 1
                for name in ("priority", "team"):
                    assert (f"${name})" in sql) == (f"${{{name}:queryparam}}" in link), (panel["title"], link)
    assert followed > 10
    (late,) = re.findall(r"var-sample=([^&]*)", repr(_panel("Late in the range, by policy")))
    assert late == "${__data.fields.sample:percentencode}"


def test_contacts_of_no_team_can_be_chosen(database: Settings, client: Client) -> None:
    """Under a name: an empty choice is all of them to the data source."""
    write(database, _happened("first_response", T0, T0 + 1, T0 + 2))
    write(database, _happened("first_response", T0 + 3, team="gold"))
    over = Range(T0 // 1_000, T0 // 1_000 + 60)
    (team,) = [each for each in dashboards(SITE)[0]["templating"]["list"] if each["name"] == "team"]
    asked = team["definition"].replace("now()", f"toDateTime({over.end})")
    assert [row[0] for row in client.query(asked).result_rows] == ["gold", "no team"]
    for chosen, n in ((["no team"], 3), (["gold"], 1), (["gold", "no team"], 4)):
        (calls,) = [row for row in _ask(client, "Answered", over, team=chosen) if row["channel"] == "call"]
        assert calls["contacts"] == n
        assert len(_ask(client, "The contacts behind it", over, team=chosen, sample=["first_response"])) == n


@pytest.fixture(scope="module")
def helsinki(clickhouse_server: ClickHouseServer) -> Iterator[tuple[Settings, Client]]:
    """Give a database of a centre in Helsinki."""
    with own_database(clickhouse_server, "pulssi_edges", PULSSI_TIME_ZONE=ZONE) as ours, connect(ours) as client:
        yield ours, client


def test_first_contacts_of_one_day(database: Settings, client: Client) -> None:
    """A day in Helsinki has what was resolved on it, to its last second, and nothing of the day before or after."""
    begin, end = ms("2026-06-01T21:00Z"), ms("2026-06-02T21:00Z")
    resolved = (begin - 1, begin, begin + 10 * HOUR, end - 1, end, end + HOUR)
    rows = [
        contact(1, contact_id=str(at), channel="chat", queue="q", customer_id=str(at), open=False)._replace(
            resolved_at=at, started_at=at - HOUR
        )
        for at in resolved
    ]
    write(database, Batch(contacts=rows))
    (row,) = _ask(client, "Resolved at the first contact, the least first", Range(begin // 1_000, end // 1_000 - 1))
    assert (row["Resolved"], row["At first contact"], row["Customer known"]) == (3, 1, 1)


def test_the_chosen_zone_takes_no_half_hour_from_the_forecast(helsinki: tuple[Settings, Client]) -> None:
    """Days of the forecast are the centre's: in a zone behind it, or ahead, the same half hours are shown."""
    ours, client = helsinki
    weeks = [ms("2026-05-04T22:10Z") + week * 7 * DAY_MS for week in range(4)]  # 01:10 on Tuesdays in Helsinki
    write(ours, _happened("entered", *weeks, ms("2026-04-01T09:00Z")))
    over = Range(ms("2026-05-25T12:00Z") // 1_000, ms("2026-05-25T22:30Z") // 1_000, 1_800)
    for title in ("Entered and forecast", "Forecast error by queue, the largest first"):
        in_centre = _ask(client, title, over, weeks=["3"])
        assert in_centre
        for zone in ("UTC", "America/Sao_Paulo", "Asia/Tokyo"):
            assert _ask(client, title, over, weeks=["3"], tz=[zone]) == in_centre, zone
    rows = {row["time"]: row for row in _ask(client, "Entered and forecast", over, weeks=["3"], tz=["UTC"])}
    last = rows[datetime(2026, 5, 25, 22)]  # noqa: DTZ001 - as the client gives it
    assert (last["Entered"], last["Forecast"]) == (1, 1)


def test_queues_that_cannot_be_staffed_are_named(database: Settings, client: Client) -> None:
    """Those without a handle time and those with an objective of 100 %, with their forecast; no others."""
    weeks = [T0 + week * 7 * DAY_MS for week in (-3, -2, -1)]  # the first one is left out of the forecast
    for queue in ("planned", "unhandled", "perfect"):
        write(database, _happened("entered", *weeks, queue=queue))
        if queue != "unhandled":
            write(database, _happened("handle", *weeks, queue=queue))
    perfect = Policy("perfect", "queue_wait", 20_000, 1.0, channel="call", queue="perfect")
    site = Site(rules=Rules(policies=(CALLS, perfect)))
    over = Range(T0 // 1_000, (T0 + HOUR) // 1_000)
    rows = _ask(client, "Not in the positions, and why", over, site)
    assert [(row["queue"], row["Why"], row["Half hours"], row["Forecast"]) for row in rows] == [
        ("perfect", "the objective is 100 %", 1, 1),
        ("unhandled", "no handle time is known", 1, 1),
    ]
    positions = _ask(client, "Positions needed, by channel", over, site)
    assert {row["needed"] for row in positions if row["needed"]} == {2}  # of the one queue that is planned


def test_a_range_from_monday_noon_to_monday_noon(helsinki: tuple[Settings, Client]) -> None:
    """Each hour of Monday is in one of the two Mondays: its mean is over that one; what is not over counts not."""
    ours, client = helsinki
    zone = ZoneInfo(ZONE)
    begin = round(datetime(2026, 7, 6, tzinfo=zone).timestamp()) * 1_000
    hours = [begin + day * DAY_MS + hour * HOUR for day in range(10) for hour in range(24)]
    write(ours, _happened("offered", *hours, *(at + 60_000 for at in hours)))
    noon = begin + 12 * HOUR
    rows = _ask(client, "Offered by weekday and hour", Range(noon // 1_000, noon // 1_000 + 7 * 86_400 - 1))
    assert [list(row.values())[1:] for row in rows] == [[2] * 24] * 7
    (monday,) = _ask(client, "Offered by weekday and hour", Range(noon // 1_000, begin // 1_000 + 86_399))
    assert list(monday.values())[1:] == [None] * 12 + [2] * 12
    now = times.now_ms()
    write(ours, _happened("offered", now - 1, queue="now"))
    over = Range(now // 1_000 - 7_200, now // 1_000 + 1)
    rows = _ask(client, "Offered by weekday and hour", over, queue=["now"])
    assert {value for row in rows for value in list(row.values())[1:]} <= {0, None}


def test_events_are_in_the_order_in_which_they_count(database: Settings, client: Client) -> None:
    """Of one time: by their type where there is no `seq`; what began the contact comes first, however late it is."""
    told = (
        ("a", "contact.resolved", T0, 0),
        ("b", "contact.disconnected", T0, 0),
        ("c", "contact.connected", T0, 0),
        ("d", "contact.queued", T0, 0),
        ("e", "contact.tagged", T0, 0),
        ("f", "contact.started", T0 + 1, 0),
        ("g", "contact.started", T0 + 2, 0),
        ("h", "contact.wrapped", T0, 1),
        ("i", "contact.queued", T0 - 1, 5),
    )
    rows = [
        event(event_id, number, type=kind, occurred_at=at, seq=seq)
        for number, (event_id, kind, at, seq) in enumerate(told)
    ]
    write(database, Batch(events=rows))
    shown = _ask(client, "Its events", Range(0, 1), contact=["a:1"])
    assert "".join(row["Id"] for row in shown) == "fidcebahg"


@pytest.mark.parametrize(
    ("zone", "day", "step_s"),
    [
        ("Europe/Helsinki", "2026-10-25", 60),
        ("Europe/Helsinki", "2026-10-25", 7_200),
        ("Europe/Helsinki", "2026-10-25", 43_200),
        ("Europe/Helsinki", "2026-10-25", 86_400),
        ("Australia/Lord_Howe", "2026-04-05", 3_600),
        ("Asia/Kathmandu", "2026-01-01", 1_200),
        ("Asia/Kathmandu", "2026-01-01", 3_600),
    ],
)
@pytest.mark.usefixtures("database")
def test_gauges_have_every_step_of_the_chosen_zone(client: Client, zone: str, day: str, step_s: int) -> None:
    """Each once, with the highest minute in it; a step in which nobody looked is a gap."""
    begin = round(datetime.fromisoformat(f"{day}T00:00+00:00").timestamp()) - 7_000
    over = Range(begin, begin + 2 * 86_400, step_s)
    minutes = range(begin // 60 * 60 + 60, over.end, 60)
    asked = f"SELECT toUnixTimestamp(pulssi_local_step(toDateTime(arrayJoin({[begin, *minutes]})), {step_s}, '{zone}'))"
    expected: dict[int, int | None] = dict.fromkeys(row[0] for row in client.query(asked).result_rows)
    seen = [at for at in minutes if begin + 30_000 < at < begin + 60_000 or at > over.end - 30_000]
    rows = [(at, waiting) for waiting, at in enumerate(seen, 1)]
    client.command(
        "INSERT INTO gauge_history_rows (at, channel, queue, waiting)"  # noqa: S608 - numbers alone go in here
        f" SELECT toDateTime64(row.1, 3, 'UTC'), 'call', 'q', row.2 FROM (SELECT arrayJoin({rows}) AS row)"
    )
    steps = f"SELECT toUnixTimestamp(pulssi_local_step(toDateTime(arrayJoin({seen})), {step_s}, '{zone}'))"
    for (step,), (_, waiting) in zip(client.query(steps).result_rows, rows, strict=True):
        expected[step] = waiting
    found = _ask(client, "Waiting · $channel", over, channel=["call"], tz=[zone])
    assert {row["queue"] for row in found} == {"q"}
    assert [(round(row["time"].replace(tzinfo=UTC).timestamp()), row["contacts"]) for row in found] == sorted(
        expected.items()
    )
    assert step_s == 86_400 or None in expected.values()
    saved = {round(row["time"].replace(tzinfo=UTC).timestamp()) for row in _ask(client, SAVED, over, tz=[zone])}
    assert saved == {step for step, waiting in expected.items() if waiting}


OFFICE: Final = Calendar("office", (Hours("UTC", ((Span(480, 1_020),),) * 5 + ((),) * 2),))
CALLS: Final = Policy("calls", "first_response", 20_000, 0.8, channel="call")
VIP: Final = Policy("vip", "first_response", 10_000, 0.95, channel="call", queue="q")


def test_how_late_the_worst_was_by_the_policys_clock(database: Settings, client: Client) -> None:
    """What is held against the target: business time, time without pauses, both; by the policy of the sample's time."""
    time = Policy("mail", "resolution", 4 * HOUR, 0.9, "call", calendar=OFFICE)
    business = time._replace(clock="calendar")
    stopping, both = time._replace(pauses="stop"), business._replace(pauses="stop")
    measured: dict[str, Any] = {
        "value_ms": 65 * HOUR,
        "business_ms": 7 * HOUR,
        "active_ms": 64 * HOUR,
        "active_business_ms": 6 * HOUR,
        "target_ms": 4 * HOUR,
        "within": False,
        "policy": "mail",
    }
    late = sample(1, sample="resolution", channel="call", queue="q", at=T0, **measured)
    write(database, Batch(samples=[late]))
    over = Range(T0 // 1_000, T0 // 1_000 + 60)
    for policy, hours in ((time, 61), (business, 3), (stopping, 60), (both, 2)):
        for held in (
            Rules(policies=(policy,)),
            Rules(policies=(time,), policies_from=((T0 - 1, (policy,)),)),
            Rules(policies=(policy,), policies_from=((T0 + 1, (time,)),)),
        ):
            (row,) = _ask(client, "Late in the range, by policy", over, Site(rules=held))
            assert (row["Late"], row["Worst beyond"]) == (1, hours * 3_600)


def test_what_a_changed_clock_does_not_find_late_is_not_beyond(database: Settings, client: Client) -> None:
    """It was judged late by the former clock, and stays late; how far, the new clock does not say."""
    mail = Policy("mail", "resolution", 4 * HOUR, 0.9, "call", clock="calendar", calendar=OFFICE)
    times_ms: dict[str, Any] = {"value_ms": 65 * HOUR, "business_ms": 3 * HOUR, "target_ms": 4 * HOUR}
    late = sample(1, sample="resolution", channel="call", queue="q", at=T0, within=False, policy="mail", **times_ms)
    write(database, Batch(samples=[late]))
    over = Range(T0 // 1_000, T0 // 1_000 + 60)
    (row,) = _ask(client, "Late in the range, by policy", over, Site(rules=Rules(policies=(mail,))))
    assert (row["Late"], row["Worst beyond"]) == (1, None)


def test_the_objective_of_a_queue_is_that_in_force(database: Settings, client: Client) -> None:
    """At the end of the range: neither of policies to come, nor of those that were replaced."""
    write(database, _happened("first_response", T0))
    later = T0 + 2 * DAY_MS
    changing = Rules(policies=(CALLS,), policies_from=((later, (VIP, CALLS._replace(objective=0.7))), (later * 2, ())))
    objectives = []
    for end in (T0 + HOUR, later + HOUR):
        over = Range(T0 // 1_000, end // 1_000)
        (row,) = _ask(client, "In the range, by queue, the worst first", over, Site(rules=changing))
        objectives.append(row["Objective"])
    assert objectives == [0.8, 0.95]


def _judged(at: int, window_ms: int, queue: str, level: float) -> TopicRecord:
    return judged(ObjectiveKey("calls", "call", queue, window_ms), at, level, 0.8)


@pytest.mark.parametrize(("changes_in_ms", "expected"), [(DAY_MS, {"over a day"}), (-DAY_MS, {"over an hour"})])
def test_the_window_in_force_is_what_counts(
    database: Settings, client: Client, changes_in_ms: int, expected: set[str]
) -> None:
    """A policy's window changes to an hour on some day; a burn rate, reported before and after, has an hour too."""
    now = times.now_ms()
    day, hour = CALLS._replace(window_ms=DAY_MS), CALLS._replace(window_ms=HOUR)
    site = Site(rules=Rules(policies=(day,), policies_from=((now + changes_in_ms, (hour,)),)))
    told = [
        _judged(now - 60_000, DAY_MS, "over a day", 0.5),
        _judged(now - 60_001, DAY_MS, "over an hour", 0.9),
        _judged(now - 1_000, HOUR, "over a day", 0.9),
        _judged(now - 1_001, HOUR, "over an hour", 0.5),
    ]
    write(database, Batch(objectives=objective_rows(told)))
    (rule,) = [one for one in rules(site) if one["uid"] == rule_uid(CALLS)]
    sql = expand(rule["data"][0]["model"]["rawSql"], Range(0, 1))
    assert alerting(rule, client.query(sql).named_results()) == expected
    lines = _ask(client, "Attained · calls", Range(now // 1_000 - 600, now // 1_000 + 1, 300), site)
    assert {row["line"].removeprefix("call · ") for row in lines if row["level"] == 0.5} == expected
    assert len({row["line"] for row in lines}) == 2
