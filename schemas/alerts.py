"""An alert as the topic `alerts` holds it: one cause, the state it is in, and how it got there.

A cause is a rule with the dimensions it is judged for, and its key names both. The whole alert is written at each
change, so that whoever reads the newest record of a key knows all about it. Times are UTC milliseconds.
"""

import hashlib
from typing import Final, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from schemas.objectives import OBJECTIVES
from schemas.policies import Metric
from schemas.topics import Channel

#: Version of this record and of the hooks' bodies; a change that an old reader would misread raises it.
VERSION: Final = 1

#: Compacted; key = `Alert.key`, value = `Alert` as JSON; a tombstone removes an alert that is over.
ALERTS: Final = "alerts"
#: The key of the record with which a writer opens the topics `alerts` and `alert_deliveries`; readers pass it over.
OPENING_KEY: Final = b"opening"
#: What people do about alerts: key = the id of the alert or the silence, value = `Command` as JSON.
ALERT_COMMANDS: Final = "alerts.commands"
#: Compacted; key = `webhook-id`, value = `DeliveryRecord` as JSON.
ALERT_DELIVERIES: Final = "alert_deliveries"
#: The key of the deliverer's own record there, `DelivererState` as JSON.
STATE_KEY: Final = b"state"
#: Topics of one partition, whatever the settings say: their records have one order.
ALERT_TOPICS: Final = (ALERTS, ALERT_COMMANDS, ALERT_DELIVERIES, OBJECTIVES)

#: How many changes an alert remembers.
HISTORY_AT_MOST: Final = 32
#: How many contacts an alert names.
CONTACTS_AT_MOST: Final = 10
#: How many attempts a delivery remembers.
ATTEMPTS_AT_MOST: Final = 16

#: A cause is seen, but not for long enough; people are notified of it; it is over.
State = Literal["pending", "firing", "resolved"]
#: What is judged: one contact, a policy's objective, the floor, or Pulssi itself.
Kind = Literal["contact", "objective", "floor", "pipeline"]
Condition = Literal[
    "at_risk",
    "breached",
    "attainment",
    "burn_rate",
    "interval_attainment",
    "longest_wait",
    "waiting",
    "nobody_available",
    "surge",
    "no_events",
    "part_behind",
    "part_away",
    "dead_letters",
]
#: `critical` wants somebody now, `warning` in working hours.
Severity = Literal["critical", "warning"]
#: Why a record was written.
Reason = Literal[
    "first", "changed", "reminder", "resolved", "acknowledged", "held", "released", "silenced", "unsilenced"
]
Unit = Literal["ms", "share", "count", "ratio"]


#: What an attempt to deliver came to; `not_sent`: the destination was disabled or taken away.
AttemptOutcome = Literal["delivered", "retry", "throttled", "permanent", "gone", "not_sent"]


class NewerVersionError(ValueError):
    """A newer version of Pulssi wrote a record: what it says is not known here."""


class _Record(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True, strict=True)


class Dimensions(_Record):
    """What a cause is judged for; None stands for all."""

    channel: Channel | None = None
    queue: str | None = None
    priority: str | None = None
    segment: str | None = None
    tag: str | None = None
    contact_id: str | None = None


class CostlyContact(_Record):
    """A contact that an alert is about, or that cost an objective most."""

    contact_id: str
    channel: Channel
    queue: str
    #: What it took, or has taken so far, by the policy's clock.
    value_ms: int
    #: The system that it came from, where that is known: it selects the template of the link to the conversation.
    source: str | None = None


class Measurement(_Record):
    """What the rule saw at its last judgement, and what it is held against."""

    value: float
    limit: float
    unit: Unit
    #: Contacts that were judged, and those of them beyond the target.
    n: int | None = None
    bad: int | None = None
    metric: Metric | None = None
    target_ms: int | None = None
    objective: float | None = None
    #: The service-level formula by name.
    formula: str | None = None
    #: The rolling window, and the short one of a burn rate, in open time.
    window_ms: int | None = None
    short_window_ms: int | None = None
    #: The share of the period's budget that the bad contacts of the window used, where the policy has a budget.
    budget_used: float | None = None
    #: Of a surge: the mean of the same hours of so many of the last weeks.
    expected: float | None = None
    weeks: int | None = None


class Change(_Record):
    """One change of an alert's history."""

    at: int
    state: State
    reason: Reason
    #: Who acknowledged or silenced it.
    by: str | None = None


class Alert(_Record):
    """One cause, whole."""

    v: int = VERSION
    key: str
    #: Of this firing: made of the key and `fired_at`; empty while pending.
    id: str = ""
    #: Rises by one with each record of the key, so that a receiver can put them in order.
    sequence: int
    kind: Kind
    condition: Condition
    #: The policy, or the rule of `alerts.toml`.
    rule: str
    severity: Severity
    dimensions: Dimensions = Dimensions()
    state: State
    reason: Reason
    #: When this record's change happened.
    at: int
    pending_since: int
    fired_at: int | None = None
    resolved_at: int | None = None
    #: Whether its figures are too old to be judged by: it keeps its state until they are not.
    held: bool = False
    #: Whether people were told that it fires: then they are told, too, that it is resolved.
    notified: bool = False
    #: The silence or maintenance window that keeps it quiet.
    silenced_by: str | None = None
    acknowledged_by: str | None = None
    acknowledged_at: int | None = None
    measured: Measurement
    #: The costliest first.
    contacts: list[CostlyContact] = Field(default=[], max_length=CONTACTS_AT_MOST)
    #: The newest last.
    history: list[Change] = Field(default=[], max_length=HISTORY_AT_MOST)


class Acknowledge(_Record):
    """Somebody looks after an alert: reminders stop."""

    type: Literal["acknowledge"]
    at: int
    by: str
    alert_id: str


class Silence(_Record):
    """Alerts that match fire and resolve as usual, but nobody is notified until a time."""

    type: Literal["silence"]
    at: int
    by: str
    silence_id: str
    until: int
    #: What matches: every field that is given has to; the names are those of `Alert` and `Dimensions`.
    rule: str | None = None
    kind: Kind | None = None
    dimensions: Dimensions = Dimensions()
    comment: str = ""


class EndSilence(_Record):
    """A silence ends before its time."""

    type: Literal["end_silence"]
    at: int
    by: str
    silence_id: str


class Retry(_Record):
    """A delivery is tried once more at once, also one that was given up."""

    type: Literal["retry"]
    at: int
    by: str
    webhook_id: str


Command = Acknowledge | Silence | EndSilence | Retry

_COMMAND: Final[TypeAdapter[Command]] = TypeAdapter(Command)


class DeliveryAttempt(_Record):
    """What came of one attempt to deliver."""

    at: int
    outcome: AttemptOutcome
    #: For people, without addresses and secrets.
    why: str


class DeliveryRecord(_Record):
    """A message to one destination, about one change of an alert or one tag of a contact, and its attempts so far."""

    v: int = VERSION
    webhook_id: str
    #: By name.
    destination: str
    #: Deliveries of one queue to one destination come in order: the alert's key, or the webhook's id of a tag.
    queue: str
    #: The order within the queue.
    sequence: int
    #: Of the alert; empty for a tag, and while pending.
    alert_id: str
    #: What people are told in one line.
    title: str
    #: When the change happened.
    at: int
    #: When the alert was resolved.
    resolved_at: int | None = None
    status: Literal["waiting", "delivered", "given_up"] = "waiting"
    #: When the next attempt is due, while it waits.
    next_at: int = 0
    #: Attempts since the beginning, or since somebody asked for another one.
    tried: int = 0
    #: All attempts; `attempts` has the newest of them, the newest last.
    attempted: int = 0
    attempts: list[DeliveryAttempt] = Field(default=[], max_length=ATTEMPTS_AT_MOST)
    retried_at: int | None = None
    #: What is sent, the same at each attempt; None once it need not be sent again.
    body: str | None


class DestinationState(_Record):
    """Since when a destination gets messages, and its failures."""

    #: From this offset of the topic `alerts` on, and for tags from this time on, it gets messages.
    begins: int
    since: int
    #: Hash of the filter for tags: with another filter, messages about tags begin at the present.
    filtered: str
    failing_since: int | None = None
    failures: int = 0
    disabled_at: int | None = None
    #: While its entry is faulty: the first offset of the topic `alerts` without deliveries for it.
    held_from: int | None = None


class DelivererState(_Record):
    """How far the topic `alerts` was read, and for which destinations."""

    v: int = VERSION
    #: The next offset: all changes before it have their deliveries.
    position: int
    #: The id that Kafka gave the topic `alerts`: a recreated one has another. Empty: not known.
    topic: str = ""
    destinations: dict[str, DestinationState] = {}


def alert_id(key: str, fired_at: int) -> str:
    """Name one firing of a cause: the same firing, judged again, has the same id."""
    return hashlib.sha256(f"{key}\n{fired_at}".encode()).hexdigest()[:24]


_R = TypeVar("_R", Alert, DeliveryRecord, DelivererState)


def _decoded(kind: type[_R], value: bytes) -> _R:
    try:
        found = kind.model_validate_json(value)
    except ValueError:
        if _version(value) > VERSION:
            raise NewerVersionError("a newer version wrote it") from None
        raise
    if found.v > VERSION:
        raise NewerVersionError("a newer version wrote it")
    return found


def _version(value: bytes) -> int:
    try:
        return _Version.model_validate_json(value).v
    except ValueError:
        return 0


class _Version(_Record):
    v: int


def decode_alert(value: bytes) -> Alert:
    """Read an alert's record. Raises ValueError, NewerVersionError where a newer version wrote it."""
    return _decoded(Alert, value)


def decode_state(value: bytes) -> DelivererState:
    """Read the deliverer's own record. Raises as `decode_alert`."""
    return _decoded(DelivererState, value)


def decode_command(value: bytes) -> Command:
    """Read a command's record. Raises ValueError."""
    return _COMMAND.validate_json(value)


def decode_delivery(key: bytes, value: bytes) -> DeliveryRecord | None:
    """Read a record of the topic `alert_deliveries`; None for one that is of no delivery. Raises as `decode_alert`."""
    return None if key in {OPENING_KEY, STATE_KEY} else _decoded(DeliveryRecord, value)
