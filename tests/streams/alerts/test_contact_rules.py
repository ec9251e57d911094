"""Contacts at risk and beyond their target, by the clock of their policy."""

from typing import Final, get_args

import pytest

from schemas.alert_rules import AlertRules, ContactAlerts
from schemas.calendars import Calendar, Hours, Span
from schemas.contact_record import Summary
from schemas.policies import Metric, Policy, Rules
from streams.alerts.observation import Observation, alert_key
from streams.alerts.pipeline_rules import PipelineReading
from streams.alerts.view import AlertView
from streams.core.deadlines import deadlines_at
from tests.oracle.contacts import milliseconds as ms
from tests.streams.live.steps import Journal, contact, contact_key, summary

MINUTE: Final = 60_000
NOON: Final = ms("2026-06-02T12:00Z")
CHAT: Final = Policy("chat", "first_response", 10 * MINUTE, 0.8, warning_ms=4 * MINUTE)
OFFICE: Final = Calendar("office", (Hours("UTC", ((Span(480, 720), Span(780, 960)),) * 7),))
KEY: Final = alert_key("contact", "chat", "a")


def _held(rules: Rules, at: int, **changes: object) -> Summary:
    """Write a summary whose clocks are held against the rules, as a worker does."""
    plain = summary(**changes)
    plain["deadlines"] = deadlines_at(rules, plain, at)[0]
    return plain


class Scene:
    """One chat."""

    def __init__(self, policy: Policy = CHAT, alert_rules: AlertRules = AlertRules()) -> None:  # noqa: B008 - a tuple
        self.rules = Rules(policies=(policy,))
        self.view = AlertView(self.rules, alert_rules)
        self.journal = Journal()

    def clock(self, since: int, metric: str = "first_response", **changes: object) -> None:
        """Have its clock run since an instant."""
        held = _held(self.rules, since, clocks=[(metric, since, "")], **changes)
        self.view.feed([self.journal.step((contact_key("a"), contact(held)))])

    def seen(self, now: int, as_of: int | None = None) -> Observation | None:
        """Observe it; everything up to `as_of` is counted, or everything."""
        return self.view.observations(now, (), PipelineReading(), as_of=as_of).get(KEY)


def test_at_risk_then_breached_then_answered() -> None:
    """To the millisecond; with the contact, its target and what it has taken; no hold time."""
    scene = Scene()
    scene.clock(NOON, priority="high", segment="vip", source="desk")
    assert scene.seen(NOON + 6 * MINUTE) is None
    at_risk = scene.seen(NOON + 6 * MINUTE + 1)
    assert at_risk is not None
    assert (at_risk.condition, at_risk.severity, at_risk.rule, at_risk.hold_ms) == ("at_risk", "warning", "chat", 0)
    assert scene.seen(NOON + 10 * MINUTE) == at_risk._replace(
        measured=at_risk.measured.model_copy(update={"value": 9 * MINUTE + 1}),
        contacts=(at_risk.contacts[0].model_copy(update={"value_ms": 9 * MINUTE + 1}),),
    )
    breached = scene.seen(NOON + 10 * MINUTE + 1)
    assert breached is not None
    assert (breached.condition, breached.severity, breached.key) == ("breached", "critical", at_risk.key)
    assert (breached.measured.value, breached.measured.limit, breached.measured.unit) == (600_001, 600_000, "ms")
    assert (breached.dimensions.contact_id, breached.dimensions.priority) == ("a", "high")
    assert [(each.contact_id, each.source) for each in breached.contacts] == [("a", "desk")]
    (costliest,) = scene.view.contacts.costliest(("chat", "chat", "billing"), NOON + 10 * MINUTE + 1)
    assert (costliest.source, costliest.value_ms) == ("desk", 600_001)
    scene.view.feed([scene.journal.step((contact_key("a"), contact(summary())))])
    assert scene.seen(NOON + 10 * MINUTE + 2) is None


def test_a_contact_is_settled_once_all_is_counted_that_had_happened_when_it_was_read() -> None:
    """While a worker catches up, the answer to what seems to wait may be the next event; then a second is enough."""
    scene = Scene()
    scene.clock(NOON, waiting_since=NOON)
    begin = NOON + 20 * MINUTE
    for second in range(100):  # nothing is counted
        seen = scene.seen(begin + second * 1_000, as_of=begin - 1)
        assert seen is not None
        assert not seen.settled, second
    now = begin + 100_000
    assert _settled(scene.seen(now, as_of=begin)), "counted up to the first look after it was read"
    scene.clock(NOON, waiting_since=NOON, priority="high")
    assert _settled(scene.seen(now + 1_000, as_of=begin)), "one that waits as before does not begin again"
    scene.clock(NOON, waiting_since=NOON + 1)
    assert not _settled(scene.seen(now + 2_000, as_of=now + 1_999))
    assert not _settled(scene.seen(now + 3_000, as_of=now + 1_999))
    assert _settled(scene.seen(now + 4_000, as_of=now + 2_000))
    scene.clock(NOON, waiting_since=NOON + 2)
    assert _settled(scene.seen(now + 5_000)), "everything is counted"


def _settled(seen: Observation | None) -> bool:
    assert seen is not None
    return seen.settled


@pytest.mark.parametrize("metric", get_args(Metric))
def test_every_metric(metric: Metric) -> None:
    """Each has its policy and its clock."""
    scene = Scene(CHAT._replace(metric=metric))
    scene.clock(NOON, metric)
    seen = scene.seen(NOON + 11 * MINUTE)
    assert seen is not None
    assert (seen.condition, seen.measured.metric) == ("breached", metric)


def test_time_is_the_policys() -> None:
    """Business time stands still at lunch, and pauses stop the clock where the policy says so."""
    scene = Scene(CHAT._replace(clock="calendar", calendar=OFFICE))
    scene.clock(NOON - 5 * MINUTE)
    assert scene.seen(NOON + 64 * MINUTE) is not None, "at risk in the second minute after lunch"
    seen = scene.seen(NOON + 66 * MINUTE)
    assert seen is not None
    assert (seen.condition, seen.measured.value) == ("breached", 10 * MINUTE + 1)
    scene = Scene(CHAT._replace(metric="resolution", pauses="stop"))
    scene.clock(NOON, "resolution", pauses=[(NOON + MINUTE, NOON + 31 * MINUTE)])
    assert scene.seen(NOON + 36 * MINUTE) is None
    seen = scene.seen(NOON + 41 * MINUTE)
    assert seen is not None
    assert seen.condition == "breached"
    assert seen.measured.value == 10 * MINUTE + 1


def test_a_contact_that_is_evicted_or_stale_leaves() -> None:
    """Its tombstone and its horizon end what is seen of it; so does a journal that is read again without it."""
    for gone in ("evicted", "stale", "restarted"):
        scene = Scene()
        scene.clock(NOON, leaves_at=NOON + (12 if gone == "stale" else 99) * MINUTE)
        assert scene.seen(NOON + 11 * MINUTE) is not None
        if gone == "evicted":
            scene.view.feed([scene.journal.step((contact_key("a"), None))])
        if gone == "restarted":
            scene.view.feed([Journal().step()._replace(restarted=True)])
        assert scene.seen(NOON + 12 * MINUTE) is None
        assert scene.view.contacts.breached == {}


def test_which_contacts_raise_alerts() -> None:
    """By channel, and at risk only where that is wanted; objectives count the others all the same."""
    scene = Scene(alert_rules=AlertRules(contacts=ContactAlerts(frozenset({"chat"}), at_risk=False)))
    scene.clock(NOON)
    assert scene.seen(NOON + 9 * MINUTE) is None
    assert scene.seen(NOON + 11 * MINUTE) is not None
    scene = Scene(alert_rules=AlertRules(contacts=ContactAlerts(frozenset({"call"}))))
    scene.clock(NOON)
    assert scene.seen(NOON + 11 * MINUTE) is None
    assert scene.view.contacts.bad(("chat", "chat", "billing")) == 1


def test_a_policy_that_ends() -> None:
    """From then on nothing is seen of its contacts, until the worker holds them against another."""
    rules = Rules(policies=(CHAT,), policies_from=((NOON + 12 * MINUTE, ()),))
    scene = Scene()
    scene.view.use(rules, AlertRules())
    scene.clock(NOON)
    assert scene.seen(NOON + 12 * MINUTE - 1) is not None
    assert scene.seen(NOON + 12 * MINUTE) is None


def test_a_contact_of_two_partitions() -> None:
    """A source that does not divide its events by their contact gives one id twice: nothing breaks."""
    scene, other = Scene(), Journal(partition=1)
    scene.clock(NOON)
    held = _held(scene.rules, NOON, clocks=[("first_response", NOON, "")], waiting_since=NOON)
    scene.view.feed([other.step((contact_key("a"), contact(held)))])
    assert scene.seen(NOON + 11 * MINUTE) is not None
    assert scene.view.contacts.bad(("chat", "chat", "billing")) == 2
    for journal in (scene.journal, other):
        scene.view.feed([journal.step((contact_key("a"), None))])
    assert scene.seen(NOON + 11 * MINUTE) is None
    assert scene.view.contacts.breached == {}
