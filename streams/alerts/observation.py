"""What a rule sees of one cause at one judgement; the lifecycle makes alerts of it."""

from typing import NamedTuple

import orjson

from schemas.alerts import Condition, CostlyContact, Dimensions, Kind, Measurement, Severity


class Observation(NamedTuple):
    """One cause as it is seen now. A cause that no rule reports is clear."""

    key: str
    kind: Kind
    condition: Condition
    #: The policy, or the rule of `alerts.toml`.
    rule: str
    severity: Severity
    dimensions: Dimensions
    measured: Measurement
    #: The costliest first.
    contacts: tuple[CostlyContact, ...] = ()
    #: The cause holds.
    beyond: bool = True
    #: It is so much better than its limit that its alert may resolve; never while `beyond`.
    clear: bool = False
    #: How long the cause has to hold before its alert fires.
    hold_ms: int = 0
    #: It cannot be judged now, so that its alert keeps its state; the measured figures mean nothing then.
    held: bool = False
    #: Everything is counted that had happened to it when it was read. Before that, no alert of it begins.
    settled: bool = True


def alert_key(*parts: str) -> str:
    """Write the key of a cause: a JSON array of what identifies it, the condition or the kind first."""
    return orjson.dumps(parts).decode()


def key_parts(key: str) -> list[str]:
    """Read what identifies a cause, from its key."""
    parts: list[str] = orjson.loads(key)
    return parts
