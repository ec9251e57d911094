"""The fold: a contact's events, in order, become its samples and its summary. A pure function.

Each rule stands in a module of its own (`clock`, `responses`, `visits`, `segments`, `stretches`, `tags`); here is which
event speaks to which.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final, NamedTuple, TypedDict

from schemas.journal import VERSION, Deadline, Summary
from schemas.policies import Metric, Rules
from schemas.samples import Sample
from streams.core.clock import HumanClock
from streams.core.deadlines import deadline, lasts_ms
from streams.core.event import Event, effective, millionths
from streams.core.responses import Responses
from streams.core.segments import Segments
from streams.core.sheet import Dimensions, InForce, Sheet
from streams.core.stretches import Stretches
from streams.core.tags import Tags
from streams.core.visits import Visits

#: A score from here on counts as satisfied, in millionths.
SATISFIED: Final = 750_000


class Folded(NamedTuple):
    """What a contact comes to."""

    rows: list[Sample]
    summary: Summary


#: Is shown the clock as it stands after each event that counts.
Watch = Callable[[Event, HumanClock], None]


def fold(channel: str, events: list[Event], rules: Rules, watch: Watch | None = None) -> Folded:
    """Fold one contact's deduplicated events, given in order; `watch` may look on, to explain it."""
    return _Fold(channel, effective(events), rules).run(watch)


class _Figures(TypedDict):
    """What a summary tells of a contact's samples."""

    first_response_at: int | None
    first_response_ms: int | None
    abandoned_at: int | None
    first_resolved_at: int | None
    resolved_at: int | None
    first_resolution_ms: int | None
    resolution_ms: int | None
    reopens: int
    rating: int | None


class _Fold:
    def __init__(self, channel: str, events: list[Event], rules: Rules) -> None:
        self.channel = channel
        self.events = events
        started = next((event for event in events if event.type == "contact.started"), None)
        given: dict[str, Any] = started.fields if started is not None else {}
        self.started = started
        self.outreach = (
            given.get("direction", "inbound") == "outbound" or given.get("initiated_by", "customer") != "customer"
        )
        self.force = InForce(events)
        self.sheet = Sheet(channel, self.force, rules, partial=started is None)
        self.clock = HumanClock(channel, outreach=self.outreach)
        self.responses = Responses(self.sheet, self.clock)
        self.visits = Visits(self.sheet)
        self.segments = Segments(self.sheet)
        self.stretches = Stretches(self.sheet)
        self.tags = Tags(self.sheet)
        self.agents: dict[str, None] = {}
        self.offered = False
        self.human_side = False
        self.bot_wrote = False
        #: Whether anything shows that someone wants an answer; a partial contact is in no gauge before.
        self.asks = started is not None
        self.queue_before = self.force.queue
        #: What only the end of the fold decides on: the first and the last end of a stretch with the replies up to
        #: then, and the last rating, each with what was in force.
        self.first_end: tuple[Event, Dimensions] | None = None
        self.last_end: tuple[Event, Dimensions, int] | None = None
        self.last_rated: tuple[Event, Dimensions, int] | None = None

    def run(self, watch: Watch | None) -> Folded:
        if self.started is None and self.events:
            self.stretches.start(self.events[0].at)
        for event in self.events:
            self.queue_before = self.force.queue
            self.force.take(event)
            if not self.offered and not self.outreach and (self.started is None or self.started is event):
                self._offer(event)
            handler = _HANDLERS.get(event.type)
            if handler is not None:
                handler(self, event)
            if self.started is None:
                self.clock.begun(event)  # only now: what comes first answers nothing
            if watch is not None:
                watch(event, self.clock)
        if any([event.type == "contact.discarded" for event in self.events]):  # noqa: C419 - faster for so few
            return Folded([], self._summary(None, discarded=True))
        self.tags.write()
        handle_ms = self.segments.write()
        self._write_last()
        return Folded(self.sheet.rows, self._summary(handle_ms, discarded=False))

    # What each type of event says to the rules.

    def _offer(self, event: Event) -> None:
        self.offered = True
        self.sheet.write("offered", event, "", queue=self.force.first_queue)

    def on_started(self, event: Event) -> None:
        self.clock.begun(event)
        self.stretches.start(event.at)

    def _taken_up(self, event: Event) -> None:
        self.human_side = True
        if self.stretches.taken_up(event) and not self.responses.answered:
            self.clock.opened_again(event)

    def on_queued(self, event: Event) -> None:
        self.asks = True
        self._taken_up(event)
        self.responses.gone = False
        self.clock.queued(event)
        self.visits.open(event, event.fields["queue"])

    def on_handed_off(self, event: Event) -> None:
        self.asks = True
        self.human_side = True
        self.clock.handed_off(event)

    def on_connected(self, event: Event) -> None:
        self._taken_up(event)
        self._acts(event)
        self.responses.connected(event)
        self.clock.connected()
        self.visits.end(event, "answered")
        self.segments.open(event)
        if self.channel == "call":
            self.stretches.reopened_at = None

    def _acts(self, event: Event) -> None:
        agent = event.fields.get("agent_id")
        if agent is not None:
            self.force.last_agent = agent
            self.agents[agent] = None

    def on_held(self, event: Event) -> None:
        segment = self.segments.of(event.fields["agent_id"])
        if segment is not None:
            segment.hold(event)

    def on_resumed(self, event: Event) -> None:
        segment = self.segments.of(event.fields["agent_id"])
        if segment is not None:
            segment.resume(event)

    def on_transferred(self, event: Event) -> None:
        self.sheet.write("transferred", event, queue=self.queue_before)
        self.segments.end(event, self.force.agent)
        if "queue" in event.fields:
            self.asks = True
            self.visits.open(event, event.fields["queue"])

    def on_disconnected(self, event: Event) -> None:
        agent = event.fields.get("agent_id")
        if agent is None:
            self.segments.end_all(event)
            self.visits.end(event, "left")
        else:
            self.segments.end(event, agent)
        if self.channel != "call" or self.visits.since is not None or any(self.segments.open_ones()):
            return
        self.responses.gone = True
        if self.segments.ever:
            self._end(event, by_disconnect=True)

    def on_wrapped(self, event: Event) -> None:
        self.segments.wrap(event, event.fields["agent_id"])

    def on_abandoned(self, event: Event) -> None:
        self.responses.abandoned(event)
        self.visits.end(event, "abandoned")

    def on_message(self, event: Event) -> None:
        author = event.fields["author"]
        if author == "bot":
            self.bot_wrote = True
            self.clock.bot_wrote()
        if author not in {"agent", "customer"} or event.fields.get("automatic") or not event.fields.get("public", True):
            return
        if author == "agent":
            self._reply(event)
        else:
            self._customer(event)

    def _reply(self, event: Event) -> None:
        self.human_side = True
        self._acts(event)
        self.responses.human_reply(event)
        self.visits.end(event, "answered")
        self.stretches.reopened_at = None

    def _customer(self, event: Event) -> None:
        self.asks = True
        self.on_reopened(event)
        self.clock.customer_wrote(event)
        self.responses.customer_message(event)
        if self.outreach and not self.offered and self.channel != "call":
            self._offer(event)

    def on_reopened(self, event: Event) -> None:
        if self.stretches.reopen(event):
            self.responses.gone = False
            if not self.responses.answered:
                self.clock.opened_again(event)

    def on_resolved(self, event: Event) -> None:
        self.segments.end_all(event)
        self.visits.end(event, "left")
        self._end(event)

    def _end(self, event: Event, *, by_disconnect: bool = False) -> None:
        if self.stretches.since is None:
            return
        self.stretches.end(event, by_disconnect=by_disconnect)
        by = self.force.dimensions()
        self.last_end = event, by, self.responses.replies
        if self.first_end is None:
            self.first_end = event, by

    def _write_last(self) -> None:
        """Write the samples that only the end of the fold decides on."""
        write = self.sheet.write
        if self.last_end is not None:
            event, by, replies = self.last_end
            write("replies", event, "", by=by, value=replies)
            if not self.tags.in_effect:
                write("untagged_resolved", event, "", by=by)
        if self.first_end is not None and self.bot_wrote and not self.human_side:
            event, by = self.first_end
            write("bot_contained", event, "", by=by)
        if self.last_rated is not None:
            event, by, value = self.last_rated
            write("rated", event, "", by=by, value=value, satisfied=value >= SATISFIED)

    def on_missed(self, event: Event) -> None:
        self.sheet.write("missed", event)

    def on_evaluated(self, event: Event) -> None:
        value = millionths(event.fields["score"], event.fields["scale_max"])
        self.sheet.write("evaluated", event, value=value, satisfied=value >= SATISFIED)

    def on_rated(self, event: Event) -> None:
        value = millionths(event.fields["score"], event.fields["scale_max"])
        self.last_rated = event, self.force.dimensions(), value

    # What gauges and the table of contacts need.

    def _summary(self, handle_ms: int | None, *, discarded: bool) -> Summary:
        force, responses, stretches = self.force, self.responses, self.stretches
        is_open = self.asks and stretches.since is not None and not responses.gone and not discarded
        clock_since = None
        if is_open and not responses.answered and not self.clock.is_the_bots:
            clock_since = self.clock.start()
        resolved = stretches.last_end
        handling = [] if discarded else self.segments.agents_at_work()
        summary: Summary = {
            "v": VERSION,
            "step": 0,
            "channel": self.channel,
            "queue": force.queue,
            "priority": force.priority,
            "team": force.team,
            "segment": force.segment,
            "language": force.language,
            "customer_id": force.customer,
            "agents": list(self.agents),
            "started_at": stretches.started_at,
            "last_at": self._last_at,
            "first_response_at": responses.first_at,
            "first_response_ms": responses.first_ms,
            "abandoned_at": responses.abandoned_at,
            "first_resolved_at": stretches.first_end.at if stretches.first_end is not None else None,
            "resolved_at": resolved.at if resolved is not None else None,
            "first_resolution_ms": stretches.first_ms,
            "resolution_ms": resolved.at - (stretches.started_at or 0) if resolved is not None else None,
            "handle_ms": handle_ms,
            "tags": sorted(self.tags.in_effect),
            "reopens": stretches.reopens,
            "replies": responses.replies,
            "rating": None if self.last_rated is None else self.last_rated[2],
            "partial": self.sheet.partial,
            "discarded": discarded,
            "open": is_open,
            "waiting_since": _earlier(self.visits.since, clock_since) if is_open else None,
            "awaiting_since": _earlier(responses.turn_since, stretches.reopened_at) if is_open else None,
            "clock_since": clock_since,
            "target_ms": None if clock_since is None else self._target(clock_since),
            "handling": len(handling),
            "handling_agents": handling,
            "inbound": not self.outreach,
            "deadlines": self._deadlines(clock_since) if is_open and not self.clock.is_the_bots else [],
            "leaves_at": self._last_at + self.sheet.rules.horizons_ms[self.channel],
        }
        return {**summary, **_COUNTS_NOWHERE} if discarded else summary

    @property
    def _last_at(self) -> int:
        return self.events[-1].at if self.events else 0

    def _deadlines(self, clock_since: int | None) -> list[Deadline]:
        """Tell what each running clock of an open contact is held against, by the policies of its last event's time."""
        clocks: tuple[tuple[Metric, int | None], ...] = (
            ("first_response", clock_since),
            ("next_response", self.responses.turn_since),
            ("resolution", self.stretches.since),
        )
        found = []
        for metric, since in clocks:
            policy = None if since is None else self.sheet.policy(metric, self._last_at)
            if since is not None and policy is not None:
                found.append(deadline(self.sheet.rules, policy, self.force.queue, since))
        return found

    def _target(self, since: int) -> int | None:
        """Give how much clock time the running clock may take."""
        policy = self.sheet.policy("first_response", self._last_at)
        return policy and lasts_ms(self.sheet.rules, policy, self.force.queue, since, policy.target_ms)


#: A discarded contact has no samples, so its summary tells none either: an average over contacts leaves it out.
_COUNTS_NOWHERE: Final[_Figures] = {
    "first_response_at": None,
    "first_response_ms": None,
    "abandoned_at": None,
    "first_resolved_at": None,
    "resolved_at": None,
    "first_resolution_ms": None,
    "resolution_ms": None,
    "reopens": 0,
    "rating": None,
}


def _earlier(one: int | None, other: int | None) -> int | None:
    times = [at for at in (one, other) if at is not None]
    return min(times, default=None)


_HANDLERS: Final[Mapping[str, Callable[[_Fold, Event], None]]] = MappingProxyType(
    {
        "contact.started": _Fold.on_started,
        "contact.queued": _Fold.on_queued,
        "contact.handed_off": _Fold.on_handed_off,
        "contact.connected": _Fold.on_connected,
        "contact.held": _Fold.on_held,
        "contact.resumed": _Fold.on_resumed,
        "contact.transferred": _Fold.on_transferred,
        "contact.disconnected": _Fold.on_disconnected,
        "contact.wrapped": _Fold.on_wrapped,
        "contact.abandoned": _Fold.on_abandoned,
        "message.sent": _Fold.on_message,
        "contact.tagged": lambda fold, event: fold.tags.put_on(event),
        "contact.untagged": lambda fold, event: fold.tags.take_off(event),
        "contact.resolved": _Fold.on_resolved,
        "contact.reopened": _Fold.on_reopened,
        "contact.paused": lambda fold, event: fold.stretches.pause(event),
        "contact.unpaused": lambda fold, event: fold.stretches.unpause(event),
        "contact.missed": _Fold.on_missed,
        "contact.evaluated": _Fold.on_evaluated,
        "contact.rated": _Fold.on_rated,
    }
)
