"""The rows that the sink writes: a class for each table, a field for each column. Pure.

Fields have the names that the stream's contracts give them. Times are UTC milliseconds; a missing dimension is an empty
string. A trailing underscore only keeps a name from being a keyword.
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

#: Makes a row of a class and its fields in order, in half the time that calling the class takes.
row_of: Final = tuple.__new__

_EVENT_KEY: Final = (
    *("contact_id", "agent_key", "event_id", "normalised", "occurred_at", "version", "type", "channel", "seq"),
)
#: What a column holds where the event gives nothing, by the type of its field: NULL (None) for numbers and booleans, as
#: 0 or false would be a statement.
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
    if name not in _EVENT_KEY
}
_ORIGIN: Final = {"extra": "", "received_at": 0, "topic": "", "partition": 0, "offset": 0, "epoch": 0}

#: Columns that a contact's summary fills; those of its deadlines follow.
CONTACT_FIELDS: Final = tuple(
    name for name in Summary.__annotations__ if name not in {"v", "step", "clocks", "pauses", "deadlines"}
)
#: For each running clock: its policy, when the contact becomes at risk, and when it passes the target.
_DEADLINES: Final = tuple(
    f"{metric}_{of}" for metric in get_args(Metric) for of in ("policy", "warns_at", "breached_at")
)
_SAMPLE_ORIGIN: Final = ("contact_id", "channel", "version", "retracted")
#: The columns before a pane's key; in the key the field `start` is the column `pane_start`.
_PANE_ORIGIN: Final = ("topic", "partition", "channel", "supplement", "version")


def _fields(*names: str, **defaults: Any) -> Any:  # noqa: ANN401 - mypy does not know fields that are derived
    """Make a class with these fields and then those that have defaults, for a row's class to be derived from."""
    columns = ["pane_start" if name == "start" else name for name in (*names, *defaults)]
    return namedtuple("Row", columns, defaults=defaults.values())  # noqa: PYI024 - as above


class EventRow(_fields(*_EVENT_KEY, **EVENT_FIELDS, **_ORIGIN)):  # type: ignore[misc]  # fields are derived
    """One archived content of one event id; `agent_key` names the agent of an agent's event, and is empty else."""

    __slots__ = ()


class SampleRow(_fields(*_SAMPLE_ORIGIN, *Sample._fields[:2], **Sample._field_defaults)):  # type: ignore[misc]  # as above
    """One sample, in effect or retracted."""

    __slots__ = ()


class PaneRow(_fields(*_PANE_ORIGIN, *PaneKey._fields, **Pane._field_defaults)):  # type: ignore[misc]  # as above
    """A pane's absolute value in one source partition and epoch; a supplement's step, else empty."""

    __slots__ = ()


class TagPaneRow(_fields(*_PANE_ORIGIN, *TagPaneKey._fields, *TagPane._fields)):  # type: ignore[misc]  # as above
    """A tag's absolute count in one source partition and epoch."""

    __slots__ = ()


class ContactRow(_fields("contact_id", "version", *CONTACT_FIELDS, *_DEADLINES)):  # type: ignore[misc]  # as above
    """A contact's latest state."""

    __slots__ = ()


class AlertDeliveryRow(NamedTuple):
    """One attempt to deliver."""

    alert_id: str
    destination: str
    webhook_id: str
    attempt: int
    version: int
    at: int
    status: str
    error: str


class AlertChangeRow(NamedTuple):
    """One change of an alert that fires or fired; dimensions that it does not have are empty."""

    alert_id: str
    sequence: int
    version: int
    key: str
    kind: str
    condition: str
    rule: str
    severity: str
    channel: str
    queue: str
    priority: str
    segment: str
    tag: str
    contact_id: str
    state: str
    reason: str
    at: int
    fired_at: int
    resolved_at: int | None
    held: bool
    silenced_by: str
    acknowledged_by: str
    acknowledged_at: int | None
    value: float
    limit: float
    unit: str
    n: int | None
    bad: int | None
    metric: str
    target_ms: int | None
    objective: float | None
    formula: str
    window_ms: int | None
    contacts: list[str]


class ObjectiveRow(NamedTuple):
    """How a policy's objective is met in a queue over a window; dimensions that it does not have are empty."""

    policy: str
    channel: str
    queue: str
    window_ms: int
    version: int
    at: int
    priority: str = ""
    segment: str = ""
    metric: str = ""
    n: int = 0
    attained: float | None = None
    attained_live: float | None = None
    objective: float | None = None
    burn_rate: float | None = None
    state: str = ""
    #: It is not judged any more.
    gone: bool = False


class SourceGaugeRow(NamedTuple):
    """The state of a queue as a polled source tells it; None: it does not.

    With an empty `queue` and `channel`: that answer of the source had no queue.
    """

    source: str
    account: str
    queue: str
    at: int
    version: int
    channel: str
    waiting: int | None = None
    longest_wait_ms: int | None = None
    handling: int | None = None
    agents_signed_in: int | None = None
    agents_available: int | None = None
    agents_away: int | None = None
    free_slots: int | None = None


class Progress(NamedTuple):
    """How far a source partition is written: all events below `next` are."""

    topic: str
    partition: int
    epoch: int
    next: int
    step: int
    #: Journal offset of the opening that wrote the step.
    opened: int
    #: Journal offset after the step: where reading continues.
    journal_end: int
    #: When that was written; the latest counts.
    at: int
    #: Contacts with parked events: read, and not counted yet.
    parked: int = 0
    #: The id that Kafka gave the journal's topic.
    journal: str = ""


#: Bits of a version that hold the offset; the epoch stands above them.
OFFSET_BITS: Final = 40
_ALL_BITS: Final = (1 << 64) - 1


def version_of(epoch: int, offset: int) -> int:
    """Return a version by epoch, then journal offset: of several rows of a key the latest wins."""
    return epoch << OFFSET_BITS | offset


def first_wins_version(epoch: int, offset: int) -> int:
    """Return a version in reverse order: of several rows of a key the earliest wins."""
    return _ALL_BITS - version_of(epoch, offset)
