"""What `/api/live` and `/api/stream` say: the shape of the live figures, version 1, as docs/live.md describes it.

Fields are only added; a change that a reader would misread raises `v`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from schemas.policies import Policy, Rules, policy_for
from streams.live.figures import Durations, Figures
from streams.live.freshness import FreshnessReading
from streams.live.gauges import GaugeReading
from streams.live.live_view import LiveView
from streams.live.pane_sums import CENTRE, Group
from streams.live.service_level import DEFAULT, FORMULAS, service_level
from streams.live.windows import WINDOW_NAMES

VERSION: Final = 1
#: Digits of a share: a ten-thousandth of a per cent.
_DIGITS: Final = 6

_NO_CONTACTS: Final = GaugeReading()
#: What is shown of a policy.
_POLICY_FIELDS: Final = ("name", "target_ms", "objective", "warning_ms")


def snapshot(
    view: LiveView,
    rules: Rules,
    freshness: FreshnessReading,
    time_zone: str,
    at: int,
    windows: Iterable[str] = WINDOW_NAMES,
) -> dict[str, Any]:
    """Say all of it at the time `at`, for the windows asked for."""
    readings = view.gauges.readings()
    groups = _groups(view.panes.queues.keys() | {(c, q) for c, q in readings if c is not None and q is not None})
    policies = _policies(rules, groups, at)
    windows = tuple(windows)
    return {
        **heading(view, freshness, at),
        "time_zone": time_zone,
        "windows": {name: dict(zip(("from", "to"), view.window_span(name), strict=True)) for name in windows},
        "groups": [
            _group(view, group, readings.get(group, _NO_CONTACTS), policies.get(group), windows) for group in groups
        ],
        "agents": [
            {"group": group, **reading._asdict(), "slots": [slots._asdict() for slots in reading.slots]}
            for group, reading in view.agents.readings().items()
        ],
    }


def heading(view: LiveView, freshness: FreshnessReading, at: int) -> dict[str, Any]:
    """Say how fresh it is, which is all that a tick tells."""
    return {"v": VERSION, "id": view.version, "at": at, **freshness._asdict()}


def _groups(queues: Iterable[tuple[str, str]]) -> list[Group]:
    ordered: list[Group] = [CENTRE]
    for channel, queue in sorted(queues):
        if ordered[-1][0] != channel:
            ordered.append((channel, None))
        ordered.append((channel, queue))
    return ordered


def _policies(rules: Rules, groups: Iterable[Group], at: int) -> dict[Group, Policy | None]:
    """Find each group's policy for an ordinary contact; a channel has one where its queues agree."""
    found: dict[Group, Policy | None] = {}
    for channel, queue in groups:  # a channel before its queues
        if channel is not None and queue is not None:
            policy = policy_for(rules, "first_response", channel, queue, "normal", "", at)
            found[channel, queue] = policy
            agreed = found.setdefault((channel, None), policy)
            found[channel, None] = policy if agreed == policy else None
    return found


def _group(
    view: LiveView, group: Group, reading: GaugeReading, policy: Policy | None, windows: Iterable[str]
) -> dict[str, Any]:
    channel, queue = group
    formula = policy.formula if policy is not None and policy.formula in FORMULAS else DEFAULT
    return {
        "channel": channel,
        "queue": queue,
        "policy": policy and {name: getattr(policy, name) for name in _POLICY_FIELDS},
        "formula": formula,
        "now": {
            **reading._asdict(),
            "longest_wait_ms": _age(reading.oldest_waiting_since, view.now),
            "longest_awaiting_reply_ms": _age(reading.oldest_awaiting_since, view.now),
        },
        "windows": {
            name: _window(view, view.figures(name, group), channel, formula, reading.breached) for name in windows
        },
    }


def _window(view: LiveView, figures: Figures, channel: str | None, formula: str, breached: int) -> dict[str, Any]:
    levels = {name: _share(service_level(name, figures.counted)) for name in FORMULAS}
    live = {f"{name}_live": _share(service_level(name, figures.counted, breached)) for name in FORMULAS}
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
        "rating": _share(figures.rating),
        "ratings": figures.ratings,
        "tags": [{"tag": tag, "n": n, "known": tag in view.panes.known_tags} for tag, n in figures.tags],
    }


def _durations(of: Durations) -> Mapping[str, int | None]:
    return {name: _whole(value) for name, value in of._asdict().items()}


def _age(since: int | None, now: int) -> int | None:
    return None if since is None else max(0, now - since)


def _whole(value: float | None) -> int | None:
    return None if value is None else round(value)


def _share(value: float | None) -> float | None:
    return None if value is None else round(value, _DIGITS)
