"""The wallboard's message of a believable centre, made without servers: what the page's own tests and pictures show.

Every field of the message is in it, by the shape that docs/live.md describes; the numbers are drawn by a seed. It is
not the server's own snapshot: tests of that are in `test_wallboard_snapshot.py`.
"""

import random
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

Message = dict[str, Any]

WINDOWS: Final = {"5m": 5, "15m": 15, "30m": 30, "60m": 60, "today": 640}
MINUTE_MS: Final = 60_000
STEP_MS: Final = 300_000


class Queue(NamedTuple):
    """How a queue behaves: contacts a minute, its target in seconds, and how much of it is missed."""

    channel: str
    name: str
    per_minute: float
    target_s: int
    level: float
    waiting: int
    wait_s: int
    tags: tuple[str, ...] = ()
    team: str = ""


QUEUES: Final = (
    Queue("call", "billing", 3.2, 20, 0.91, 2, 9, ("invoice", "refund", "payment plan", "price change"), "billing"),
    Queue("call", "sales", 1.6, 20, 0.56, 7, 154, ("new order", "upgrade", "moving home", "cancellation"), "sales"),
    Queue("call", "technical support", 2.4, 20, 0.83, 3, 31, ("router", "outage", "slow line", "login"), "support"),
    Queue("chat", "billing", 2.6, 60, 0.97, 1, 12, ("refund", "invoice", "direct debit"), "billing"),
    Queue("chat", "orders and deliveries", 1.8, 60, 0.88, 0, 0, ("delivery", "return", "address"), "sales"),
    Queue("chat", "technical support", 3.1, 60, 0.79, 5, 71, ("outage", "password", "wi-fi", "app"), "support"),
    Queue("chat", "unassigned", 1.4, 60, 1.0, 0, 0),
    Queue("email", "billing", 0.9, 86_400, 0.93, 1_041, 36_000, ("refund", "invoice", "copy of a bill"), "billing"),
    Queue("email", "complaints", 0.3, 86_400, 0.86, 17, 79_000, ("escalation", "delivery", "refund"), "complaints"),
)

TEAMS: Final = {
    "billing": ((3, 14, 4, 2, 9), {"call": 21, "chat": 12}),
    "sales": ((0, 11, 2, 3, 5), {"call": 13, "chat": 6}),
    "support": ((4, 21, 6, 5, 12), {"call": 25, "chat": 50}),
    "complaints and escalations": ((1, 2, 0, 1, 1), {}),
    "back-office": ((0, 214, 17, 23, 40), {"call": 3, "chat": 82, "email": 120}),
}

BOARDS: Final = (
    {"name": "default", "title": "All"},
    {"name": "sales", "title": "Sales"},
    {"name": "support", "title": "Technical support"},
)


def _times(draw: random.Random, n: int, middle_s: float) -> Message:
    if not n:
        return {"n": 0, "average_ms": None, "p50_ms": None, "p80_ms": None, "p90_ms": None, "p95_ms": None}
    middle = middle_s * 1000 * draw.uniform(0.8, 1.2)
    names = ("average_ms", "p50_ms", "p80_ms", "p90_ms", "p95_ms")
    return {"n": n, **{name: round(middle * of) for name, of in zip(names, (1.2, 1.0, 1.6, 2.1, 2.6), strict=True)}}


def _policy(queue: Queue) -> Message:
    hours = queue.target_s // 3600
    name = f"{queue.channel}-{hours}h" if hours else f"{queue.channel}-{queue.target_s}s"
    objective = 0.9 if queue.channel == "email" else 0.8
    return {
        "name": name,
        "target_ms": queue.target_s * 1000,
        "objective": objective,
        "warning_ms": queue.target_s * 250,
    }


def _window(draw: random.Random, queues: Sequence[Queue], name: str) -> Message:
    minutes = WINDOWS[name]
    offered = sum(round(queue.per_minute * minutes * draw.uniform(0.9, 1.1)) for queue in queues)
    bots = sum(round(queue.per_minute * minutes) for queue in queues if queue.name == "unassigned")
    handled = offered - bots
    level = sum(queue.level * queue.per_minute for queue in queues) / sum(queue.per_minute for queue in queues)
    abandoned = 0 if queues[0].channel == "email" else round(handled * (1 - level) / 4)
    answered = max(0, handled - abandoned)
    response_s = sum(queue.target_s * (1.3 - queue.level) for queue in queues) / len(queues)
    tags: dict[str, int] = {}
    for queue in queues:
        for place, tag in enumerate(queue.tags):
            n = round(queue.per_minute * minutes * 0.6 / (place + 1))
            tags[tag] = tags.get(tag, 0) + n
    told = name in {"60m", "today"}
    listed = []
    for tag, n in sorted(tags.items(), key=lambda entry: -entry[1]):
        if n:
            then = round(n / draw.choice((0.7, 0.9, 1.0, 1.1, 1.6, 2.4)), 1) if told else None
            grown = None if then is None else round((n - then) / then, 4)
            listed.append({"tag": tag, "n": n, "known": tag != "app", "then": then, "growth": grown})
    return {
        "offered": offered,
        "entered": offered,
        "answered": answered,
        "abandoned": abandoned,
        "resolved": answered,
        "bot_contained": bots,
        "service_level": round(level, 6) if answered else None,
        "service_level_live": round(level * 0.95, 6) if answered else None,
        "asa_ms": None,
        "aht_ms": 310_000 if answered else None,
        "first_response": _times(draw, answered, response_s),
        "next_response": _times(draw, answered, response_s),
        "handle": _times(draw, answered, 310),
        "rating": None,
        "ratings": 0,
        "tags": listed,
    }


def _now(draw: random.Random, queues: Sequence[Queue], at: int) -> Message:
    waiting = sum(queue.waiting for queue in queues)
    longest = max(queue.wait_s for queue in queues)
    late = sum(queue.waiting // 2 for queue in queues if queue.wait_s > queue.target_s)
    risk = sum(min(2, queue.waiting) for queue in queues if queue.target_s >= queue.wait_s > queue.target_s * 0.5)
    replies = 0 if queues[0].channel == "call" else draw.randrange(2, 9) * len(queues)
    return {
        "waiting": waiting,
        "oldest_waiting_since": at - longest * 1000 if waiting else None,
        "longest_wait_ms": longest * 1000 if waiting else None,
        "awaiting_reply": replies,
        "oldest_awaiting_since": at - 95_000 if replies else None,
        "longest_awaiting_reply_ms": 95_000 if replies else None,
        "open": waiting + replies + 6,
        "handling": 6,
        "at_risk": risk,
        "breached": late,
        **{
            f"{kind}_{metric}": 0
            for kind in ("at_risk", "breached")
            for metric in ("next_response", "resolution", "queue_wait")
        },
        "stale": 2 if queues[0].channel == "email" else 0,
    }


def _due(draw: random.Random, queues: Sequence[Queue], at: int, most: int) -> list[Message]:
    due = []
    for queue in queues:
        for number in range(min(queue.waiting, most)):
            since = at - round(queue.wait_s * 1000 * (1 - number * 0.22)) - draw.randrange(900)
            due_at = since + queue.target_s * 1000
            due.append(
                {
                    "contact_id": f"desk:acme:{queue.channel[0]}{draw.randrange(10_000, 99_999)}",
                    "queue": queue.name,
                    "metric": "first_response",
                    "policy": _policy(queue)["name"],
                    "since": since,
                    "warns_at": due_at - queue.target_s * 250,
                    "due_at": due_at,
                    "paused": False,
                }
            )
    return sorted(due, key=lambda each: each["due_at"])[:most]


def _trend(draw: random.Random, queues: Sequence[Queue], at: int) -> Message:
    rate = sum(queue.per_minute for queue in queues) * 5
    level = sum(queue.level * queue.per_minute for queue in queues) / sum(queue.per_minute for queue in queues)
    shape = [draw.uniform(0.5, 1.5) for _ in range(12)]
    gone = [0 if queues[0].channel == "email" else round(rate * of * (1 - level) / 4) for of in shape]
    return {
        "from": at - 3_600_000,
        "step_ms": STEP_MS,
        "offered": [round(rate * of) for of in shape],
        "service_level": [round(min(1.0, max(0.0, level + draw.uniform(-0.2, 0.2))), 4) for _ in shape],
        "abandoned": gone,
    }


def _projection(level: float, objective: float, at: int) -> Message:
    half_hour = at // 1_800_000 * 1_800_000

    def outlook(start: int, end: int, likely: float, best: float, expected: float) -> Message:
        return {
            "from": start,
            "to": end,
            "so_far": round(level, 4),
            "likely": round(likely, 4),
            "best": round(best, 4),
            "expected": expected,
            "objective": objective,
        }

    return {
        "interval": outlook(
            half_hour, half_hour + 1_800_000, min(1, level * 1.04), min(1, level + (1 - level) * 0.6), 21.4
        ),
        "day": outlook(
            at - 38_000_000, at + 20_000_000, min(1, level * 1.01), min(1, level + (1 - level) * 0.3), 310.0
        ),
    }


def _group(
    draw: random.Random, channel: str | None, queue: str | None, queues: Sequence[Queue], at: int, names: Sequence[str]
) -> Message:
    policies = {str(each): each for each in map(_policy, queues)}
    policy = next(iter(policies.values())) if len(policies) == 1 and channel is not None else None
    windows = {name: _window(draw, queues, name) for name in names}
    level = sum(each.level * each.per_minute for each in queues) / sum(each.per_minute for each in queues)
    today = sum(round(each.per_minute * 600) for each in queues)
    then = round(today / draw.choice((0.9, 0.95, 1.0, 1.06, 1.3)), 1)
    return {
        "channel": channel,
        "queue": queue,
        "policy": policy,
        "formula": "short_excluded",
        "now": _now(draw, queues, at),
        "windows": windows,
        "due": [] if channel is None else _due(draw, queues, at, 1 if queue is not None else 5),
        "trend": None if channel is None else _trend(draw, queues, at),
        "compared": {"offered_now": today, "offered_then": then, "weeks": 4},
        "projection": policy and _projection(level, policy["objective"], at),
    }


def _agents(teams: Sequence[str]) -> list[Message]:
    names = ("available", "busy", "wrap_up", "away", "offline")
    groups: list[Message] = []
    for team in teams:
        counts, capacity = TEAMS[team]
        slots = [
            {"channel": channel, "capacity": most, "used": most - counts[0], "free": counts[0], "unknown": 0}
            for channel, most in capacity.items()
        ]
        groups.append(
            {
                "group": team,
                "by_status": dict(zip(names, counts, strict=True)),
                "untold": 0 if capacity else 3,
                "slots": slots,
            }
        )
    whole: Message = {
        "group": None,
        "by_status": {name: sum(group["by_status"][name] for group in groups) for name in names},
        "untold": sum(group["untold"] for group in groups),
        "slots": [],
    }
    for channel in ("call", "chat", "email"):
        own = [slots for group in groups for slots in group["slots"] if slots["channel"] == channel]
        if own:
            names_of = ("capacity", "used", "free", "unknown")
            whole["slots"].append(
                {"channel": channel, **{name: sum(slots[name] for slots in own) for name in names_of}}
            )
    return [whole, *groups]


def alert(at: int, number: int, **fields: Any) -> Message:  # noqa: ANN401 - any field of an alert
    """Make an alert; fields that are given take the place of its own."""
    return {
        "id": f"{number:016x}",
        "key": f"key-{number}",
        "state": "firing",
        "kind": "floor",
        "condition": "longest_wait",
        "severity": "warning",
        "rule": "long wait of a call",
        "policy": None,
        "channel": "call",
        "queue": "sales",
        "group": None,
        "contact_id": None,
        "tag": None,
        "since": at - 12 * MINUTE_MS,
        "held": False,
        "acknowledged": None,
        "value": 154_000,
        "limit": 120_000,
        "unit": "ms",
        "window_ms": None,
        "title": "The longest wait of calls in sales is 2:34, above 2:00",
        **fields,
    }


def alerts_now(at: int) -> Message:
    """Make the alerts of the scene: two that are new, and two that somebody looks after."""
    listed = [
        alert(
            at,
            1,
            severity="critical",
            kind="objective",
            condition="burn_rate",
            rule="now",
            value=3.4,
            limit=3.0,
            unit="factor",
        ),
        alert(
            at,
            2,
            severity="critical",
            condition="nobody_available",
            rule="no agent",
            group="sales",
            unit="count",
            since=at - 4 * MINUTE_MS,
        ),
        alert(at, 3),
        alert(
            at,
            4,
            kind="objective",
            condition="attainment",
            channel="chat",
            queue="technical support",
            value=0.79,
            limit=0.8,
            unit="share",
            window_ms=60 * MINUTE_MS,
            since=at - 47 * MINUTE_MS,
            acknowledged={"by": "Aino Virtanen", "at": at - 31 * MINUTE_MS},
        ),
    ]
    return {"state": "live", "reason": "", "total": len(listed), "silenced": 1, "listed": listed}


def message(
    at: int, window: str = "15m", board: str = "default", *, seed: int = 1, queues: Sequence[Queue] = QUEUES
) -> Message:
    """Make the message of a board at a time, UTC milliseconds: by the same seed the same."""
    draw = random.Random(seed)  # noqa: S311 - a scene, no secret
    team = None if board == "default" else board
    shown = [queue for queue in queues if team is None or queue.team == team]
    names = (window,)
    groups = [_group(draw, None, None, shown, at, names)]
    for channel in dict.fromkeys(queue.channel for queue in shown):
        own = [queue for queue in shown if queue.channel == channel]
        groups.append(_group(draw, channel, None, own, at, names))
        groups.extend(_group(draw, channel, queue.name, [queue], at, names) for queue in own)
    order = [each["name"] for each in BOARDS]
    alerts = alerts_now(at)
    if team is not None:
        alerts["listed"] = [each for each in alerts["listed"] if each["queue"] in {queue.name for queue in shown}]
        alerts["total"] = len(alerts["listed"])
    return {
        "v": 1,
        "id": 1,
        "at": at,
        "state": "live",
        "as_of": at - 400,
        "behind": 0,
        "reason": "",
        "edition": "test",
        "time_zone": "Europe/Helsinki",
        "windows": {window: {"from": at - WINDOWS[window] * MINUTE_MS, "to": at}},
        "groups": groups,
        "agents": _agents([each for each in TEAMS if team is None or each == team]),
        "board": {
            "name": board,
            "title": next(each["title"] for each in BOARDS if each["name"] == board),
            "window": "15m",
            "rotate_s": 20,
            "next": order[(order.index(board) + 1) % len(order)],
            "channels": list(dict.fromkeys(queue.channel for queue in shown)),
            "large": False,
            "thresholds": {
                "waiting_warning": 5,
                "waiting_critical": 10,
                "longest_warning_ms": 60_000,
                "longest_critical_ms": 120_000,
            },
        },
        "boards": list(BOARDS),
        "alerts": alerts,
        "past": {"state": "ready", "reason": "", "read_at": at - 600_000},
    }


def many_queues(many: int) -> tuple[Queue, ...]:
    """Make a large centre: so many queues, of which every seventh is in trouble."""
    channels = {"call": 20, "chat": 60, "email": 86_400}
    return tuple(
        Queue(channel, f"queue {number:03}", 0.6, target, 0.5 if number % 7 == 0 else 0.9, number % 5, 15)
        for channel, target in channels.items()
        for number in range(many // 3)
    )
