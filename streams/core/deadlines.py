"""When a target is missed: by the clock that its policy names, told in clock time, which is all that gauges know."""

from __future__ import annotations

from schemas.policies import Policy, Rules, calendar_for
from streams.core.calendars import last_within


def lasts_ms(rules: Rules, policy: Policy, queue: str, since: int, for_ms: int) -> int | None:
    """Give how much clock time `for_ms` by the policy's clock comes to from an instant on, at most.

    None where it never passes: the calendar does not open any more.
    """
    calendar = calendar_for(rules, queue, policy) if policy.clock == "calendar" else None
    if calendar is None:
        return for_ms
    until = last_within(calendar, since, for_ms)
    return None if until is None else until - since
