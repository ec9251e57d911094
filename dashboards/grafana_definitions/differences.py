"""Whether a running Grafana has a definition already.

It adds fields of its own (ids, versions, times, defaults), leaves out what is empty, and shows no secret. So a
definition is there if all that it says is there; what is hidden counts as the same.
"""

from __future__ import annotations

from typing import Final

#: What Grafana answers in place of a secret.
REDACTED: Final = "[REDACTED]"


def has(theirs: object, ours: object) -> bool:
    """Tell whether what a Grafana has says all that a definition says."""
    if theirs == REDACTED and isinstance(ours, str):
        return True
    if isinstance(ours, dict):
        known = theirs if isinstance(theirs, dict) else {}
        return all(has(known.get(key), value) for key, value in ours.items())
    if not ours:
        return not theirs
    if isinstance(ours, (list, tuple)):
        return (
            isinstance(theirs, list)
            and len(theirs) == len(ours)
            and all(has(one, other) for one, other in zip(theirs, ours, strict=True))
        )
    return theirs == ours and isinstance(theirs, bool) == isinstance(ours, bool)
