"""The content of a message, before a preset writes it in the form of its destination.

Of an alert: what slipped and where, by how much, since when, against which objective and formula, what to look at and
whom to call back. Texts are plain: each preset escapes and cuts them as its destination wants.
"""

from collections.abc import Iterator
from datetime import UTC, tzinfo
from typing import Final, Literal, NamedTuple

from schemas.alerts import Alert, Condition, CostlyContact, Dimensions, Measurement
from schemas.configuration.hook_models import Links
from schemas.policies import Metric
from schemas.topics import Channel
from sinks.hooks.links import alert_link, conversation_link
from sinks.hooks.wording import amount, duration, moment, printable

Status = Literal["pending", "firing", "acknowledged", "resolved", "tagged"]

_WHAT: Final[dict[Condition, str]] = {
    "at_risk": "A contact will miss its {metric} target soon",
    "breached": "A contact has missed its {metric} target",
    "attainment": "The service level is below its objective",
    "burn_rate": "The service level slips too fast",
    "interval_attainment": "Too few intervals are within the objective",
    "longest_wait": "Somebody waits too long",
    "waiting": "Too many contacts wait",
    "nobody_available": "Contacts wait and nobody is available",
    "surge": "Far more contacts than usual",
    "no_events": "No events arrive during opening hours",
    "part_behind": "A part of Pulssi is behind",
    "part_away": "A part of Pulssi does not answer",
    "dead_letters": "Bad records arrive",
}
_METRICS: Final[dict[Metric, str]] = {
    "first_response": "first response",
    "next_response": "next response",
    "queue_wait": "queue wait",
    "resolution": "resolution",
}
#: Conditions whose value is worse the lower it is.
_SHARES_THAT_FALL: Final = frozenset({"attainment", "interval_attainment"})


class TaggedContact(NamedTuple):
    """A tag that was put on a contact."""

    contact_id: str
    channel: Channel
    queue: str
    tag: str
    #: When, in UTC milliseconds.
    at: int
    source: str | None = None


class Line(NamedTuple):
    """A fact with its name."""

    label: str
    text: str


class ContactLine(NamedTuple):
    """A contact to look at, or to call back, with the conversation at its vendor."""

    text: str
    link: str | None
    contact_id: str


class Message(NamedTuple):
    """The content of a message."""

    status: Status
    title: str
    lines: tuple[Line, ...]
    contacts: tuple[ContactLine, ...]
    dashboard: str | None
    runbook: str | None
    #: When it happened, in UTC milliseconds.
    at: int
    about: Alert | TaggedContact

    @property
    def links(self) -> list[tuple[str, str]]:
        """The links to a dashboard and a runbook."""
        named = (("Dashboard", self.dashboard), ("Runbook", self.runbook))
        return [(label, link) for label, link in named if link is not None]


def alert_message(alert: Alert, links: Links, zone: tzinfo = UTC) -> Message:
    """Make the message about a change of an alert."""
    status: Status = "acknowledged" if alert.reason == "acknowledged" else alert.state
    metric = _METRICS[alert.measured.metric] if alert.measured.metric else "own"
    where = _where(alert.dimensions)
    heading = "STILL FIRING" if alert.reason == "reminder" else status.upper()
    title = f"[{heading}] {_WHAT[alert.condition].format(metric=metric)}: {printable(alert.rule)}"
    return Message(
        status=status,
        title=f"{title} ({where})" if where else title,
        lines=tuple(_lines(alert, zone)),
        contacts=tuple(_contact(each, links) for each in alert.contacts),
        dashboard=alert_link(links.dashboard, alert),
        runbook=alert_link(links.runbook, alert),
        at=alert.at,
        about=alert,
    )


def tag_message(tagged: TaggedContact, links: Links, zone: tzinfo = UTC) -> Message:
    """Make the message that a tag was put on a contact."""
    channel, queue, contact_id = tagged.channel, printable(tagged.queue), printable(tagged.contact_id)
    link = conversation_link(links, tagged.source, tagged.contact_id, channel, tagged.queue)
    return Message(
        status="tagged",
        title=f"Tag {printable(tagged.tag)}: {channel} in {queue}",
        lines=(Line("When", moment(tagged.at, zone)),),
        contacts=(ContactLine(f"{contact_id} ({channel}, {queue})", link, tagged.contact_id),),
        dashboard=None,
        runbook=None,
        at=tagged.at,
        about=tagged,
    )


def _where(dimensions: Dimensions) -> str:
    named = (
        ("", dimensions.channel),
        ("queue ", dimensions.queue),
        ("priority ", dimensions.priority),
        ("segment ", dimensions.segment),
        ("tag ", dimensions.tag),
        ("contact ", dimensions.contact_id),
    )
    return ", ".join(f"{label}{printable(value)}" for label, value in named if value)


def _lines(alert: Alert, zone: tzinfo) -> Iterator[Line]:
    measured = alert.measured
    yield Line("Measured", _measured(alert.condition, measured))
    if measured.n is not None and measured.bad is not None:
        yield Line("Missed", f"{measured.bad} of {measured.n} contacts")
    if measured.expected is not None:
        yield Line("Usual", _usual(measured))
    elif against := _against(measured):
        yield Line("Objective", against)
    since = alert.pending_since if alert.fired_at is None else alert.fired_at
    if alert.resolved_at is None:
        yield Line("Since", moment(since, zone))
    else:
        lasted = duration(alert.resolved_at - since)
        yield Line("Lasted", f"{lasted}, from {moment(since, zone)} until {moment(alert.resolved_at, zone)}")
    if alert.held:
        yield Line("Stale", "its figures are old, so it keeps its state until new ones come")
    if alert.acknowledged_by is not None:
        yield Line("Acknowledged", f"by {printable(alert.acknowledged_by)}")


def _measured(condition: Condition, measured: Measurement) -> str:
    """Write the measured value, and by how much it differs from its limit."""
    value, limit = amount(measured.value, measured.unit), amount(measured.limit, measured.unit)
    if condition == "at_risk" and measured.target_ms is not None and measured.unit == "ms":
        left = duration(max(measured.target_ms - measured.value, 0))
        return f"{value} of {duration(measured.target_ms)}: {left} left"
    # A share is below its objective by points; what is measured otherwise is above its limit.
    fallen = condition in _SHARES_THAT_FALL
    distance = measured.limit - measured.value if fallen else measured.value - measured.limit
    if distance <= 0:
        return f"{value}, limit {limit}"
    by = {"share": f"{100 * distance:.1f} points", "ratio": f"{distance:.1f}"}.get(measured.unit)
    return f"{value}, limit {limit}: {by or amount(distance, measured.unit)} {'below' if fallen else 'above'} it"


def _against(measured: Measurement) -> str:
    """Write the promise, how it is counted, and over which time."""
    parts: list[str] = []
    if measured.target_ms is not None:
        metric = "" if measured.metric is None else f"{_METRICS[measured.metric]} "
        share = "" if measured.objective is None else f"{amount(measured.objective, 'share')} of contacts: "
        parts.append(f"{share}{metric}within {duration(measured.target_ms)}")
    elif measured.objective is not None:
        parts.append(amount(measured.objective, "share"))
    if measured.formula is not None:
        parts.append(f"counted as {printable(measured.formula)}")
    if measured.window_ms is not None:
        short = "" if measured.short_window_ms is None else f" and {duration(measured.short_window_ms)}"
        parts.append(f"over {duration(measured.window_ms)}{short}")
    return ", ".join(parts)


def _usual(measured: Measurement) -> str:
    """Write what a surge is compared with."""
    over = "" if measured.window_ms is None else f" in the same {duration(measured.window_ms)}"
    return f"{measured.expected:.1f} contacts{over}, by the last {measured.weeks} weeks"


def _contact(contact: CostlyContact, links: Links) -> ContactLine:
    link = conversation_link(links, contact.source, contact.contact_id, contact.channel, contact.queue)
    where = f"{contact.channel}, {printable(contact.queue)}, {duration(contact.value_ms)}"
    return ContactLine(f"{printable(contact.contact_id)} ({where})", link, contact.contact_id)
