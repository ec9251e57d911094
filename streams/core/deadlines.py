"""When a target is missed: by the clock that its policy names, told in clock time, which is all that gauges know.

Whoever reads a deadline compares it with the time and needs neither policies nor calendars. That is why it is told as
the first millisecond of what it begins: at risk from `warns_at` on, beyond the target from `breached_at` on.
"""

from __future__ import annotations

from schemas.journal import Deadline
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


def deadline(rules: Rules, policy: Policy, queue: str, since: int) -> Deadline:
    """Tell what a clock that runs since an instant is held against; without a warning time it is never at risk."""
    warns_at = None
    if policy.warning_ms:
        warns_at = _behind(since, lasts_ms(rules, policy, queue, since, max(0, policy.target_ms - policy.warning_ms)))
    breached_at = _behind(since, lasts_ms(rules, policy, queue, since, policy.target_ms))
    return policy.metric, policy.name, since, warns_at, breached_at


def _behind(since: int, lasts: int | None) -> int | None:
    return None if lasts is None else since + lasts + 1
