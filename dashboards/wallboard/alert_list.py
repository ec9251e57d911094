"""The alerts that fire, as a board shows them: the most urgent first, those of other queues left out. Pure.

Silenced alerts are counted but not listed. Whoever shows the list must also show whether it is up to date: before the
topic was read, an empty list does not mean that nothing fires.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from heapq import nsmallest
from typing import Any, Final, Literal, NamedTuple

from schemas.alert_rules import AlertRules
from schemas.alerts import OPENING_KEY, Alert, Unit, decode_alert
from schemas.boards import Board
from schemas.configuration.hook_models import Links
from sinks.hooks.messages import alert_message
from streams.kafka.topic_reader import TopicRecord

#: How many a message names.
LISTED_AT_MOST: Final = 20

#: The unit of a value. A `ratio` is a multiple: of the limit, or of the pace at which the budget lasts.
_UNITS: Final[Mapping[Unit, str]] = {"ms": "ms", "share": "share", "count": "count", "ratio": "factor"}
#: Alerts whose rule is a policy.
_OF_POLICIES: Final = frozenset({"contact", "objective"})

#: - `waiting`: the topic was not read to its end since the start
#: - `live`: what fires is known
#: - `stale`: what fired is known, and not what has happened since
State = Literal["waiting", "live", "stale"]


class AlertsReading(NamedTuple):
    """How far to trust the list, and why not further; for people."""

    state: State
    reason: str


class FiringAlerts:
    """The newest record of each alert of the topic `alerts`. Its `version` rises with each change."""

    def __init__(self) -> None:
        self.version = 0
        #: Alerts by key, and the English sentence for each.
        self._firing: dict[str, Alert] = {}
        self._titles: dict[str, str] = {}
        self._keys: dict[str, str] = {}
        #: The last firing's id of alerts that fire no more.
        self._over: dict[str, str] = {}
        #: Keys whose newest record this version cannot read.
        self.unreadable: set[str] = set()

    def apply(self, records: Iterable[TopicRecord]) -> None:
        """Apply the next records of the topic."""
        for record in records:
            if record.key != OPENING_KEY:
                self._apply(record.key.decode(errors="replace"), record.value)
                self.version += 1

    def _apply(self, key: str, value: bytes | None) -> None:
        self.unreadable.discard(key)
        self._over.pop(key, None)
        before = self._firing.pop(key, None)
        if before is not None:
            del self._titles[key]
            if self._keys.get(before.id) == key:  # no engine gives two alerts one id, and a topic may hold anything
                del self._keys[before.id]
        if value is None:
            return
        try:
            alert = decode_alert(value)
            title = alert_message(alert, Links()).title.partition("] ")[2]  # after the state in brackets
        except (ValueError, OverflowError):  # a time that no calendar has cannot be told
            self.unreadable.add(key)
            return
        if alert.state == "firing":
            self._firing[key], self._titles[key] = alert, title
            self._keys[alert.id] = key
        elif alert.id:
            self._over[key] = alert.id

    def firing(self, alert_id: str) -> Alert | None:
        """Find an alert that fires; None where none of this id does."""
        key = self._keys.get(alert_id)
        return None if key is None else self._firing[key]

    def has_fired(self, alert_id: str) -> bool:
        """Tell whether an alert of this id has fired and is over."""
        return alert_id in self._over.values()

    def on(self, board: Board, alert_rules: AlertRules) -> dict[str, Any]:
        """Say what fires on a board: how many alerts, how many more are silenced, and the most urgent ones."""
        shown = [
            (key, each)
            for key, each in self._firing.items()
            if board.shows(each.dimensions.channel, each.dimensions.queue)
        ]
        told = [(key, each) for key, each in shown if each.silenced_by is None]
        groups = {rule.name: rule.group for rule in alert_rules.floor}
        return {
            "total": len(told),
            "silenced": len(shown) - len(told),
            "listed": [
                said_of(each, groups, self._titles[key]) for key, each in nsmallest(LISTED_AT_MOST, told, key=_urgency)
            ],
        }


def _urgency(keyed: tuple[str, Alert]) -> tuple[bool, bool, int, str]:
    """Order the critical before the others, then those that nobody looks after, then the oldest."""
    _, alert = keyed
    return alert.severity != "critical", alert.acknowledged_by is not None, _since(alert), alert.id


def _since(alert: Alert) -> int:
    return alert.pending_since if alert.fired_at is None else alert.fired_at


def said_of(alert: Alert, groups: Mapping[str, str | None], title: str) -> dict[str, Any]:
    """Describe one alert; `groups` has the group of agents of each floor rule with one, `title` is its sentence."""
    measured, dimensions = alert.measured, alert.dimensions
    return {
        "id": alert.id,
        "key": alert.key,
        "state": alert.state,
        "kind": alert.kind,
        "condition": alert.condition,
        "severity": alert.severity,
        "rule": alert.rule,
        "policy": alert.rule if alert.kind in _OF_POLICIES else None,
        "channel": dimensions.channel,
        "queue": dimensions.queue,
        "group": groups.get(alert.rule) if alert.condition == "nobody_available" else None,
        "contact_id": dimensions.contact_id,
        "tag": dimensions.tag,
        "since": _since(alert),
        "held": alert.held,
        "acknowledged": alert.acknowledged_by and {"by": alert.acknowledged_by, "at": alert.acknowledged_at},
        "value": measured.value,
        "limit": measured.limit,
        "unit": _UNITS[measured.unit],
        "window_ms": measured.window_ms,
        "title": title,
    }
