"""The samples: each single measurement that a contact gives, one row each.

A row is positional (`Sample`), so that it is small in the journal. Times are UTC milliseconds, durations whole
milliseconds, scores whole millionths; text that is missing is empty, anything else that is missing is None.
"""

from typing import Final, Literal, NamedTuple, get_args

_Wait = Literal["queue_wait", "first_response", "next_response", "abandoned", "ivr_abandoned"]
_Length = Literal["handle", "resolution"]
_Part = Literal["hold", "wrap", "talk"]
_Count = Literal["offered", "entered", "nudges", "slow", "replies", "reopened", "transferred"]
_Outcome = Literal["tagged", "any_tag", "untagged_resolved", "missed", "bot_contained"]
_Score = Literal["rated", "evaluated"]
SampleName = Literal[_Wait, _Length, _Part, _Count, _Outcome, _Score]

#: Samples whose `value_ms` is a duration that ends at the sample's time; that of a part does not.
SPANS: Final = (*get_args(_Wait), *get_args(_Length))
#: First those with a `value_ms`, then those that count something, last scores: a `value` from 0 to 1, in millionths.
NAMES: Final = get_args(SampleName)

#: What makes each, and what its value is.
MEANINGS: Final[dict[SampleName, str]] = {
    "queue_wait": "A queue visit ended; how long it was.",
    "first_response": "The first reply of a human, in a call the first connection; how long the customer waited.",
    "next_response": "A reply of a human that ends a customer turn, or answers a return; how long the customer waited.",
    "abandoned": "The customer left while the clock of the first response ran; how long the customer had waited.",
    "ivr_abandoned": "The caller hung up in the menu; the time since the start.",
    "handle": "A handle segment closed; its length.",
    "resolution": "An open stretch ended, by a resolution or the end of a call; its length.",
    "hold": "A handle segment closed; the time on hold in it.",
    "wrap": "A handle segment closed; the length of its wrap-up.",
    "talk": "A handle segment closed; its length without hold and wrap-up.",
    "offered": "A customer came, at the start; to outreach, at the first message and in no call; no value.",
    "entered": "A queue visit began; no value.",
    "nudges": "A `next_response` was given; how many messages the customer sent beyond the first before it.",
    "slow": "The first time that a first or next response took longer than the channel's patience; no value.",
    "replies": "The last end of an open stretch; how many replies of humans there were up to it.",
    "reopened": "A settled contact was opened again, by a reopening or a customer's message; no value.",
    "transferred": "A `contact.transferred`, in the queue that it leaves; no value.",
    "tagged": "One for each tag in effect, when it was put on; no value.",
    "any_tag": "The last tagging of a contact that has a tag in effect; no value.",
    "untagged_resolved": "The last end of an open stretch, of a contact without a tag in effect; no value.",
    "missed": "A `contact.missed`: an agent did not take the contact; no value.",
    "bot_contained": "The first end of an open stretch, of a contact that a bot alone answered; no value.",
    "rated": "The last `contact.rated` of each survey; the score.",
    "evaluated": "Each `contact.evaluated`; the score.",
}


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
