"""When targets are missed: deadlines as instants, whatever clock and calendar a policy names.

A reader of a deadline compares it with the time and needs neither policies nor calendars. So a deadline names the first
millisecond of what it begins: at risk from `warns_at` on, beyond the target from `breached_at` on.
"""

from collections.abc import Sequence

from schemas.calendars import Calendar
from schemas.contact_record import Deadline, Pause, Summary
from schemas.policies import Rules, calendar_for, policy_for
from streams.core.business_time import business_ms, last_within


def deadlines_at(rules: Rules, summary: Summary, at: int) -> tuple[list[Deadline], int | None]:
    """Return the deadlines of the running clocks, by the policies in force at a time.

    The second value is the target of the first response in milliseconds of clock time; None where it has no target.
    """
    deadlines: list[Deadline] = []
    target_ms = None
    for metric, since, visit_queue in summary["clocks"]:
        queue = visit_queue or summary["queue"]
        policy = policy_for(rules, metric, summary["channel"], queue, summary["priority"], summary["segment"], at)
        if policy is not None:
            calendar = calendar_for(rules, queue, policy) if policy.clock == "calendar" else None
            stops = summary["pauses"] if policy.pauses == "stop" else ()
            warns_at = None  # without a warning time it is never at risk
            if policy.warning_ms:
                warns_at = _first_beyond(calendar, since, max(0, policy.target_ms - policy.warning_ms), stops)
            breached_at = _first_beyond(calendar, since, policy.target_ms, stops)
            deadlines.append((metric, policy.name, since, warns_at, breached_at))
            if metric == "first_response":
                target_ms = _clock_ms(calendar, since, policy.target_ms)
    return deadlines, target_ms


def _clock_ms(calendar: Calendar | None, since: int, for_ms: int) -> int | None:
    """Give how much clock time `for_ms` of business time take from an instant on, at most; None: it never passes."""
    if calendar is None:
        return for_ms
    until = last_within(calendar, since, for_ms)
    return None if until is None else until - since


def _first_beyond(calendar: Calendar | None, since: int, for_ms: int, pauses: Sequence[Pause]) -> int | None:
    """Return when more than `for_ms` by the policy's clock have passed, without pauses; None while a pause lasts."""
    for begin, until in pauses:
        passed = begin - since if calendar is None else business_ms(calendar, since, begin)
        if for_ms < passed:
            break
        if until is None:
            return None
        for_ms -= passed
        since = until
    clock_ms = _clock_ms(calendar, since, for_ms)
    return None if clock_ms is None else since + clock_ms + 1
