"""Names of queues, teams, priorities and tags with letters that mean something in SQL, in Grafana or in an address."""

from collections.abc import Iterator
from typing import Final

import pytest
from clickhouse_connect.driver.client import Client
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dashboards.grafana_definitions.alerts import rules
from dashboards.grafana_definitions.catalogue import dashboards
from dashboards.grafana_definitions.pieces import SELECTED, TAG_SELECTED, chosen, quote
from dashboards.grafana_definitions.site import Site
from dashboards.grafana_definitions.variables import variable
from schemas.calendars import Calendar, Hours
from schemas.policies import Policy, Rules
from sinks.store_protocol import Batch
from streams.clickhouse.connection import connect
from tests.dashboards.grafana_days import CHOSEN
from tests.dashboards.grafana_macros import ALL, Range, as_parameters, expand
from tests.fixtures.clickhouse import ClickHouseServer, own_database
from tests.sinks.rows import pane, tag_pane, write

NAMES: Final = (
    "sales",
    "sales\\",
    "\\",
    "\\' OR 1=1 --",
    "it's",
    "'",
    '"quoted"',
    "a,b",
    "a",
    "b",
    "{a,b}",
    "a&var-queue=b",
    "50 % off",
    "%5C",
    "1 + 1",
    "Jäähyväiset 🎉",
    "line\nbreak",
    "(open",
    "close)",
)
OVER: Final = Range(0, 3_600)
EVERYTHING: Final = {name: [ALL] for name in ("channel", "queue", "priority", "team", "tag")}
#: Letters that Grafana leaves as they are in `queryparam`: none in releases 9 and 10, these from 11 on.
AS_THEY_ARE: Final = ("", "@:$,;")


@pytest.fixture(scope="module")
def client(clickhouse_server: ClickHouseServer) -> Iterator[Client]:
    """Give a database that has a pane for each name as queue, priority and team, and one for each as tag."""
    panes = [pane(queue=name, priority=name, team=name) for name in NAMES]
    tags = [tag_pane(tag=name) for name in NAMES]
    with own_database(clickhouse_server, "pulssi_names") as database:
        write(database, Batch(panes=panes, tag_panes=tags))
        yield connect(database)


def _found(client: Client, variable: str, names: list[str]) -> list[str]:
    view, where = ("tag_panes", TAG_SELECTED) if variable == "tag" else ("panes", SELECTED)
    sql = f"SELECT DISTINCT {variable} FROM {view} WHERE {where}"  # noqa: S608 - of this test's own words
    return [row[0] for row in client.query(expand(sql, OVER, {**EVERYTHING, variable: names})).result_rows]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("variable", ["queue", "priority", "team", "tag"])
def test_a_name_chooses_its_own_rows(client: Client, variable: str, name: str) -> None:
    """Whatever letters a name has: it chooses the rows of that name and no others."""
    assert _found(client, variable, [name]) == [name]


@pytest.mark.parametrize("variable", ["queue", "priority", "team", "tag"])
def test_all_names_chosen_one_by_one(client: Client, variable: str) -> None:
    """Several names are chosen together, each by itself."""
    assert sorted(_found(client, variable, [*NAMES])) == sorted(NAMES)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    names=st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=12), min_size=1, max_size=4),
    as_they_are=st.sampled_from(AS_THEY_ARE),
)
def test_any_text_arrives_as_it_was(client: Client, names: list[str], as_they_are: str) -> None:
    """Any texts, as any release writes them, are the texts that were chosen; so is one text alone."""
    many = f"pulssi_chosen('{as_parameters('queue', names, as_they_are)}')"
    one = expand(chosen("contact"), OVER, {"contact": names[:1]})
    assert client.query(f"SELECT {many}, {one}").result_rows == [(names, names[0])]


@pytest.mark.parametrize("name", ["$queue", "${queue}", "[[queue]]", "$__fromTime", "$__conditionalAll(a, $queue)"])
def test_a_name_of_the_configuration_is_no_variable_or_macro(client: Client, name: str) -> None:
    """Names of policies and of their queues stand in the queries: Grafana must find nothing in them to replace."""
    policy = Policy(name, "queue_wait", 20_000, 0.8, channel="call", queue=name)
    site = Site(
        rules=Rules(
            policies=(policy,),
            queue_calendars={name: Calendar(name, (Hours("Europe/Helsinki", ((),) * 7, frozenset({"2026-06-01"})),))},
        )
    )
    asked = [target["rawSql"] for of in dashboards(site) for one in of["panels"] for target in one.get("targets", [])]
    asked += [variable(each, site)["query"]["rawSql"] for each in ("policy", "queue")]
    asked += [data["model"]["rawSql"] for rule in rules(site) for data in rule["data"] if "rawSql" in data["model"]]
    assert [sql for sql in asked if f"'{name}" in sql] == []
    assert client.query(f"SELECT {quote(name)}").result_rows == [(name,)]
    forecasts = [expand(sql, OVER, CHOSEN) for sql in asked if "closed_days" in sql]
    assert forecasts
    for sql in forecasts:
        client.query(sql)
