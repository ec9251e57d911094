"""The rows that a sink keeps, one class a table; a field is a column, named as the stream declares what is in it.

Times are UTC milliseconds, as everywhere in the stream; dimensions that are missing are empty. A trailing underscore
only keeps a name from being a keyword. Nothing here knows where rows come from or go to.
"""

from __future__ import annotations

from collections import namedtuple
from types import UnionType
from typing import Annotated, Any, Final, Literal, NamedTuple, Union, get_args, get_origin

from schemas.contact_record import Summary
from schemas.events import MODELS, WORDS_OF_PEOPLE
from schemas.panes import Pane, PaneKey, TagPane, TagPaneKey
from schemas.policies import Metric
from schemas.samples import Sample

#: Makes a row of its class and its fields in order, in half the time that calling the class takes.
named: Final = tuple.__new__

_OWN: Final = (
    *("contact_id", "agent_key", "event_id", "normalised", "occurred_at", "version", "type", "channel", "seq"),
)
#: What a column holds where the event gives nothing, by its field's kind: NULL for numbers and truths, which would else
#: read as 0 and false.
_EMPTY: Final[dict[Any, Any]] = {str: "", Literal: "", list: [], dict: {}}


def empty_of(annotation: Any) -> Any:  # noqa: ANN401 - whatever a field is annotated with
    """Give what a field's column holds where the event gives nothing."""
    origin = get_origin(annotation)
    if origin in {Union, UnionType, Annotated}:  # of `X | None` the X
        return empty_of(get_args(annotation)[0])
    return _EMPTY.get(origin or annotation)


#: Columns that an event's own fields fill, and what they hold where the event gives nothing.
EVENT_FIELDS: Final[dict[str, Any]] = {
    name: None if name in WORDS_OF_PEOPLE else empty_of(field.annotation)
    for model in MODELS.values()
    for name, field in model.model_fields.items()
    if name not in _OWN
}
_CAME: Final = {"extra": "", "received_at": 0, "topic": "", "partition": 0, "offset": 0, "epoch": 0}

#: Columns that a contact's summary fills; those of its deadlines follow.
CONTACT_FIELDS: Final = tuple(
    name for name in Summary.__annotations__ if name not in {"v", "step", "clocks", "pauses", "deadlines"}
)
#: What each clock that runs is held against: the policy, from when on at risk, from when on beyond the target.
_DEADLINES: Final = tuple(
    f"{metric}_{of}" for metric in get_args(Metric) for of in ("policy", "warns_at", "breached_at")
)
#: Where a pane's row comes from, before its key; in the key `start` is the column `pane_start`.
_FROM: Final = ("topic", "partition", "channel", "supplement", "version")


def _fields(*names: str, **defaults: Any) -> Any:  # noqa: ANN401 - mypy does not know fields that are derived
    """Make a class with these fields and then those that have defaults, for a row's class to be derived from."""
    columns = ["pane_start" if name == "start" else name for name in (*names, *defaults)]
    return namedtuple("Row", columns, defaults=defaults.values())  # noqa: PYI024 - as above


class EventRow(_fields(*_OWN, **EVENT_FIELDS, **_CAME)):  # type: ignore[misc]  # fields are derived
    """One archived content of one event id; `agent_key` names the agent of an agent's event, and is empty else."""

    __slots__ = ()


class SampleRow(_fields("contact_id", "channel", "version", "gone", *Sample._fields[:2], **Sample._field_defaults)):  # type: ignore[misc]  # as above
    """One sample, in effect or taken back (`gone`)."""

    __slots__ = ()


class PaneRow(_fields(*_FROM, *PaneKey._fields, **Pane._field_defaults)):  # type: ignore[misc]  # as above
    """A pane's absolute value in one source partition and epoch; a supplement's step, else empty."""

    __slots__ = ()


class TagPaneRow(_fields(*_FROM, *TagPaneKey._fields, *TagPane._fields)):  # type: ignore[misc]  # as above
    """A tag's absolute count in one source partition and epoch."""

    __slots__ = ()


class ContactRow(_fields("contact_id", "version", *CONTACT_FIELDS, *_DEADLINES)):  # type: ignore[misc]  # as above
    """A contact's latest state."""

    __slots__ = ()


class Progress(NamedTuple):
    """How far a source partition is in: all below `next` is."""

    topic: str
    partition: int
    epoch: int
    next: int
    step: int
    #: Journal offset of the opening that wrote the step.
    opened: int
    #: Journal offset behind the step: where reading goes on.
    journal_end: int
    #: When that was written; the latest counts.
    at: int
    #: Contacts whose events wait for ClickHouse to tell what they were: read, and not counted yet.
    parked: int = 0
    #: The id that Kafka gave the journal's topic.
    journal: str = ""


#: Bits of a version that hold the offset; the epoch stands above them.
OFFSET_BITS: Final = 40
_ALL_BITS: Final = (1 << 64) - 1


def version_of(epoch: int, offset: int) -> int:
    """Order writes of one key: by life of the source partition, then by journal offset."""
    return epoch << OFFSET_BITS | offset


def first_wins(epoch: int, offset: int) -> int:
    """Order writes of one key the other way round: the earliest stays."""
    return _ALL_BITS - version_of(epoch, offset)
