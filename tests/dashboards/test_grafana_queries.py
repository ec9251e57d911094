"""Every question that the dashboard, its choices and the rules ask, on a real engine filled through its tables."""

from typing import Final, NamedTuple

import pytest
from clickhouse_connect.driver.client import Client

from dashboards.grafana_definitions import queries
from dashboards.grafana_definitions.alerts import MIN_VOLUME, rules, shortfall
from dashboards.grafana_definitions.live_floor import live_floor
from dashboards.grafana_definitions.site import Site
from schemas.agents import STATUSES
from schemas.panes import PANE_MS
from schemas.policies import DEFAULT_POLICIES, Policy
from sinks.clickhouse.migrations import migrate
from sinks.clickhouse.store import ClickHouseStore
from sinks.pending_batch import PendingBatch
from sinks.rows import EventRow, PaneRow
from sinks.store_protocol import Batch
from streams import times
from streams.clickhouse.connection import connect
from streams.configuration.environment import load_settings
from streams.core.histogram import merge, quantile
from streams.journal.step_assembly import Step
from streams.live.service_level import ServiceLevelCounts, service_level
from tests.core.agents import BASE_MS, status
from tests.dashboards.grafana_macros import ALL, Range, expand
from tests.dashboards.scene import day_so_far, waiting
from tests.fixtures.clickhouse import ClickHouseServer
from tests.sinks.test_agent_views import archived
from tests.streams.live.steps import Journal, contact, contact_key, pane_of, pane_record

EVERYTHING = {"channel": [ALL], "queue": [ALL], "by": ["queue"]}
CALLS = {"channel": ["call"], "queue": ["sales", "technical support"], "by": ["channel"]}
CALL_POLICY = DEFAULT_POLICIES[0]
#: A queue of calls that answers too late.
LATE: Final = "technical support"

DASHBOARD = live_floor()
QUERIES = {
    **{panel["title"]: panel["targets"][0]["rawSql"] for panel in DASHBOARD["panels"]},
    **{
        f"choice of {choice['name']}": choice["definition"]
        for choice in DASHBOARD["templating"]["list"]
        if choice["type"] == "query"
    },
    **{rule["title"]: rule["data"][0]["model"]["rawSql"] for rule in rules(Site(), DEFAULT_POLICIES)},
}


class Filled(NamedTuple):
    """A database with rows, as Grafana's user sees it."""

    client: Client
    batch: Batch
    over: Range


def fill(url: str, database: str, batch: Batch, now_ms: int) -> Filled:
    """Make a database by the migrations, write the rows through the sink's own store, and come back as the reader."""
    settings = load_settings({"PULSSI_CLICKHOUSE_URL": url, "PULSSI_CLICKHOUSE_DATABASE": database})
    migrate(settings)
    store = ClickHouseStore(settings)
    store.write(batch)
    store.save_gauges(now_ms - now_ms % PANE_MS - PANE_MS)
    store.close()
    reader = settings.model_copy(update={"clickhouse_url": url.replace("://", "://pulssi_reader@")})
    now = now_ms // 1_000
    return Filled(connect(reader), batch, Range(now - 3 * 3_600, now, 300))


def rows(*steps: Step) -> Batch:
    """Make rows of journal steps as the sink does."""
    pending = PendingBatch()
    for step in steps:
        pending.add(step)
    return pending.batch()


def agents(now_ms: int) -> list[EventRow]:
    """Agents of two groups, who were heard of in the last minutes, and some who are in none."""
    groups = (("voice", "call", 1), ("chat care", "chat", 3), ("", "email", 2))
    ago = now_ms - 60_000 - BASE_MS
    events = [
        status("1", ago, of, agent_id=f"{group}-{of}", groups=[group] if group else [], capacity={channel: slots})
        for group, channel, slots in groups
        for of in STATUSES
    ]
    return archived(events).events


@pytest.fixture(scope="module")
def filled(clickhouse_server: ClickHouseServer) -> Filled:
    """Give three hours of a centre, up to now; nobody's target is reached while the tests run."""
    now_ms = times.now_ms()
    batch = rows(*day_so_far(now_ms, minutes=180))
    batch.contacts = [
        row for row in batch.contacts if not 0 <= (row.first_response_breached_at or 0) - now_ms < 120_000
    ]
    batch.events = agents(now_ms)
    return fill(clickhouse_server.url, "pulssi_floor", batch, now_ms)


def ask(filled: Filled, sql: str, chosen: dict[str, list[str]] | None = None) -> list[dict[str, object]]:
    """Ask as Grafana would, and give the rows by column name."""
    return list(filled.client.query(expand(sql, filled.over, chosen)).named_results())


@pytest.mark.parametrize("chosen", [EVERYTHING, CALLS], ids=["all", "calls"])
@pytest.mark.parametrize("title", QUERIES)
def test_every_query_has_rows(filled: Filled, title: str, chosen: dict[str, list[str]]) -> None:
    """Whatever is chosen, ClickHouse takes each query from the reader and has something to show."""
    if "$channel" in title and chosen is EVERYTHING:  # such a panel always has a channel of its own
        chosen = {**chosen, "channel": ["email"]}
    assert ask(filled, QUERIES[title], chosen)


def _panes(filled: Filled, sample: str, channel: str, queue: str, since_s: int) -> list[PaneRow]:
    return [
        pane
        for pane in filled.batch.panes
        if (pane.sample, pane.channel, pane.queue) == (sample, channel, queue) and pane.pane_start > since_s * 1_000
    ]


def _counted(filled: Filled, channel: str, queue: str, since_s: int) -> ServiceLevelCounts:
    of_answers = _panes(filled, "first_response", channel, queue, since_s)
    of_abandons = _panes(filled, "abandoned", channel, queue, since_s)
    return ServiceLevelCounts(
        sum(pane.n_target for pane in of_answers),
        sum(pane.n_within for pane in of_answers),
        sum(pane.n_target for pane in of_abandons),
        sum(pane.n_within for pane in of_abandons),
        sum(pane.n_short for pane in of_abandons),
    )


def test_level_and_percentiles_are_those_of_the_merged_panes(filled: Filled) -> None:
    """What the tables show for a queue is what the live view's own code makes of the same panes."""
    since = filled.over.start - 1
    for row in ask(filled, queries.RANGE_BY_QUEUE, EVERYTHING):
        counted = _counted(filled, str(row["channel"]), str(row["queue"]), since)
        assert row["Service level"] == pytest.approx(service_level(queries.FORMULA, counted))
    for row in ask(filled, queries.TIMES_BY_QUEUE, EVERYTHING):
        panes = _panes(filled, "handle", str(row["channel"]), str(row["queue"]), since)
        for name, q in queries.PERCENTILES.items():
            expected = quantile(merge(pane.hist for pane in panes), q)
            assert expected is not None
            assert row[f"Handle {name}"] == pytest.approx(expected / 1_000)


def test_a_rule_tells_each_queue_and_by_how_much_it_falls_short(filled: Filled) -> None:
    """Labels and one number; who waits beyond the target counts as missed; a queue that does well has 0."""
    told = ask(filled, shortfall(CALL_POLICY, DEFAULT_POLICIES))
    by_queue = {str(row["queue"]): row["shortfall"] for row in told}
    assert all(list(row) == ["channel", "queue", "shortfall"] and row["channel"] == "call" for row in told)
    assert by_queue["sales"] == 0
    late = sum(
        (row.channel, row.queue) == ("call", LATE) and row.first_response_breached_at is not None
        for row in filled.batch.contacts
    )
    counted = _counted(filled, "call", LATE, filled.over.end - 1_800)
    attained = service_level(CALL_POLICY.formula, counted, late)
    assert attained is not None
    assert late > 0
    assert by_queue[LATE] == pytest.approx(100 * (CALL_POLICY.objective - attained), abs=0.01)


def test_nothing_at_all_gives_no_row(filled: Filled) -> None:
    """Without any pane for a day a rule has no rows, which Grafana makes an alert of."""
    long_ago = Range(filled.over.start - 90 * 86_400, filled.over.end - 90 * 86_400)
    for policy in DEFAULT_POLICIES:
        assert not filled.client.query(expand(shortfall(policy, DEFAULT_POLICIES), long_ago)).result_rows


def test_too_few_to_judge_is_no_alert_and_a_stalled_queue_is_one(clickhouse_server: ClickHouseServer) -> None:
    """Few late answers give 0; a queue that answers nobody falls short by the whole objective."""
    now_ms = times.now_ms()
    minute = now_ms // PANE_MS * PANE_MS
    few, many = (pane_of([ms] * n, target=20_000) for ms, n in ((60_000, MIN_VOLUME - 1), (1_000, 50)))
    stalled = contact(waiting("call", "stalled", now_ms - 300_000, 20_000))
    batch = rows(
        Journal("contacts.call").step(
            pane_record(minute, "quiet", "first_response", few),
            pane_record(minute - 3 * 3_600_000, "stalled", "first_response", many),
            *((contact_key(str(number)), stalled) for number in range(MIN_VOLUME)),
        )
    )
    filled = fill(clickhouse_server.url, "pulssi_quiet", batch, now_ms)
    told = ask(filled, shortfall(CALL_POLICY, DEFAULT_POLICIES))
    assert {row["queue"]: row["shortfall"] for row in told} == {"quiet": 0, "stalled": 100 * CALL_POLICY.objective}


def test_the_first_policy_that_applies_has_the_queue(filled: Filled) -> None:
    """A policy of one queue, whatever its name holds, takes that queue from the policies after it."""
    own = Policy("sales's own", "first_response", 10_000, 0.9, channel="call", queue="sales")
    odd = Policy("odd", "first_response", 10_000, 0.9, queue="it's \\ odd")
    policies = (own, odd, *DEFAULT_POLICIES)
    assert {row["queue"] for row in ask(filled, shortfall(own, policies))} == {"sales"}
    assert {row["queue"] for row in ask(filled, shortfall(CALL_POLICY, policies))} == {"billing", LATE}
    assert not ask(filled, shortfall(odd, policies))


def test_who_is_late_counts_for_his_own_policy(clickhouse_server: ClickHouseServer) -> None:
    """Also of a policy by priority, for a next response: whoever another policy holds, and who is stale, does not."""
    now_ms = times.now_ms()
    own = Policy("urgent", "next_response", 60_000, 0.9, channel="chat", priority="urgent")
    waits = waiting("chat", "support", now_ms - 300_000, 60_000)
    late = [
        waits
        | {"deadlines": [("next_response", policy, now_ms - 300_000, None, now_ms - 1_000)], "leaves_at": leaves_at}
        for policy, leaves_at in (
            ("urgent", now_ms - 1),
            *(("urgent", waits["leaves_at"]),) * MIN_VOLUME,
            *(("another", waits["leaves_at"]),) * MIN_VOLUME,
        )
    ]
    pane = pane_record(
        now_ms // PANE_MS * PANE_MS - PANE_MS, "support", "next_response", pane_of([1_000] * MIN_VOLUME, target=60_000)
    )
    batch = rows(
        Journal("contacts.chat").step(
            pane, *((contact_key(str(number)), contact(each)) for number, each in enumerate(late))
        )
    )
    batch.panes = [row._replace(priority="urgent") for row in batch.panes]
    filled = fill(clickhouse_server.url, "pulssi_late", batch, now_ms)
    (row,) = ask(filled, shortfall(own, (own, *DEFAULT_POLICIES)))
    assert row["shortfall"] == pytest.approx(100 * (0.9 - 0.5))


@pytest.mark.parametrize("metric", ["next_response", "resolution"])
def test_policies_of_other_metrics_are_rules_too(filled: Filled, metric: str) -> None:
    """A policy for a next response or a resolution, by priority, is a question that ClickHouse takes."""
    policy = Policy("other", metric, 7_200_000, 0.9, channel="chat", priority="normal")  # type: ignore[arg-type]  # one of Metric
    told = ask(filled, shortfall(policy, (policy, *DEFAULT_POLICIES)))
    assert {row["shortfall"] for row in told} == {0}


def test_agents_and_slots_are_told_by_group(filled: Filled) -> None:
    """A row a group; slots of those at work, free ones of who is available; who is in no group is under that name."""
    agents = {row["Group"]: row for row in ask(filled, queries.AGENTS_NOW, EVERYTHING)}
    assert set(agents) == {"voice", "chat care", "no group"}
    names = ("Available", "Busy", "Wrap-up", "Away", "Offline")
    assert all([row[name] for name in names] == [1] * 5 for row in agents.values())
    slots = {row["Group"]: row for row in ask(filled, queries.SLOTS_NOW, CALLS)}
    assert list(slots["voice"].values()) == ["voice", "call", 3, 0, 1, 0.0, 0]
