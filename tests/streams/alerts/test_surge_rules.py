"""Surges: against a plain batch judge over all arrivals, and each bound by itself."""

from collections import Counter
from collections.abc import Iterator, Mapping
from math import sqrt
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.alert_rules import AlertRules, FloorRule, Timing
from schemas.calendars import Calendar, Hours, Span
from schemas.policies import Rules
from streams.alerts.arrivals import Arrivals
from streams.alerts.known_alerts import KnownAlerts
from streams.alerts.lifecycle import changes
from streams.alerts.observation import Observation, alert_key
from streams.alerts.pipeline_rules import PipelineReading
from streams.alerts.surge_rules import KnownPast, observations
from streams.alerts.view import AlertView
from streams.seasonal.past import HOUR_MS, QUARTER_MS, WEEKS, Past
from tests.depth import examples
from tests.oracle.contacts import milliseconds as ms
from tests.streams.live.steps import Journal, pane_of, pane_record, tag_record

NOON: Final = ms("2026-06-02T12:00Z")
MINUTE: Final = 60_000
WEEK: Final = 7 * 24 * HOUR_MS
UTC: Final = ZoneInfo("UTC")
RULE: Final = FloorRule("rush", "surge", 20)
OFFICE: Final = Calendar("office", (Hours("UTC", ((Span(480, 960),),) * 7),))
SALES: Final = "call", "sales"
KEY: Final = alert_key("floor", "rush", *SALES)
BEFORE: Final = ("contacts.call", 0)


def _past(
    weeks: tuple[int, ...],
    since: int = 0,
    tags: Mapping[tuple[str, str, str], tuple[int, ...]] | None = None,
    left_out: int = 0,
) -> KnownPast:
    """Give weeks, the newest first, that had so many contacts in the half hour before noon."""

    def counts(numbers: tuple[int, ...], step_ms: int, n: int) -> dict[int, int]:
        of = {NOON - (week + 1) * WEEK - n * step_ms: number for week, number in enumerate(numbers)}
        return of | {NOON - 5 * WEEK: 1}

    arrivals = {SALES: counts(weeks, QUARTER_MS, 1)}
    of_tags = {key: counts(numbers, HOUR_MS, 1) for key, numbers in (tags or {}).items()}
    return KnownPast(Past(NOON, since, arrivals, {}, of_tags, left_out), UTC)


def _arrivals(n: int, tags: Mapping[tuple[str, str], int] | None = None, window_ms: int = RULE.window_ms) -> Arrivals:
    arrivals = Arrivals()
    arrivals.use([window_ms])
    arrivals.advance(NOON)
    key, value = pane_record(NOON - 5 * MINUTE, "sales", "offered", pane_of([0] * n))
    arrivals.update(BEFORE, "call", key, value)
    for (queue, tag), number in (tags or {}).items():
        arrivals.update(BEFORE, "call", *tag_record(NOON - 5 * MINUTE, queue, tag, number))
    return arrivals


def _seen(
    arrivals: Arrivals,
    past: KnownPast | None,
    rule: FloorRule = RULE,
    watched: tuple[str, ...] = (),
    rules: Rules | None = None,
) -> list[Observation]:
    found = observations(arrivals, past, rules or Rules(), AlertRules(floor=(rule,)), NOON, watched)
    assert all(key == seen.key for key, seen in found.items())
    return list(found.values())


@pytest.mark.parametrize(
    ("weeks", "limit"),
    [
        ((400, 400, 400, 400), 800),  # twice the mean
        ((16, 16, 16, 16), 16 + 5 * sqrt(16 * 1.25)),  # chance alone gives some more
        ((16, 16), 16 + 5 * sqrt(16 * 1.5)),  # and two weeks tell the mean less well
        ((0, 0, 0, 0), 20),  # nothing at all was expected
        ((1, 0, 3, 0), 20),
    ],
)
def test_the_largest_of_three_bounds_counts(weeks: tuple[int, ...], limit: float) -> None:
    """The factor, the least contacts, and what chance gives; below a tenth less it is clear."""
    past = _past(weeks, since=NOON - len(weeks) * WEEK - HOUR_MS)
    (beyond,) = _seen(_arrivals(round(limit + 0.5)), past)
    assert (beyond.beyond, beyond.clear, beyond.condition, beyond.rule) == (True, False, "surge", "rush")
    assert beyond.measured.limit == pytest.approx(limit)
    assert (beyond.measured.expected, beyond.measured.weeks) == (sum(weeks) / len(weeks), len(weeks))
    (between,) = _seen(_arrivals(round(limit - 0.5) - 1 or 1), past, watched=(KEY,))
    assert not between.beyond
    (clear,) = _seen(_arrivals(int(limit * 0.9)), past, watched=(KEY,))
    assert (clear.beyond, clear.clear) == (False, True)
    assert _seen(_arrivals(int(limit * 0.9)), past) == []


def test_two_weeks_have_to_be_known() -> None:
    """Of the centre, and of the queue: weeks before its first contact are not known to have been empty."""
    many = _arrivals(1_000)
    assert _seen(many, _past((1, 1, 1, 1), since=NOON - WEEK - HOUR_MS)) == []
    assert len(_seen(many, _past((1, 1, 1, 1), since=NOON - 2 * WEEK - HOUR_MS))) == 1
    young = Past(NOON, 0, {SALES: {NOON - 2 * WEEK: 5, NOON - WEEK: 5}}, {}, {})
    assert _seen(many, KnownPast(young, UTC)) == []
    assert _seen(many, KnownPast(young._replace(arrivals={}), UTC)) == []


def test_tags_are_counted_over_the_queues_that_match() -> None:
    """Together; one that was never there before is judged by the least contacts; `*` is each by itself."""
    arrivals = _arrivals(5, {("sales", "fault"): 30, ("billing", "fault"): 31, ("sales", "order"): 40})
    hours = {("call", "sales", "fault"): (8,) * 4, ("call", "billing", "fault"): (6,) * 4}
    past = _past((1, 1, 1, 1), tags=hours)
    (seen,) = _seen(arrivals, past, RULE._replace(tag="fault"))
    assert (seen.measured.value, seen.measured.expected) == (61, 7)  # the half hours of 14 in an hour
    assert (seen.key, seen.dimensions.tag) == (alert_key("floor", "rush", "fault"), "fault")
    assert (seen.dimensions.channel, seen.dimensions.queue) == (None, None)
    (of_queue,) = _seen(arrivals, past, RULE._replace(tag="fault", queue="sales", channel="call"))
    assert (of_queue.measured.value, of_queue.measured.expected, of_queue.dimensions.queue) == (30, 4, "sales")
    every = {seen.dimensions.tag: seen.measured.expected for seen in _seen(arrivals, past, RULE._replace(tag="*"))}
    assert every == {"fault": 7, "order": 0}
    assert _seen(arrivals, past, RULE._replace(tag="other")) == []


def test_a_tag_of_channels_of_which_one_is_not_known_yet() -> None:
    """Weeks before it was known are left out: its contacts then are not known to have been none."""
    arrivals = _arrivals(5, {("sales", "order"): 40})
    of_mail = {("email", "sales"): {NOON - WEEK - QUARTER_MS: 1}}
    counts = {NOON - (week + 1) * WEEK - HOUR_MS: 4 for week in range(4)}
    quarters = {SALES: {NOON - 5 * WEEK: 1}, **of_mail}
    past = Past(NOON, 0, quarters, {}, {("call", "sales", "order"): counts}, channels={"email": NOON - 3 * WEEK})
    rule = RULE._replace(tag="order")
    (seen,) = _seen(arrivals, KnownPast(past, UTC), rule)
    assert (seen.measured.expected, seen.measured.weeks) == (2, 2)
    (of_calls,) = _seen(arrivals, KnownPast(past, UTC), rule._replace(channel="call"))
    assert of_calls.measured.weeks == 4


def test_a_tag_of_which_nothing_is_kept_is_not_judged() -> None:
    """Where there were too many tags, one without counts may have had some."""
    arrivals = _arrivals(5, {("sales", "order"): 40})
    assert _seen(arrivals, _past((1, 1, 1, 1), left_out=1), RULE._replace(tag="order")) == []
    assert len(_seen(arrivals, _past((1, 1, 1, 1)), RULE._replace(tag="order"))) == 1


def test_it_is_judged_while_the_calendar_is_open() -> None:
    """Or always."""
    many, past = _arrivals(1_000), _past((1, 1, 1, 1))
    closed = Calendar("nights", (Hours("UTC", ((Span(0, 60),),) * 7),))
    assert len(_seen(many, past, rules=Rules(calendar=OFFICE))) == 1
    assert _seen(many, past, rules=Rules(calendar=closed)) == []
    assert len(_seen(many, past, RULE._replace(always=True), rules=Rules(calendar=closed))) == 1


def test_without_the_last_weeks_alerts_keep_their_state() -> None:
    """They are marked as held, and judged again when the weeks are known; no new one begins meanwhile."""
    many, few, past, timing = _arrivals(1_000), _arrivals(1), _past((1, 1, 1, 1)), Timing(least_firing_ms=0)
    rule = RULE._replace(hold_ms=0)
    before = KnownAlerts()

    def judge(arrivals: Arrivals, known: KnownPast | None) -> list[str]:
        found = observations(arrivals, known, Rules(), AlertRules(floor=(rule,)), NOON, frozenset(before.watched))
        changed = changes(before, found, NOON, timing)
        before.apply(changed)
        return [f"{alert.state} {alert.reason}" for alert in changed]

    assert judge(many, None) == []
    assert judge(many, past) == ["firing first"]
    assert judge(few, None) == ["firing held"]
    assert judge(few, None) == []
    assert judge(few, past) == ["firing released", "resolved resolved"]


class Told(NamedTuple):
    """Contacts of one minute, some minutes before noon and some weeks ago."""

    week: int
    minute: int
    queue: str
    tag: str
    n: int


_TOLD: Final = st.builds(
    Told,
    st.integers(0, WEEKS),
    st.sampled_from([0, 1, 14, 15, 16, 29, 30, 31, 59, 60, 61, 90]),
    st.sampled_from(["sales", "billing"]),
    st.sampled_from(["", "", "fault"]),
    st.integers(1, 60),
)

_AGAIN: Final = st.sampled_from(["", "repeated", "restarted"])


@settings(max_examples=examples(100))
@given(st.lists(_TOLD, max_size=30), st.sampled_from([15, 30, 60]), st.integers(0, 59), st.integers(1, 3), _AGAIN)
def test_any_arrivals_are_judged_as_a_plain_batch_judges_them(
    told: list[Told], window: int, second: int, told_in: int, again: str
) -> None:
    """Fed in steps, some journals again, the last value of each pane counts; the weeks before are of the same hours."""
    now = NOON + second * 1_000
    rule = RULE._replace(window_ms=window * MINUTE, factor=1.5)
    tag_rule = rule._replace(name="faults", tag="fault")
    alert_rules = AlertRules(floor=(rule, tag_rule))
    view, journal = AlertView(Rules(), alert_rules), Journal("contacts.call")
    panes: Counter[tuple[int, str, str]] = Counter()
    quarters: dict[tuple[str, str], Counter[int]] = {}
    hours: dict[tuple[str, str, str], Counter[int]] = {}
    for each in told:
        start = NOON - each.week * WEEK - each.minute * MINUTE
        if each.week == 0:
            panes[start, each.queue, each.tag] += each.n
        elif each.tag:
            hours.setdefault(("call", each.queue, each.tag), Counter())[start - start % HOUR_MS] += each.n
        else:
            quarters.setdefault(("call", each.queue), Counter())[start - start % QUARTER_MS] += each.n
    fed = [journal.step(*records) for records in _parts_of(panes, told_in)]
    view.feed(fed)
    view.observations(now, (), PipelineReading())
    if again:
        view.feed([step._replace(restarted=again == "restarted" and step is fed[0]) for step in fed])
    for queue in ("sales", "billing"):
        quarters.setdefault(("call", queue), Counter())[NOON - 5 * WEEK] += 1
    past = KnownPast(Past(NOON, 0, quarters, {}, hours), UTC)
    seen = view.observations(now, (), PipelineReading(), past)
    found = {key: each.measured.value for key, each in seen.items() if each.condition == "surge" and each.beyond}
    begin = NOON + MINUTE - window * MINUTE
    expected = {}
    for queue in ("sales", "billing"):
        count = sum(n for (start, of, tag), n in panes.items() if of == queue and not tag and start >= begin)
        if _is_surge(rule, count, [quarters["call", queue]], QUARTER_MS, begin, now):
            expected[alert_key("floor", "rush", "call", queue)] = count
    count = sum(n for (start, _, tag), n in panes.items() if tag and start >= begin)
    if _is_surge(tag_rule, count, list(hours.values()), HOUR_MS, begin, now):
        expected[alert_key("floor", "faults", "fault")] = count
    assert found == expected


def _parts_of(panes: Counter[tuple[int, str, str]], steps: int) -> Iterator[list[tuple[bytes, bytes | None]]]:
    """Write panes so many times: with a part of their counts, and at last with all."""
    for of in range(1, steps + 1):
        yield [
            tag_record(start, queue, tag, n * of // steps)
            if tag
            else pane_record(start, queue, "offered", pane_of([0] * (n * of // steps)))
            for (start, queue, tag), n in panes.items()
        ]


def _is_surge(rule: FloorRule, count: int, past: list[Counter[int]], step_ms: int, begin: int, now: int) -> bool:
    """Judge second by second: each second of a step has the same part of its contacts."""
    weeks = []
    for week in range(1, WEEKS + 1):
        of_week = 0
        for counts in past:
            seconds = Counter(at - at % step_ms for at in range(begin - week * WEEK, now - week * WEEK, 1_000))
            parts = sum(n * counts[start] for start, n in seconds.items() if start in counts)
            of_week += int(parts * 1_000 / step_ms + 0.5)
        weeks.append(of_week)
    mean = sum(weeks) / WEEKS
    return count >= max(rule.limit, rule.factor * mean, mean + 5 * sqrt(mean * 1.25))
