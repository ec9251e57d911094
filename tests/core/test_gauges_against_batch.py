"""What a contact gives to the gauges, at any moment after its last event, is what the batch says at that moment."""

from typing import Any, Final

from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.contact_record import Summary, decode_summary
from streams.core.deadlines import deadlines_at
from streams.live.gauges import GaugeReading, Gauges
from tests.core.contacts import record_of
from tests.core.plots import contacts
from tests.core.test_against_batch import WHICH, Centres, centres
from tests.depth import examples
from tests.oracle.contacts import contacts as put_together
from tests.oracle.gauges import Gauge, at_a_moment, gauges

__all__ = ["centres"]  # a fixture

#: After the last event: at once, around targets and warnings, a change of the rules, a day and the horizons later.
LATER_MS: Final = (0, 1, 2_999, 3_001, 15_750, 21_001, 45_001, 60_001, 180_001, 3_600_001, 86_399_999, 172_800_000)


@settings(max_examples=examples(400))
@given(which=WHICH, events=contacts(), later=st.sets(st.sampled_from(LATER_MS), min_size=1, max_size=4))
def test_the_gauges_equal_the_batch(
    centres: Centres, which: int, events: list[dict[str, Any]], later: set[int]
) -> None:
    """Open, waiting, awaiting a reply, handled, at risk and beyond the target by each metric, and stale."""
    rules, centre = centres[which]
    together = put_together(events, centre)
    if not together or not together[0].events:
        return
    summary = decode_summary(record_of(events, rules))
    last = max(event["at"] for event in together[0].events)
    assert summary["clock_since"] == at_a_moment(together[0], last).clock_since
    for now in (last + ms for ms in sorted(later)):
        found = _reading({**summary, "deadlines": deadlines_at(rules, summary, now)[0]}, now)
        assert found == {place: _as_read(gauge) for place, gauge in gauges(together, now).items()}, f"at {now}"


def _reading(summary: Summary, now: int) -> dict[tuple[str, str], GaugeReading]:
    live = Gauges()
    live.update(("contacts", 0), b"contact", summary)
    live.advance(now)
    place = summary["channel"], summary["queue"]
    return {place: live.readings().get(place, GaugeReading())}


def _as_read(gauge: Gauge) -> GaugeReading:
    waits = len(gauge.waiting), min(gauge.waiting, default=None), len(gauge.awaiting), min(gauge.awaiting, default=None)
    metrics = ("first_response", "next_response", "resolution", "queue_wait")
    risks = [counts.get(metric, 0) for metric in metrics for counts in (gauge.at_risk, gauge.breached)]
    return GaugeReading._make((*waits, gauge.open, gauge.handling, *risks, gauge.stale))
