"""`alerts.toml` as a model: what may stand in it. What it says of policies is checked elsewhere."""

from typing import Annotated, Final, Literal, Self

from pydantic import Field, model_validator

from schemas.alert_rules import REACH_MS, SURGE_WINDOW_MS, FloorCondition, Notifier
from schemas.alerts import Kind, Severity
from schemas.configuration.fields import CalendarName, Duration, DurationOrZero, JudgedWindow, Moment, Name, Section
from schemas.topics import Channel

Count = Annotated[int, Field(ge=0)]
CountFromOne = Annotated[int, Field(ge=1)]
Share = Annotated[float, Field(gt=0, le=1)]


class ContactSection(Section):
    """Which contacts raise alerts of their own."""

    channels: list[Channel] | None = Field(
        default=None, description="Contacts of these channels raise alerts; [] is none. Default: all."
    )
    at_risk: bool | None = Field(
        default=None, description="Whether a contact raises one when it is at risk, before the breach. Default: true."
    )


class AttainmentSection(Section):
    """The service level over the policy's window."""

    window: JudgedWindow | None = Field(
        default=None, description="Open time that is judged where the policy names no window, at most 24h. Default: 1h."
    )
    minimum_volume: Count | None = Field(
        default=None, description="From how many contacts on, where the policy names no number. Default: 20."
    )
    severity: Severity | None = Field(default=None, description="Default: warning.")


class IntervalSection(Section):
    """Half hours that attain the objective."""

    share: Share | None = Field(
        default=None,
        description="The least share of half hours that have to attain the objective. Default: not judged.",
    )
    minimum_volume: Count | None = Field(
        default=None, description="From how many contacts on a half hour counts. Default: 10."
    )
    minimum_intervals: CountFromOne | None = Field(
        default=None, description="From how many such half hours on it is judged. Default: 4."
    )
    severity: Severity | None = Field(default=None, description="Default: warning.")


class BurnRateEntry(Section):
    """One pair of windows, and how fast the budget may burn in both."""

    name: Name = Field(description="The name of the rule, shown in its alerts.")
    policy: Name | None = Field(
        default=None,
        description="Only this policy, for which it replaces the entry of the same name. Default: every policy.",
    )
    factor: float = Field(description="Above 1, and below 0.9 / (1 - objective).")
    long: Duration = Field(description="The long window in open time, at most 24h.")
    short: Duration = Field(description="The short window; the factor must be reached in both.")
    minimum_volume: CountFromOne = Field(description="From how many contacts in the long window on it is judged.")
    minimum_volume_short: CountFromOne = Field(description="The same for the short window.")
    severity: Severity = Field(default="critical", description="`critical` wants somebody now.")

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.short >= self.long:
            raise ValueError("the short window must be shorter than the long one")
        if self.long > REACH_MS:
            raise ValueError("the long window is longer than 24h, which is as far as alerts look back")
        return self


class BudgetEntry(Section):
    """What a policy's budget is made of."""

    policy: Name = Field(description="The policy.")
    contacts: CountFromOne = Field(
        description="Contacts expected in the period of its objective. Alerts then show the share of the budget used."
    )


#: Keys that one condition of the floor alone has.
_OWN_KEYS: Final = {
    "wait": "longest_wait",
    "contacts": "waiting",
    "group": "nobody_available",
    **dict.fromkeys(("tag", "window", "factor", "minimum_volume"), "surge"),
}


class FloorEntry(Section):
    """Something about each queue at this moment."""

    name: Name = Field(description="The name of the rule, shown in its alerts.")
    condition: FloorCondition = Field(description="What is judged in each queue that matches.")
    wait: Duration | None = Field(default=None, description="Of `longest_wait`: the longest acceptable wait.")
    contacts: CountFromOne | None = Field(
        default=None, description="Of `waiting`: how many waiting contacts are too many."
    )
    channel: Channel | None = Field(default=None, description="Only this channel.")
    queue: Name | None = Field(default=None, description="Only this queue.")
    group: Name | None = Field(
        default=None, description="Of `nobody_available`: the agents of this group. Default: all of the centre."
    )
    tag: Name | None = Field(
        default=None,
        description="Of `surge`: contacts with this tag, in all queues that match together; `*`: each tag by itself."
        " Default: the arrivals of each queue.",
    )
    window: Duration | None = Field(
        default=None, description="Of `surge`: how far back is counted, 15m to 4h of clock time. Default: 30m."
    )
    factor: float | None = Field(
        default=None,
        gt=1,
        description="Of `surge`: how many times as many as in the same hours of the last weeks. Default: 2.",
    )
    minimum_volume: CountFromOne | None = Field(
        default=None, description="Of `surge`: from how many contacts on. Default: 20."
    )
    hold: DurationOrZero | None = Field(default=None, description="How long it lasts before it fires. Default: 1m.")
    hours: Literal["open", "always"] = Field(
        default="open", description="Judge it while the queue's calendar is open, or always."
    )
    severity: Severity = Field(default="warning", description="`critical` wants somebody now.")

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        needed = {"longest_wait": "wait", "waiting": "contacts"}.get(self.condition)
        if needed is not None and getattr(self, needed) is None:
            raise ValueError(f"`{self.condition}` needs `{needed}`")
        for key, condition in _OWN_KEYS.items():
            if getattr(self, key) is not None and self.condition != condition:
                raise ValueError(f"`{self.condition}` has no `{key}`: leave it out")
        shortest, longest = SURGE_WINDOW_MS
        if self.window is not None and not shortest <= self.window <= longest:
            raise ValueError("the window of a surge lasts 15m to 4h")
        return self


class PipelineSection(Section):
    """When Pulssi itself needs somebody."""

    no_events: Duration | None = Field(
        default=None, description="Open time of the centre's calendar without an event of a channel. Default: 30m."
    )
    behind: Duration | None = Field(default=None, description="How far a part may be behind. Default: 1m.")
    away: Duration | None = Field(default=None, description="How long a part may show no sign of life. Default: 30s.")
    dead_letters: CountFromOne | None = Field(default=None, description="How many are too many. Default: 10.")
    dead_letters_within: Duration | None = Field(
        default=None, description="The time in which they are counted. Default: 15m."
    )
    hold: DurationOrZero | None = Field(default=None, description="How long it lasts before it fires. Default: 30s.")


class LifecycleSection(Section):
    """How alerts change their state."""

    hold: DurationOrZero | None = Field(
        default=None, description="How long an objective is missed before its alert fires. Default: 30s."
    )
    least_firing: DurationOrZero | None = Field(
        default=None, description="An alert fires at least so long; a contact's ends at once. Default: 1m."
    )
    least_resolved: DurationOrZero | None = Field(
        default=None, description="It stays resolved at least so long; a contact's may fire at once. Default: 1m."
    )
    hysteresis: Annotated[float, Field(ge=0, lt=1)] | None = Field(
        default=None,
        description="An alert resolves only when its value is better than the limit by this share of it. Default: 0.1.",
    )
    reminder: DurationOrZero | None = Field(
        default=None, description='How often a reminder of a firing alert is sent; "0s" is never. Default: 1h.'
    )
    keep: Duration | None = Field(default=None, description="How long a resolved alert is kept. Default: 24h.")


class MaintenanceEntry(Section):
    """A time in which matching alerts are silenced."""

    name: Name = Field(description="The name of the maintenance, shown in the alerts that it silences.")
    calendar: CalendarName | None = Field(
        default=None, description="The calendar whose hours count. Without it, from `valid_from` to `valid_until`."
    )
    during: Literal["open", "closed"] = Field(default="open", description="While the calendar is open, or closed.")
    valid_from: Moment | None = Field(default=None, description="Without a calendar: from then on.")
    valid_until: Moment | None = Field(default=None, description="Until then; of a day, until it begins.")
    rule: Name | None = Field(
        default=None, description="Only alerts of this policy or rule; `kind`, `channel` and `queue` work the same way."
    )
    kind: Kind | None = None
    channel: Channel | None = None
    queue: Name | None = None

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        times = self.valid_from is not None, self.valid_until is not None
        if times != ((False, False) if self.calendar is not None else (True, True)):
            raise ValueError("needs either `calendar`, or both `valid_from` and `valid_until`")
        return self


class Alerts(Section):
    """`alerts.toml`: the rules of alerts."""

    notifier: Notifier | None = Field(
        default=None,
        description="Who sends messages about objectives: `hooks`, the destinations of hooks.toml alone; or `grafana`,"
        " Grafana's contact points as well. Default: hooks.",
    )
    contact: ContactSection = ContactSection()
    attainment: AttainmentSection = AttainmentSection()
    interval: IntervalSection = IntervalSection()
    burn_rate: list[BurnRateEntry] | None = Field(default=None, description="Left out: the defaults; []: none.")
    budget: list[BudgetEntry] = Field(default=[], description="Budgets of policies.")
    floor: list[FloorEntry] | None = Field(default=None, description="Left out: the defaults; []: none.")
    pipeline: PipelineSection = PipelineSection()
    lifecycle: LifecycleSection = LifecycleSection()
    maintenance: list[MaintenanceEntry] = Field(default=[], description="Times in which alerts are silenced.")
