"""Writes a contact's samples, and keeps the dimensions in force (`InForce`), the last named up to each event."""

from collections.abc import Iterable
from typing import Final

from schemas.policies import Metric, Policy, Rules, calendar_for, policy_for
from schemas.samples import Sample, SampleName
from streams.core.business_time import business_ms as business_between
from streams.core.business_time import in_hours
from streams.core.event import Event, new_tuple

#: The queue before any is named.
UNASSIGNED: Final = "unassigned"

#: Fields that stay in force.
_NAMED: Final = frozenset({"queue", "priority", "team", "segment", "language", "customer_id"})

#: Queue, priority, team, segment, language and agent, as a sample has them.
Dimensions = tuple[str, str, str, str, str, str]


class InForce:
    """Queue, priority, team, segment, language and agent in force: the last named up to and including an event."""

    __slots__ = (
        *("_dimensions", "agent", "customer", "first_queue", "knows_first_queue", "language", "last_agent", "priority"),
        *("queue", "segment", "team"),
    )

    def __init__(self, events: list[Event]) -> None:
        self.queue = UNASSIGNED
        self.priority = "normal"
        self.team = ""
        self.segment = ""
        self.language = ""
        self.customer = ""
        #: The event's own agent, else the last who connected or replied.
        self.agent = ""
        #: The last who connected or replied.
        self.last_agent = ""
        first = next((event.fields["queue"] for event in events if "queue" in event.fields), None)
        #: Whether any event names a queue, and the first.
        self.knows_first_queue = first is not None
        self.first_queue = first or UNASSIGNED
        #: All of them, until one changes.
        self._dimensions: Dimensions | None = None

    def dimensions(self) -> Dimensions:
        """Give what is in force now, in the order of a sample's columns."""
        if self._dimensions is None:
            self._dimensions = self.queue, self.priority, self.team, self.segment, self.language, self.agent
        return self._dimensions

    def apply(self, event: Event) -> None:
        """Take over what an event names."""
        get = event.fields.get
        agent: str = get("agent_id", self.last_agent)
        if agent != self.agent:
            self.agent, self._dimensions = agent, None
        if _NAMED.isdisjoint(event.fields):
            return
        self._dimensions = None
        if not self.knows_first_queue and "queue" in event.fields:
            self.first_queue, self.knows_first_queue = event.fields["queue"], True
        self.queue = get("queue", self.queue)
        self.priority = get("priority", self.priority)
        self.team = get("team", self.team)
        self.segment = get("segment", self.segment)
        self.language = get("language", self.language)
        self.customer = get("customer_id", self.customer)


class SampleWriter:
    """Collects a contact's samples; dimensions are those in force, but where the caller names others."""

    __slots__ = ("_has_calendars", "channel", "in_force", "partial", "rules", "samples")

    def __init__(self, channel: str, in_force: InForce, rules: Rules, *, partial: bool) -> None:
        self.channel = channel
        self.in_force = in_force
        self.rules = rules
        self.partial = partial
        self.samples: list[Sample] = []
        #: Most centres have none; then none is looked up, which would happen a dozen times a contact.
        self._has_calendars = rules.calendar is not None or bool(rules.queue_calendars)

    def write(
        self,
        sample: SampleName,
        event: Event,
        slot: str | None = None,
        *,
        by: Dimensions | None = None,
        queue: str | None = None,
        tag: str = "",
        outcome: str = "",
        value_ms: int | None = None,
        since: int | None = None,
        business_ms: int | None = None,
        active_ms: int | None = None,
        pauses: Iterable[tuple[int, int]] = (),
        value: int | None = None,
        policy: Policy | None = None,
        short: bool | None = None,
        satisfied: bool | None = None,
        instance: int | None = None,
    ) -> None:
        """Write a sample at the event that caused it.

        The slot is the event's id unless named, the dimensions those in force now unless given (`by`), the queue the
        one among them unless named. A `policy` is what the value is held against, by the clock that the policy names;
        business time is that from `since` to the event, unless given: a duration needs `since` or `business_ms`, else
        it has no business time. Where there is an `active_ms`, that is the value without its `pauses`.
        """
        queue_in_force, priority, team, segment, language, agent = by or self.in_force.dimensions()
        if queue is None:
            queue = queue_in_force
        name, target_ms, within, is_open, active_business_ms = "", None, None, None, None
        if self._has_calendars or policy is not None:
            stops = policy is not None and policy.pauses == "stop"
            compared_ms = active_ms if stops else value_ms
            calendar = calendar_for(self.rules, queue, policy)
            if calendar is not None:
                is_open = in_hours(calendar, event.at)
                if since is not None:
                    business_ms = business_between(calendar, since, event.at)
                if active_ms is not None and business_ms is not None:
                    paused = sum([business_between(calendar, *pause) for pause in pauses])
                    active_business_ms = business_ms - paused
                if policy is not None and policy.clock == "calendar":
                    compared_ms = active_business_ms if stops else business_ms
            if policy is not None:
                name, target_ms = policy.name, policy.target_ms
                within = None if compared_ms is None else compared_ms <= target_ms
        row = (
            sample,
            event.event_id if slot is None else slot,
            event.at,
            queue,
            priority,
            team,
            segment,
            language,
            agent,
            tag,
            outcome,
            value_ms,
            business_ms,
            active_ms,
            active_business_ms,
            value,
            name,
            target_ms,
            within,
            short,
            satisfied,
            self.partial,
            is_open,
            instance,
            event.event_id,
        )
        self.samples.append(new_tuple(Sample, row))

    def business_ms(self, queue: str, since: int, until: int) -> int | None:
        """Give the business time between two instants by a queue's calendar; None where there is none."""
        calendar = calendar_for(self.rules, queue, None) if self._has_calendars else None
        return None if calendar is None else business_between(calendar, since, until)

    def policy(self, metric: Metric, at: int, queue: str | None = None) -> Policy | None:
        """Find the policy at a time, of the queue in force or another; None: none matches, or it is partial."""
        if self.partial:
            return None
        in_force = self.in_force
        queue = in_force.queue if queue is None else queue
        return policy_for(self.rules, metric, self.channel, queue, in_force.priority, in_force.segment, at)

    def short(self, policy: Policy | None, waited_ms: int) -> bool | None:
        """Tell whether an abandonment is short; None where it is held against no target, so that it is in no level."""
        return None if policy is None else waited_ms < self.rules.short_abandon_ms
