"""Every question that the dashboard, its choices and the rules ask, on a real engine filled through its tables."""

import re
from typing import NamedTuple

import pytest
from clickhouse_connect.driver.client import Client

from dashboards.grafana_definitions import queries
from dashboards.grafana_definitions.alerts import rules
from dashboards.grafana_definitions.catalogue import dashboards
from dashboards.grafana_definitions.pieces import FORMULA, PERCENTILES
from dashboards.grafana_definitions.site import Site
from schemas.agents import STATUSES
from schemas.panes import PANE_MS
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
from tests.dashboards.scene import day_so_far
from tests.fixtures.clickhouse import ClickHouseServer
from tests.sinks.test_agent_views import archived

_ALL = {name: [ALL] for name in ("channel", "queue", "priority", "team", "tag")}
_NUMBERS = {"weeks": ["8"], "shrinkage": ["0.3"], "occupancy": ["0.85"]}
_ANY = {"policy": ["any"], "target": ["any"]}
EVERYTHING = {**_ALL, **_ANY, **_NUMBERS, "by": ["queue"], "tz": ["UTC"], "sample": ["tagged"], "contact": ["it's"]}
CALLS = {
    **EVERYTHING,
    "channel": ["call"],
    "queue": ["sales", "technical support"],
    "by": ["channel"],
    "tz": ["Europe/Helsinki"],
    "priority": ["normal"],
}

DASHBOARDS = {one["title"]: one for one in dashboards(Site())}
QUERIES = {
    **{
        f"{title} / {panel['title']}": panel["targets"][0]["rawSql"]
        for title, one in DASHBOARDS.items()
        for panel in one["panels"]
        if "targets" in panel
    },
    **{
        f"choice of {choice['name']}": choice["definition"]
        for one in DASHBOARDS.values()
        for choice in one["templating"]["list"]
        if choice["type"] == "query"
    },
    **{rule["title"]: rule["data"][0]["model"]["rawSql"] for rule in rules(Site())},
}
#: What the scene has nothing of: it knows panes and who waits, and no sample, event or judgement.
NOT_IN_THE_SCENE = re.compile(
    r"FROM (samples|objectives|objective_history|alerts|alert_deliveries|source_gauges|events|queue_service_level)"
    r"|FROM first_contacts"
    r"|FROM (tag_shares|forecast)\b"
    r"|WHERE contact_id|'(talk|queue_wait|entered|rated|any_tag)'|n_satisfied"
)


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
    rows = ask(filled, QUERIES[title], chosen)
    if chosen is CALLS and title.endswith((" · chat", " · email")):  # a graph of a channel that is not chosen
        assert rows == []
        return
    assert rows or NOT_IN_THE_SCENE.search(QUERIES[title])


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
    for row in ask(filled, queries.range_by_queue(Site()), EVERYTHING):
        counted = _counted(filled, str(row["channel"]), str(row["queue"]), since)
        assert row["Service level"] == pytest.approx(service_level(FORMULA, counted))
    for row in ask(filled, queries.HANDLES_BY_QUEUE, EVERYTHING):
        panes = _panes(filled, "handle", str(row["channel"]), str(row["queue"]), since)
        for name, q in PERCENTILES.items():
            expected = quantile(merge(pane.hist for pane in panes), q)
            assert expected is not None
            assert row[name] == pytest.approx(expected / 1_000)


def test_agents_and_slots_are_told_by_group(filled: Filled) -> None:
    """A row a group; slots of those at work, free ones of who is available; who is in no group is under that name."""
    agents = {row["Group"]: row for row in ask(filled, queries.AGENTS_NOW, EVERYTHING)}
    assert set(agents) == {"voice", "chat care", "no group"}
    names = ("Available", "Busy", "Wrap-up", "Away", "Offline")
    assert all([row[name] for name in names] == [1] * 5 for row in agents.values())
    slots = {row["Group"]: row for row in ask(filled, queries.SLOTS_NOW, CALLS)}
    assert list(slots["voice"].values()) == ["voice", "call", 3, 0, 1, 0.0, 0]
