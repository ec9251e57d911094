"""The gauges where the comparison in `test_live_view` does not reach: deadlines to the millisecond, and memory."""

import random

from streams.live.gauges import GaugeReading, Gauges
from tests.streams.live.steps import due, summary

PARTITION = ("contacts.chat", 0)


def _all(gauges: Gauges) -> GaugeReading:
    return gauges.readings()[None, None]


def test_without_an_event_a_contact_becomes_stale() -> None:
    """It leaves every other gauge at its time, comes back with an event, and goes when its worker forgets it."""
    gauges = Gauges()
    waits = summary(waiting_since=0, awaiting_since=0, handling=1, deadlines=[due(0, 10)], leaves_at=1_000)
    gauges.update(PARTITION, b"a", waits)
    assert not gauges.advance(10)
    gauges.advance(999)
    assert _all(gauges) == GaugeReading(1, 0, 1, 0, open=1, handling=1, breached=1)
    assert gauges.advance(1_000)
    assert _all(gauges) == GaugeReading(stale=1)
    gauges.update(PARTITION, b"a", summary(leaves_at=5_000))
    assert _all(gauges) == GaugeReading(open=1)
    gauges.update(PARTITION, b"b", waits)
    assert _all(gauges) == GaugeReading(open=1, stale=1)
    gauges.remove(PARTITION, b"b")
    gauges.advance(5_000)
    gauges.clear(PARTITION)
    assert _all(gauges) == GaugeReading()


def test_contacts_that_come_and_go_leave_nothing_behind() -> None:
    """However often contacts change, the structures hold little more than the contacts that are there."""
    gauges = Gauges()
    draw = random.Random(7)  # noqa: S311 - no secret
    for turn in range(20_000):
        since = turn * 10
        contact_id = b"%d" % draw.randrange(50)
        gauges.update(PARTITION, contact_id, summary(waiting_since=since, deadlines=[due(since, 60_000, 15_000)]))
        gauges.advance(since)
    held = [len(gauge.waiting._heap) for gauge in gauges._gauges.values()]  # noqa: SLF001 - what is measured here
    assert max(held) < 500
    assert len(gauges._due) < 1_000  # noqa: SLF001 - as above
    assert gauges.contacts == 50
