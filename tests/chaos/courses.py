"""The two courses: a long one for `make chaos`, a short one for every change."""

from __future__ import annotations

from tests.chaos.disturbances import LONG, SHORT
from tests.chaos.records import MINUTE_MS
from tests.chaos.run import Course


def long(events: int, seed: int) -> Course:
    """Hours of a busy centre, in ten minutes or so."""
    return Course(
        events=events,
        rate=8.0,
        per_second=900.0,
        late_ms=180 * MINUTE_MS,
        horizons='call = "10m"\nchat = "10m"\nemail = "30m"',
        disturbances=LONG,
        away_s=60.0,
        seed=seed,
    )


def short(events: int = 20_000, seed: int = 5) -> Course:
    """An hour and a half of a small centre, in a minute."""
    return Course(
        events=events,
        rate=4.0,
        per_second=500.0,
        late_ms=40 * MINUTE_MS,
        horizons='call = "4m"\nchat = "4m"\nemail = "10m"',
        disturbances=SHORT,
        away_s=6.0,
        seed=seed,
    )
