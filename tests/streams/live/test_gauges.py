"""The gauges where the comparison in `test_live_view` does not reach: deadlines to the millisecond, and memory."""

from __future__ import annotations

import random

from schemas.calendars import Calendar, Hours, Span
from schemas.policies import Policy, Rules
from streams.live.gauges import Gauges, Reading
from tests.streams.live.steps import summary

LANE = ("contacts.chat", 0)
RULES = Rules(
    (
        Policy("vip", "first_response", 30_000, 0.9, segment="vip", warning_ms=10_000),
        Policy("chat", "first_response", 60_000, 0.8, warning_ms=15_000),
    )
)


def _all(gauges: Gauges) -> Reading:
    return gauges.readings()[None, None]


def test_a_deadline_comes_up_to_the_millisecond() -> None:
    """At risk with less than the warning left, beyond the target one millisecond after it; nothing needs to arrive."""
    gauges = Gauges(RULES)
    gauges.move(0)
    gauges.put(LANE, b"a", summary(waiting_since=0, clock_since=0, target_ms=60_000))
    seen = {}
    for now in (45_000, 45_001, 60_000, 60_001):
        gauges.move(now)
        seen[now] = (_all(gauges).at_risk, _all(gauges).breached)
    assert seen == {45_000: (0, 0), 45_001: (1, 0), 60_000: (1, 0), 60_001: (0, 1)}
    gauges.put(LANE, b"a", summary())
    assert (_all(gauges).breached, _all(gauges).open) == (0, 1)


def test_the_warning_is_of_the_policy_in_force() -> None:
    """A group of customers with a policy of its own is warned by that one."""
    gauges = Gauges(RULES)
    gauges.put(LANE, b"a", summary(segment="vip", waiting_since=0, clock_since=0, target_ms=30_000))
    gauges.move(20_000)
    assert _all(gauges).at_risk == 0
    gauges.move(20_001)
    assert _all(gauges).at_risk == 1


def test_a_warning_is_told_by_the_policys_clock() -> None:
    """Of a target in business time, what is left is told in business time; other rules count from the next event on."""
    break_from_1_to_10 = Calendar("c", (Hours("UTC", ((Span(0, 1), Span(10, 1440)),) * 7),))
    policy = Policy(
        "p", "first_response", 90_000, 0.9, warning_ms=60_000, calendar=break_from_1_to_10, clock="calendar"
    )
    gauges = Gauges(RULES)
    gauges.use(Rules((policy,)))
    gauges.put(LANE, b"a", summary(waiting_since=0, clock_since=0, target_ms=630_000))
    seen = {}
    for now in (30_000, 30_001, 630_000, 630_001):
        gauges.move(now)
        seen[now] = (_all(gauges).at_risk, _all(gauges).breached)
    assert seen == {30_000: (0, 0), 30_001: (1, 0), 630_000: (1, 0), 630_001: (0, 1)}
    gauges.use(RULES)
    assert _all(gauges).breached == 1


def test_a_partial_contact_has_no_target() -> None:
    """A contact that was under way before Pulssi saw it waits, and is outside service level."""
    gauges = Gauges(RULES)
    gauges.put(LANE, b"a", summary(partial=True, waiting_since=0, clock_since=0, target_ms=60_000))
    gauges.move(100_000)
    assert (_all(gauges).waiting, _all(gauges).breached) == (1, 0)


def test_a_discarded_contact_is_in_no_gauge() -> None:
    """Spam waits for nobody."""
    gauges = Gauges(RULES)
    gauges.put(LANE, b"a", summary(waiting_since=0))
    gauges.put(LANE, b"a", summary(waiting_since=0, discarded=True))
    assert _all(gauges) == Reading()
    assert gauges.contacts == 0


def test_contacts_that_come_and_go_leave_nothing_behind() -> None:
    """However often contacts change, the structures hold little more than the contacts that are there."""
    gauges = Gauges(RULES)
    draw = random.Random(7)  # noqa: S311 - no secret
    for turn in range(20_000):
        since = turn * 10
        contact_id = b"%d" % draw.randrange(50)
        gauges.put(LANE, contact_id, summary(waiting_since=since, clock_since=since, target_ms=60_000))
        gauges.move(since)
    held = [len(gauge.waiting._heap) for gauge in gauges._gauges.values()]  # noqa: SLF001 - what is measured here
    assert max(held) < 500
    assert len(gauges._due) < 1_000  # noqa: SLF001 - as above
    assert gauges.contacts == 50
