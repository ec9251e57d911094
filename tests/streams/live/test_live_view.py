"""The live view against a plain computation over everything it was ever drawn, for any split and order."""

from collections import defaultdict
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.contact_record import Deadline, Summary
from schemas.panes import PANE_MS, Pane, PaneKey, TagPaneKey
from streams.core.histogram import merge
from streams.journal.step_assembly import Step
from streams.live.figures import Counted, figures_of
from streams.live.gauges import GaugeReading, joined
from streams.live.live_view import LiveView
from streams.live.pane_sums import GroupSums
from streams.live.service_level import ServiceLevelCounts
from streams.live.trends import trend_begin
from streams.live.windows import WINDOW_NAMES, WINDOW_PANES, midnight
from tests.depth import examples
from tests.streams.live.steps import Journal, contact, contact_key, due, pane_of, pane_record, summary, tag_record

ZONE = ZoneInfo("Europe/Helsinki")
#: 15 March 2026, 09:20 in Helsinki.
T0 = 1_773_559_200_000
#: How long a contact without an event is in the gauges.
HORIZON_MS = 150_000

SOURCES = (("contacts.chat", "chat"), ("contacts.call", "call"))
QUEUES = ("billing", "support")
SAMPLE_NAMES = ("offered", "handle", "hold", "first_response", "abandoned")


class DrawnRecord(NamedTuple):
    """One record, and in which source partition."""

    source: int
    partition: int
    kind: str
    minute: int
    queue: str
    sample: str
    values: tuple[int, ...]
    contact: int
    since: int | None
    handling: int


DRAWN_RECORDS = st.builds(
    DrawnRecord,
    st.integers(0, 1),
    st.integers(0, 1),
    st.sampled_from(["pane", "tag", "contact", "gone"]),
    st.sampled_from([-1700, -700, -59, -14, -4, 0, 2]),  # few, so that a pane often changes
    st.sampled_from(QUEUES),
    st.sampled_from(SAMPLE_NAMES),
    st.lists(st.integers(0, 200_000), max_size=4).map(tuple),
    st.integers(0, 3),
    st.none() | st.integers(-200_000, 5_000),
    st.integers(0, 2),
)


class PlainComputation:
    """Remembers the last value of everything, and adds it all up when asked."""

    def __init__(self) -> None:
        self.panes: dict[tuple[str, int, PaneKey], Pane] = {}
        self.tags: dict[tuple[str, int, TagPaneKey], int] = {}
        self.contacts: dict[tuple[str, int, int], Summary] = {}

    def total(
        self, window: str, now: int, group: tuple[str | None, str | None]
    ) -> tuple[dict[str, Any], dict[str, int]]:
        """Add up samples and tags of a group over a window."""
        end = now - now % PANE_MS + PANE_MS
        first = midnight(now, ZONE) if window == "today" else end - WINDOW_PANES[window] * PANE_MS
        samples: dict[str, list[Pane]] = defaultdict(list)
        tags: dict[str, int] = defaultdict(int)
        for (channel, _, key), pane in self.panes.items():
            if first <= key.start < end and group in {(channel, key.queue), (channel, None), (None, None)}:
                samples[key.sample].append(pane)
        for (channel, _, tag_key), n in self.tags.items():
            if first <= tag_key.start < end and group in {(channel, tag_key.queue), (channel, None), (None, None)}:
                tags[tag_key.tag] += n
        added = {
            sample: (
                [sum(column) for column in zip(*(pane[:9] for pane in panes), strict=True)],
                merge(p.hist for p in panes),
            )
            for sample, panes in samples.items()
        }
        return {s: a for s, a in added.items() if any(a[0]) or a[1]}, {t: n for t, n in tags.items() if n}

    def trend(self, begin: int, group: tuple[str | None, str | None]) -> list[Counted]:
        """Add up a group's panes of each five minutes of an hour."""
        steps = []
        for start in range(begin, begin + 3_600_000, 300_000):
            sums = defaultdict[str, Pane](Pane)
            for (channel, _, key), pane in self.panes.items():
                mine = group in {(channel, key.queue), (channel, None), (None, None)}
                if mine and start <= key.start < start + 300_000:
                    added = [one + other for one, other in zip(sums[key.sample][:9], pane[:9], strict=True)]
                    sums[key.sample] = Pane._make((*added, {}, {}))
            first, left = sums["first_response"], sums["abandoned"]
            held = ServiceLevelCounts(first.n_target, first.n_within, left.n_target, left.n_within, left.n_short)
            steps.append(Counted(sums["offered"].n, left.n, held))
        return steps

    def reading(self, now: int, group: tuple[str | None, str | None]) -> GaugeReading:
        """Read a group's gauges from every contact."""
        mine = [
            each
            for (_, _, _), each in self.contacts.items()
            if group in {(each["channel"], each["queue"]), (each["channel"], None), (None, None)}
        ]
        stale = [each for each in mine if each["leaves_at"] <= now]
        mine = [each for each in mine if each["leaves_at"] > now]
        waiting = [each["waiting_since"] for each in mine if each["waiting_since"] is not None]
        awaiting = [each["awaiting_since"] for each in mine if each["awaiting_since"] is not None]
        risks = []
        for metric in ("first_response", "next_response", "resolution", "queue_wait"):
            of = [(warns, breach) for each in mine for of, _, _, warns, breach in each["deadlines"] if of == metric]
            risks.append(sum((warns or now + 1) <= now < (breach or now + 1) for warns, breach in of))
            risks.append(sum((breach or now + 1) <= now for _, breach in of))
        counts = [sum(each["open"] for each in mine), sum(each["handling"] for each in mine), *risks, len(stale)]
        waits = len(waiting), min(waiting, default=None), len(awaiting), min(awaiting, default=None)
        return GaugeReading._make((*waits, *counts))


def _deadlines(since: int, minute: int) -> list[Deadline]:
    """Have clocks run by one to four metrics, with and without warnings, some due at the same time."""
    mine = [due(since, 60_000, 20_000)]
    if minute < 0:
        mine.append(due(since, 40_000, metric="next_response"))
    if minute % 2:
        mine.append(due(since - 20_000, 60_000, 59_000, metric="resolution"))
        mine.append(due(since, 30_000, 10_000, metric="queue_wait"))
    return mine


def _record(drawn: DrawnRecord, plain: PlainComputation) -> tuple[bytes, bytes | None]:
    channel = SOURCES[drawn.source][1]
    start = T0 - T0 % PANE_MS + drawn.minute * PANE_MS
    if drawn.kind == "pane":
        pane = pane_of(drawn.values, target=60_000, short=5_000)
        plain.panes[channel, drawn.partition, PaneKey(1, start, drawn.queue, "normal", "", "", drawn.sample)] = pane
        return pane_record(start, drawn.queue, drawn.sample, pane)
    if drawn.kind == "tag":
        plain.tags[channel, drawn.partition, TagPaneKey(1, start, drawn.queue, drawn.sample)] = len(drawn.values)
        return tag_record(start, drawn.queue, drawn.sample, len(drawn.values))
    place = channel, drawn.partition, drawn.contact
    if drawn.kind == "gone":
        plain.contacts.pop(place, None)
        return contact_key(str(drawn.contact)), None
    since = None if drawn.since is None else T0 + drawn.since
    state = summary(
        channel=channel,
        queue=drawn.queue,
        open=drawn.handling != 1,
        handling=drawn.handling,
        waiting_since=since if drawn.handling == 0 else None,
        awaiting_since=since if drawn.handling == 2 else None,
        deadlines=[] if since is None else _deadlines(since, drawn.minute),
        leaves_at=T0 + (drawn.since or 0) + HORIZON_MS,
    )
    plain.contacts[place] = state
    return contact_key(str(drawn.contact)), contact(state)


@settings(max_examples=examples(150))
@given(
    batches=st.lists(
        st.tuples(st.lists(DRAWN_RECORDS, min_size=1, max_size=6), st.integers(0, 90_000), st.integers(0, 3)),
        max_size=12,
    ),
    zone_skip=st.integers(0, 30 * 3_600_000),
)
def test_any_split_and_order_equals_a_plain_computation(
    batches: list[tuple[list[DrawnRecord], int, int]], zone_skip: int
) -> None:
    """Fed in steps of any size, between moves of the clock of any length, every figure is as if added up again."""
    now = T0
    plain = PlainComputation()
    journals = {(s, p): Journal(SOURCES[s][0], p) for s in (0, 1) for p in (0, 1)}
    view = LiveView(ZONE.key, lambda: now)
    fed: list[Step] = []
    for drawn, passed, again in batches:
        by_lane: dict[tuple[int, int], list[tuple[bytes, bytes | None]]] = defaultdict(list)
        for each in drawn:
            by_lane[each.source, each.partition].append(_record(each, plain))
        steps = [journals[lane].step(*records) for lane, records in by_lane.items()]
        view.feed(reversed(steps))
        fed += steps
        if again == 1:  # steps that come twice
            view.feed(fed)
        if again == 2:  # journals that are read again from their beginning
            view.feed(_read_again(fed))
        now += passed
        view.advance()
        _assert_equal(view, plain, now)
    now += zone_skip
    view.advance()
    _assert_equal(view, plain, now)


def _read_again(fed: list[Step]) -> list[Step]:
    seen: set[tuple[str, int]] = set()
    steps = []
    for step in fed:
        lane = step.source, step.partition
        steps.append(step._replace(restarted=lane not in seen))
        seen.add(lane)
    return steps


def _assert_equal(view: LiveView, plain: PlainComputation, now: int) -> None:
    groups = [(None, None), *((c, q) for _, c in SOURCES for q in (None, *QUEUES))]
    readings = view.gauges.readings()
    _assert_joined(view, plain, now)
    for group in groups:
        assert view.panes.trends.trend((group,), trend_begin(now)) == plain.trend(trend_begin(now), group), group
        assert readings.get(group, GaugeReading()) == plain.reading(now, group), group
        for window in WINDOW_NAMES:
            samples, tags = plain.total(window, now, group)
            samples.pop("hold", None)  # no live figure is made of it
            found = view.sums(window, group)
            assert {s: (t.counters, t.hist) for s, t in found.samples.items()} == samples, (window, group)
            assert found.tags == tags, (window, group)
            figures = view.figures(window, group)
            assert figures.offered == (samples["offered"][0][0] if "offered" in samples else 0)
            assert dict(figures.tags) == tags


def _assert_joined(view: LiveView, plain: PlainComputation, now: int) -> None:
    """Groups without a queue in common, as a board joins them, are what their sums give."""
    parts = ("chat", "billing"), ("call", None)
    readings = view.gauges.readings()
    assert joined(readings.get(part, GaugeReading()) for part in parts) == joined(
        plain.reading(now, part) for part in parts
    )
    trends = [plain.trend(trend_begin(now), part) for part in parts]
    assert [each.offered for each in view.panes.trends.trend(parts, trend_begin(now))] == [
        one.offered + other.offered for one, other in zip(*trends, strict=True)
    ]
    for window in WINDOW_NAMES:
        sums = GroupSums()
        for part in parts:
            sums.add(view.sums(window, part))
        figures = view.figures(window, *parts)
        assert figures == figures_of(sums)
        assert view.counted(window, *parts) == (figures.offered, figures.abandoned, figures.counted)


def _offered(n: int = 1, queue: str = "billing", epoch: int = 1) -> tuple[bytes, bytes]:
    return pane_record(T0, queue, "offered", pane_of([0] * n), epoch=epoch)


def _waiting(contact_id: str) -> tuple[bytes, bytes]:
    return contact_key(contact_id), contact(summary(waiting_since=T0))


def _waiting_now(view: LiveView) -> int:
    return view.gauges.readings()[None, None].waiting


def test_a_recreated_journal_drops_the_contacts_and_keeps_the_panes() -> None:
    """Who was in the old journal alone is in none; what was counted stays counted."""
    view = LiveView(ZONE.key, lambda: T0)
    old, new = Journal(), Journal(epoch=2)
    view.feed([old.step(_waiting("a"), _offered())])
    assert _waiting_now(view) == 1
    view.feed([new.step(_offered(2, epoch=2))._replace(restarted=True)])
    assert _waiting_now(view) == 0
    assert view.figures("5m", (None, None)).offered == 3
    view.feed([old.step(_waiting("b"))])
    assert _waiting_now(view) == 0, "what an older epoch's worker still writes is nothing"


def test_a_new_epoch_of_the_same_journal_keeps_the_contacts() -> None:
    """The topic was recreated and its journal was not: whoever waits waits on."""
    view = LiveView(ZONE.key, lambda: T0)
    journal = Journal()
    view.feed([journal.step(_waiting("a"))])
    journal.head = journal.head._replace(epoch=2)
    view.feed([journal.step(_offered(epoch=2))])
    assert _waiting_now(view) == 1


def test_an_evicted_pane_still_counts() -> None:
    """A tombstone takes a pane out of the worker's memory, not out of the figures."""
    view = LiveView(ZONE.key, lambda: T0)
    journal = Journal()
    key, value = _offered()
    view.feed([journal.step((key, value)), journal.step((key, None))])
    assert view.figures("5m", ("chat", "billing")).offered == 1


def test_what_a_journal_read_anew_no_longer_holds_is_void() -> None:
    """A recreated journal under the same epoch takes the place of the old one: its panes and contacts."""
    view = LiveView(ZONE.key, lambda: T0)
    view.feed([Journal().step(_waiting("a"), _offered(), tag_record(T0, "billing", "vip", 2))])
    view.feed([Journal().step(_offered(queue="support"))._replace(restarted=True)])
    assert _waiting_now(view) == 0
    assert view.figures("5m", (None, None)).offered == 1
    assert view.figures("5m", ("chat", "billing")).tags == ()
    assert set(view.panes.queues) == {("chat", "support")}


def test_it_advances_as_far_as_everything_is_counted() -> None:
    """A minute that is counted is in its window, however late; beyond it time does not go, nor back."""
    now = T0 - 5 * PANE_MS
    view = LiveView(ZONE.key, lambda: now)
    now = T0 + 2 * PANE_MS
    view.feed([Journal().step(_offered())])
    assert view.figures("5m", (None, None)).offered == 0
    view.advance(now - 2 * PANE_MS)
    assert view.now == now - 2 * PANE_MS
    assert view.figures("5m", (None, None)).offered == 1
    view.advance(now - 3 * PANE_MS)
    assert view.now == now - 2 * PANE_MS
    view.advance(now + PANE_MS)
    assert view.now == now


def test_version_rises_only_with_what_can_be_seen() -> None:
    """A reader is woken by news alone: not by a step read twice, nor by a second that passes."""
    now = T0
    view = LiveView(ZONE.key, lambda: now)
    step = Journal().step(_offered())
    view.feed([step])
    version = view.version
    view.feed([step])
    now += 1000
    view.advance()
    assert view.version == version
    now += PANE_MS
    view.advance()
    assert view.version > version
