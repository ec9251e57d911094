"""Who is told of what: filters, silences, and ends whose beginnings nobody heard of."""

from typing import Any

import pytest
from hypothesis import given, settings

from schemas.alerts import Alert, Dimensions
from schemas.configuration.hook_models import Filter
from sinks.hooks.destinations import Destination
from sinks.hooks.filters import wants_alert, wants_tag
from sinks.hooks.messages import TaggedContact
from tests.depth import examples
from tests.sinks.hooks.alerts import FIRED, alert, alerts
from tests.sinks.hooks.made import destination


def _to(*events: str, **given_filter: Any) -> Destination:  # noqa: ANN401 - any key of a filter
    made = destination("https://x.example.com")
    return made._replace(events=frozenset(events or ("alerts",)), filter=Filter(**given_filter))


@pytest.mark.parametrize(
    ("given_filter", "told"),
    [
        ({}, True),
        ({"kinds": ["objective"], "conditions": ["burn_rate"], "severities": ["critical"]}, True),
        ({"kinds": ["contact"]}, False),
        ({"conditions": ["at_risk"]}, False),
        ({"severities": ["warning"]}, False),
        ({"rules": ["call-20s", "other"]}, True),
        ({"rules": ["other"]}, False),
        ({"channels": ["call"], "queues": ["billing"]}, True),
        ({"channels": ["chat"]}, False),
        ({"queues": ["sales"]}, False),
        ({"states": ["resolved"]}, False),
        ({"states": ["firing"]}, True),
        ({"tags": ["lead"]}, False),
    ],
)
def test_every_key_of_a_filter_has_to_fit(given_filter: dict[str, Any], told: bool) -> None:  # noqa: FBT001 - a table
    """What is left out fits all."""
    assert wants_alert(_to(**given_filter), alert()) == told


def test_an_alert_of_a_tag() -> None:
    """Tags are compared in their normal form; an alert for all queues is not one of a certain queue."""
    of_a_tag = alert(dimensions=Dimensions(tag="LEAD "))
    assert wants_alert(_to(tags=["lead"]), of_a_tag)
    assert not wants_alert(_to(queues=["billing"]), of_a_tag)


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"reason": "changed"}, True),
        ({"reason": "reminder"}, True),
        ({"reason": "acknowledged"}, True),
        ({"reason": "unsilenced"}, True),
        ({"reason": "silenced", "silenced_by": "s"}, False),
        ({"reason": "held", "held": True}, False),
        ({"reason": "released"}, False),
        ({"silenced_by": "s"}, False),
        ({"state": "pending", "fired_at": None}, False),
        ({"state": "resolved", "reason": "resolved", "notified": True}, True),
        ({"state": "resolved", "reason": "resolved", "notified": True, "silenced_by": "s"}, True),
        ({"state": "resolved", "reason": "resolved", "notified": False}, False),
    ],
)
def test_what_is_worth_telling(changed: dict[str, Any], told: bool) -> None:  # noqa: FBT001 - a table
    """Nothing new in a silence, but the end of what was told before; no end of what was never told."""
    assert wants_alert(_to(), alert(**changed)) == told


@settings(max_examples=examples(150))
@given(alerts())
def test_a_narrower_filter_tells_no_more(about: Alert) -> None:
    """Whatever passes a filter passes without one; and a destination for tags hears of no alert."""
    narrow = _to(severities=["critical"], channels=["call"], states=["firing", "resolved"])
    assert not wants_alert(narrow, about) or wants_alert(_to(), about)
    assert not wants_alert(_to("tags", tags=["lead"]), about)


@pytest.mark.parametrize(
    ("given_filter", "told"),
    [
        ({"tags": ["Lead"]}, True),
        ({"tags": ["other", " lead"]}, True),
        ({"tags": ["other"]}, False),
        ({"tags": ["lead"], "channels": ["chat"], "queues": ["sales"]}, True),
        ({"tags": ["lead"], "channels": ["call"]}, False),
        ({"tags": ["lead"], "queues": ["billing"]}, False),
    ],
)
def test_tags(given_filter: dict[str, Any], told: bool) -> None:  # noqa: FBT001 - a table
    """By tag, channel and queue; only where tags are asked for."""
    tagged = TaggedContact("desk:1", "chat", "sales", "LEAD", FIRED)
    assert wants_tag(_to("tags", **given_filter), tagged) == told
    assert not wants_tag(_to("alerts", **given_filter), tagged)
