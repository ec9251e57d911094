"""A policy's target and objective as text, such as `80 % within 20 s`."""

from __future__ import annotations

from schemas.policies import Policy


def duration(seconds: int) -> str:
    """Write a duration for people, in its largest whole unit."""
    for length, name in ((3_600, "h"), (60, "min")):
        if seconds >= length and seconds % length == 0:
            return f"{seconds // length} {name}"
    return f"{seconds} s"


def promise(policy: Policy) -> str:
    """Write a policy's objective and target."""
    return f"{policy.objective * 100:g} % within {duration(policy.target_ms // 1_000)}"
