"""What the panels' figures have in common: choices, steps of the clock, ways to the contacts, gaps, and objectives.

The figures of each panel are in `test_panel_figures`.
"""

import itertools
import re
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from dashboards.grafana_definitions import queries
from dashboards.grafana_definitions.catalogue import dashboards
from dashboards.grafana_definitions.contact import BEHIND
from dashboards.grafana_definitions.links import LATE_OF_POLICY
from dashboards.grafana_definitions.objectives import breaches_by_policy
from dashboards.grafana_definitions.pieces import of_place
from dashboards.grafana_definitions.planning import week
from dashboards.grafana_definitions.site import Site
from schemas.policies import DEFAULT_POLICIES, Policy, Rules
from tests.dashboards.grafana_days import BEGIN, END, OVER, SITE, ZONE, Days, simulated_days
from tests.dashboards.grafana_macros import Range
from tests.fixtures.clickhouse import ClickHouseServer


@pytest.fixture(scope="module")
def days(clickhouse_server: ClickHouseServer) -> Iterator[Days]:
    """Give the days."""
    with simulated_days(clickhouse_server, "pulssi_steps") as found:
        yield found


def test_choices(days: Days) -> None:
    """A team and a priority leave out what is of others."""
    team = next(row.team for row in days.told if row.sample == "handle" and row.team)
    (row,) = days.ask(queries.count_by_channel("first_response"), team=[team], channel=["call"])
    of_team = [
        one for one in days.told if one.sample == "first_response" and one.team == team and one.channel == "call"
    ]
    assert row["contacts"] == len(of_team)


def test_steps_follow_the_centres_clock(days: Days) -> None:
    """Hours: two that begin at 03:00. Two hours: at even local hours. Days: at local midnight, the last of 25 hours."""
    zone = ZoneInfo(ZONE)
    offered = [row.at for row in days.told if row.sample == "offered"]
    for step_s in (3_600, 7_200, 86_400):
        rows = days.ask(queries.VOLUMES, OVER._replace(step_s=step_s))
        expected: Counter[datetime] = Counter()
        for at in offered:
            local = datetime.fromtimestamp(at / 1_000, zone)
            if step_s == 86_400:
                begin = local.replace(hour=0, minute=0, second=0, microsecond=0, fold=0)
            elif step_s == 7_200:
                begin = local.replace(hour=local.hour // 2 * 2, minute=0, second=0, microsecond=0, fold=0)
            else:
                begin = local.replace(minute=0, second=0, microsecond=0)
            expected[begin.astimezone(UTC).replace(tzinfo=None)] += 1
        assert {row["time"].replace(tzinfo=None): row["Offered"] for row in rows if row["Offered"]} == expected
    hours = [row["time"].replace(tzinfo=UTC).astimezone(zone) for row in days.ask(queries.VOLUMES)]
    assert [f"{hour:%H}" for hour in hours if f"{hour:%d}" == "25"].count("03") == 2


def test_an_hour_that_comes_twice_is_one_hour_of_its_day(days: Days) -> None:
    """Clocks go back on the Sunday: what came in both hours of 03 is that day's."""
    rows = {row["Day"]: row for row in days.ask(week(SITE))}
    of_hour = [row for row in days.told if row.sample == "offered" and _hour(row.at) == ("Sun", 3)]
    assert rows["Sun"]["03"] == len(of_hour)
    assert {datetime.fromtimestamp(row.at / 1_000, ZoneInfo(ZONE)).fold for row in of_hour} == {0, 1}


def _hour(at_ms: int) -> tuple[str, int]:
    local = datetime.fromtimestamp(at_ms / 1_000, ZoneInfo(ZONE))
    return f"{local:%a}", local.hour


def test_what_was_late_leads_to_its_contacts(days: Days) -> None:
    """A row of a policy and a sample leads to as many contacts as were late by it, and to no others."""
    rows = [row for row in days.ask(breaches_by_policy(SITE)) if row["Late"]]
    assert {row["sample"] for row in rows} > {"first_response"}
    assert re.findall(r"var-(\w+)=([^&]+)", LATE_OF_POLICY[1])[2:] == [
        ("sample", "${__data.fields.sample:percentencode}"),
        ("policy", "${__data.fields.policy:percentencode}"),
        ("target", "late"),
    ]
    for row in rows:
        of = {name: [row[name]] for name in ("channel", "queue", "sample", "policy")}
        assert len(days.ask(BEHIND, None, target=["late"], **of)) == row["Late"]


def test_a_step_leads_to_its_contacts(days: Days) -> None:
    """From a bar's beginning to its `until` the contacts behind it are as many as it says."""
    panel = next(one for one in dashboards(SITE)[0]["panels"] if one["title"] == "Offered, answered, abandoned")
    links = {
        override["matcher"]["options"]: one["value"][0]["url"]
        for override in panel["fieldConfig"]["overrides"]
        for one in override["properties"]
        if one["id"] == "links"
    }
    assert set(links) == {"Offered", "Answered", "Abandoned"}
    bars = days.ask(panel["targets"][0]["rawSql"])
    for name, url in links.items():
        bar = max(bars, key=lambda row: row[name])
        assert "from=${__data.fields.since.numeric}&to=${__data.fields.until.numeric}" in url
        (sample,) = [part.removeprefix("var-sample=") for part in url.split("&") if part.startswith("var-sample=")]
        behind = days.ask(BEHIND, Range(bar["since"] // 1_000, bar["until"] // 1_000), sample=[sample])
        assert 0 < len(behind) == bar[name]


def test_waits_stop_where_the_figures_do(days: Days) -> None:
    """The sink was last heard of at the end of the days, long ago: nobody's wait counts on since then."""
    ((told,),) = days.client.query("SELECT as_of = data_at FROM freshness").result_rows
    assert told
    longest = [row["Longest wait"] for row in days.ask(queries.NOW_BY_QUEUE)]
    assert all(wait is None or wait <= (END - BEGIN) // 1_000 + 66 * 3_600 for wait in longest)


def test_a_gauge_that_nobody_looked_at_is_a_gap(days: Days) -> None:
    """Each step of the range has a row of each queue; only the one that was saved has a number."""
    over = Range((END - 7_200_000) // 1_000, END // 1_000, 1_800)
    rows = days.ask(queries.gauge_over_time("stale"), over, channel=["email"])
    queues_of = {row["queue"] for row in rows}
    assert queues_of
    assert len(rows) == 4 * len(queues_of)
    for queue, of_queue in itertools.groupby(sorted(rows, key=lambda row: row["queue"]), key=lambda row: row["queue"]):
        assert queue
        assert [row["contacts"] is None for row in of_queue] == [True, True, False, True]


def test_the_objective_of_a_queue(days: Days) -> None:
    """The first policy that applies, by names that have quotes; none for a priority; no policy at all: not known."""
    own = Policy("own", "first_response", 1, 0.5, channel="call", queue="it's")
    vip = Policy("vip", "first_response", 1, 0.99, priority="vip")
    every = Policy("all", "first_response", 1, 0.7)
    of = (own, vip, *DEFAULT_POLICIES, every)
    ask = "SELECT {} FROM (SELECT arrayJoin(['call', 'post']) AS channel, arrayJoin(['it''s', 'x']) AS queue)"
    for policies, expected in ((of, [0.5, 0.8, 0.7, 0.7]), ((), [None] * 4)):
        sql = ask.format(of_place(Site(rules=Rules(policies=policies)), "objective", "now()"))
        assert [row[0] for row in days.client.query(f"{sql} ORDER BY channel, queue").result_rows] == expected
