"""One simulated contact: its ids, what is said once (segment, language, customer), and its events.

Each event's fields are only what changed: the contract carries queue, team and priority on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from streams.sources.simulator.centre import LANGUAGES, PRODUCTS, SEGMENTS, Queue, Topic
from streams.sources.simulator.log import SOURCE

if TYPE_CHECKING:
    from streams.sources.simulator.agents import Agent
    from streams.sources.simulator.floor import Floor, Priority

_KNOWN_CUSTOMER: Final = 0.92
_PRODUCT_NAMED: Final = 0.3


class Contact:
    """A contact under way."""

    __slots__ = ("_at", "_floor", "_key", "_n", "_seq", "contact_id", "customer_id", "queue", "segment", "topic")

    def __init__(self, floor: Floor, queue: Queue, number: int, customers: int, topic: Topic | None) -> None:
        self._floor = floor
        self.contact_id = f"{floor.log.prefix}:{number}"
        self._key = self.contact_id.encode()
        self.queue = queue
        self.topic = topic
        draws = floor.draws
        self.segment = draws.pick(SEGMENTS)
        self.customer_id = f"customer-{draws.below(customers)}" if draws.chance(_KNOWN_CUSTOMER) else None
        self._n = 0
        self._at = -1
        self._seq = 0

    @property
    def priority(self) -> Priority:
        """The priority that it comes with."""
        return "high" if self.segment == "vip" else "normal"

    def say(self, event_type: str, **fields: object) -> str:
        """Record an event now; returns its event_id."""
        self._n += 1
        now, log = self._floor.timeline.now, self._floor.log
        event_id = f"{self._n}"
        if now == self._at:
            self._seq += 1
            fields["seq"] = self._seq
        else:
            self._at, self._seq = now, 0
        if log.open:
            event: dict[str, object] = {
                "event_id": event_id,
                "type": event_type,
                "contact_id": self.contact_id,
                "channel": self.queue.channel,
                "source": SOURCE,
            }
            event.update(fields)
            log.write(now, self.queue.channel, self._key, event)
        return event_id

    def start(self, **fields: object) -> None:
        """Record that it exists, with everything that is known about it."""
        draws = self._floor.draws
        language = draws.pick(LANGUAGES)
        known: dict[str, object] = {"language": language, "segment": self.segment}
        if self.customer_id is not None:
            known["customer_id"] = self.customer_id
        if self.priority != "normal":
            known["priority"] = self.priority
        if draws.chance(_PRODUCT_NAMED):
            known["attributes"] = {"product": draws.pick(PRODUCTS)}
        self.say("contact.started", **known, **fields)

    def connect(self, agent: Agent) -> None:
        """Record that an agent accepts it."""
        self.say("contact.connected", agent_id=agent.agent_id, team=agent.team.name)

    def customer_writes(self) -> None:
        """Record a customer's message."""
        self.say("message.sent", author="customer")

    def agent_writes(self, agent: Agent) -> None:
        """Record an agent's public message."""
        self.say("message.sent", author="agent", agent_id=agent.agent_id)

    def machine_writes(self, author: str) -> None:
        """Record a message that nobody wrote."""
        self.say("message.sent", author=author, automatic=True)
