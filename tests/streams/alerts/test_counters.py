"""The counters against a plain addition of all panes, for any split, order and repetition of steps."""

from collections import defaultdict
from typing import Final, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.alert_rules import AlertRules
from schemas.calendars import Calendar, Hours, Span
from schemas.journal import encode_pane, encode_pane_key
from schemas.panes import PANE_MS, Pane, PaneKey
from schemas.policies import Policy, Rules
from streams.alerts.counters import judged_and_bad
from streams.alerts.observation import alert_key
from streams.alerts.pipeline_rules import PipelineReading
from streams.alerts.view import AlertView
from streams.core.business_time import in_hours
from streams.journal.step_assembly import Step
from tests.depth import examples
from tests.oracle.contacts import milliseconds as ms
from tests.streams.live.steps import Journal

#: 11:00 in Helsinki, in an office that opens at 8 and closes from 10:00 to 10:30.
T0: Final = ms("2026-06-02T11:00+03:00")
OFFICE: Final = Calendar("office", (Hours("Europe/Helsinki", ((Span(480, 600), Span(630, 960)),) * 7),))
FIRST: Final = Policy("first", "first_response", 60_000, 0.8, queue="billing", window_ms=3_600_000, min_volume=1)
OTHER: Final = Policy("other", "first_response", 60_000, 0.5, window_ms=7_200_000, min_volume=1, formula="offered")
DONE: Final = Policy(
    "done", "resolution", 60_000, 0.9, segment="vip", window_ms=7_200_000, min_volume=1, objective_per="channel"
)
#: From a quarter to eleven on, billing's policy is gone.
CHANGE: Final = T0 - 15 * PANE_MS
RULES: Final = Rules(
    policies=(FIRST, OTHER, DONE),
    policies_from=((CHANGE, (OTHER, DONE)), (T0 + 20 * PANE_MS, (FIRST, OTHER, DONE))),
    queue_calendars={"billing": OFFICE},
)
ALERT_RULES: Final = AlertRules(burn_rates=())


class Told(NamedTuple):
    """One pane's value, and in which source partition."""

    partition: int
    minute: int
    queue: str
    segment: str
    sample: str
    n: int
    within: int
    short: int


TOLD: Final = st.builds(
    Told,
    st.integers(0, 1),
    st.sampled_from([-1_450, -130, -90, -61, -59, -40, -20, -16, -15, -14, -2, 0, 1]),
    st.sampled_from(["billing", "support"]),
    st.sampled_from(["", "vip"]),
    st.sampled_from(["first_response", "abandoned", "resolution", "handle"]),
    st.integers(0, 9),
    st.integers(0, 9),
    st.integers(0, 3),
)

Panes = dict[tuple[int, int, str, str, str], tuple[int, int, int]]


def plain(panes: Panes, now: int) -> dict[str, tuple[int, int]]:
    """Add up what is in each policy's window now: judged and bad by key."""
    sums: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    filling = now - now % PANE_MS
    for (_, start, queue, segment, sample), (n, within, short) in panes.items():
        if sample == "resolution":
            policy = DONE if segment == "vip" else None
        elif sample == "handle":
            policy = None
        else:
            before = queue == "billing" and not CHANGE <= start < T0 + 20 * PANE_MS
            policy = FIRST if before else OTHER
        if policy is None or start > filling or filling - start >= 86_400_000:
            continue
        if policy == FIRST and CHANGE <= now < T0 + 20 * PANE_MS:
            continue
        of_queue = "" if policy == DONE else queue
        opens = [at for at in range(start, filling + 1, PANE_MS) if of_queue != "billing" or in_hours(OFFICE, at)]
        behind = len(opens) - int(of_queue != "billing" or in_hours(OFFICE, start))
        if behind * PANE_MS >= policy.window_ms:
            continue
        of = sums[alert_key("attainment", policy.name, "chat", of_queue)]
        left_out = short if sample == "abandoned" and policy.formula == "short_excluded" else 0
        of[0] += n - left_out
        of[1] += n - left_out - (0 if sample == "abandoned" else within)
    return {key: (judged, bad) for key, (judged, bad) in sums.items() if judged > 0}


@pytest.mark.parametrize("used_again", [False, True])
def test_a_queue_whose_counts_were_taken_back_is_not_told_of(*, used_again: bool) -> None:
    """As after a restart, which never saw the counts: neither a watched objective nor any other is told."""
    view, journal = AlertView(RULES, ALERT_RULES), Journal("contacts.chat", 0)
    key = PaneKey(1, T0 - PANE_MS, "support", "normal", "", "", "first_response")
    for n in (5, 0):
        view.feed([journal.step((encode_pane_key(key), encode_pane(Pane(n, n, 0, 0))))])
    if used_again:
        view.use(RULES, ALERT_RULES)
    watched = alert_key("attainment", "other", "chat", "support")
    assert watched not in view.observations(T0, {watched}, PipelineReading())


def test_short_abandonments_beyond_a_shorter_target_are_no_more_than_there_are() -> None:
    """A target below what counts as short: nobody is bad twice, and no share is below 0."""
    assert judged_and_bad("queue_wait", (1, 0, 1), "short_excluded") == (0, 0)
    assert judged_and_bad("queue_wait", (3, 1, 2), "short_excluded") == (1, 1)
    assert judged_and_bad("queue_wait", (4, 3, 1), "short_excluded") == (3, 1)


#: A visit: how long it waited in seconds, and whether it was abandoned.
VISITS: Final = st.lists(st.tuples(st.integers(0, 30), st.booleans()), max_size=12)


@given(visits=VISITS, target=st.sampled_from([3, 5, 20]))
def test_a_queues_share_in_time_is_exact_or_worse_than_it_is(visits: list[tuple[int, bool]], target: int) -> None:
    """Short is below 5 s. With a shorter target the pane cannot tell: nothing looks better than it is."""
    short = [wait for wait, abandoned in visits if abandoned and wait < 5]
    good = sum(wait <= target for wait, abandoned in visits if not (abandoned and wait < 5))
    held = len(visits), sum(wait <= target for wait, _ in visits), len(short)
    judged, bad = judged_and_bad("queue_wait", held, "short_excluded")
    assert judged == len(visits) - len(short)
    if target >= 5:
        assert bad == judged - good
    else:
        assert judged - good <= bad <= min(judged, judged - good + len(short))


@settings(max_examples=examples(90))
@given(
    batches=st.lists(
        st.tuples(st.lists(TOLD, min_size=1, max_size=5), st.integers(0, 240_000), st.integers(0, 3)), max_size=12
    )
)
def test_any_split_and_repetition_equals_a_plain_addition(batches: list[tuple[list[Told], int, int]]) -> None:
    """Fed in steps of any size, some steps and journals again, each objective has the counts of the last values."""
    view, now = AlertView(RULES, ALERT_RULES), T0
    journals = {partition: Journal("contacts.chat", partition) for partition in (0, 1)}
    panes: Panes = {}
    fed: list[Step] = []
    keys = {
        alert_key("attainment", policy.name, "chat", queue)
        for policy in (FIRST, OTHER, DONE)
        for queue in ("billing", "support", "")
    }
    for told, passed, again in batches:
        by_partition: dict[int, list[tuple[bytes, bytes | None]]] = defaultdict(list)
        for each in told:
            start = T0 + each.minute * PANE_MS
            n, within = each.n, min(each.n, each.within)
            short = min(each.n, each.short) if each.sample == "abandoned" else 0
            panes[each.partition, start, each.queue, each.segment, each.sample] = n, within, short
            key = PaneKey(1, start, each.queue, "normal", "", each.segment, each.sample)
            by_partition[each.partition].append((encode_pane_key(key), encode_pane(Pane(n, n, within, short))))
        steps = [journals[partition].step(*records) for partition, records in by_partition.items()]
        view.feed(reversed(steps))
        fed += steps
        if again == 1:
            view.feed(fed)
        if again == 2:
            seen: set[int] = set()
            for step in fed:
                view.feed([step._replace(restarted=step.partition not in seen)])
                seen.add(step.partition)
        if again == 3:
            view.use(RULES, ALERT_RULES)
        now += passed
        found = view.observations(now, keys, PipelineReading())
        counted = {key: (seen.measured.n, seen.measured.bad) for key, seen in found.items() if key in keys}
        assert {key: value for key, value in counted.items() if value[0]} == plain(panes, now)
        if again:
            restarted = AlertView(RULES, ALERT_RULES)
            restarted.observations(now, keys, PipelineReading())
            restarted.feed(fed)
            assert restarted.observations(now, keys, PipelineReading()) == found, "as after a restart"
