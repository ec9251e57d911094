"""What `/api/live` and `/api/stream` say: the shape of the live figures, version 1.

Fields are only added; a change that a reader would misread raises `v`. Times are UTC milliseconds since 1970, durations
milliseconds in fields ending `_ms`, shares run from 0 to 1. `null`: there is none (nothing to divide by, nobody waits,
no policy), which is never 0.

    {
      "v": 1,
      "id": 815,                  rises with every change
      "at": 1773559200000,        when this was made, by the server's clock
      "state": "live",            or "waiting", "reading", "stale" (see `dashboards.wallboard.freshness`)
      "as_of": 1773559199400,     everything up to here is counted
      "behind": 0,                events that are produced and not counted, at least
      "reason": "",               why it is not live, for people
      "time_zone": "UTC",         the centre's: where "today" begins
      "windows": {"15m": {"from": …, "to": …}, …},    "5m", "15m", "30m", "60m", "today"
      "groups": [                 the centre first, then each channel followed by its queues
        {
          "channel": null, "queue": null,             null: all of them
          "policy": {"name": "chat-60s", "target_ms": 60000, "objective": 0.8, "warning_ms": 15000},
          "formula": "short_excluded",                the one that "service_level" is told by
          "now": {
            "waiting": 3, "oldest_waiting_since": …, "longest_wait_ms": 42000,
            "awaiting_reply": 5, "oldest_awaiting_since": …, "longest_awaiting_reply_ms": 7000,
            "open": 20, "handling": 12,
            "at_risk": 1, "breached": 0,              of the first response: close to the target, beyond it
            "at_risk_next_response": 0, "breached_next_response": 2, "at_risk_resolution": 1, "breached_resolution": 0,
            "at_risk_queue_wait": 0, "breached_queue_wait": 0,
            "stale": 4                                without an event for the channel's horizon, and in no other gauge
          },
          "windows": {
            "15m": {
              "offered": 50, "entered": 52, "answered": 45, "abandoned": 3, "resolved": 40,
              "bot_contained": 4,                     offered, and settled by a bot alone
              "service_level": 0.93, "service_level_live": 0.91,
              "service_levels": {"short_excluded": …, "answered_only": …, "offered": …, "abandons_met": …,
                                 "excluding_abandoned_within": …, and each of them once more as "…_live"},
              "counted": {"answered": 45, "answered_within": 42, "abandoned": 3, "abandoned_within": 1, "short": 0},
              "asa_ms": null,                         calls only
              "aht_ms": 310000,
              "first_response": {"n": 45, "average_ms": …, "p50_ms": …, "p80_ms": …, "p90_ms": …, "p95_ms": …},
              "next_response": {…}, "handle": {…},
              "rating": 0.82, "ratings": 11,
              "tags": [{"tag": "refund", "n": 9, "known": true}, …]
            }
          }
        }
      ],
      "agents": [                 the whole centre (null), then each group; none where no source tells of agents
        {
          "group": "sales",                           "": agents who are in no group
          "by_status": {"available": 3, "busy": 9, "wrap_up": 1, "away": 2, "offline": 6},
          "untold": 0,                                at work, and no source tells how many slots they have
          "slots": [{"channel": "chat", "capacity": 39, "used": 21, "free": 12, "unknown": 0}]
        }
      ]
    }

Of slots `capacity` and `free` are null where no source tells any; `streams.live.agents` says what each counts.

Ages and windows are of `at` while the state is `live`, and stand still while it is not. A group has no `policy` where
none applies, or where its queues have different ones.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from dashboards.wallboard.freshness import Standing
from schemas.policies import Policy, Rules, policy_for
from streams.live.agents import AgentsReading
from streams.live.figures import Durations, Figures
from streams.live.gauges import Reading
from streams.live.service_level import DEFAULT, FORMULAS, service_level
from streams.live.totals import ALL, Group
from streams.live.view import LiveView
from streams.live.windows import NAMES

VERSION: Final = 1
#: Digits of a share: a ten-thousandth of a per cent.
_DIGITS: Final = 6

_NOBODY: Final = Reading()
#: What is told of a policy.
_OF_POLICY: Final = ("name", "target_ms", "objective", "warning_ms")


def snapshot(
    view: LiveView, rules: Rules, standing: Standing, time_zone: str, at: int, windows: Iterable[str] = NAMES
) -> dict[str, Any]:
    """Say all of it at the time `at`, for the windows asked for."""
    readings = view.readings()
    groups = _groups(view.queues() | {(c, q) for c, q in readings if c is not None and q is not None})
    policies = _policies(rules, groups, at)
    windows = tuple(windows)
    return {
        **heading(view, standing, at),
        "time_zone": time_zone,
        "windows": {name: dict(zip(("from", "to"), view.span(name), strict=True)) for name in windows},
        "groups": [_group(view, group, readings.get(group, _NOBODY), policies.get(group), windows) for group in groups],
        "agents": [_agents(group, reading) for group, reading in view.agents().items()],
    }


def heading(view: LiveView, standing: Standing, at: int) -> dict[str, Any]:
    """Say how fresh it is, which is all that a tick tells."""
    return {"v": VERSION, "id": view.version, "at": at, **standing._asdict()}


def _groups(queues: Iterable[tuple[str, str]]) -> list[Group]:
    ordered: list[Group] = [ALL]
    for channel, queue in sorted(queues):
        if ordered[-1][0] != channel:
            ordered.append((channel, None))
        ordered.append((channel, queue))
    return ordered


def _policies(rules: Rules, groups: Iterable[Group], at: int) -> dict[Group, Policy | None]:
    """Find each group's policy for an ordinary contact; a channel has one where its queues agree."""
    found: dict[Group, Policy | None] = {}
    of_channel: dict[str, set[Policy | None]] = {}
    for channel, queue in groups:
        if channel is not None and queue is not None:
            policy = policy_for(rules, "first_response", channel, queue, "normal", "", at)
            found[channel, queue] = policy
            of_channel.setdefault(channel, set()).add(policy)
    for channel, policies in of_channel.items():
        found[channel, None] = next(iter(policies)) if len(policies) == 1 else None
    return found


def _group(
    view: LiveView, group: Group, reading: Reading, policy: Policy | None, windows: Iterable[str]
) -> dict[str, Any]:
    channel, queue = group
    formula = policy.formula if policy is not None and policy.formula in FORMULAS else DEFAULT
    return {
        "channel": channel,
        "queue": queue,
        "policy": policy and {name: getattr(policy, name) for name in _OF_POLICY},
        "formula": formula,
        "now": _now(reading, view.now),
        "windows": {
            name: _window(view, view.figures(name, group), channel, formula, reading.breached) for name in windows
        },
    }


def _agents(group: str | None, reading: AgentsReading) -> dict[str, Any]:
    return {"group": group, **reading._asdict(), "slots": [slots._asdict() for slots in reading.slots]}


def _now(reading: Reading, now: int) -> dict[str, Any]:
    return {
        **reading._asdict(),
        "longest_wait_ms": _age(reading.oldest_waiting_since, now),
        "longest_awaiting_reply_ms": _age(reading.oldest_awaiting_since, now),
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
        "tags": [{"tag": tag, "n": n, "known": view.known_tag(tag)} for tag, n in figures.tags],
    }


def _durations(of: Durations) -> Mapping[str, int | None]:
    return {name: _whole(value) for name, value in of._asdict().items()}


def _age(since: int | None, now: int) -> int | None:
    return None if since is None else max(0, now - since)


def _whole(value: float | None) -> int | None:
    return None if value is None else round(value)


def _share(value: float | None) -> float | None:
    return None if value is None else round(value, _DIGITS)
