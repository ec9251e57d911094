"""The event contract, version 1: one JSON object a Kafka record, as pydantic models in one discriminated union.

Strings are trimmed and NFC-normalised, times become UTC milliseconds, JSON types are not coerced (a number in quotes is
no number). An empty optional string stands for absent. Unknown fields are ignored here; the archive keeps them. An
event of unknown type is valid and takes no part in any number: `UnknownEvent`. Whole numbers have 64 bits, as
everything downstream has.
"""

from typing import Annotated, Final, Literal, Self, get_args

from annotated_types import Ge, Gt, MaxLen, MinLen
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, WithJsonSchema, model_validator

from schemas.topics import Channel
from schemas.values import Count, FreeText, Id, Instant, Name, Number, OptionalId, OptionalName, ShortText, Tag, Whole

#: Version of this contract; a change that an old reader would misread raises it.
VERSION: Final = 1

#: A record above this many bytes is refused.
MAX_RECORD_BYTES: Final = 256 * 1024

#: Fields of what people wrote: read, and kept nowhere, whatever the type of the event.
WORDS_OF_PEOPLE: Final = frozenset({"text", "comment"})

Priority = Literal["low", "normal", "high", "urgent"]
Author = Literal["customer", "agent", "bot", "system"]
Status = Literal["available", "busy", "wrap_up", "away", "offline"]


class EventModel(BaseModel):
    """What every event has. `occurred_at` is in UTC milliseconds once read."""

    model_config = ConfigDict(strict=True, extra="ignore")

    event_id: Id
    occurred_at: Instant
    source: Name
    seq: Whole = 0
    agent_id: OptionalId = None
    attributes: Annotated[dict[Name, ShortText], MaxLen(32)] | None = None


class ContactEvent(EventModel):
    """What every event of a contact has. `queue` and `priority` are in force from it on."""

    contact_id: Id
    channel: Channel
    queue: OptionalName = None
    priority: Priority | None = None
    team: OptionalName = None
    language: OptionalName = None
    segment: OptionalName = None
    customer_id: OptionalId = None


class Started(ContactEvent):
    """The contact exists."""

    type: Literal["contact.started"]
    direction: Literal["inbound", "outbound"] = "inbound"
    initiated_by: Literal["customer", "agent", "system"] = "customer"


class Queued(ContactEvent):
    """The contact waits for a human in `queue`."""

    type: Literal["contact.queued"]
    queue: Name


class HandedOff(ContactEvent):
    """A bot passes the contact on to humans."""

    type: Literal["contact.handed_off"]


class Connected(ContactEvent):
    """A human agent accepts or answers; a handle segment opens."""

    type: Literal["contact.connected"]
    agent_id: Id


class Held(ContactEvent):
    """Hold begins within that agent's segment."""

    type: Literal["contact.held"]
    agent_id: Id


class Resumed(ContactEvent):
    """Hold ends within that agent's segment."""

    type: Literal["contact.resumed"]
    agent_id: Id


class Transferred(ContactEvent):
    """That agent's interaction ends; the contact goes to `queue` where one is named."""

    type: Literal["contact.transferred"]


class Dequeued(ContactEvent):
    """The contact leaves its queue unanswered, without leaving: the clock runs on."""

    type: Literal["contact.dequeued"]
    reason: Literal["timeout", "overflow", "callback", "voicemail", "other"] = "other"


class Disconnected(ContactEvent):
    """The interaction ends, for every open segment where `agent_id` is missing; wrap-up begins."""

    type: Literal["contact.disconnected"]


class Wrapped(ContactEvent):
    """Wrap-up ends; the segment closes."""

    type: Literal["contact.wrapped"]
    agent_id: Id


class Abandoned(ContactEvent):
    """The customer left unanswered."""

    type: Literal["contact.abandoned"]


class MessageSent(ContactEvent):
    """One message. Its `text` is kept nowhere."""

    type: Literal["message.sent"]
    author: Author
    public: bool = True
    automatic: bool = False
    text: FreeText | None = None


class Tagged(ContactEvent):
    """Tags are put on; with `replace` these are all the tags that there are from now on, which may be none."""

    model_config = ConfigDict(
        json_schema_extra={
            "anyOf": [
                {"properties": {"tags": {"minItems": 1}}},
                {"properties": {"replace": {"const": True}}, "required": ["replace"]},
            ]
        }
    )

    type: Literal["contact.tagged"]
    tags: Annotated[list[Tag], MaxLen(32)]
    replace: bool = False

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if not self.tags and not self.replace:
            raise ValueError("tags: must name 1 to 32 tags; none only where replace is true")
        return self


class Untagged(ContactEvent):
    """Tags are taken off."""

    type: Literal["contact.untagged"]
    tags: Annotated[list[Tag], MinLen(1), MaxLen(32)]


class Prioritised(ContactEvent):
    """The priority changes."""

    type: Literal["contact.prioritised"]
    priority: Priority


class Resolved(ContactEvent):
    """The contact is settled."""

    type: Literal["contact.resolved"]


class Reopened(ContactEvent):
    """A settled contact is open again."""

    type: Literal["contact.reopened"]


class Paused(ContactEvent):
    """The contact waits for someone outside."""

    type: Literal["contact.paused"]
    for_: Annotated[Literal["customer", "third_party"], Field(alias="for")] = "customer"


class Unpaused(ContactEvent):
    """The contact no longer waits for someone outside."""

    type: Literal["contact.unpaused"]
    for_: Annotated[Literal["customer", "third_party"], Field(alias="for")] = "customer"


class Discarded(ContactEvent):
    """The contact counts nowhere; work on it does, unless it was a test."""

    type: Literal["contact.discarded"]
    reason: Literal["merged", "spam", "test", "other"]
    into: OptionalId = None


class Missed(ContactEvent):
    """Offered to that agent, who did not answer."""

    type: Literal["contact.missed"]
    agent_id: Id


class Scored(ContactEvent):
    """A score from 1 to `scale_max`."""

    score: Annotated[Number, Ge(1), WithJsonSchema({"type": "number", "minimum": 1})]
    scale_max: Annotated[Number, Gt(1), WithJsonSchema({"type": "number", "exclusiveMinimum": 1})]

    @model_validator(mode="after")
    def _within_scale(self) -> Self:
        if self.score > self.scale_max:
            raise ValueError("score is above scale_max")
        return self


class Evaluated(Scored):
    """A quality evaluation."""

    type: Literal["contact.evaluated"]
    form: OptionalName = None
    evaluator_id: OptionalId = None


class Rated(Scored):
    """The customer's satisfaction; a later rating of the same survey replaces an earlier one."""

    type: Literal["contact.rated"]
    survey_id: OptionalId = None
    comment_present: bool = False
    comment: FreeText | None = None


class Voided(ContactEvent):
    """That other event of this contact is as if it had not been."""

    type: Literal["event.voided"]
    voids: Id


class UnknownEvent(ContactEvent):
    """An event of a type that this version does not know: archived, and in no number."""

    type: Name


class AgentStatus(EventModel):
    """An agent's state; on the topic of agents' states only."""

    type: Literal["agent.status"]
    agent_id: Id
    status: Status
    reason: ShortText | None = None
    groups: Annotated[list[Name], MaxLen(64)] | None = None
    capacity: dict[Channel, Count] | None = None


class UnknownAgentEvent(EventModel):
    """An agent's event of a type that this version does not know."""

    type: Name
    agent_id: Id


# Three unions only because one would be too long a line. Their order is that of docs/samples.md.
_Work = Started | Queued | HandedOff | Connected | Held | Resumed | Transferred | Dequeued | Disconnected | Wrapped
_State = Abandoned | MessageSent | Tagged | Untagged | Prioritised | Resolved | Reopened | Paused | Unpaused | Discarded
_KnownContactEvent = _Work | _State | Missed | Evaluated | Rated | Voided
AnyContactEvent = Annotated[_KnownContactEvent, Field(discriminator="type")]

CONTACT_EVENT: Final[TypeAdapter[AnyContactEvent]] = TypeAdapter(AnyContactEvent)
AGENT_EVENT: Final[TypeAdapter[AgentStatus]] = TypeAdapter(AgentStatus)

#: Each known type's model.
MODELS: Final[dict[str, type[EventModel]]] = {
    get_args(model.model_fields["type"].annotation)[0]: model for model in get_args(_KnownContactEvent | AgentStatus)
}
