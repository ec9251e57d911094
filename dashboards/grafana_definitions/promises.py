"""A policy's target and objective as text, such as `80 % within 20 s`."""

from __future__ import annotations

from schemas.policies import Policy


def duration(seconds: float) -> str:
    """Write a duration for people, in its largest whole unit; below one second in fractions of a second."""
    for length, name in ((3_600, "h"), (60, "min")):
        if seconds >= length and seconds % length == 0:
            return f"{int(seconds // length)} {name}"
    return f"{int(seconds) if seconds == int(seconds) else seconds} s"


def percent(share: float) -> str:
    """Write a share in percent, as it is: never rounded up to 100 %."""
    return f"{round(share * 100, 6):.10g} %"


def promise(policy: Policy) -> str:
    """Write a policy's objective and target."""
    return f"{percent(policy.objective)} within {duration(policy.target_ms / 1_000)}"
