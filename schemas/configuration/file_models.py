"""The configuration files, a model each: what may stand in them. What one file says of another is checked elsewhere."""

from typing import Annotated, Any, Final, Literal, Self

from pydantic import Field, model_validator

from schemas.calendars import Span
from schemas.configuration.alert_file import Alerts, BudgetEntry, BurnRateEntry, FloorEntry, MaintenanceEntry
from schemas.configuration.board_file import BoardEntry, BoardsFile, PublicEntry
from schemas.configuration.fields import (
    CalendarName,
    Country,
    Day,
    Duration,
    DurationOrZero,
    JudgedWindow,
    Moment,
    Name,
    Section,
    Spans,
    Zone,
)
from schemas.configuration.hook_models import DestinationEntry, HooksFile
from schemas.configuration.source_models import SourceEntry, SourcesFile
from schemas.events import Priority
from schemas.policies import Metric
from schemas.topics import Channel


def _key(description: str, default: Any = None) -> Any:  # noqa: ANN401 - a default of any key's type
    """Describe a key that may be left out."""
    return Field(default=default, description=description)


Share = Annotated[float, Field(gt=0, le=1)]


class PerChannel(Section):
    """A duration for each channel; what is left out has its default."""

    chat: Duration | None = None
    email: Duration | None = None
    call: Duration | None = None


class Centre(Section):
    """`centre.toml`: what holds for the whole centre."""

    time_zone: Zone | None = _key(
        "Where the centre is. The settings' `time_zone` overrides it; default: UTC. ClickHouse's views follow a change"
        " with the next `pulssi migrate`."
    )
    calendar: CalendarName | None = _key("The calendar of queues that name none. Default: there is none.")
    short_abandon: DurationOrZero | None = _key(
        "An abandonment before this is short: nobody could have answered. Default: 5s."
    )
    patience: PerChannel = _key("A response that takes longer counts as slow. Default: 2m, e-mail 24h.", PerChannel())
    horizons: PerChannel = _key(
        "How long a contact stays in memory after its last event. Default: chat 2d, e-mail 30d, call 1d.", PerChannel()
    )
    bad_record_share: Share | None = _key(
        "If more than this share of a partition's last 1,000 records is bad, the worker stops. Default: 0.5."
    )


class Week(Section):
    """Opening hours by weekday; a day beats `weekdays` and `weekend`, these beat `every_day`; no hours: closed."""

    every_day: Spans | None = _key("Hours of days that are not named otherwise.")
    weekdays: Spans | None = _key("Monday to Friday; overrides `every_day`.")
    weekend: Spans | None = _key("Saturday and Sunday; overrides `every_day`.")
    monday: Spans | None = _key("Overrides `weekdays`; so do the others.")
    tuesday: Spans | None = None
    wednesday: Spans | None = None
    thursday: Spans | None = None
    friday: Spans | None = None
    saturday: Spans | None = _key("Overrides `weekend`.")
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
    valid_from: Day | None = _key(
        "The first day, in the calendar's own time zone; the earliest hours of a name hold before it too."
    )
    time_zone: Zone | None = _key("Default: the centre's.")
    holidays: Country | None = _key("Closed on the public holidays there.")
    week: Week = Week()
    closed: list[Day] = _key("Days on which it is closed.", [])
    extra: dict[Day, Spans] = _key("Days with hours of their own, whatever day that is.", {})

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
    calendar: CalendarName | None = _key("Default: the centre's.")
    time_zone: Zone | None = _key("Where the queue is; default: the centre's.")


class Queues(Section):
    """`queues.toml`: queues that differ from the centre."""

    queue: list[QueueEntry] = Field(default=[])


class PolicyEntry(Section):
    """One policy; another of the same name with a later `valid_from` takes its place from then on."""

    name: Name = Field(description="The same name again with `valid_from` replaces this policy from that day on.")
    metric: Metric = Field(description="What is measured.")
    target: Duration = Field(description="Within this time.")
    objective: Share = _key("The share of contacts that is to be within the target.", 0.8)
    channel: Channel | None = _key("Applies to this channel only; `queue`, `priority` and `segment` work the same way.")
    queue: Name | None = None
    priority: Priority | None = None
    segment: Name | None = _key("A group of customers, as the events name it.")
    warning: DurationOrZero | None = _key(
        "How long before the breach a contact is at risk; default: a quarter of the target."
    )
    calendar: CalendarName | None = _key("Default: the queue's, else the centre's.")
    clock: Literal["time", "calendar"] | None = _key(
        "Which clock the target is measured in: clock time, or business time in the calendar. "
        "Default: the calendar where the policy names one, else clock time."
    )
    pauses: Literal["count", "stop"] = _key("Of a resolution: whether pauses count, or stop the clock.", "count")
    formula: Literal["short_excluded", "answered_only", "offered", "abandons_met", "excluding_abandoned_within"] = _key(
        "How the service level is counted.", "short_excluded"
    )
    objective_per: Literal["queue", "channel"] = _key(
        "Whether the objective is judged in each queue by itself, or in all queues of a channel together.", "queue"
    )
    window: JudgedWindow | None = _key("Over how long the objective is judged, in open time, at most 24h.")
    minimum_volume: Annotated[int, Field(ge=0)] = _key("From how many contacts in the window on it is judged.", 0)
    valid_from: Moment | None = _key(
        "From then on; a day begins in the centre's time zone. Change `clock`, `pauses`, or whether there is a "
        "`calendar`, only with `valid_from`: samples do not say by which clock they were judged, and without it "
        "Grafana reads older samples by the new clock."
    )
    valid_until: Moment | None = _key("Until then; of a day, until it begins.")

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.warning is not None and self.warning > self.target:
            raise ValueError("the warning is longer than the target")
        if self.pauses == "stop" and self.metric != "resolution":
            raise ValueError(f"pauses stop the clock of a resolution only, not of {self.metric}: leave `pauses` out")
        if self.objective_per == "channel" and self.queue is not None:
            raise ValueError("applies to one queue only: leave `objective_per` out")
        return self


class Policies(Section):
    """`policies.toml`: what is promised. The first policy of a metric whose conditions hold applies."""

    policy: list[PolicyEntry] | None = _key("Left out: the defaults; []: none.")


class TagEntry(Section):
    """One tag that is known."""

    name: Name = Field(description="Case, spaces around and forms of letters do not matter.")
    aliases: list[Name] = _key("Other names of it.", [])
    valid_from: Moment | None = _key("From then on; a day begins in the centre's time zone.")
    valid_until: Moment | None = _key("Until then; of a day, until it begins.")


class TaxonomyFile(Section):
    """`taxonomy.toml`: the tags that are known, with other names of each."""

    tag: list[TagEntry] | None = _key("Left out: every tag is known.")


#: Each file's name without its ending, and its model.
FILES: Final[dict[str, type[Section]]] = {
    "centre": Centre,
    "calendars": Calendars,
    "queues": Queues,
    "policies": Policies,
    "taxonomy": TaxonomyFile,
    "alerts": Alerts,
    "hooks": HooksFile,
    "boards": BoardsFile,
    "sources": SourcesFile,
}

#: In which file, and under which key of it, entries of a kind stand.
ENTRIES: Final[dict[type[Section], tuple[str, str]]] = {
    CalendarEntry: ("calendars", "calendar"),
    QueueEntry: ("queues", "queue"),
    PolicyEntry: ("policies", "policy"),
    TagEntry: ("taxonomy", "tag"),
    BurnRateEntry: ("alerts", "burn_rate"),
    BudgetEntry: ("alerts", "budget"),
    FloorEntry: ("alerts", "floor"),
    MaintenanceEntry: ("alerts", "maintenance"),
    DestinationEntry: ("hooks", "destination"),
    BoardEntry: ("boards", "board"),
    PublicEntry: ("boards", "public"),
    SourceEntry: ("sources", "source"),
}
