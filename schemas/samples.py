"""The samples: each single measurement that a contact gives, one row each.

A row is positional (`Sample`), so that it is small in the journal. Times are UTC milliseconds, durations whole
milliseconds, scores whole millionths; text that is missing is empty, anything else that is missing is None.
"""

from typing import Final, NamedTuple

#: Samples whose `value_ms` is a duration with a percentile.
DURATIONS: Final = (
    *("queue_wait", "first_response", "next_response", "abandoned", "ivr_abandoned"),
    *("handle", "hold", "wrap", "talk", "resolution"),
)
#: Then those that count something, and last those whose `value` is a score from 0 to 1, in millionths.
NAMES: Final = (
    *DURATIONS,
    *("offered", "entered", "nudges", "slow", "replies", "reopened", "transferred"),
    *("tagged", "any_tag", "untagged_resolved", "missed", "bot_contained"),
    *("rated", "evaluated"),
)


class Sample(NamedTuple):
    """One measurement of a contact, beside its id and channel; `(contact, sample, slot)` is its key."""

    sample: str
    #: What tells several samples of one kind apart: the causing `event_id`, the tag, or empty.
    slot: str
    at: int = 0
    queue: str = ""
    priority: str = ""
    team: str = ""
    segment: str = ""
    language: str = ""
    agent_id: str = ""
    tag: str = ""
    #: For `tagged`: whether the taxonomy knows the tag. For `queue_wait`: how the visit ended.
    outcome: str = ""
    value_ms: int | None = None
    business_ms: int | None = None
    #: Of a resolution: its length, and its business time, without its pauses.
    active_ms: int | None = None
    active_business_ms: int | None = None
    value: int | None = None
    policy: str = ""
    target_ms: int | None = None
    within: bool | None = None
    #: For an abandonment, of a contact or of a visit, and like `within` only where it is held against a target: so
    #: soon that nobody could have answered.
    short: bool | None = None
    satisfied: bool | None = None
    partial: bool = False
    in_hours: bool | None = None
    instance: int | None = None
    caused_by: str | None = None
