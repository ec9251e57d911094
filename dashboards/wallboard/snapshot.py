"""The JSON of `/api/live` and `/api/stream`: the shape of the live figures, version 1, as docs/live.md describes it.

Fields are only added; a change that a reader would misread raises `v`. A snapshot is of one moment and shared by all
requests: the JSON of a board and a window is computed once.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, Literal, NamedTuple
from zoneinfo import ZoneInfo

import orjson

from dashboards.wallboard.alert_list import AlertsReading, FiringAlerts
from dashboards.wallboard.boards import ShownGroup, agents_shown, board_message, shown_groups
from dashboards.wallboard.outlook import Outlook, growth
from schemas.alert_rules import AlertRules
from schemas.boards import Board, Boards, PublicFigure
from schemas.policies import Policy, Rules, policy_for
from streams.live.figures import Durations, Figures
from streams.live.freshness import FreshnessReading
from streams.live.gauges import GaugeReading, joined
from streams.live.last_weeks import LastWeeks
from streams.live.live_view import LiveView
from streams.live.pane_sums import Group
from streams.live.service_level import DEFAULT, FORMULAS, service_level
from streams.seasonal.past import Past

VERSION: Final = 1
#: Digits of a share: a ten-thousandth of a per cent.
_DIGITS: Final = 6

_NO_CONTACTS: Final = GaugeReading()
#: What is shown of a policy.
_POLICY_FIELDS: Final = ("name", "target_ms", "objective", "warning_ms")


class Configured(NamedTuple):
    """What the configuration says of the figures."""

    rules: Rules = Rules()
    alert_rules: AlertRules = AlertRules()
    boards: Boards = Boards()
    time_zone: str = "UTC"


class PastReading(NamedTuple):
    """The state of the last four weeks: whether they are read. `read_at` in UTC milliseconds."""

    state: Literal["ready", "reading", "off", "failed"] = "off"
    reason: str = ""
    read_at: int | None = None


class AlertsAndPast(NamedTuple):
    """What a snapshot shows in addition to the live view: the alerts, and comparisons with the last weeks."""

    alerts: FiringAlerts = FiringAlerts()
    alerts_reading: AlertsReading = AlertsReading("waiting", "alerts are not read")
    past: Past | None = None
    past_reading: PastReading = PastReading()


class Snapshots:
    """Makes snapshots of a live view; reuses what has not changed since the last one."""

    def __init__(self, view: LiveView, configured: Configured, edition: str = "") -> None:
        """`edition` names the version of the page."""
        self.view = view
        self.edition = edition
        self.use(configured)

    def use(self, configured: Configured) -> None:
        """Use another configuration from now on."""
        self.configured = configured
        self.view.agents.join(board.teams for board in configured.boards.boards if board.teams is not None)
        self.view.forget_figures()
        #: By window and group: what its figures were made of, and the JSON.
        self.windows: dict[tuple[str, ShownGroup], tuple[object, orjson.Fragment]] = {}
        self._zone = ZoneInfo(configured.time_zone)
        self._weeks = LastWeeks(None, self._zone)
        #: By board: the alerts that it was made of, and what is said of them.
        self._alerts: dict[str, tuple[object, dict[str, Any]]] = {}

    def heading(self, freshness: FreshnessReading, at: int) -> dict[str, Any]:
        """Return how fresh the figures are at the time `at`: the content of a tick."""
        return {"v": VERSION, "id": self.view.version, "at": at, **freshness._asdict(), "edition": self.edition}

    def take(self, freshness: FreshnessReading, at: int, known: AlertsAndPast = AlertsAndPast()) -> Snapshot:  # noqa: B008 - frozen
        """Take a snapshot at the time `at`."""
        if not self._weeks.is_of(known.past):
            self._weeks = LastWeeks(known.past, self._zone)
        return Snapshot(self, freshness, at, known, Outlook(self.view, self._weeks, self._zone))

    def alerts(self, board: Board, alerts: FiringAlerts) -> dict[str, Any]:
        """Return the alerts of a board, computed again only if they have changed."""
        made_of = alerts, alerts.version
        kept = self._alerts.get(board.name)
        if kept is None or kept[0] != made_of:
            kept = self._alerts[board.name] = made_of, alerts.on(board, self.configured.alert_rules)
        return kept[1]


class Snapshot:
    """The figures of one moment. The view must not be fed while it is asked."""

    def __init__(
        self, of: Snapshots, freshness: FreshnessReading, at: int, known: AlertsAndPast, outlook: Outlook
    ) -> None:
        self._of = of
        self._view = of.view
        self.freshness = freshness
        self.at = at
        self.version = of.view.version
        self._known = known
        self._outlook = outlook
        #: What is said of a group whatever the window.
        self._said: dict[ShownGroup, dict[str, Any]] = {}
        self.readings = of.view.gauges.readings()
        self._queues = of.view.panes.queues.keys() | {
            (channel, queue) for channel, queue in self.readings if channel is not None and queue is not None
        }
        self._messages: dict[tuple[str, tuple[str, ...]], bytes] = {}

    def message(self, board: Board, windows: tuple[str, ...]) -> bytes:
        """Return all figures of a board for these windows, as JSON."""
        key = board.name, windows
        if key not in self._messages:
            self._messages[key] = orjson.dumps(self.figures(board, windows))
        return self._messages[key]

    def figures(self, board: Board, windows: Iterable[str]) -> dict[str, Any]:
        """Return all figures of a board for these windows; parts of them are JSON already."""
        view, configured, known = self._view, self._of.configured, self._known
        groups, windows = shown_groups(board, self._queues, self._outlook.channels_before), tuple(windows)
        queues = [(channel, queue) for (channel, queue), _ in groups if channel is not None and queue is not None]
        policies = policies_of(configured.rules, groups, self.at)
        return {
            **self._of.heading(self.freshness, self.at),
            "time_zone": configured.time_zone,
            "board": board_message(board, configured.boards, groups),
            "boards": [{"name": each.name, "title": each.title} for each in configured.boards.boards],
            "windows": {name: dict(zip(("from", "to"), view.window_span(name), strict=True)) for name in windows},
            "groups": [self._group(shown, queues, policies.get(shown.group), windows) for shown in groups],
            "agents": [
                {"group": group, **reading._asdict(), "slots": [slots._asdict() for slots in reading.slots]}
                for group, reading in agents_shown(board, view.agents).items()
            ],
            "alerts": self._alerts(board),
            "past": known.past_reading._asdict(),
        }

    def gauges(self, parts: Sequence[Group]) -> GaugeReading:
        """Read the gauges of groups together."""
        if len(parts) == 1:
            return self.readings.get(parts[0], _NO_CONTACTS)
        return joined(self.readings.get(part, _NO_CONTACTS) for part in parts)

    def public_value(self, figure: PublicFigure) -> float | None:
        """Return a public figure: milliseconds, a share or a count; None if there is none, or it is not known yet."""
        if self.freshness.state in {"waiting", "reading"}:
            return None
        group = figure.channel, figure.queue
        reading, figures = self.gauges([group]), self._view.figures(figure.window, group)
        match figure.figure:
            case "waiting":
                return reading.waiting
            case "longest_wait":
                return age(reading.oldest_waiting_since, self._view.now)
            case "first_response_p50":
                return _whole(figures.first_response.p50_ms)
            case "first_response_p90":
                return _whole(figures.first_response.p90_ms)
            case "service_level":
                shown = shown_groups(Board(), self._queues)
                policy = policies_of(self._of.configured.rules, shown, self.at).get(group)
                return share(service_level(formula_of(policy), figures.counted))

    def _alerts(self, board: Board) -> dict[str, Any]:
        """Return the alerts that fire; without any, and with their state, if that is not known."""
        reading = self._known.alerts_reading
        if reading.state == "waiting":
            return {**reading._asdict(), "total": None, "silenced": None, "listed": []}
        return {**reading._asdict(), **self._of.alerts(board, self._known.alerts)}

    def _group(
        self, shown: ShownGroup, queues: Sequence[tuple[str, str]], policy: Policy | None, windows: Iterable[str]
    ) -> dict[str, Any]:
        formula, reading = formula_of(policy), self.gauges(shown.parts)
        said = self._said.get(shown)
        if said is None:
            said = self._said[shown] = self._of_any_window(shown, queues, policy, formula, reading)
        return {**said, "windows": {name: self._window(name, shown, formula, reading.breached) for name in windows}}

    def _of_any_window(
        self,
        shown: ShownGroup,
        queues: Sequence[tuple[str, str]],
        policy: Policy | None,
        formula: str,
        reading: GaugeReading,
    ) -> dict[str, Any]:
        (channel, queue), now = shown.group, self._view.now
        own = [(channel, queue)] if channel and queue is not None else [each for each in queues if each[0] == channel]
        return {
            "channel": channel,
            "queue": queue,
            "policy": policy and {name: getattr(policy, name) for name in _POLICY_FIELDS},
            "formula": formula,
            "now": {
                **reading._asdict(),
                "longest_wait_ms": age(reading.oldest_waiting_since, now),
                "longest_awaiting_reply_ms": age(reading.oldest_awaiting_since, now),
            },
            **self._outlook.of(shown, own, policy, formula, reading.breached),
        }

    def _window(self, window: str, shown: ShownGroup, formula: str, breached: int) -> orjson.Fragment:
        figures = self._view.figures(window, *shown.parts)
        known = tuple([tag in self._view.panes.known_tags for tag, _ in figures.tags])
        thens = self._outlook.thens(window, shown, figures.tags)
        made_of = figures, formula, breached, known, thens
        kept = self._of.windows.get((window, shown))
        if kept is None or kept[0] != made_of:
            said = window_figures(figures, shown.group[0], formula, breached, _tags(figures, known, thens))
            kept = self._of.windows[window, shown] = made_of, orjson.Fragment(orjson.dumps(said))
        return kept[1]


def policies_of(rules: Rules, groups: Iterable[ShownGroup], at: int) -> dict[Group, Policy | None]:
    """Find each group's policy for an ordinary contact; a channel has one where its queues agree."""
    found: dict[Group, Policy | None] = {}
    for (channel, queue), _ in groups:  # a channel before its queues
        if channel is not None and queue is not None:
            policy = policy_for(rules, "first_response", channel, queue, "normal", "", at)
            found[channel, queue] = policy
            agreed = found.setdefault((channel, None), policy)
            found[channel, None] = policy if agreed == policy else None
    return found


def formula_of(policy: Policy | None) -> str:
    """Name the formula of a group's service level."""
    return policy.formula if policy is not None and policy.formula in FORMULAS else DEFAULT


def window_figures(
    figures: Figures, channel: str | None, formula: str, breached: int, tags: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    """Return the figures of a group over a window; `breached`: contacts that wait beyond their target now."""
    levels = {name: share(service_level(name, figures.counted)) for name in FORMULAS}
    live = {f"{name}_live": share(service_level(name, figures.counted, breached)) for name in FORMULAS}
    return {
        "offered": figures.offered,
        "entered": figures.entered,
        "answered": figures.first_response.n,
        "abandoned": figures.abandoned,
        "resolved": figures.resolved,
        "bot_contained": figures.bot_contained,
        "service_level": levels[formula],
        "service_level_live": live[f"{formula}_live"],
        "service_levels": {**levels, **live},
        "counted": figures.counted._asdict(),
        "asa_ms": _whole(figures.first_response.average_ms) if channel == "call" else None,
        "aht_ms": _whole(figures.handle.average_ms),
        "first_response": _durations(figures.first_response),
        "next_response": _durations(figures.next_response),
        "handle": _durations(figures.handle),
        "rating": share(figures.rating),
        "ratings": figures.ratings,
        "tags": tags,
    }


def _tags(figures: Figures, known: Sequence[bool], thens: Sequence[float | None]) -> list[Mapping[str, Any]]:
    return [
        {"tag": tag, "n": n, "known": is_known, "then": share(then), "growth": growth(n, then)}
        for (tag, n), is_known, then in zip(figures.tags, known, thens, strict=True)
    ]


def _durations(of: Durations) -> Mapping[str, int | None]:
    return {name: _whole(value) for name, value in of._asdict().items()}


def age(since: int | None, now: int) -> int | None:
    """Tell how long ago something was, in milliseconds."""
    return None if since is None else max(0, now - since)


def _whole(value: float | None) -> int | None:
    return None if value is None else round(value)


def share(value: float | None) -> float | None:
    """Round a share to the digits of the message."""
    return None if value is None else round(value, _DIGITS)
