"""What a webhook is sent: published, so that receivers can be written against it.

Versioned as the record of an alert is: a new field may come at any time, a changed one raises `v`.
"""

from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from schemas.alerts import VERSION, Condition, Dimensions, Kind, Measurement, Reason, Severity, State
from schemas.topics import Channel

#: What a receiver has to take; Standard Webhooks asks for less than 20 kB.
BODY_BYTES_AT_MOST: Final = 20_000


class _Part(BaseModel):
    # A field's docstring is its description.
    model_config = ConfigDict(extra="allow", frozen=True, strict=True, use_attribute_docstrings=True)


class HookContact(_Part):
    """A contact to look at, or to call back."""

    contact_id: str
    channel: Channel
    queue: str
    value_ms: int | None = None
    """What it took, or has taken so far, by the policy's clock."""
    source: str | None = None
    link: str | None = None
    """The conversation at its vendor."""


class AlertData(_Part):
    """One change of an alert."""

    v: int = VERSION
    alert_id: str
    """Of this firing; empty while it is pending."""
    key: str
    """Of the cause: the same at each of its firings."""
    sequence: int
    """Rises with each change of the cause: what comes later has the higher number."""
    kind: Kind
    condition: Condition
    rule: str
    severity: Severity
    state: State
    reason: Reason
    title: str
    text: list[str]
    """The same for people, a line each, in English."""
    dimensions: Dimensions
    measured: Measurement
    pending_since: str
    fired_at: str | None
    resolved_at: str | None
    held: bool
    """Whether its figures are too old to be judged by."""
    acknowledged_by: str | None
    contacts: list[HookContact]
    """The costliest first."""
    contacts_left_out: int
    """How many more the alert names, which did not fit."""
    dashboard: str | None
    runbook: str | None


class AlertHook(_Part):
    """An alert has changed."""

    type: Literal["alert.pending", "alert.firing", "alert.acknowledged", "alert.resolved"]
    timestamp: str = Field(json_schema_extra={"format": "date-time"})
    """When it changed (RFC 3339, UTC)."""
    data: AlertData


class TagData(_Part):
    """A tag that was put on a contact."""

    v: int = VERSION
    tag: str
    title: str
    contact: HookContact


class TagHook(_Part):
    """A tag was put on a contact; told once for a contact and tag."""

    type: Literal["contact.tagged"]
    timestamp: str = Field(json_schema_extra={"format": "date-time"})
    """When (RFC 3339, UTC)."""
    data: TagData


HOOK: Final[TypeAdapter[AlertHook | TagHook]] = TypeAdapter(AlertHook | TagHook)
