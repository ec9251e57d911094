"""The last hour by five minutes against the batch over the same events: a simulated hour, taken by real partitions."""

from collections import defaultdict
from typing import Any, Final

import orjson

from schemas.topics import CHANNELS, CONTACTS
from streams.journal.step_assembly import StepAssembly
from streams.live.figures import Counted
from streams.live.live_view import LiveView
from streams.live.pane_sums import Group, groups_of
from streams.live.service_level import ServiceLevelCounts
from streams.live.trends import STEP_MS, TREND_STEPS, step_of, trend_begin
from streams.sources.simulator import Plan, simulate
from tests.oracle.batch import samples
from tests.oracle.contacts import milliseconds
from tests.oracle.rows import Row
from tests.streams.records import Record, opened

START: Final = milliseconds("2026-03-12T11:00:00+00:00")
HOUR_MS: Final = TREND_STEPS * STEP_MS
NOW: Final = START + HOUR_MS - 1


def _fed(events: dict[str, list[dict[str, Any]]]) -> LiveView:
    view = LiveView("UTC", lambda: NOW)
    for source, of_source in events.items():
        partition, assembly, offset = opened(source), StepAssembly(source, 0), 0
        records = [
            Record(number, event["contact_id"].encode(), orjson.dumps(event), source)
            for number, event in enumerate(of_source)
        ]
        for output in partition.steps(records):
            for key, value in output.records:
                offset += 1
                step = assembly.feed(offset, key, value)
                if step is not None:
                    view.feed([step])
    view.advance()
    return view


def _counted(rows: list[Row]) -> Counted:
    def of(sample: str) -> list[Row]:
        return [row for row in rows if row.sample == sample]

    def held(sample: str) -> list[Row]:
        return [row for row in of(sample) if row.within is not None]

    answered, left = held("first_response"), held("abandoned")
    within = [sum(row.within is True for row in rows) for rows in (answered, left)]
    short = sum(row.short is True for row in left)
    counts = ServiceLevelCounts(len(answered), within[0], len(left), within[1], short)
    return Counted(len(of("offered")), len(of("abandoned")), counts)


def test_each_step_is_what_the_batch_counts() -> None:
    """Of every queue, channel and the centre, in each five minutes of the hour."""
    topics = {CONTACTS[channel] for channel in CHANNELS}
    events: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for event in simulate(Plan(start_ms=START - 900_000, lasts_ms=HOUR_MS + 900_000, rate=1.0, seed=3)):
        if event.topic in topics and event.at <= NOW:
            events[event.topic].append(orjson.loads(event.value))
    view = _fed(events)
    by_step: dict[tuple[Group, int], list[Row]] = defaultdict(list)
    for row in samples([event for of_source in events.values() for event in of_source]):
        for group in groups_of(row.channel, row.queue):
            by_step[group, step_of(row.at)].append(row)
    groups = {group for group, _ in by_step}
    assert len(groups) > 10
    for group in groups:
        expected = [_counted(by_step[group, start]) for start in range(START, START + HOUR_MS, STEP_MS)]
        assert view.panes.trends.trend((group,), trend_begin(NOW)) == expected, group
    whole = view.panes.trends.between([(None, None)], START, START + HOUR_MS)
    assert whole.counted == view.figures("60m", (None, None)).counted
    assert min(whole.offered, whole.counted.answered) > 100
