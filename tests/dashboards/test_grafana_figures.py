"""Figures of the dashboards over simulated days against the oracle, which computes them once more from the events.

What is now is in `test_grafana_queries`.
"""

import itertools
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from dashboards.grafana_definitions import handle_time, objectives, quality, queries, queues, tags, teams
from dashboards.grafana_definitions.catalogue import dashboards
from dashboards.grafana_definitions.contact import BEHIND, EVENTS, SAMPLES
from dashboards.grafana_definitions.pieces import of_place
from dashboards.grafana_definitions.planning import INTERVALS, WEEK, WORK
from dashboards.grafana_definitions.site import Site
from schemas.policies import DEFAULT_POLICIES, Policy, Rules
from tests.dashboards.grafana_days import BEGIN, END, OVER, SITE, ZONE, Days, simulated_days
from tests.dashboards.grafana_macros import Range
from tests.fixtures.clickhouse import ClickHouseServer
from tests.oracle.batch import samples
from tests.oracle.contacts import milliseconds as ms
from tests.oracle.rows import Row


@pytest.fixture(scope="module")
def days(clickhouse_server: ClickHouseServer) -> Iterator[Days]:
    """Give the days."""
    with simulated_days(clickhouse_server, "pulssi_figures") as found:
        yield found


Place = tuple[str, str]


def _by_place(days: Days, sample: str, keep: Callable[[Row], bool] = lambda _: True) -> Counter[Place]:
    return Counter((row.channel, row.queue) for row in days.told if row.sample == sample and keep(row))


def _sum_ms(days: Days, sample: str) -> Counter[Place]:
    found: Counter[Place] = Counter()
    for row in days.told:
        if row.sample == sample:
            found[row.channel, row.queue] += row.value_ms or 0
    return found


def _level(of: list[Row]) -> float | None:
    """Within / (answered + abandoned - short), of those held against a target."""
    held = [row for row in of if row.sample in {"first_response", "abandoned"} and row.target_ms is not None]
    counted = [row for row in held if not row.short]
    within = sum(bool(row.within) for row in counted if row.sample == "first_response")
    return within / len(counted) if counted else None


def test_by_queue(days: Days) -> None:
    """Volumes, abandonments and levels of each queue; the objective is that of its policy; the worst comes first."""
    rows = days.ask(queries.range_by_queue(SITE))
    for name, sample in (("Offered", "offered"), ("Answered", "first_response"), ("Abandoned", "abandoned")):
        told = {(row["channel"], row["queue"]): row[name] for row in rows if row[name]}
        assert told == _by_place(days, sample)
    objective = {policy.channel: policy.objective for policy in DEFAULT_POLICIES}
    for row in rows:
        level = _level([one for one in days.told if (one.channel, one.queue) == (row["channel"], row["queue"])])
        assert row["Service level"] == pytest.approx(level)
        assert row["Objective"] == objective[row["channel"]]
    differences = [row["Difference"] for row in rows if row["Difference"] is not None]
    assert differences == sorted(differences)
    assert len(differences) > 5


def test_choices(days: Days) -> None:
    """A team and a priority leave out what is of others."""
    team = next(row.team for row in days.told if row.sample == "handle" and row.team)
    (row,) = days.ask(queries.count_by_channel("first_response"), team=[team], channel=["call"]) or [{"contacts": 0}]
    of_team = [
        one for one in days.told if one.sample == "first_response" and one.team == team and one.channel == "call"
    ]
    assert row["contacts"] == len(of_team)


def test_against_a_day_before(days: Days) -> None:
    """By the wall clock: Sunday's hours from 10:00 to 12:00 in winter time, Saturday's in summer time."""
    begin, end = ms("2026-10-25T08:00Z"), ms("2026-10-25T10:00Z")
    rows = days.ask(queries.COMPARED, Range(begin // 1_000, end // 1_000 - 1))
    before = ms("2026-10-24T07:00Z")
    for row in rows:
        for name, since in (("Offered", begin), ("A day before", before)):
            came = [one for one in days.told if one.channel == row["channel"] and since <= one.at < since + end - begin]
            assert row[name] == sum(one.sample == "offered" for one in came)
            level = "Level" if name == "Offered" else "Level a day before"
            assert row[level] == pytest.approx(_level(came))
    assert any(row["A day before"] for row in rows)


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
        assert "from=${__value.time}&to=${__data.fields.until}" in url
        (sample,) = [part.removeprefix("var-sample=") for part in url.split("&") if part.startswith("var-sample=")]
        begin = round(bar["time"].replace(tzinfo=UTC).timestamp())
        behind = days.ask(BEHIND, Range(begin, bar["until"] // 1_000), sample=[sample])
        assert 0 < len(behind) == bar[name]


def test_visits_and_how_they_ended(days: Days) -> None:
    """Entered, left, and the outcomes of the visits; waits within 1 %."""
    rows = days.ask(queues.VISITS)
    for name, sample in (("Entered", "entered"), ("Left", "queue_wait"), ("Transferred", "transferred")):
        assert {(row["channel"], row["queue"]): row[name] for row in rows if row[name]} == _by_place(days, sample)
    for row in rows:
        place = row["channel"], row["queue"]
        waits = sorted(
            one.value_ms or 0 for one in days.told if one.sample == "queue_wait" and (one.channel, one.queue) == place
        )
        if waits:
            exact = waits[max(0, -(-len(waits) * 9 // 10) - 1)] / 1_000
            assert row["Wait p90"] == pytest.approx(exact, rel=0.01)
    outcomes = {(row["channel"], row["queue"], row["Outcome"]): row["Visits"] for row in days.ask(queues.OUTCOMES)}
    assert outcomes == Counter((one.channel, one.queue, one.outcome) for one in days.told if one.sample == "queue_wait")


def test_parts_of_handle_time(days: Days) -> None:
    """Means of talk, hold and wrap-up add up to the AHT; the heat map has every segment once."""
    rows = days.ask(handle_time.PARTS)
    for name, sample in (("AHT", "handle"), ("Talk", "talk"), ("Hold", "hold"), ("Wrap-up", "wrap")):
        sums, segments = _sum_ms(days, sample), _by_place(days, "handle")
        for row in rows:
            place = row["channel"], row["queue"]
            assert row[name] == pytest.approx(sums[place] / segments[place] / 1_000)
    heat = days.ask(handle_time.HEAT)
    counted = sum(value for row in heat for name, value in row.items() if name != "time")
    assert counted == sum(one.sample == "handle" for one in days.told)


def test_tags(days: Days) -> None:
    """Volumes by tag, by queue, and over time; untagged resolutions."""
    of_tags = Counter(row.tag for row in days.told if row.sample == "tagged")
    assert {row["tag"]: row["Contacts"] for row in days.ask(tags.TAGS)} == dict(of_tags.most_common(50))
    over_time: Counter[str] = Counter()
    for row in days.ask(tags.TAGS_OVER_TIME):
        over_time[row["tag"]] += row["contacts"]
    assert all(of_tags[tag] == n for tag, n in over_time.items())
    assert len(over_time) == 8
    untagged = {(row["channel"], row["queue"]): row["Resolved untagged"] for row in days.ask(tags.HEALTH)}
    assert {place: n for place, n in untagged.items() if n} == _by_place(days, "untagged_resolved")


def test_quality(days: Days) -> None:
    """Ratings and who was satisfied, reopenings, slow contacts."""
    rows = days.ask(quality.BY_QUEUE)
    for name, sample in (("Rated", "rated"), ("Reopened", "reopened"), ("Slow", "slow"), ("Resolved", "resolution")):
        assert {(row["channel"], row["queue"]): row[name] for row in rows if row[name]} == _by_place(days, sample)
    satisfied = _by_place(days, "rated", lambda row: bool(row.satisfied))
    for row in rows:
        if row["Rated"]:
            assert row["Satisfied"] == pytest.approx(satisfied[row["channel"], row["queue"]] / row["Rated"])


def test_teams(days: Days) -> None:
    """What each team handled, over the range and over time."""
    expected = Counter((row.team or "no team", row.channel) for row in days.told if row.sample == "handle")
    rows = days.ask(teams.BY_TEAM)
    assert {(row["Team"], row["channel"]): row["Handled"] for row in rows if row["Handled"]} == expected
    assert sum(row["handled"] for row in days.ask(teams.HANDLED)) == sum(expected.values())


def test_planning(days: Days) -> None:
    """Intervals add up to what came; hours of a weekday are of the centre's clock; work is handle time."""
    whole = Range(OVER.start, OVER.end - 1)
    came = [row for row in days.told if row.sample == "offered"]
    assert sum(row["Offered"] for row in days.ask(INTERVALS, whole)) <= len(came)
    week = {row["Day"]: row for row in days.ask(WEEK, whole)}
    zone = ZoneInfo(ZONE)
    saturday = Counter(
        local.hour for row in came if (local := datetime.fromtimestamp(row.at / 1_000, zone)).date().day == 24
    )
    assert {hour: week["Sat"][f"{hour:02}"] for hour in range(24) if week["Sat"][f"{hour:02}"]} == saturday
    done = sum(row["agents"] for row in days.ask(WORK, whole)) * 1_800_000
    assert done == pytest.approx(sum(row.value_ms or 0 for row in days.told if row.sample == "handle"))


def test_one_contact(days: Days) -> None:
    """All its events and all its samples."""
    contact_id = max(Counter(row.contact_id for row in days.told).items(), key=lambda each: each[1])[0]
    events = [event for event in days.events if event.get("contact_id") == contact_id]
    assert len(days.ask(EVENTS, contact=[contact_id])) == len(events)
    rows = days.ask(SAMPLES, contact=[contact_id])
    assert Counter(row["Sample"] for row in rows) == Counter(
        row.sample for row in samples(days.events) if row.contact_id == contact_id
    )


def test_objectives_stand_the_worst_first(days: Days) -> None:
    """Missed ones before those that are met, by how far they are below."""
    rows = days.ask(objectives.OBJECTIVES_NOW)
    assert [(row["state"], row["queue"]) for row in rows] == [("missed", "a")] * 3 + [("met", "b")] * 3
    assert [row["policy"] for row in rows[:1]] == ["email-24h"]
    breached = days.ask(objectives.BREACHES_BY_POLICY)
    expected = Counter((row.policy, row.sample, row.channel, row.queue) for row in days.told if row.within is False)
    assert {
        (row["policy"], row["sample"], row["channel"], row["queue"]): row["Late"] for row in breached if row["Late"]
    } == expected


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
        sql = ask.format(of_place(Site(rules=Rules(policies=policies)), "objective"))
        assert [row[0] for row in days.client.query(f"{sql} ORDER BY channel, queue").result_rows] == expected
