"""Which alerts a maintenance mutes: Grafana's routes against the SLA engine's silences, for any maintenances."""

import itertools
from collections.abc import Mapping
from typing import Any, Final, NamedTuple, cast

from hypothesis import given, settings
from hypothesis import strategies as st

from dashboards.grafana_definitions.mute_timings import timing_name
from dashboards.grafana_definitions.routes import route
from dashboards.grafana_definitions.site import Site
from schemas.alert_rules import AlertRules, Maintenance
from schemas.alerts import Alert, Dimensions
from streams.alerts.silences import in_force, silenced_by
from tests.depth import examples

NOW: Final = 1_790_000_000_000


class Cause(NamedTuple):
    """What the engine asks of an alert."""

    rule: str
    kind: str
    dimensions: Dimensions


_PLACES: Final = itertools.product(("vip", "mail"), ("call", "chat"), ("a", "b", None))
CAUSES: Final = (
    Cause("figures", "pipeline", Dimensions()),
    *(Cause(rule, "objective", Dimensions.model_validate({"channel": of, "queue": at})) for rule, of, at in _PLACES),
)


def _labels(cause: Cause) -> dict[str, str]:
    """Name the labels of the alert in Grafana; one that is missing is empty."""
    policy = {"policy": cause.rule} if cause.kind == "objective" else {}
    place = {"channel": cause.dimensions.channel, "queue": cause.dimensions.queue}
    return {"service": "pulssi", **policy, **{name: value for name, value in place.items() if value is not None}}


def _matches(node: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    return all((labels.get(name, "") == value) == (of == "=") for name, of, value in node["object_matchers"])


def _taken(node: Mapping[str, Any], labels: Mapping[str, str]) -> Mapping[str, Any]:
    """Find the route that an alert takes, as Alertmanager does: the first that matches, and of its own the first."""
    assert _matches(node, labels)
    return next((_taken(child, labels) for child in node.get("routes", ()) if _matches(child, labels)), node)


_MAINTENANCE: Final = st.builds(
    lambda lasts, rule, kind, channel, queue: Maintenance(
        "",
        since=NOW if lasts else NOW + 1,
        until=NOW + 2,
        rule=rule,
        kind=kind,
        dimensions=Dimensions(channel=channel, queue=queue),
    ),
    st.booleans(),
    st.sampled_from([None, "vip", "mail"]),
    st.sampled_from([None, "objective", "pipeline", "contact"]),
    st.sampled_from([None, "call", "chat"]),
    st.sampled_from([None, "a", "b"]),
)


@settings(max_examples=examples(300))
@given(st.lists(_MAINTENANCE, max_size=5))
def test_an_alert_is_muted_where_the_engine_silences_it(several: list[Maintenance]) -> None:
    """Of a policy, a channel, a queue, some of these, one kind, or anything; several at a time."""
    maintenance = tuple(each._replace(name=str(number)) for number, each in enumerate(several))
    tree = route(Site(alert_rules=AlertRules(maintenance=maintenance, notifier="grafana")))
    lasting = {timing_name(each) for each in maintenance if each.since <= NOW}
    silences = in_force((), maintenance, NOW)
    for cause in CAUSES:
        muted = bool(lasting & set(_taken(tree, _labels(cause)).get("mute_time_intervals", ())))
        assert muted == (silenced_by(cast("Alert", cause), None, silences) is not None), cause
