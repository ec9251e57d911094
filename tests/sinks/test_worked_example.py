"""The field's worked example of a service level, from single events to every place that shows one.

1000 answered, 860 of them in time, 60 abandoned, 20 of them in time (ICMI): 86.0, 81.1, 83.0 and 82.7 % by the four
formulas without short abandonments, and, as nobody here hangs up at once, 81.1 % by the one with.
"""

from typing import Any, Final

import orjson
import pytest
from clickhouse_connect.driver.client import Client

from schemas.policies import Rules
from schemas.settings import Settings
from schemas.topics import CONTACTS, Channel
from streams.journal.step_assembly import StepAssembly
from streams.live.live_view import LiveView
from streams.live.service_level import FORMULAS, service_level
from streams.partition.state import PartitionState
from tests.core.story import BEGIN
from tests.oracle.batch import Counters, added_up, samples
from tests.sinks.reconcile.worker_and_sink import WorkerAndSink, story_records
from tests.streams.records import Record

PERCENT: Final = {
    "answered_only": 86.0,
    "offered": 81.1,
    "abandons_met": 83.0,
    "excluding_abandoned_within": 82.7,
    "short_excluded": 81.1,
}
assert set(PERCENT) == set(FORMULAS)

#: How many contacts go how: answered or abandoned, in time or not.
GO: Final = ((860, "answered", True), (140, "answered", False), (20, "abandoned", True), (40, "abandoned", False))
#: Seconds in time and late, against the shipped targets.
WAITS: Final[dict[Channel, dict[bool, int]]] = {
    "call": {True: 10, False: 30},
    "chat": {True: 50, False: 70},
    "email": {True: 3_600, False: 90_000},
}
ANSWERS: Final[dict[Channel, str]] = {
    "call": "connected agent_id=ann",
    "chat": "agent agent_id=ann",
    "email": "agent agent_id=ann",
}


def example(channel: Channel) -> list[tuple[bytes, bytes]]:
    """Write the events of the example's 1060 contacts, which all begin in one minute."""
    found = []
    for many, ends, in_time in GO:
        what = ANSWERS[channel] if ends == "answered" else "abandoned"
        story = f"0 started queue=q\n0 queued queue=q seq=1\n{WAITS[channel][in_time]} {what}"
        for number in range(many):
            found += story_records(f"{ends} {in_time} {number}", story, channel)
    return found


def rounded(levels: dict[str, float | None]) -> dict[str, float]:
    """Give shares in per cent, to a tenth."""
    return {name: round(100 * (level or 0), 1) for name, level in levels.items()}


@pytest.mark.parametrize("channel", WAITS)
def test_in_clickhouse(database: Settings, client: Client, channel: Channel) -> None:
    """The view's columns by name, the function over any range, the intervals, and e-mail by time of arrival."""
    WorkerAndSink(database, CONTACTS[channel]).play(example(channel))
    ask = ", ".join(f"pulssi_service_level('{name}', {{}}) AS {name}" for name in PERCENT)
    of_panes = "sum(answered), sum(answered_within), sum(abandoned), sum(abandoned_within), sum(service_level.short)"
    of_intervals = (
        "sum(answered_with_target), sum(n_within), sum(abandoned_with_target), sum(i.abandoned_within), sum(i.short)"
    )
    questions = [
        f"SELECT {ask.replace('{}', of_panes)} FROM service_level",  # noqa: S608 - our own names
        *(
            f"SELECT {ask.replace('{}', of_intervals)} FROM intervals AS i WHERE interval = '{interval}'"  # noqa: S608 - our own names
            for interval in ("15 minutes", "60 minutes", "day", "month")
        ),
    ]
    if channel == "call":  # all in one minute: the view has one row
        questions.append(f"SELECT {', '.join(PERCENT)} FROM service_level")  # noqa: S608 - our own names
        (shown,) = client.query("SELECT formula, service_level FROM intervals WHERE interval = 'day'").result_rows
        assert (shown[0], round(100 * shown[1], 1)) == ("short_excluded", PERCENT["short_excluded"])
    if channel == "email":
        questions.append(f"SELECT {', '.join(PERCENT)} FROM email_service_level_by_arrival")  # noqa: S608 - as above
    for question in questions:
        (row,) = client.query(question).result_rows
        assert rounded(dict(zip(PERCENT, row, strict=True))) == PERCENT, question


def test_in_the_live_view() -> None:
    """By name and as the wallboard's figures tell it; with those that wait too long now, all are lower."""
    view = LiveView("UTC", lambda: BEGIN + 40_000)
    partition, assembly = PartitionState(CONTACTS["call"], 0, Rules()), StepAssembly(CONTACTS["call"], 0)
    partition.begin(opened=0, epoch=1)
    records = [Record(number, *each) for number, each in enumerate(example("call"))]
    offset = 0
    for output in partition.steps(records):
        for key, value in output.records:
            offset += 1
            step = assembly.feed(offset, key, value)
            if step is not None:
                view.feed([step])
    view.advance()
    counted = view.figures("5m", ("call", "q")).counted
    assert counted == (1000, 860, 60, 20, 0)
    assert rounded({name: service_level(name, counted) for name in FORMULAS}) == PERCENT
    live = rounded({name: service_level(name, counted, breached=10) for name in FORMULAS})
    assert all(live[name] < PERCENT[name] for name in FORMULAS)


@pytest.mark.parametrize("channel", WAITS)
def test_by_the_batch(channel: Channel) -> None:
    """The example is what it says: counted by the batch."""
    events: list[dict[str, Any]] = [orjson.loads(value) for _, value in example(channel)]
    counted = added_up(samples(events))
    answered, abandoned = (counted[name, channel, "q"] for name in ("first_response", "abandoned"))
    assert answered == Counters(1000, answered.sum_ms, 1000, 860)
    assert abandoned == Counters(60, abandoned.sum_ms, 60, 20)
