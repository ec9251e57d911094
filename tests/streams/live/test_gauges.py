"""The gauges where the comparison in `test_live_view` does not reach: deadlines to the millisecond, and memory."""

from __future__ import annotations

import random

from streams.live.gauges import Gauges, Reading
from tests.streams.live.steps import due, summary

LANE = ("contacts.chat", 0)


def _all(gauges: Gauges) -> Reading:
    return gauges.readings()[None, None]


def test_a_deadline_comes_up_to_the_millisecond() -> None:
    """At risk and beyond the target from the first millisecond that the summary names; nothing needs to arrive."""
    gauges = Gauges()
    gauges.move(0)
    gauges.put(LANE, b"a", summary(waiting_since=0, deadlines=[due(0, 60_000, 15_000)]))
    seen = {}
    for now in (45_000, 45_001, 60_000, 60_001):
        gauges.move(now)
        seen[now] = (_all(gauges).at_risk, _all(gauges).breached)
    assert seen == {45_000: (0, 0), 45_001: (1, 0), 60_000: (1, 0), 60_001: (0, 1)}
    gauges.put(LANE, b"a", summary())
    assert (_all(gauges).breached, _all(gauges).open) == (0, 1)


def test_each_metric_is_counted_by_itself() -> None:
    """A contact may be beyond one target and at risk of missing another, at the same millisecond."""
    gauges = Gauges()
    deadlines = [due(0, 10_000), due(0, 20_000, 10_000, "next_response"), due(0, 10_000, 5_000, "resolution")]
    gauges.put(LANE, b"a", summary(deadlines=deadlines))
    gauges.move(10_001)
    assert _all(gauges) == Reading(open=1, breached=1, at_risk_next_response=1, breached_resolution=1)
    gauges.move(20_001)
    assert _all(gauges) == Reading(open=1, breached=1, breached_next_response=1, breached_resolution=1)


def test_a_target_that_never_passes_is_never_missed() -> None:
    """Where the calendar does not open any more, a contact stays at risk, or fine."""
    gauges = Gauges()
    gauges.put(LANE, b"a", summary(deadlines=[("first_response", "p", 0, 10, None)]))
    gauges.put(LANE, b"b", summary(deadlines=[("first_response", "p", 0, None, None)]))
    gauges.move(10**12)
    assert _all(gauges) == Reading(open=2, at_risk=1)


def test_without_an_event_a_contact_becomes_stale() -> None:
    """It leaves every other gauge at its time, comes back with an event, and goes when its worker forgets it."""
    gauges = Gauges()
    waits = summary(waiting_since=0, awaiting_since=0, handling=1, deadlines=[due(0, 10)], leaves_at=1_000)
    gauges.put(LANE, b"a", waits)
    assert not gauges.move(10)
    gauges.move(999)
    assert _all(gauges) == Reading(1, 0, 1, 0, open=1, handling=1, breached=1)
    assert gauges.move(1_000)
    assert _all(gauges) == Reading(stale=1)
    gauges.put(LANE, b"a", summary(leaves_at=5_000))
    assert _all(gauges) == Reading(open=1)
    gauges.put(LANE, b"b", waits)
    assert _all(gauges) == Reading(open=1, stale=1)
    gauges.drop(LANE, b"b")
    gauges.move(5_000)
    gauges.clear(LANE)
    assert _all(gauges) == Reading()


def test_a_discarded_contact_is_in_no_gauge() -> None:
    """Spam waits for nobody."""
    gauges = Gauges()
    gauges.put(LANE, b"a", summary(waiting_since=0))
    gauges.put(LANE, b"a", summary(waiting_since=0, discarded=True))
    assert _all(gauges) == Reading()
    assert gauges.contacts == 0


def test_contacts_that_come_and_go_leave_nothing_behind() -> None:
    """However often contacts change, the structures hold little more than the contacts that are there."""
    gauges = Gauges()
    draw = random.Random(7)  # noqa: S311 - no secret
    for turn in range(20_000):
        since = turn * 10
        contact_id = b"%d" % draw.randrange(50)
        gauges.put(LANE, contact_id, summary(waiting_since=since, deadlines=[due(since, 60_000, 15_000)]))
        gauges.move(since)
    held = [len(gauge.waiting._heap) for gauge in gauges._gauges.values()]  # noqa: SLF001 - what is measured here
    assert max(held) < 500
    assert len(gauges._due) < 1_000  # noqa: SLF001 - as above
    assert gauges.contacts == 50
