"""What the message says beyond the present, worked out by hand: who is due, the last hour, last weeks, projections."""

from typing import Any, Final

import orjson
import pytest

from dashboards.wallboard.alert_list import AlertsReading, FiringAlerts
from dashboards.wallboard.snapshot import AlertsAndPast, Configured, PastReading, Snapshots
from schemas.boards import Board
from schemas.policies import Policy, Rules
from streams.kafka.topic_reader import TopicRecord
from streams.live.freshness import FreshnessReading
from streams.live.live_view import LiveView
from streams.seasonal.past import HOUR_MS, QUARTER_MS, WEEKS, Past
from tests.oracle.contacts import milliseconds
from tests.sinks.hooks.alerts import alert
from tests.streams.live.steps import Journal, contact, contact_key, due, pane_of, pane_record, summary, tag_record

#: A Thursday, 12:14:30 in Helsinki, in summer as were the weeks before.
NOW: Final = milliseconds("2026-05-14T09:14:30+00:00")
MINUTE: Final = NOW - NOW % 60_000
LIVE: Final = FreshnessReading("live", NOW, 0, "")
WEEK_MS: Final = 7 * 24 * HOUR_MS
RULES: Final = Rules((Policy("call-20s", "first_response", 20_000, 0.8, channel="call"),))


def _past() -> Past:
    """Four calls a quarter hour in sales, one mail; each hour two with a tag."""
    begin = NOW - NOW % HOUR_MS - 4 * WEEK_MS - 24 * HOUR_MS
    quarters = {begin + place * QUARTER_MS: 4 for place in range(4 * 24 * 29)}
    hours = {begin + place * HOUR_MS: 2 for place in range(24 * 29)}
    arrivals = {("call", "sales"): quarters, ("email", "sales"): dict.fromkeys(quarters, 1)}
    return Past(NOW, begin, arrivals, {}, {("call", "sales", "refund"): hours})


@pytest.fixture
def snapshots() -> Snapshots:
    """Return what makes snapshots of a centre with calls in sales, and contacts that wait."""
    view = LiveView("Europe/Helsinki", lambda: NOW)
    calls = Journal("contacts.call")
    waits = [
        (contact_key(str(number)), contact(summary(channel="call", queue="sales", deadlines=[due(since, 20_000)])))
        for number, since in enumerate((NOW - 30_000, NOW - 5_000, NOW - 10_000))
    ]
    elsewhere = summary(channel="call", queue="night", deadlines=[due(NOW - 8_000, 20_000, 5_000)])
    view.feed(
        [
            calls.step(
                pane_record(MINUTE, "sales", "offered", pane_of([0] * 30)),
                pane_record(MINUTE, "sales", "first_response", pane_of([1_000] * 12 + [30_000] * 8, target=20_000)),
                pane_record(MINUTE, "sales", "abandoned", pane_of([40_000], target=20_000)),
                pane_record(MINUTE - 15 * 60_000, "sales", "offered", pane_of([0] * 5)),
                pane_record(MINUTE - 15 * 60_000, "sales", "first_response", pane_of([1_000] * 4, target=20_000)),
                pane_record(MINUTE - 3 * HOUR_MS, "sales", "offered", pane_of([0] * 175)),
                pane_record(MINUTE - 3 * HOUR_MS, "sales", "first_response", pane_of([1_000] * 75, target=20_000)),
                tag_record(MINUTE, "sales", "refund", 3),
                tag_record(MINUTE, "sales", "new", 1),
                *waits,
                (contact_key("n"), contact(elsewhere)),
            )
        ]
    )
    view.advance()
    return Snapshots(view, Configured(RULES, time_zone="Europe/Helsinki"))


def _said(snapshots: Snapshots, known: AlertsAndPast = AlertsAndPast(), window: str = "60m") -> dict[str, Any]:  # noqa: B008 - frozen
    said: dict[str, Any] = orjson.loads(snapshots.take(LIVE, NOW, known).message(Board(), (window,)))
    return said


def _group(said: dict[str, Any], channel: str | None = "call", queue: str | None = "sales") -> dict[str, Any]:
    found: dict[str, Any] = next(g for g in said["groups"] if (g["channel"], g["queue"]) == (channel, queue))
    return found


def _with_past() -> AlertsAndPast:
    return AlertsAndPast(past=_past(), past_reading=PastReading("ready", "", NOW - 5))


def test_due_contacts(snapshots: Snapshots) -> None:
    """Of a channel several, of a queue the first one, of the centre none."""
    said = _said(snapshots)
    assert [each["contact_id"] for each in _group(said, "call", None)["due"]] == ["0", "2", "n", "1"]
    assert _group(said)["due"] == [
        {
            "contact_id": "0",
            "queue": "sales",
            "metric": "first_response",
            "policy": "p",
            "since": NOW - 30_000,
            "warns_at": None,
            "due_at": NOW - 10_000,
            "paused": False,
        }
    ]
    assert _group(said, "call", "night")["due"][0]["warns_at"] == NOW - 8_000 + 15_001
    assert _group(said, None, None)["due"] == []


def test_the_trend_of_the_last_hour(snapshots: Snapshots) -> None:
    """Twelve steps of five minutes, the last one under way; the channel has its queues' sums, the centre none."""
    said = _said(snapshots)
    trend = _group(said)["trend"]
    assert (trend["from"], trend["step_ms"]) == (milliseconds("2026-05-14T08:15:00+00:00"), 300_000)
    assert trend["offered"] == [0] * 8 + [5, 0, 0, 30]
    assert trend["abandoned"] == [0] * 11 + [1]
    assert trend["service_level"] == [None] * 8 + [1.0, None, None, round(12 / 21, 6)]
    assert _group(said, "call", None)["trend"] == trend
    assert _group(said, None, None)["trend"] is None


def test_today_is_compared_with_the_last_weeks(snapshots: Snapshots) -> None:
    """From local midnight to the end of this minute there are 49 quarter hours, with four calls and one mail each."""
    said = _said(snapshots, _with_past())
    assert said["past"] == {"state": "ready", "reason": "", "read_at": NOW - 5}
    expected = {"offered_now": 210, "offered_then": 196.0, "weeks": WEEKS}
    assert _group(said)["compared"] == _group(said, "call", None)["compared"] == expected
    assert _group(said, None, None)["compared"] == {**expected, "offered_then": 245.0}


def test_tags_are_compared_in_an_hour_and_in_a_day(snapshots: Snapshots) -> None:
    """A tag that is new has a mean of 0 and no growth; parts of an hour are rounded by week."""
    for window, then in (("60m", 2.0), ("today", 25.0)):
        refund, new = _group(_said(snapshots, _with_past(), window))["windows"][window]["tags"]
        assert (refund["then"], refund["growth"]) == (then, round((3 - then) / then, 6))
        assert (new["then"], new["growth"]) == (0, None)
    refund, _ = _group(_said(snapshots, _with_past(), "5m"))["windows"]["5m"]["tags"]
    assert (refund["then"], refund["growth"]) == (None, None)


def test_projections(snapshots: Snapshots) -> None:
    """As their formula says; the day has 47 quarter hours to come, and the half hour one."""
    said = _group(_said(snapshots, _with_past()))["projection"]
    times, level = 210 / 196, 16 / 25
    judged, within, beyond = 100, 91, 1
    expected = 47 * 4 * times
    assert said["day"] == {
        "from": milliseconds("2026-05-13T21:00:00+00:00"),
        "to": milliseconds("2026-05-14T21:00:00+00:00"),
        "so_far": 0.91,
        "likely": round((within + expected * level) / (judged + beyond + expected), 6),
        "best": round((within + expected) / (judged + beyond + expected), 6),
        "expected": round(expected, 6),
        "objective": 0.8,
    }
    expected = 4 * times
    assert said["interval"] == {
        "from": milliseconds("2026-05-14T09:00:00+00:00"),
        "to": milliseconds("2026-05-14T09:30:00+00:00"),
        "so_far": round(12 / 21, 6),
        "likely": round((12 + expected * level) / (21 + beyond + expected), 6),
        "best": round((12 + expected) / (21 + beyond + expected), 6),
        "expected": round(expected, 6),
        "objective": 0.8,
    }


def test_without_the_last_weeks_nothing_is_made_up(snapshots: Snapshots) -> None:
    """What was so far is known; all else is null, and why stands in the message."""
    known = AlertsAndPast(past_reading=PastReading("failed", "ClickHouse does not answer"))
    said = _said(snapshots, known)
    assert said["past"] == {"state": "failed", "reason": "ClickHouse does not answer", "read_at": None}
    assert _group(said)["compared"] == {"offered_now": 210, "offered_then": None, "weeks": 0}
    day = _group(said)["projection"]["day"]
    assert [day[name] for name in ("so_far", "likely", "best", "expected")] == [0.91, None, None, None]
    assert _group(said)["windows"]["60m"]["tags"][0]["then"] is None
    assert _group(said, None, None)["projection"] is None


def test_alerts_are_in_the_message(snapshots: Snapshots) -> None:
    """None is said to fire only where that is known."""
    said = _said(snapshots)["alerts"]
    unknown: dict[str, Any] = {
        "state": "waiting",
        "reason": "alerts are not read",
        "total": None,
        "silenced": None,
        "listed": [],
    }
    assert said == unknown
    alerts = FiringAlerts()
    live = AlertsAndPast(alerts, AlertsReading("live", ""))
    assert _said(snapshots, live)["alerts"] == {"state": "live", "reason": "", "total": 0, "silenced": 0, "listed": []}
    alerts.apply([TopicRecord(0, 0, b"a", alert(key="a").model_dump_json().encode())])
    said = _said(snapshots, live)["alerts"]
    assert (said["total"], said["listed"][0]["key"]) == (1, "a")


def test_the_last_weeks_of_a_queue_without_contacts_today(snapshots: Snapshots) -> None:
    """They are in its channel's, and a channel without contacts today is in the board's."""
    past = _past()
    more = dict.fromkeys((("call", "old"), ("email", "old")), past.arrivals["email", "sales"])
    known = AlertsAndPast(past=past._replace(arrivals={**past.arrivals, **more}, channels={"chat": NOW}))
    board = Board("b", queues=("sales", "old"))
    said = orjson.loads(snapshots.take(LIVE, NOW, known).message(board, ("60m",)))
    assert [(each["channel"], each["queue"]) for each in said["groups"]] == [
        (None, None),
        ("call", None),
        ("call", "sales"),
    ]
    centre, channel, sales = (each["compared"]["offered_then"] for each in said["groups"])
    assert (channel, centre) == (sales * 5 / 4, sales * 7 / 4)
    by_channel = snapshots.take(LIVE, NOW, known).message(Board("c", channels=("call", "email")), ("60m",))
    assert orjson.loads(by_channel)["groups"][0]["compared"]["offered_then"] == centre
