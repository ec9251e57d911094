"""What a board says of alerts: what fires, in order, without other queues' and silenced ones."""

from typing import Any

from dashboards.wallboard.alert_list import LISTED_AT_MOST, FiringAlerts
from schemas.alert_rules import AlertRules, FloorRule
from schemas.alerts import OPENING_KEY, Alert, Dimensions, Measurement
from schemas.boards import Board
from streams.kafka.topic_reader import TopicRecord
from tests.sinks.hooks.alerts import FIRED, alert


def _record(of: Alert) -> TopicRecord:
    return TopicRecord(0, 0, of.key.encode(), of.model_dump_json().encode())


def _made(key: str, **changed: Any) -> Alert:  # noqa: ANN401 - any field of an alert
    return alert(key=key, id=f"id of {key}", **changed)


def _listed(alerts: FiringAlerts, board: Board = Board()) -> list[str]:  # noqa: B008 - frozen
    return [each["key"] for each in alerts.on(board, AlertRules())["listed"]]


def test_what_is_said_of_an_alert() -> None:
    """By names that a page can word in its own language, and in one English sentence."""
    alerts = FiringAlerts()
    alerts.apply(
        [TopicRecord(0, 0, OPENING_KEY, b"host/1"), _record(_made("a", acknowledged_by="Maija", acknowledged_at=5))]
    )
    said = alerts.on(Board(), AlertRules())
    assert (said["total"], said["silenced"]) == (1, 0)
    assert said["listed"] == [
        {
            "id": "id of a",
            "key": "a",
            "state": "firing",
            "kind": "objective",
            "condition": "burn_rate",
            "severity": "critical",
            "rule": "call-20s",
            "policy": "call-20s",
            "channel": "call",
            "queue": "billing",
            "group": None,
            "contact_id": None,
            "tag": None,
            "since": FIRED,
            "held": False,
            "acknowledged": {"by": "Maija", "at": 5},
            "value": 3.4,
            "limit": 3.0,
            "unit": "factor",
            "window_ms": 1_800_000,
            "title": "The service level slips too fast: call-20s (call, queue billing)",
        }
    ]


def test_the_most_urgent_come_first() -> None:
    """Critical before warning, then what nobody looks after, then what fires longest; the rest is only counted."""
    alerts = FiringAlerts()
    made = [
        _made("d", severity="warning", fired_at=1),
        _made("c", acknowledged_by="Maija", fired_at=2),
        _made("b", fired_at=4),
        _made("a", fired_at=3),
    ]
    alerts.apply(map(_record, made))
    assert _listed(alerts) == ["a", "b", "c", "d"]
    alerts.apply(_record(_made(f"more {number}")) for number in range(30))
    assert (len(_listed(alerts)), alerts.on(Board(), AlertRules())["total"]) == (LISTED_AT_MOST, 34)


def test_a_board_has_its_own_queues_alerts() -> None:
    """And those of no queue in particular, as of Pulssi itself."""
    alerts = FiringAlerts()
    places: dict[str, tuple[Any, str | None]] = {
        "billing": ("call", "billing"),
        "sales": ("chat", "sales"),
        "call": ("call", None),
        "all": (None, None),
    }
    alerts.apply(
        _record(_made(key, dimensions=Dimensions(channel=channel, queue=queue)))
        for key, (channel, queue) in places.items()
    )
    assert set(_listed(alerts, Board(channels=("chat",)))) == {"sales", "all"}
    assert set(_listed(alerts, Board(queues=("billing",)))) == {"billing", "call", "all"}
    assert set(_listed(alerts)) == places.keys()


def test_what_does_not_fire_is_not_listed() -> None:
    """What is pending, resolved, removed or silenced; an alert that fires again is another one."""
    alerts = FiringAlerts()
    alerts.apply(
        map(
            _record,
            [_made("a"), _made("b"), _made("c"), _made("d", silenced_by="s"), alert(key="e", id="", state="pending")],
        )
    )
    assert _listed(alerts) == ["a", "b", "c"]
    assert alerts.on(Board(), AlertRules())["silenced"] == 1
    version = alerts.version
    alerts.apply([_record(_made("a", state="resolved", resolved_at=FIRED + 1)), TopicRecord(0, 0, b"b", None)])
    assert alerts.version > version
    assert _listed(alerts) == ["c"]
    assert [alerts.firing(f"id of {key}") is not None for key in "abc"] == [False, False, True]
    assert [alerts.has_fired(f"id of {key}") for key in "abc"] == [True, False, False]
    alerts.apply([_record(_made("a").model_copy(update={"id": "again"}))])
    assert alerts.firing("again") is not None
    assert not alerts.has_fired("id of a")


def test_what_cannot_be_read_is_known() -> None:
    """An alert of a later version is not shown as none: it is counted, until its key has another record."""
    alerts = FiringAlerts()
    alerts.apply([_record(_made("a")), TopicRecord(0, 0, b"a", b'{"v": 9}'), TopicRecord(0, 0, b"\xff", b"")])
    assert (len(alerts.unreadable), _listed(alerts)) == (2, [])
    alerts.apply([_record(_made("a")), TopicRecord(0, 0, b"\xff", None)])
    assert (len(alerts.unreadable), _listed(alerts)) == (0, ["a"])


def test_the_group_of_a_rule_is_told() -> None:
    """Of agents who are all busy the rule names the group, which the alert itself does not."""
    alerts = FiringAlerts()
    measured = Measurement(value=0, limit=1, unit="count")
    alerts.apply([_record(_made("a", kind="floor", condition="nobody_available", rule="nobody", measured=measured))])
    rules = AlertRules(floor=(FloorRule("nobody", "nobody_available", group="night"),))
    said = alerts.on(Board(), rules)["listed"][0]
    assert (said["group"], said["policy"], said["unit"]) == ("night", None, "count")


def test_two_alerts_of_one_id() -> None:
    """No engine writes them; each is there until its own record says otherwise, and nothing fails."""
    alerts = FiringAlerts()
    one, other = _made("a"), _made("b").model_copy(update={"id": "id of a"})
    alerts.apply([_record(one), _record(other)])
    assert alerts.firing("id of a") is not None
    alerts.apply([TopicRecord(0, 0, b"a", None)])
    assert (_listed(alerts), alerts.firing("id of a")) == (["b"], other)
    alerts.apply([TopicRecord(0, 0, b"b", None)])
    assert (_listed(alerts), alerts.firing("id of a")) == ([], None)


def test_an_alert_that_cannot_be_told() -> None:
    """Of a time that no calendar has: it is told as one that cannot be read, and the others are shown."""
    alerts = FiringAlerts()
    alerts.apply([_record(_made("a", fired_at=2**63 - 1)), _record(_made("b"))])
    assert (_listed(alerts), alerts.unreadable) == (["b"], {"a"})
