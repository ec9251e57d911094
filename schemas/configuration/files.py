"""The configuration files, a model each: what may stand in them. What one file says of another is checked elsewhere."""

from __future__ import annotations

from typing import Annotated, Final, Literal, Self

from pydantic import Field, model_validator

from schemas.calendars import Span
from schemas.configuration.fields import (
    CalendarName,
    Country,
    Day,
    Duration,
    DurationOrNone,
    Moment,
    Name,
    Section,
    Spans,
    Zone,
)
from schemas.policies import Metric


class PerChannel(Section):
    """A duration for each channel; what is left out has its default."""

    chat: Duration | None = None
    email: Duration | None = None
    call: Duration | None = None


class Centre(Section):
    """`centre.toml`: what holds for the whole centre."""

    time_zone: Zone | None = Field(
        default=None, description="Where the centre is. The settings' `time_zone` goes before it; default: UTC."
    )
    calendar: CalendarName | None = Field(
        default=None, description="The calendar of queues that name none. Default: there is none."
    )
    short_abandon: DurationOrNone | None = Field(
        default=None, description="An abandonment before this is short: nobody could have answered. Default: 5s."
    )
    patience: PerChannel = Field(
        default=PerChannel(), description="A response that takes longer counts as slow. Default: 2m, e-mail 24h."
    )
    horizons: PerChannel = Field(
        default=PerChannel(),
        description="How long a contact stays in memory after its last event. Default: chat 2d, e-mail 30d, call 1d.",
    )
    bad_record_share: Annotated[float, Field(gt=0, le=1)] | None = Field(
        default=None,
        description="A run of records of which more than this share is bad stops the worker. Default: 0.5.",
    )


class Week(Section):
    """Opening hours by weekday; a day beats `weekdays` and `weekend`, these beat `every_day`; no hours: closed."""

    every_day: Spans | None = Field(default=None, description="Hours of days that are not named otherwise.")
    weekdays: Spans | None = Field(default=None, description="Monday to Friday; goes before `every_day`.")
    weekend: Spans | None = Field(default=None, description="Saturday and Sunday; goes before `every_day`.")
    monday: Spans | None = Field(default=None, description="Goes before `weekdays`; so do the others.")
    tuesday: Spans | None = None
    wednesday: Spans | None = None
    thursday: Spans | None = None
    friday: Spans | None = None
    saturday: Spans | None = Field(default=None, description="Goes before `weekend`.")
    sunday: Spans | None = None

    def spans(self) -> tuple[tuple[Span, ...], ...]:
        """Give each weekday's spans, Monday first."""
        own = (self.monday, self.tuesday, self.wednesday, self.thursday, self.friday, self.saturday, self.sunday)
        parts = (*(self.weekdays,) * 5, *(self.weekend,) * 2)
        return tuple(
            next((spans for spans in (day, part, self.every_day) if spans is not None), ())
            for day, part in zip(own, parts, strict=True)
        )


class CalendarEntry(Section):
    """One calendar's hours; another of the same name with a later `valid_from` takes its place from that day on."""

    name: Name = Field(description="What others refer to; the same one again, with `valid_from`: other hours later.")
    valid_from: Day | None = Field(
        default=None,
        description="The first day, in the calendar's own time zone; the earliest hours of a name hold before it too.",
    )
    time_zone: Zone | None = Field(default=None, description="Default: the centre's.")
    holidays: Country | None = Field(default=None, description="Closed on the public holidays there.")
    week: Week = Week()
    closed: list[Day] = Field(default=[], description="Days on which it is closed.")
    extra: dict[Day, Spans] = Field(default={}, description="Days with hours of their own, whatever day that is.")

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        both = sorted(set(self.closed) & self.extra.keys())
        if both:
            raise ValueError(f"{both[0]} is closed and has hours of its own: take one away")
        return self


class Calendars(Section):
    """`calendars.toml`: when somebody is there."""

    calendar: list[CalendarEntry] = Field(default=[])


class QueueEntry(Section):
    """What holds for one queue."""

    name: Name = Field(description="As the events name it.")
    calendar: CalendarName | None = Field(default=None, description="Default: the centre's.")
    time_zone: Zone | None = Field(default=None, description="Where the queue is; default: the centre's.")


class Queues(Section):
    """`queues.toml`: queues that differ from the centre."""

    queue: list[QueueEntry] = Field(default=[])


class PolicyEntry(Section):
    """One policy; another of the same name with a later `valid_from` takes its place from then on."""

    name: Name = Field(description="The same one again, with `valid_from`: another in its place from then on.")
    metric: Metric = Field(description="What is measured.")
    target: Duration = Field(description="Within this time.")
    objective: Annotated[float, Field(gt=0, le=1)] = Field(
        default=0.8, description="The share of contacts that is to be within the target."
    )
    channel: Literal["chat", "email", "call"] | None = Field(
        default=None, description="Only for it; so the next three."
    )
    queue: Name | None = None
    priority: Literal["low", "normal", "high", "urgent"] | None = None
    segment: Name | None = Field(default=None, description="A group of customers, as the events name it.")
    warning: DurationOrNone | None = Field(
        default=None, description="How long before the breach a contact is at risk; default: a quarter of the target."
    )
    calendar: CalendarName | None = Field(default=None, description="Default: the queue's, else the centre's.")
    clock: Literal["time", "calendar"] | None = Field(
        default=None,
        description="What the target is held against: clock time, or business time in the calendar. Default: the "
        "calendar where the policy names one, else clock time.",
    )
    pauses: Literal["count", "stop"] = Field(
        default="count",
        description="Of a resolution: whether pauses count, or stop the clock.",
    )
    formula: Literal["short_excluded", "answered_only", "offered", "abandons_met", "excluding_abandoned_within"] = (
        Field(default="short_excluded", description="How the service level is counted.")
    )
    window: Duration | None = Field(default=None, description="Over how long the objective is judged.")
    minimum_volume: Annotated[int, Field(ge=0)] = Field(
        default=0, description="From how many contacts in the window on it is judged."
    )
    valid_from: Moment | None = Field(default=None, description="From then on; a day begins in the centre's time zone.")
    valid_until: Moment | None = Field(default=None, description="Up to then, and not longer.")

    @model_validator(mode="after")
    def _warning_fits(self) -> Self:
        if self.warning is not None and self.warning > self.target:
            raise ValueError("the warning is longer than the target")
        return self

    @model_validator(mode="after")
    def _can_pause(self) -> Self:
        if self.pauses == "stop" and self.metric != "resolution":
            raise ValueError(f"pauses stop the clock of a resolution only, not of {self.metric}: leave `pauses` out")
        return self


class Policies(Section):
    """`policies.toml`: what is promised. The first policy of a metric whose conditions hold applies."""

    policy: list[PolicyEntry] | None = Field(default=None, description="Left out: the defaults; []: none.")


class TagEntry(Section):
    """One tag that is known."""

    name: Name = Field(description="Case, spaces around and forms of letters do not matter.")
    aliases: list[Name] = Field(default=[], description="Other names of it.")
    valid_from: Moment | None = Field(default=None, description="From then on; a day begins in the centre's time zone.")
    valid_until: Moment | None = Field(default=None, description="Up to then, and not longer.")


class TaxonomyFile(Section):
    """`taxonomy.toml`: the tags that are known, with other names of each."""

    tag: list[TagEntry] | None = Field(default=None, description="Left out: every tag is known.")


#: Each file's name without its ending, and what it may say.
TOPICS: Final[dict[str, type[Section]]] = {
    "centre": Centre,
    "calendars": Calendars,
    "queues": Queues,
    "policies": Policies,
    "taxonomy": TaxonomyFile,
}

#: In which file, and under which key of it, entries of a kind stand.
ENTRIES: Final[dict[type[Section], tuple[str, str]]] = {
    CalendarEntry: ("calendars", "calendar"),
    QueueEntry: ("queues", "queue"),
    PolicyEntry: ("policies", "policy"),
    TagEntry: ("taxonomy", "tag"),
}
