"""What a board shows of a group beyond the present: contacts that are due, the last hour, the last weeks, projections.

It belongs to one snapshot, and so to one moment. Without the last weeks everything that needs them is null.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final, NamedTuple
from zoneinfo import ZoneInfo

from dashboards.wallboard.boards import ShownGroup
from schemas.policies import Policy
from streams.live.figures import Counted
from streams.live.last_weeks import LastWeeks, Mean
from streams.live.live_view import LiveView
from streams.live.pane_sums import CENTRE
from streams.live.projection import Projection, day_end, half_hour, level, project, ratio
from streams.live.service_level import service_level
from streams.live.trends import STEP_MS, trend_begin
from streams.live.windows import TODAY

#: How many contacts are named of a channel and of a queue.
_DUE_OF_CHANNEL: Final = 5
_DUE_OF_QUEUE: Final = 1
#: Digits of a share, and of a mean of counts.
_DIGITS: Final = 6
_HOUR: Final = "60m"
#: The windows whose tags are compared with the last weeks.
_COMPARED: Final = frozenset({_HOUR, TODAY})


class _Span(NamedTuple):
    """A half hour or day that is under way: its beginning, the time up to which it is counted, and its end."""

    begin: int
    counted_to: int
    end: int


class Outlook:
    """The outlook of one snapshot."""

    def __init__(self, view: LiveView, weeks: LastWeeks, zone: ZoneInfo) -> None:
        self._view = view
        self._weeks = weeks
        self._trend_begin = trend_begin(view.now)
        begin, counted_to = view.window_span(TODAY)
        self._day = _Span(begin, counted_to, day_end(begin, zone))
        begin, end = half_hour(view.now, zone)
        self._half_hour = _Span(begin, counted_to, end)

    @property
    def channels_before(self) -> Collection[str]:
        """The channels that had contacts in the last weeks."""
        return self._weeks.channels

    def of(
        self, shown: ShownGroup, queues: Sequence[tuple[str, str]], policy: Policy | None, formula: str, beyond: int
    ) -> dict[str, Any]:
        """Return the outlook of a channel or queue with these queues, or of the centre.

        `beyond`: contacts that wait beyond their target now.
        """
        then = self._weeks.arrivals(shown.parts, self._day.begin, self._day.counted_to)
        today = self._view.counted(TODAY, *shown.parts)
        return {
            "due": self._due(shown, queues),
            "trend": None if shown.group == CENTRE else self._trend(shown, formula),
            "compared": {"offered_now": today.offered, "offered_then": _number(then.value), "weeks": then.weeks},
            "projection": None if policy is None else self._projections(shown, policy, formula, beyond, today, then),
        }

    def thens(self, window: str, shown: ShownGroup, tags: Sequence[tuple[str, int]]) -> tuple[float | None, ...]:
        """Return the mean of the last weeks for each tag of a window; None if none is known, or none is compared."""
        if window not in _COMPARED:
            return (None,) * len(tags)
        span = self._view.window_span(window)
        return tuple([self._weeks.tag(shown.parts, tag, *span).value for tag, _ in tags])

    def _due(self, shown: ShownGroup, queues: Sequence[tuple[str, str]]) -> list[Mapping[str, Any]]:
        if shown.group == CENTRE:
            return []
        at_most = _DUE_OF_CHANNEL if shown.group[1] is None else _DUE_OF_QUEUE
        return [due._asdict() for due in self._view.due.urgent(queues, at_most)]

    def _trend(self, shown: ShownGroup, formula: str) -> dict[str, Any]:
        steps = self._view.panes.trends.trend(shown.parts, self._trend_begin)
        return {
            "from": self._trend_begin,
            "step_ms": STEP_MS,
            "offered": [step.offered for step in steps],
            "service_level": [_number(service_level(formula, step.counted)) for step in steps],
            "abandoned": [step.abandoned for step in steps],
        }

    def _projections(
        self, shown: ShownGroup, policy: Policy, formula: str, beyond: int, today: Counted, then: Mean
    ) -> dict[str, dict[str, Any]]:
        view, parts = self._view, shown.parts
        times = ratio(today.offered, then.value)
        level_now = level(formula, view.counted(_HOUR, *parts).counted, today.counted)
        so_far = {
            "interval": view.panes.trends.between(parts, self._half_hour.begin, self._half_hour.end).counted,
            "day": today.counted,
        }
        said: dict[str, dict[str, Any]] = {}
        for name, span in (("interval", self._half_hour), ("day", self._day)):
            rest = self._weeks.arrivals(parts, span.counted_to, span.end)
            expected = None if rest.value is None else rest.value * times
            projected = project(formula, so_far[name], beyond, expected, level_now)
            said[name] = _said(span, projected, expected, policy.objective)
        return said


def _said(span: _Span, projected: Projection, expected: float | None, objective: float) -> dict[str, Any]:
    shares = {name: _number(value) for name, value in projected._asdict().items()}
    return {"from": span.begin, "to": span.end, **shares, "expected": _number(expected), "objective": objective}


def growth(n: int, then: float | None) -> float | None:
    """Return by what share a count is above its mean; None if the mean is not known, or 0."""
    return None if not then else _number((n - then) / then)


def _number(value: float | None) -> float | None:
    return None if value is None else round(value, _DIGITS)
