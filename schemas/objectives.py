"""What the SLA engine holds against a policy in one queue over one window, as the topic `objectives` has it.

The newest record of a key counts; a tombstone says that the policy, the queue or the window is not judged any more.
Times are UTC milliseconds.
"""

from typing import Final, Literal, NamedTuple

import orjson
from pydantic import BaseModel, ConfigDict

from schemas.policies import Metric
from schemas.topics import Channel

#: Version of this record; a change that an old reader would misread raises it.
VERSION: Final = 1

#: Compacted, of one partition; key = `ObjectiveKey` as a JSON array, value = `Objective` as JSON.
OBJECTIVES: Final = "objectives"

#: Whether the objective is met in the window, those who still wait beyond their target included.
ObjectiveState = Literal["met", "missed", "too_few"]


class ObjectiveKey(NamedTuple):
    """What a report is about: a policy in a queue over a length of open time."""

    policy: str
    channel: Channel
    queue: str
    window_ms: int


class Objective(BaseModel):
    """One policy in one queue over one window."""

    model_config = ConfigDict(extra="ignore", frozen=True, strict=True)

    v: int = VERSION
    policy: str
    channel: Channel
    #: Empty: all queues of the channel together.
    queue: str
    #: Of the policy; None: all.
    priority: str | None = None
    segment: str | None = None
    metric: Metric
    window_ms: int
    at: int
    #: Contacts that were judged: they are over.
    n: int
    #: The share of them in time; None without any.
    attained: float | None
    #: The same with those who still wait beyond their target as late ones.
    attained_live: float | None
    objective: float
    #: How many times too fast the budget burns, by `attained_live`; None without contacts, or where none may be late.
    burn_rate: float | None
    state: ObjectiveState


def encode_objective_key(key: ObjectiveKey) -> bytes:
    """Write a record's key."""
    return orjson.dumps(tuple(key))


def decode_objective_key(key: bytes) -> ObjectiveKey:
    """Read a record's key. Raises ValueError where it is none."""
    try:
        return ObjectiveKey(*orjson.loads(key))
    except TypeError:
        raise ValueError("no key of an objective") from None


def decode_objective(value: bytes) -> Objective:
    """Read a record. Raises ValueError."""
    return Objective.model_validate_json(value)
