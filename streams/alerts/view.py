"""All that alerts are judged by, in memory: it applies steps of the journals, and reports what is seen at a time.

As in the live view, a step that was read before changes nothing, and where a journal is read again from its beginning,
what was known from it is removed. The caller gives the steps and the times.
"""

from collections.abc import Collection, Iterable, Mapping
from functools import partial

from schemas.agents import decode_stretches
from schemas.alert_rules import AlertRules
from schemas.contact_record import decode_summary
from schemas.journal import AGENT, CONTACT, PANES, Head
from schemas.policies import Rules
from schemas.topics import SourcePartition, channel_of
from streams.alerts import floor_rules, pipeline_rules, surge_rules
from streams.alerts.arrivals import Arrivals
from streams.alerts.contact_rules import ContactRules
from streams.alerts.counters import MinuteCounters
from streams.alerts.groups import Counted
from streams.alerts.objective_reports import Due, ObjectiveReports
from streams.alerts.objective_rules import ObjectiveRules, Seen
from streams.alerts.observation import Observation
from streams.alerts.open_contacts import OpenContacts
from streams.journal.step_assembly import Step
from streams.live.gauges import Gauges
from streams.live.live_agents import LiveAgents
from streams.live.read_steps import ReadSteps


class AlertView:
    """What is happening, and what the rules see of it."""

    def __init__(self, rules: Rules, alert_rules: AlertRules) -> None:
        self._steps = ReadSteps()
        self._gauges = Gauges()
        self._agents = LiveAgents()
        self.counters = MinuteCounters(rules, alert_rules)
        self.contacts = OpenContacts()
        self.arrivals = Arrivals()
        self._reports = ObjectiveReports()
        self._set(rules, alert_rules)

    @property
    def heads(self) -> Mapping[SourcePartition, Head]:
        """The newest head of each source partition."""
        return self._steps.heads

    def use(self, rules: Rules, alert_rules: AlertRules) -> None:
        """Judge by other rules from now on."""
        self._set(rules, alert_rules)
        self.counters.use(rules, alert_rules)
        self.contacts.changed.update(self.contacts.breached)

    def _set(self, rules: Rules, alert_rules: AlertRules) -> None:
        self._rules, self._alert_rules = rules, alert_rules
        self._contact_rules = ContactRules(rules, alert_rules.contacts)
        self._objective_rules = ObjectiveRules(alert_rules)
        self.arrivals.use(surge_rules.windows_of(alert_rules))

    def feed(self, steps: Iterable[Step]) -> None:
        """Apply steps."""
        for step in steps:
            accepted = self._steps.accept(step)
            if accepted == "known":
                continue
            partition = step.source, step.partition
            if accepted == "restarted":
                for part in (self._gauges, self._agents, self.contacts):
                    part.clear(partition)
                self.counters.retract(partition, step.head.epoch)
                self.arrivals.retract(partition, step.head.epoch)
            channel = channel_of(step.source)
            for _, key, value in step.records:
                if channel is not None:
                    self._apply(partition, channel, key, value)
                elif key[:1] == AGENT:
                    self._agents.update(partition, key[1:].decode(), None if value is None else decode_stretches(value))

    def _apply(self, partition: SourcePartition, channel: str, key: bytes, value: bytes | None) -> None:
        kind = key[:1]
        if kind in PANES and value is not None:  # a pane without a value was evicted, and still counts
            self.counters.update(partition, channel, key, value)
            self.arrivals.update(partition, channel, key, value)
        elif kind == CONTACT and value is None:
            self._gauges.remove(partition, key)
            self.contacts.remove(partition, key)
            self._agents.update_contact(partition, key, channel, [])
        elif kind == CONTACT and value is not None:
            summary = decode_summary(value)
            self._gauges.update(partition, key, summary)
            self.contacts.update(partition, key, summary)
            self._agents.update_contact(partition, key, channel, summary["handling_agents"])

    def observations(
        self,
        now: int,
        watched: Collection[str],
        pipeline: pipeline_rules.PipelineReading,
        past: surge_rules.KnownPast | None = None,
        as_of: int | None = None,
    ) -> dict[str, Observation]:
        """Give what every rule sees at a time, which never goes back. Without the past no surge is judged.

        `as_of`: everything that was produced up to then is counted, UTC milliseconds; None: everything is.

        Clear causes are reported for the keys that are `watched`, such as those of alerts that fire, and for Pulssi.
        """
        rules, alert_rules = self._rules, self._alert_rules
        for part in (self._gauges, self._agents, self.counters, self.arrivals):
            part.advance(now)
        self.contacts.advance(now, as_of)
        self.contacts.judge_together(self.counters.together)
        longest = partial(self.contacts.waiting_longest, at=now)
        floor = floor_rules.Floor(self._gauges.readings(), self._agents.readings(), longest)
        hysteresis = alert_rules.timing.hysteresis
        objectives = self._objective_rules.observations(self.counters, self.contacts, now, watched)
        self._reports.note(self._objective_rules.changed)
        return {
            **self._contact_rules.observations(self.contacts, now),
            **objectives,
            **floor_rules.observations(floor, rules, alert_rules, now, watched),
            **surge_rules.observations(self.arrivals, past, rules, alert_rules, now, watched),
            **pipeline_rules.observations(pipeline, alert_rules.pipeline, rules.calendar, hysteresis, now),
        }

    def begin_reports(self, former: Iterable[bytes]) -> None:
        """Report all objectives again; `former` are the keys of those that were reported before."""
        self._reports.begin([*self.counters.groups, *self.contacts.breached], former)

    def objectives_due(self, now: int) -> Due:
        """Give reports of objectives due after the observations of a time; nothing before `begin_reports`."""

        def seen_of(counted: Counted) -> Seen | None:
            return self._objective_rules.seen(self.counters, self.contacts, counted, now)

        return self._reports.due(seen_of, self._alert_rules, now)
