"""Dashboards as values: identifiers, places, units, variables and links, by the defaults and by a configuration."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit

import pytest

from dashboards.grafana_definitions.alerts import rules
from dashboards.grafana_definitions.catalogue import dashboards
from dashboards.grafana_definitions.routes import mute_timings, receivers, route
from dashboards.grafana_definitions.site import DATA_SOURCE, Json, Site
from schemas.boards import DEFAULT_BOARD
from schemas.policies import DEFAULT_POLICIES, Policy, Rules
from streams.configuration.folder import load_all_rules

WHOLE: Final = load_all_rules(Path(__file__).parents[1] / "centres" / "whole")
SITES: Final = {"defaults": Site(), "whole": Site(rules=WHOLE[0], alert_rules=WHOLE[1], boards=WHOLE[2])}
#: Calls are to wait for at most 20 s in each queue.
WITH_QUEUE_WAIT: Final = Site(rules=Rules(policies=(Policy("waits", "queue_wait", 20_000, 0.8, channel="call"),)))
EVERY: Final = [
    pytest.param(site, one, id=f"{name}-{one['uid']}") for name, site in SITES.items() for one in dashboards(site)
]
#: Variables of Grafana itself, in queries and links.
BUILT_IN: Final = ("__", "timeFilter")
#: Panels that ask ClickHouse nothing.
WITHOUT_QUERY: Final = {"alertlist"}


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, dict):
        for one in value.values():
            yield from _texts(one)
    elif isinstance(value, list):
        for one in value:
            yield from _texts(one)
    elif isinstance(value, str):
        yield value


def _variables(value: object) -> set[str]:
    """Name the variables that texts refer to, without Grafana's own."""
    found = {name for text in _texts(value) for name in re.findall(r"\$\{?([A-Za-z_]\w*)", text)}
    return {name for name in found if not name.startswith(BUILT_IN)}


def _urls(value: object) -> Iterator[str]:
    if isinstance(value, dict):
        yield from [value["url"]] if isinstance(value.get("url"), str) else []
        for one in value.values():
            yield from _urls(one)
    elif isinstance(value, list):
        for one in value:
            yield from _urls(one)


@pytest.mark.parametrize("site", SITES.values(), ids=SITES)
def test_identifiers_are_unique(site: Site) -> None:
    """Of dashboards, their titles and files, rules, receivers and mute timings; Grafana takes 40 characters."""
    for names in (
        [one["uid"] for one in dashboards(site)],
        [one["title"] for one in dashboards(site)],
        [rule["uid"] for rule in rules(site)],
        [rule["title"] for rule in rules(site)],
        [one["uid"] for one in receivers(site)],
        [one["name"] for one in mute_timings(site)],
    ):
        assert len(set(names)) == len(names)
        assert all(0 < len(name) <= 190 for name in names)
    assert all(len(one["uid"]) <= 40 for one in (*dashboards(site), *rules(site)))


@pytest.mark.parametrize(("site", "one"), EVERY)
def test_panels_have_a_place_and_say_what_they_show(site: Site, one: Json) -> None:
    """An identifier, a title, a description and a place of its own for each; a repeated panel takes its whole row."""
    assert site
    panels = one["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    assert len({panel["title"] for panel in panels}) == len(panels)
    taken: set[tuple[int, int]] = set()
    for panel in panels:
        assert panel["title"]
        assert len(panel["description"]) > 20
        x, y, w, h = (panel["gridPos"][side] for side in "xywh")
        assert x + w <= 24
        assert w > 3
        assert h > 2
        assert w == 24 or "repeat" not in panel
        cells = {(column, line) for column in range(x, x + w) for line in range(y, y + h)}
        assert not cells & taken, panel["title"]
        taken |= cells


@pytest.mark.parametrize(("site", "one"), EVERY)
def test_units_decimals_and_data_sources(site: Site, one: Json) -> None:
    """Every number has a unit and decimals; no unit rounds thousands away; every question goes to Pulssi's source."""
    assert site
    for panel in one["panels"]:
        defaults = panel["fieldConfig"]["defaults"]
        if panel["type"] in WITHOUT_QUERY:
            assert "targets" not in panel
            continue
        assert panel["datasource"] == DATA_SOURCE
        assert all(target["datasource"] == DATA_SOURCE for target in panel["targets"])
        fields = [
            defaults,
            *({p["id"]: p["value"] for p in o["properties"]} for o in panel["fieldConfig"]["overrides"]),
        ]
        assert "unit" in defaults
        for field in fields:
            assert ("unit" in field) == ("decimals" in field), panel["title"]
            assert field.get("unit") != "short", panel["title"]


@pytest.mark.parametrize(("site", "one"), EVERY)
def test_gaps_are_drawn_as_gaps(site: Site, one: Json) -> None:
    """What stands for a missing value is no number: in a graph Grafana would draw it, and it reads spaces as 0."""
    assert site
    for panel in one["panels"]:
        config = panel["fieldConfig"]
        changed = [{p["id"]: p["value"] for p in each["properties"]} for each in config["overrides"]]
        for text in (each["noValue"] for each in (config["defaults"], *changed) if "noValue" in each):
            assert text.strip(), panel["title"]
            assert not re.search(r"\d", text), panel["title"]


@pytest.mark.parametrize(("site", "one"), EVERY)
def test_variables_are_there_and_used(site: Site, one: Json) -> None:
    """What a question, a title or a link refers to may be chosen, and what may be chosen changes something."""
    assert site
    offered = {variable["name"] for variable in one["templating"]["list"]}
    used = _variables(one["panels"]) | _variables([v.get("definition") for v in one["templating"]["list"]])
    assert used - {"channel"} <= offered
    assert offered <= used | {"tz"}
    repeated = {panel["repeat"] for panel in one["panels"] if "repeat" in panel}
    assert repeated <= offered


@pytest.mark.parametrize(("site", "one"), EVERY)
def test_links_lead_to_what_is_there(site: Site, one: Json) -> None:
    """A dashboard that is built, and variables that it has."""
    targets = {target["uid"]: target for target in dashboards(site)}
    for url in _urls(one):
        parts = urlsplit(url)
        assert parts.path.startswith("/d/"), url
        target = targets[parts.path.split("/")[2]]
        named = {key[4:] for key, _ in parse_qsl(parts.query) if key.startswith("var-")}
        named |= set(re.findall(r"\$\{(\w+):queryparam\}", parts.query))
        assert named <= {variable["name"] for variable in target["templating"]["list"]}, url


def test_a_contact_of_a_list_leaves_the_list_as_it_is() -> None:
    """Whoever looks at one late contact after the other keeps the choice that led to them."""
    (one,) = [one for one in dashboards(Site()) if one["uid"] == "pulssi-contact"]
    (url,) = {url for url in _urls(one["panels"]) if "var-contact=" in url}
    kept = set(re.findall(r"\$\{(\w+):queryparam\}", url))
    assert kept == {each["name"] for each in one["templating"]["list"]} - {"contact", "tz"}


@pytest.mark.parametrize(("site", "one"), EVERY)
def test_every_dashboard_says_how_old_its_figures_are(site: Site, one: Json) -> None:
    """The first row has it, and steps of time and axes are of the centre's zone."""
    (told,) = [panel for panel in one["panels"] if panel["title"] == "Data as of"]
    assert told["gridPos"]["y"] == 0
    assert one["timezone"] == site.rules.time_zone
    zones = next(variable for variable in one["templating"]["list"] if variable["name"] == "tz")
    assert zones["current"]["value"] == site.rules.time_zone


@pytest.mark.parametrize(("site", "one"), EVERY)
def test_nothing_that_an_empty_answer_breaks(site: Site, one: Json) -> None:
    """A bar chart without a row is an error in Grafana; a gap is not drawn as a line but where the answer says why."""
    assert site
    for panel in one["panels"]:
        assert panel["type"] in {"stat", "table", "timeseries", "heatmap", "alertlist"}
        if panel["type"] == "timeseries" and panel["fieldConfig"]["defaults"]["custom"]["spanNulls"]:
            assert "objective_history" in panel["targets"][0]["rawSql"]  # without a row nothing changed


def test_each_policy_has_its_objective_drawn_and_its_alert_leads_there() -> None:
    """The dashed line of a policy's graph is its own objective, and its rule names that panel."""
    for site in SITES.values():
        built = {one["uid"]: one for one in dashboards(site)}
        for policy, rule in zip(site.policies(), rules(site)[1:], strict=True):
            target = built[rule["annotations"]["__dashboardUid__"]]
            (panel,) = [one for one in target["panels"] if str(one["id"]) == rule["annotations"]["__panelId__"]]
            assert panel["title"] == f"Attained · {policy.name}"
            assert panel["fieldConfig"]["defaults"]["thresholds"]["steps"][1]["value"] == policy.objective


def test_a_policy_more_leaves_the_rules_of_others_as_they_are() -> None:
    """If a rule is written, Grafana restarts it and reports its alerts as resolved."""
    more = (Policy("first", "first_response", 1_000, 0.5, queue="own"), *DEFAULT_POLICIES)
    before, after = rules(Site()), rules(Site(rules=Rules(policies=more)))
    assert [rule for rule in after if rule["title"] != "Service level first"] == before


def test_no_colour_says_another_objective() -> None:
    """Shares have no fixed colours: the objective stands beside them, and the difference is coloured."""
    for one in dashboards(Site()):
        for panel in one["panels"]:
            defaults = panel["fieldConfig"]["defaults"]
            if defaults.get("unit") == "percentunit" and not panel["title"].startswith("Attained"):
                assert len(defaults["thresholds"]["steps"]) == 1, panel["title"]


def test_boards_of_the_configuration_are_choices_of_the_live_floor() -> None:
    """Each board but the one that shows all is a link with its channels and queues."""
    site = SITES["whole"]
    links = [link for link in dashboards(site)[0]["links"] if link["type"] == "link"]
    assert [link["title"] for link in links] == ["Sales", "E-mail"]
    assert parse_qsl(urlsplit(links[0]["url"]).query) == [
        *(("var-channel", channel) for channel in ("call", "chat")),
        *(("var-queue", queue) for queue in ("sales-vip", "sales")),
    ]
    assert DEFAULT_BOARD not in [link["title"] for link in links]


def test_routes_name_mute_timings_that_are_there() -> None:
    """At every level."""

    def named(of: dict[str, Any]) -> set[str]:
        return set(of.get("mute_time_intervals", [])).union(*(named(child) for child in of.get("routes", [])))

    for site in SITES.values():
        assert named(route(site)) <= {timing["name"] for timing in mute_timings(site)}


@pytest.mark.parametrize(
    ("site", "said"),
    [
        (Site(), 'No queue has a target for its own wait; policies.toml sets one: metric = "queue_wait"'),
        (WITH_QUEUE_WAIT, "In this range no visit ended in a queue that has a target for its own wait"),
    ],
    ids=["no policy", "no visit"],
)
def test_why_no_queue_has_a_level_of_its_own_is_said(site: Site, said: str) -> None:
    """Whether nothing is configured, or nothing came: a supervisor does different things about them."""
    (one,) = [one for one in dashboards(site) if one["uid"] == "pulssi-queues"]
    (own,) = [panel for panel in one["panels"] if panel["title"].startswith("Queues' own service level")]
    assert own["fieldConfig"]["defaults"]["noValue"] == said
