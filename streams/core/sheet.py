"""What is in force while a contact's events pass, and the sheet on which its samples are written."""

from __future__ import annotations

from typing import Any, Final

from schemas.policies import Metric, Rules, policy_for
from schemas.samples import Sample
from streams.core.event import Event

#: The queue before any is named.
UNASSIGNED: Final = "unassigned"


class InForce:
    """Queue, priority, team, segment, language and agent in force: the last named up to and including an event."""

    __slots__ = ("agent", "customer", "first_queue", "language", "last_agent", "priority", "queue", "segment", "team")

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
        self.first_queue = next((event.fields["queue"] for event in events if "queue" in event.fields), UNASSIGNED)

    def take(self, event: Event) -> None:
        """Move on to an event."""
        get = event.fields.get
        self.queue = get("queue", self.queue)
        self.priority = get("priority", self.priority)
        self.team = get("team", self.team)
        self.segment = get("segment", self.segment)
        self.language = get("language", self.language)
        self.customer = get("customer_id", self.customer)
        self.agent = get("agent_id", self.last_agent)


class Sheet:
    """Collects a contact's samples; dimensions are those in force, but where the caller names others."""

    __slots__ = ("channel", "force", "partial", "rows", "rules")

    def __init__(self, channel: str, force: InForce, rules: Rules, *, partial: bool) -> None:
        self.channel = channel
        self.force = force
        self.rules = rules
        self.partial = partial
        self.rows: list[Sample] = []

    def write(self, sample: str, event: Event, slot: str | None = None, **fields: Any) -> None:  # noqa: ANN401 - a Sample's fields
        """Write a sample at an event that caused it; the slot is the event's id unless named."""
        force = self.force
        row = {
            "queue": force.queue,
            "priority": force.priority,
            "team": force.team,
            "segment": force.segment,
            "language": force.language,
            "agent_id": force.agent,
            **fields,
        }
        self.rows.append(
            Sample(
                sample,
                event.event_id if slot is None else slot,
                event.at,
                partial=self.partial,
                caused_by=event.event_id,
                **row,
            )
        )

    def against(self, metric: Metric, value_ms: int) -> dict[str, Any]:
        """Hold a duration against the policy in force; nothing where none matches or the contact is partial."""
        policy = (
            None
            if self.partial
            else policy_for(self.rules, metric, self.channel, self.force.queue, self.force.priority, self.force.segment)
        )
        if policy is None:
            return {"value_ms": value_ms}
        return {
            "value_ms": value_ms,
            "policy": policy.name,
            "target_ms": policy.target_ms,
            "within": value_ms <= policy.target_ms,
        }
