"""Checks of what is now, against the oracle at that moment, and of *Pipeline health*, against what was set up."""

import itertools
from collections import Counter
from collections.abc import Callable
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from schemas.alerts import Alert
from schemas.policies import DEFAULT_POLICIES
from streams.times import now_ms
from tests.dashboards.figures.arithmetic import at, worst_first
from tests.dashboards.figures.held import PANELS, Asked, held
from tests.dashboards.grafana_days import ZONE
from tests.dashboards.grafana_macros import CHANNELS, Range
from tests.dashboards.grafana_now import ATTEMPTS, BEHIND_MS, DEAD_LETTERS, SOURCE_ASKED_MS
from tests.oracle.agents import groups_at
from tests.oracle.gauges import Gauge, at_a_moment, clock_since, gauges
from tests.oracle.segments import segments

Place = tuple[str, str]
MINUTE_MS = 60_000


def _fresh(panel: Asked) -> None:
    """Say that the sink has everything, as it says each minute: waits then count up to now."""
    now = now_ms()
    panel.now.save_gauges(now - now % MINUTE_MS)


def _gauges(panel: Asked) -> Callable[[int], dict[Place, Gauge]]:
    contacts = panel.now.contacts
    return lambda moment: gauges(contacts, moment)


def _places(panel: Asked) -> set[Place]:
    """Name the queues of the range: those with a sample too have a 0 where nobody is now."""
    return {(row.channel, row.queue) for row in panel.days.told}


def _waited(since: list[int], moment: int) -> int | None:
    """Give for how many seconds the one who waits longest has waited, from whole second to whole second."""
    return moment // 1_000 - min(since) // 1_000 if since else None


@held("now", *(title for title in PANELS if title.endswith(" / Data as of")))
def data_as_of(panel: Asked) -> None:
    """The last minute at which the sink had everything, by the chosen clock, and how many seconds ago that was."""
    _fresh(panel)
    data_at = max(panel.now.saved)
    before = now_ms()
    (row,) = panel()
    assert row["as_of"] == f"as of {datetime.fromtimestamp(data_at / 1_000, ZoneInfo(ZONE)):%H:%M}"
    assert round((before - data_at) / 1_000) <= row["age"] <= round((now_ms() - data_at) / 1_000)


@held("now", "Live floor / Waiting now")
def waiting(panel: Asked) -> None:
    """By channel; 0 where nobody waits."""
    _fresh(panel)
    found, rows = panel.now.steady(_gauges(panel), panel)
    expected = dict.fromkeys(CHANNELS, 0)
    for (channel, _), gauge in found.items():
        expected[channel] += len(gauge.waiting)
    assert {row["channel"]: row["waiting_now"] for row in rows} == expected
    assert any(expected.values())


@held("now", "Live floor / Longest wait now")
def longest(panel: Asked) -> None:
    """By channel, up to now; 0 where nobody waits."""
    _fresh(panel)
    before = now_ms()
    rows = panel()
    after = now_ms()
    assert {row["channel"] for row in rows} == set(CHANNELS)
    of = gauges(panel.now.contacts, before)
    for row in rows:
        since = [each for (channel, _), gauge in of.items() if channel == row["channel"] for each in gauge.waiting]
        assert (_waited(since, before) or 0) <= row["longest"] <= (_waited(since, after) or 0)


@held("now", "Live floor / Now, by queue, the worst first")
def by_queue(panel: Asked) -> None:
    """Every gauge of every queue of the range; those beyond their target first."""
    _fresh(panel)
    before = now_ms()
    found, rows = panel.now.steady(_gauges(panel), panel)
    after = now_ms()
    expected = {place: found.get(place, Gauge()) for place in {*found, *_places(panel)}}
    empty = Gauge()
    assert {place for place, gauge in expected.items() if gauge != empty} <= {_place(row) for row in rows}
    for row in rows:
        gauge = expected[_place(row)]
        late = [one.get("first_response", 0) for one in (gauge.at_risk, gauge.breached)]
        assert [row["At risk"], row["Breached"]] == late
        assert [row["Waiting"], row["Awaiting reply"]] == [len(gauge.waiting), len(gauge.awaiting)]
        assert [row["Open"], row["Handling"]] == [gauge.open, gauge.handling]
        for name, since in (("Longest wait", gauge.waiting), ("Longest await", gauge.awaiting)):
            low, high = _waited(since, before), _waited(since, after)
            assert row[name] is None if low is None or high is None else low <= row[name] <= high
    assert worst_first([-row["Breached"] for row in rows])
    for name in ("Waiting", "Awaiting reply", "Open", "Handling"):
        assert any(row[name] for row in rows), name


def _place(row: dict[str, Any]) -> Place:
    return row["channel"], row["queue"]


@held("now", "Live floor / Waiting · $channel")
def waiting_over_time(panel: Asked) -> None:
    """At the minute at which somebody looked; before and after it gaps."""
    _over_time(panel, lambda gauge: len(gauge.waiting), 60)


@held("now", "Live floor / Beyond the target · $channel")
def beyond_over_time(panel: Asked) -> None:
    """As above."""
    _over_time(panel, lambda gauge: gauge.breached.get("first_response", 0), 120)


@held("now", "Live floor / Awaiting a reply · $channel")
def awaiting_over_time(panel: Asked) -> None:
    """As above."""
    _over_time(panel, lambda gauge: len(gauge.awaiting), 180)


def _over_time(panel: Asked, value: Callable[[Gauge], int], minutes_ago: int) -> None:
    first = now_ms() // MINUTE_MS - minutes_ago
    minutes = (minute * MINUTE_MS for minute in itertools.count(first, -3))
    saved: list[int] = []

    def save() -> None:
        saved.append(next(minutes))
        panel.now.save_gauges(saved[-1])

    found, _ = panel.now.steady(_gauges(panel), save)
    minute = saved[-1]
    over = Range(minute // 1_000 - 60, minute // 1_000 + 60, 60)
    seen = Counter[str]()
    for channel in ("call", "chat", "email"):
        of = {queue: value(gauge) for (one, queue), gauge in found.items() if one == channel}
        rows = panel(over, channel=[channel])
        at_minute = {row["queue"]: row["contacts"] for row in rows if at(row["time"]) == minute}
        largest = sorted(of, key=lambda queue: (-of[queue], queue))[:8]
        assert {queue: n for queue, n in at_minute.items() if n} == {queue: of[queue] for queue in largest if of[queue]}
        assert {row["contacts"] for row in rows if at(row["time"]) != minute} <= {None}
        seen.update(at_minute)
    assert sum(seen.values())


@held("now", "Live floor / Agents now, by group and status", "Teams / Agents now, by group and status")
def agents(panel: Asked) -> None:
    """Each group's agents by their latest status."""
    rows = {row["Group"]: row for row in panel()}
    expected = groups_at(_agents(panel), _hands(panel), now_ms())
    assert set(rows) == {group or "no group" for group in expected}
    names = {"available": "Available", "busy": "Busy", "wrap_up": "Wrap-up", "away": "Away", "offline": "Offline"}
    for group, of in expected.items():
        found = rows[group or "no group"]
        assert {status: found[name] for status, name in names.items()} == of.by_status


@held("now", "Live floor / Agents' slots now, by group and channel", "Teams / Agents' slots now, by group and channel")
def slots(panel: Asked) -> None:
    """Of agents at work: in all, with a contact, free; a share of nothing is not known."""
    expected = groups_at(_agents(panel), _hands(panel), now_ms())
    rows = {(row["Group"], row["channel"]): row for row in panel()}
    assert set(rows) == {(group or "no group", channel) for group, of in expected.items() for channel in of.slots}
    for group, of in expected.items():
        for channel, slot in of.slots.items():
            row = rows[group or "no group", channel]
            assert [row[name] for name in ("Slots", "In use", "Free", "Unknown")] == [
                *(slot.capacity, slot.used, slot.free, slot.unknown)
            ]
            assert row["Use"] == (slot.used / slot.capacity if slot.capacity else None)
    assert sum(row["In use"] for row in rows.values())


def _agents(panel: Asked) -> list[dict[str, Any]]:
    return [event for event in panel.days.events if event["type"] == "agent.status"]


def _hands(panel: Asked) -> list[tuple[str, list[str]]]:
    """Give each contact's channel and the agents who have it in hand."""
    return [
        (contact.channel, [each.agent for each in segments(contact) if each.is_open(len(contact.events) - 1)])
        for contact in panel.now.contacts
    ]


@held("now", "SLA / Late now, the longest first")
def late(panel: Asked) -> None:
    """Who waits for the first response beyond the target: for how long, and since when."""
    _fresh(panel)
    contacts = panel.now.contacts

    def expected(moment: int) -> dict[str, tuple[str, int]]:
        told = ((contact, at_a_moment(contact, moment)) for contact in contacts)
        return {
            contact.contact_id: (one.channel, clock_since(contact) or 0)
            for contact, one in told
            if "first_response" in one.breached
        }

    before = now_ms()
    found, rows = panel.now.steady(expected, panel)
    after = now_ms()
    assert {row["contact_id"] for row in rows} == set(found)
    targets = {policy.channel: policy.target_ms for policy in DEFAULT_POLICIES}
    for row in rows:
        channel, since = found[row["contact_id"]]
        assert before // 1_000 <= row["Waits"] + since // 1_000 <= after // 1_000
        due = since + targets[channel]
        assert before // 1_000 <= row["Beyond"] + due // 1_000 <= after // 1_000
    assert worst_first([-row["Beyond"] for row in rows])


def _firing(panel: Asked) -> list[Alert]:
    newest = {alert.key: alert for alert in panel.now.parts.alerts}
    return [alert for alert in newest.values() if alert.state == "firing"]


@held("now", "Tags and reasons / Surges in the range")
def surges(panel: Asked) -> None:
    """As the engine judged them, the newest first."""
    told = [alert for alert in _firing(panel) if alert.condition == "surge"]
    assert len(told) == 2
    for alert, row in zip(told, panel(), strict=True):
        of, measured = alert.dimensions, alert.measured
        assert (row["alert_id"], row["Rule"], row["state"]) == (alert.id, alert.rule, "firing")
        assert (row["tag"], row["channel"], row["queue"]) == (of.tag, of.channel, of.queue)
        assert (row["Contacts"], row["Limit"], row["Fired"]) == (measured.value, measured.limit, alert.fired_at)


@held("now", "Pipeline health / Critical alerts that fire")
def critical(panel: Asked) -> None:
    """By kind: the late sink is critical, dead letters and the surge are not; each kind has a 0 where none fires."""
    expected = dict.fromkeys(("contact", "objective", "floor", "pipeline"), 0)
    for alert in _firing(panel):
        expected[alert.kind] += alert.severity == "critical"
    assert {row["kind"]: row["critical"] for row in panel()} == expected
    assert sum(expected.values()) == 1


@held("now", "Pipeline health / Alerts of Pulssi itself")
def own_alerts(panel: Asked) -> None:
    """The dead letters that came, and how far the sink is behind, as the engine's rules judge them."""
    rows = panel()
    newest = {alert.key: alert for alert in panel.now.parts.alerts if alert.kind == "pipeline"}
    told = sorted(newest.values(), key=lambda alert: (alert.state, alert.condition))
    assert [(alert.condition, alert.state, alert.measured.value) for alert in told] == [
        ("dead_letters", "firing", DEAD_LETTERS),
        ("part_behind", "firing", BEHIND_MS),
        ("part_behind", "resolved", 0),
    ]
    assert sorted(tuple(row.values()) for row in rows) == [
        (
            *(alert.rule, alert.severity, alert.state, alert.measured.value, alert.measured.limit),
            *(alert.measured.unit, alert.fired_at, alert.resolved_at),
        )
        for alert in told
    ]
    assert [row["State"] for row in rows] == ["firing", "firing", "resolved"]


@held("now", "Pipeline health / Deliveries in the range")
def deliveries(panel: Asked) -> None:
    """By destination: what arrived and what failed, the most failures first."""
    rows = panel()
    last = {one.destination: one.attempts[-1].at for one in panel.now.parts.deliveries}
    assert [(row["Destination"], row["Delivered"], row["Failed attempts"], row["Last"]) for row in rows] == [
        (name, delivered, len(ATTEMPTS[name]) - delivered, last[name])
        for name, delivered in (("duty", 1), ("gone", 0), ("wall", 1))
    ]


@held("now", "Pipeline health / Polled sources")
def sources(panel: Asked) -> None:
    """How many queues each account told of, and how long ago."""
    before = now_ms()
    rows = panel()
    after = now_ms()
    last = {one.account: one.at for one in panel.now.parts.sources}
    assert [(row["Source"], row["Account"], row["Queues"], row["Last asked"]) for row in rows] == [
        ("giosg", account, queues, last[account]) for account, queues in (("beta", 1), ("acme", 2))
    ]
    for row in rows:
        assert before // 1_000 <= row["Ago"] + row["Last asked"] // 1_000 <= after // 1_000
        assert row["Ago"] >= SOURCE_ASKED_MS[row["Account"]] // 1_000


@held("now", "Pipeline health / Minutes in which gauges were saved")
def minutes(panel: Asked) -> None:
    """Each minute once, however often it is saved; none in which nobody looked."""
    _fresh(panel)
    _fresh(panel)
    rows = panel(panel.days.over._replace(step_s=3_600))
    hours = Counter(minute - minute % 3_600_000 for minute in panel.now.saved)
    assert {at(row["time"]): row["Minutes saved"] for row in rows} == hours


@held("now", "Pipeline health / What was seen last")
def last_changes(panel: Asked) -> None:
    """The newest of each kind of row, and how long ago that is; nothing was judged, so no objective changed."""
    _fresh(panel)
    before = now_ms()
    rows = {row["what"]: row for row in panel()}
    after = now_ms()
    parts, now = panel.now.parts, panel.now
    expected = {
        "everything is in": max(now.saved),
        "gauges were saved": max(now.saved),
        "a contact changed": max(event["at"] for contact in now.contacts for event in contact.events),
        "a pane counted": max(row.at - row.at % MINUTE_MS for row in panel.days.told),
        "an alert changed": max(alert.at for alert in parts.alerts if alert.id),
        "an objective changed": None,
    }
    assert {what: row["Last"] for what, row in rows.items()} == expected
    for what, row in rows.items():
        last = expected[what]
        if last is None:
            assert row["Ago"] is None
        else:
            assert before // 1_000 <= row["Ago"] + last // 1_000 <= after // 1_000
