"""The fold: computes a contact's samples and its summary from its events, in order. Pure.

Each rule is a module of its own (`first_response_clock`, `responses`, `queue_visits`, `handle_segments`,
`open_stretches`, `tags`) and writes by `sample_writer`; this module says which event goes to which rule. `refold` and
`incremental_fold` use it to keep a contact's record up to date.
"""

from collections.abc import Callable
from decimal import Decimal
from typing import Any, Final, NamedTuple

from schemas.contact_record import Summary
from schemas.policies import Rules
from schemas.samples import Sample, SampleName
from streams.core.contact_summary import summary_of
from streams.core.event import Event, effective
from streams.core.first_response_clock import FirstResponseClock
from streams.core.handle_segments import HandleSegments
from streams.core.open_stretches import OpenStretches
from streams.core.queue_visits import QueueVisits
from streams.core.responses import Responses
from streams.core.sample_writer import Dimensions, InForce, SampleWriter
from streams.core.tags import Tags

#: A score from here on counts as satisfied, in millionths.
SATISFIED: Final = 750_000

#: Samples of work, which a discarded contact keeps unless it was a test.
WORK: Final[frozenset[SampleName]] = frozenset({"handle", "hold", "wrap", "talk", "missed", "evaluated"})


class FoldResult(NamedTuple):
    """What a contact's events give."""

    samples: list[Sample]
    summary: Summary


class Fold:
    """A contact while its events are folded. It is given all effective events first: some rules need later ones."""

    def __init__(self, channel: str, events: list[Event], rules: Rules, as_of: int = 0) -> None:
        self.channel = channel
        self.rules = rules
        #: Deadlines follow the rules in force at this time or at the last event, whichever is later.
        self.as_of = as_of
        #: Time of the last event that was applied; 0 where none was.
        self._at = 0
        types = [event.type for event in events]
        self.discarded = "contact.discarded" in types
        self.is_test = self.discarded and any(
            event.fields.get("reason") == "test" for event in events if event.type == "contact.discarded"
        )
        self._voids = "event.voided" in types
        self.started = started = events[0] if types and types[0] == "contact.started" else None
        start: dict[str, Any] = started.fields if started is not None else {}
        self.outreach = (
            start.get("direction", "inbound") == "outbound" or start.get("initiated_by", "customer") != "customer"
        )
        self.in_force = InForce(events)
        self.writer = SampleWriter(channel, self.in_force, rules, partial=started is None)
        self.clock = FirstResponseClock(channel, outreach=self.outreach)
        self.responses = Responses(self.writer, self.clock)
        self.visits = QueueVisits(self.writer)
        self.segments = HandleSegments(self.writer)
        self.stretches = OpenStretches(self.writer)
        self.tags = Tags(self.writer)
        self.agents: dict[str, None] = {}
        self.offered = False
        #: Whether it was taken out of its queue for a callback, and not connected since.
        self.awaits_callback = False
        self._abandoned_in_menu = False
        self.queue_before = self.in_force.queue
        #: What provisional samples are written of: the first and the last end of a stretch with the replies up to
        #: then, and the last rating of each survey, each with the dimensions in force.
        self.first_end: tuple[Event, Dimensions] | None = None
        self.last_end: tuple[Event, Dimensions, int] | None = None
        self.last_ratings: dict[str, tuple[Event, Dimensions, int]] = {}
        #: The last rating of all, in millionths.
        self.rating: int | None = None

        first = next((each for each in events if each.type != "event.voided"), None)
        #: Later events may be another system's, such as a survey's.
        self.source: str = "" if first is None else first.fields.get("source", "")
        if started is None and first is not None:
            self.stretches.open(first.at)

    def apply(self, event: Event) -> None:
        """Apply the next event."""
        self._at = event.at
        self.queue_before = self.in_force.queue
        self.in_force.apply(event)
        if handler := _HANDLERS.get(event.type):
            handler(self, event)

    @property
    def last_at(self) -> int:
        """The latest time of the events that were applied: the start comes first, and may have a later one."""
        return self._at if self.started is None else max(self._at, self.started.at)

    @property
    def can_continue(self) -> bool:
        """Whether later events can be applied at all: what is discarded or voided is known at the beginning only."""
        return not self.discarded and not self._voids

    def can_apply(self, event: Event) -> bool:
        """Tell whether an event that sorts after all others can be applied without refolding, with the same result."""
        if event.type in {"contact.discarded", "event.voided"}:  # the fold looks for them before it begins
            return False
        if event.type == "contact.started" and self.started is None:
            return False
        return "queue" not in event.fields or self.in_force.knows_first_queue or not self.offered

    def result(self) -> tuple[list[Sample], list[Sample], Summary]:
        """Return the final samples, which later events do not change, the provisional ones, and the summary."""
        samples = self.writer.samples
        if self.discarded:
            if self.is_test:
                return [], [], summary_of(self, None)
            handle_ms = self.segments.write()
            return [], [each for each in samples if each.sample in WORK], summary_of(self, handle_ms)
        n_final = len(samples)
        self.tags.write()
        handle_ms = self.segments.write()
        self._write_at_end()
        provisional = samples[n_final:]
        del samples[n_final:]
        return samples[:], provisional, summary_of(self, handle_ms)

    # What each type of event says to the rules.

    def _write_offered(self, event: Event) -> None:
        self.offered = True
        self.writer.write("offered", event, "", queue=self.in_force.first_queue)

    def on_started(self, event: Event) -> None:
        """`contact.started`: clock and first stretch begin, and a contact from the customer is offered."""
        if event is self.started and not self.outreach:
            self._write_offered(event)
        self.clock.contact_started(event)
        self.stretches.start(event.at)

    def _resume_call(self, event: Event) -> None:
        if self.stretches.resume_call(event) and not self.responses.first_wait_over:
            self.clock.restart(event)

    def on_queued(self, event: Event) -> None:
        """`contact.queued`: opens a visit, and resumes an ended call."""
        self._resume_call(event)
        self.responses.customer_came_back(event)
        self.clock.queued(event)
        self.visits.open(event, event.fields["queue"])

    def on_connected(self, event: Event) -> None:
        """`contact.connected`: an agent takes the contact."""
        self._resume_call(event)
        self._note_agent(event)
        self.awaits_callback = False
        self.responses.connected(event)
        self.clock.reached_humans = True
        self.visits.end(event, "answered")
        self.segments.open(event)
        if self.channel == "call":
            self.stretches.reopened_at = None

    def _note_agent(self, event: Event) -> None:
        agent = event.fields.get("agent_id")
        if agent is not None:
            self.in_force.last_agent = agent
            self.agents[agent] = None

    def on_transferred(self, event: Event) -> None:
        """`contact.transferred`: ends the segment of the agent who gives the contact away."""
        self.writer.write("transferred", event, queue=self.queue_before)
        self.segments.end(event, self.in_force.agent)
        if "queue" in event.fields:
            self.visits.open(event, event.fields["queue"])

    def on_dequeued(self, event: Event) -> None:
        """`contact.dequeued`: out of the queue, but still waiting; for a callback even after the line drops."""
        reason = event.fields.get("reason", "other")
        self.visits.end(event, reason)
        if reason == "callback":
            self.awaits_callback = True

    def on_disconnected(self, event: Event) -> None:
        """`contact.disconnected`: of one agent, or of everybody; a call ends when nobody is left."""
        agent = event.fields.get("agent_id")
        if agent is None:
            self.segments.end_all(event)
        else:
            self.segments.end(event, agent)
        if self.awaits_callback:
            return
        if agent is None:
            self.visits.end(event, "left")
        if self.channel != "call" or self.visits.since is not None or self.segments.agents_handling():
            return
        self.responses.customer_left = True
        if self.segments.all:
            self._end(event, by_disconnect=True)

    def on_abandoned(self, event: Event) -> None:
        """`contact.abandoned`: the customer left, out of a call's menu or while waiting."""
        if self.clock.is_in_menu and not self._abandoned_in_menu:
            self._abandoned_in_menu = True
            if self.started is not None:
                since = self.started.at
                self.writer.write("ivr_abandoned", event, "", value_ms=max(0, event.at - since), since=since)
        self.responses.abandoned(event)
        self.visits.end(event, "abandoned")
        self.segments.end_all(event)

    def on_message(self, event: Event) -> None:
        """`message.sent`: a bot's, an agent's or the customer's; automatic and internal ones answer nothing."""
        author = event.fields["author"]
        if author == "bot":
            self.clock.bot_wrote = True
        if author not in {"agent", "customer"} or event.fields.get("automatic") or not event.fields.get("public", True):
            return
        if author == "agent":
            self._note_agent(event)
            self.responses.human_reply(event)
            self.visits.end(event, "answered")
            self.stretches.reopened_at = None
            return
        self._reopen(event)
        self.stretches.customer_wrote(event)
        self.clock.customer_wrote(event)
        self.responses.customer_message(event)
        if self.outreach and not self.offered and self.channel != "call":
            self._write_offered(event)

    def on_reopened(self, event: Event) -> None:
        """`contact.reopened`: opens a resolved contact again, and brings back a customer who left."""
        self._reopen(event)
        self.responses.customer_came_back(event)

    def _reopen(self, event: Event) -> None:
        if self.stretches.reopen(event) and not self.responses.first_wait_over:
            self.clock.restart(event)

    def on_resolved(self, event: Event) -> None:
        """`contact.resolved`: ends segments, visit and stretch."""
        self.segments.end_all(event)
        self.visits.end(event, "left")
        self._end(event)

    def _end(self, event: Event, *, by_disconnect: bool = False) -> None:
        if not self.stretches.end(event, by_disconnect=by_disconnect):
            return
        by = self.in_force.dimensions()
        self.last_end = event, by, self.responses.replies
        if self.first_end is None:
            self.first_end = event, by

    def _write_at_end(self) -> None:
        write = self.writer.write
        if self.last_end is not None and self.started is not None:
            event, by, replies = self.last_end
            write("replies", event, "", by=by, value=replies)
            if not self.tags.in_effect:
                write("untagged_resolved", event, "", by=by)
            if self.first_end is not None and self.clock.is_with_bot and not self.responses.replies:
                event, by = self.first_end
                write("bot_contained", event, "", by=by)
        for survey, (event, by, value) in self.last_ratings.items():
            write("rated", event, survey, by=by, value=value, satisfied=value >= SATISFIED)

    def on_evaluated(self, event: Event) -> None:
        """`contact.evaluated`: each one counts."""
        value = _millionths(event.fields["score"], event.fields["scale_max"])
        self.writer.write("evaluated", event, value=value, satisfied=value >= SATISFIED)

    def on_rated(self, event: Event) -> None:
        """`contact.rated`: the last one of each survey counts."""
        value = self.rating = _millionths(event.fields["score"], event.fields["scale_max"])
        self.last_ratings[event.fields.get("survey_id", "")] = event, self.in_force.dimensions(), value


def _millionths(score: str, scale_max: str) -> int:
    """Put a score on the scale from 0 to 1, in millionths, halves to even."""
    share = (Decimal(score) - 1) / (Decimal(scale_max) - 1)
    return int((share * 1_000_000).to_integral_value())


_HANDLERS: Final[dict[str, Callable[[Fold, Event], None]]] = {
    "contact.started": Fold.on_started,
    "contact.queued": Fold.on_queued,
    "contact.handed_off": lambda fold, event: fold.clock.handed_off(event),
    "contact.connected": Fold.on_connected,
    "contact.held": lambda fold, event: fold.segments.hold(event),
    "contact.resumed": lambda fold, event: fold.segments.resume(event),
    "contact.transferred": Fold.on_transferred,
    "contact.dequeued": Fold.on_dequeued,
    "contact.disconnected": Fold.on_disconnected,
    "contact.wrapped": lambda fold, event: fold.segments.wrap(event),
    "contact.abandoned": Fold.on_abandoned,
    "message.sent": Fold.on_message,
    "contact.tagged": lambda fold, event: fold.tags.add(event),
    "contact.untagged": lambda fold, event: fold.tags.remove(event),
    "contact.resolved": Fold.on_resolved,
    "contact.reopened": Fold.on_reopened,
    "contact.paused": lambda fold, event: fold.stretches.pause(event),
    "contact.unpaused": lambda fold, event: fold.stretches.unpause(event),
    "contact.missed": lambda fold, event: fold.writer.write("missed", event),
    "contact.evaluated": Fold.on_evaluated,
    "contact.rated": Fold.on_rated,
}


def fold(
    channel: str, events: list[Event], rules: Rules, observe: Callable[[Event, Fold], None] | None = None
) -> FoldResult:
    """Fold one contact's deduplicated events, given in order; `observe` is called after each, to explain it."""
    known = effective(events)
    whole = Fold(channel, known, rules)
    for event in known:
        whole.apply(event)
        if observe is not None:
            observe(event, whole)
    final, provisional, summary = whole.result()
    return FoldResult(final + provisional, summary)
