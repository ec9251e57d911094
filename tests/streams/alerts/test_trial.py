"""Rules tried on recorded events: each change at the second in which an engine would have seen it."""

from typing import Any, Final

import orjson

from schemas.alert_rules import AlertRules, FloorRule, PipelineRules, Timing
from schemas.policies import Policy, Rules
from streams.alerts.trial import Trial
from streams.sources.recordings import RoutedEvent, route
from streams.sources.simulator import Plan, simulate
from streams.times import rfc3339
from tests.oracle.contacts import milliseconds as ms

#: A Tuesday.
T0: Final = ms("2026-06-02T09:00:00Z")
SECOND: Final = 1_000
MINUTE: Final = 60_000
POLICY: Final = Policy("call-20s", "first_response", 20_000, 0.8, channel="call", warning_ms=5_000)
RULES: Final = Rules(policies=(POLICY,))


def _call(kind: str, at: int, contact: str = "pbx:1", **fields: Any) -> RoutedEvent:  # noqa: ANN401 - an event's
    own = {"type": kind, "contact_id": contact, "channel": "call", "source": "pbx", "queue": "sales"}
    event = {**own, "event_id": f"{kind} {contact} {at}", "occurred_at": rfc3339(at), **fields}
    return route(orjson.dumps(event))


def _waits(contact: str, since: int, until: int) -> list[RoutedEvent]:
    return [
        _call("contact.started", since, contact),
        _call("contact.queued", since, contact),
        _call("contact.connected", until, contact, agent_id="a1"),
    ]


def _in_order(*parts: list[RoutedEvent]) -> list[RoutedEvent]:
    return sorted((event for part in parts for event in part), key=lambda event: event.at or 0)


def _changes(
    events: list[RoutedEvent],
    alert_rules: AlertRules = AlertRules(),  # noqa: B008 - a tuple
    begin: int | None = None,
    end: int | None = None,
) -> list[tuple[int, str, str]]:
    told = Trial(RULES, alert_rules).run(events, begin, end)
    return [((alert.at - T0) // SECOND, alert.rule, f"{alert.state} {alert.reason}") for alert in told]


def test_a_contact_that_waits_too_long() -> None:
    """At risk, beyond its target, and over when it is answered: each at its second."""
    events = _waits("pbx:1", T0, T0 + 25_500)
    assert _changes(events) == [
        (16, "call-20s", "firing first"),
        (21, "call-20s", "firing changed"),
        (26, "call-20s", "resolved resolved"),
    ]


def test_a_span_of_it() -> None:
    """What was before counts and is not judged; after the last event time goes on up to the end."""
    events = _in_order(_waits("pbx:1", T0, T0 + 2_000), [_call("contact.started", T0 + 3_000, "pbx:2")])
    events += [_call("contact.queued", T0 + 3_000, "pbx:2")]
    assert _changes(events) == []
    assert _changes(events, begin=T0 + 10_000, end=T0 + 24_000) == [
        (19, "call-20s", "firing first"),
        (24, "call-20s", "firing changed"),
    ]
    assert _changes(events, begin=T0 + 30_000, end=T0 + 33_000) == [(31, "call-20s", "firing first")]
    assert _changes(events, end=T0 + 1_000) == []
    assert _changes([], end=T0) == []


def test_the_floor_with_its_hold() -> None:
    """As long as somebody waits; it fires after its hold, and ends after its least time."""
    rules = AlertRules(
        floor=(FloorRule("one waits", "waiting", 1, hold_ms=10_000),), timing=Timing(least_firing_ms=20_000)
    )
    told = _changes(_waits("pbx:1", T0, T0 + 12_000), rules, end=T0 + 60_000)
    assert [each for each in told if each[1] == "one waits"] == [
        (1, "one waits", "pending first"),
        (11, "one waits", "firing first"),
        (31, "one waits", "resolved resolved"),
    ]


def test_bad_records_are_counted_and_told() -> None:
    """As they come: by the rule of the pipeline, within its time."""
    bad = [RoutedEvent("contacts.call", b"pbx:9", b'{"type": "contact.started"}', T0 + n * SECOND) for n in range(3)]
    rules = AlertRules(pipeline=PipelineRules(dead_letters=3, dead_letters_within_ms=10_000, hold_ms=0))
    trial = Trial(RULES, rules)
    told = [(alert.at - T0, alert.state) for alert in trial.run(bad, end=T0 + 90_000)]
    assert told == [(3_000, "firing"), (63_000, "resolved")]
    assert len(trial.dead_letters) == 3


def test_a_simulated_hour_gives_the_same_again() -> None:
    """The same events raise the same alerts, whatever stands between; and some are raised."""
    plan = Plan(T0, rate=1.0, seed=3, lasts_ms=20 * MINUTE)
    events = sorted((route(each.value) for each in simulate(plan)), key=lambda event: event.at or 0)
    rules = AlertRules(floor=(FloorRule("some wait", "waiting", 2, hold_ms=0),))
    once = list(Trial(RULES, rules).run(events))
    again = list(Trial(RULES, rules).run(iter(events + events[-1:])))
    assert once == again
    assert {alert.kind for alert in once} >= {"contact", "floor"}


def test_bad_records_count_when_they_came() -> None:
    """Those of the night, too, that are counted together with what came just before the beginning."""
    bad = [_call("contact.connected", T0, f"pbx:{number}", agent_id=7) for number in range(12)]
    trial = Trial(RULES, AlertRules(floor=(), pipeline=PipelineRules(dead_letters=10)))
    later = _call("contact.started", T0 + 180 * MINUTE + 100, "pbx:late")
    found = list(trial.run([*bad, later], T0 + 180 * MINUTE, T0 + 190 * MINUTE))
    assert trial.dead_letters == [T0] * 12
    assert [each for each in found if each.condition == "dead_letters"] == []
