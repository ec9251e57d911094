"""What the rules of alerts see of calls at a moment, by a plain pass over all calls, written from `docs/alerts.md`.

Nothing is kept from one moment to the next: every window is added up again, minute by minute.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction
from typing import NamedTuple

from tests.oracle.alerts import Sight

MINUTE_MS = 60_000
DAY_MS = 86_400_000


class Call(NamedTuple):
    """A call that waits in a queue until somebody answers or it is given up. Times in UTC milliseconds."""

    contact_id: str
    queue: str
    since: int
    #: None: it waits still.
    until: int | None
    answered: bool


class Promise(NamedTuple):
    """A policy for the first response of calls, counted over all that are offered."""

    policy: str
    target_ms: int
    warning_ms: int
    objective: Fraction
    window_ms: int
    least: int


class Pair(NamedTuple):
    """The two windows of a burn rate."""

    name: str
    long_ms: int
    short_ms: int
    factor: Fraction
    least_long: int
    least_short: int
    severity: str


class Limit(NamedTuple):
    """A rule of the floor: the longest wait in milliseconds, or the number waiting."""

    name: str
    condition: str
    limit: int
    hold_ms: int
    severity: str


class House(NamedTuple):
    """All rules; what better than a limit by `hysteresis` of it is clear."""

    promise: Promise
    pairs: tuple[Pair, ...]
    limits: tuple[Limit, ...]
    hold_ms: int
    hysteresis: Fraction


def sights(calls: Iterable[Call], house: House, now: int) -> dict[str, Sight]:
    """Tell what is seen at a moment, of causes that are not clear."""
    begun = [call for call in calls if call.since <= now]
    known = [call if call.until is None or call.until <= now else call._replace(until=None) for call in begun]
    queues = sorted({call.queue for call in known})
    found = dict(_contacts(known, house.promise, now))
    for queue in queues:
        found |= _objectives([call for call in known if call.queue == queue], queue, house, now)
        found |= _floor([call for call in known if call.queue == queue], queue, house, now)
    return {key: sight for key, sight in found.items() if not sight.clear}


def key(*parts: str) -> str:
    """Name a cause."""
    return json.dumps(parts, separators=(",", ":"))


def _contacts(calls: Iterable[Call], promise: Promise, now: int) -> Iterator[tuple[str, Sight]]:
    for call in calls:
        if call.until is not None:
            continue
        waited = now - call.since
        of = key("contact", promise.policy, call.contact_id)
        if waited > promise.target_ms:
            yield of, Sight(True, False, "contact", "breached", "critical", 0)
        elif waited > promise.target_ms - promise.warning_ms:
            yield of, Sight(True, False, "contact", "at_risk", "warning", 0)


def _objectives(calls: Sequence[Call], queue: str, house: House, now: int) -> dict[str, Sight]:
    promise = house.promise
    allowed = 1 - promise.objective
    found = {}
    judged, bad = _over(calls, promise, promise.window_ms, now)
    enough = judged >= max(1, promise.least)
    beyond = enough and bad > allowed * judged
    clear = not enough or bad <= allowed * judged * (1 - house.hysteresis)
    of = key("attainment", promise.policy, "call", queue)
    found[of] = Sight(beyond, clear, "objective", "attainment", "warning", house.hold_ms)
    for pair in house.pairs:
        of_long, of_short = (_over(calls, promise, length, now) for length in (pair.long_ms, pair.short_ms))
        long, short = (_burns(counts, allowed) for counts in (of_long, of_short))
        many, some = of_long[0] >= pair.least_long, of_short[0] >= pair.least_short
        beyond = many and some and long >= pair.factor and short >= pair.factor
        better = pair.factor * (1 - house.hysteresis)
        clear = not many or (not beyond and (long < better or (some and short < better)))
        of = key("burn_rate", promise.policy, "call", queue, pair.name)
        found[of] = Sight(beyond, clear, "objective", "burn_rate", pair.severity, house.hold_ms)
    return found


def _burns(counts: tuple[int, int], allowed: Fraction) -> Fraction:
    judged, bad = counts
    return Fraction(bad, judged) / allowed if judged else Fraction(0)


def _over(calls: Iterable[Call], promise: Promise, length_ms: int, now: int) -> tuple[int, int]:
    """Count those judged and those bad over a window that ends with the minute that is still filling."""
    end = now - now % MINUTE_MS + MINUTE_MS
    begin = end - min(DAY_MS, length_ms)
    judged = bad = 0
    for call in calls:
        if call.until is None:
            late = now - call.since > promise.target_ms
            judged, bad = judged + late, bad + late
        elif begin <= call.until - call.until % MINUTE_MS < end:
            judged, bad = judged + 1, bad + (not call.answered or call.until - call.since > promise.target_ms)
    return judged, bad


def _floor(calls: Iterable[Call], queue: str, house: House, now: int) -> dict[str, Sight]:
    waits = [now - call.since for call in calls if call.until is None]
    found = {}
    for limit in house.limits:
        value = max(waits, default=0) if limit.condition == "longest_wait" else len(waits)
        beyond = value > limit.limit if limit.condition == "longest_wait" else value >= limit.limit
        clear = not beyond and value <= limit.limit * (1 - house.hysteresis)
        of = key("floor", limit.name, "call", queue)
        found[of] = Sight(beyond, clear, "floor", limit.condition, limit.severity, limit.hold_ms)
    return found
