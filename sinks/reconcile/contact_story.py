"""Tells what each event of a contact changed: its first-response clock, queues, work, pauses and ends. Pure.

Each sentence says what an event changed, or that it changed nothing where a reader would expect a change. The changes
are observed while the contact is folded and nothing is computed a second time, so the story cannot differ from the
numbers.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

from schemas.policies import Rules
from schemas.samples import Sample
from streams.core.event import Event
from streams.core.fold import Fold, FoldResult, fold
from streams.core.handle_segments import Segment
from streams.core.sample_writer import UNASSIGNED

_PAUSED_FOR: Final = {"customer": "the customer", "third_party": "somebody outside"}
#: Why the clock starts, by the event that starts it.
_STARTS: Final = {
    "contact.started": "the contact began",
    "contact.handed_off": "the bot handed the contact to humans",
    "contact.reopened": "opened again without ever having been answered",
    "message.sent": "the customer wrote",
}
_UNPAUSED: Final = {"message.sent": "the customer wrote", "contact.unpaused": "unpaused"}


class Sentence(NamedTuple):
    """One sentence of a story."""

    #: UTC milliseconds.
    at: int
    event_id: str
    says: str


class _StateAfter:
    """What an event may change, as it is after an event."""

    def __init__(self, fold: Fold) -> None:
        clock, visits, stretches, responses = fold.clock, fold.visits, fold.stretches, fold.responses
        self.named = fold.in_force.queue != UNASSIGNED
        self.queue = visits.queue if visits.since is not None else None
        self.waits_since = visits.since
        self.called_back = fold.awaits_callback
        self.stretch, self.instance, self.pause = stretches.since, stretches.instance, stretches.paused_since
        self.turn = responses.turn_since
        self.abandoned, self.wait_over = responses.abandoned_at is not None, responses.first_wait_over
        self.segments = {id(each): (each.ended is not None, each.wrapped is not None) for each in fold.segments.all}
        self.tags, self.surveys = frozenset(fold.tags.in_effect), frozenset(fold.last_ratings)
        #: The first-response clock: since when it runs.
        self.clock = clock.start()
        self.is_the_bots, self.in_the_menu = clock.is_with_bot, clock.is_in_menu
        #: Whether the wait was over without a first response: the contact had begun before it was seen.
        self.answered_unseen = (
            responses.first_wait_over and responses.first_at is None and responses.abandoned_at is None
        )


#: The events so far, each with the state after it.
_History = list[tuple[Event, _StateAfter]]


def tell_story(channel: str, events: list[Event], rules: Rules) -> tuple[FoldResult, list[Sentence], list[Sentence]]:
    """Fold a contact's events, in order; returns also the sentences on its clock until an answer, and all others."""
    seen: _History = []
    course: list[Sentence] = []
    initial = _StateAfter(Fold(channel, [], rules))

    def watch(event: Event, state: Fold) -> None:
        before, now = seen[-1][1] if seen else initial, _StateAfter(state)
        course.extend(Sentence(event.at, event.event_id, says) for says in _sentences(event, state, seen, before, now))
        seen.append((event, now))

    folded = fold(channel, events, rules, watch)
    end = next((row for row in folded.samples if row.sample in {"first_response", "abandoned"}), None)
    until = _clock_sentences(channel, seen, end, partial=folded.summary["partial"])
    return folded, [*until, *_clock_end(channel, seen, end, folded)], course


def _sentences(event: Event, fold: Fold, seen: _History, before: _StateAfter, now: _StateAfter) -> Iterator[str]:
    if fold.offered and now.named and not before.named and event.type != "contact.started":
        yield f"names the first queue, {fold.in_force.first_queue}: the contact was offered there"
    yield from _queue(event, before, now)
    yield from _work(event, fold, before, now)
    yield from _abandonment(event, seen, before, now)
    yield from _stretch(event, before, now, partial=fold.writer.partial)
    yield from _pause(event, before, now)
    yield from _other_changes(event, fold, before, now)


def _abandonment(event: Event, seen: _History, before: _StateAfter, now: _StateAfter) -> Iterator[str]:
    if event.type == "contact.abandoned":
        if now.in_the_menu:
            again = any(each.type == "contact.abandoned" and state.in_the_menu for each, state in seen)
            counted = " again: counted once" if again else ": no abandonment, and in no service level"
            yield f"hangs up in the menu{counted}"
        elif before.abandoned:
            yield "leaves again: an abandonment counts once"
        elif not now.abandoned and before.wait_over:
            yield "leaves after the wait had ended: no abandonment"
    elif now.abandoned and now.turn is not None and before.turn is None and event.at == now.turn:
        yield "is back after the abandonment and waits again from here"


def _queue(event: Event, before: _StateAfter, now: _StateAfter) -> Iterator[str]:
    if event.type in {"contact.queued", "contact.transferred"} and "queue" in event.fields:
        queue = event.fields["queue"]
        if now.waits_since == before.waits_since and now.queue == before.queue:
            yield f"waits in {queue} already: nothing changes"
        elif before.queue is not None:
            yield f"moves from {before.queue} to {queue}"
        else:
            yield f"waits in {queue}"
    elif event.type == "contact.dequeued":
        reason = event.fields.get("reason", "other")
        if before.queue is not None:
            yield f"out of {before.queue} unanswered ({reason}), and not gone: the clock runs on"
        if reason == "callback":
            yield "is to be called back: the line may drop until somebody is connected"
    elif event.type == "contact.disconnected" and now.called_back:
        yield "the line drops before the call back: it still waits"


def _work(event: Event, fold: Fold, before: _StateAfter, now: _StateAfter) -> Iterator[str]:
    agent = event.fields.get("agent_id", "")
    mine: list[Segment] = [each for each in fold.segments.all if each.opened.fields["agent_id"] == agent]
    if event.type == "contact.connected":
        if len(mine) > 1 and mine[-2].ended is None:
            yield f"{agent}'s work {_since(mine[-2])} never ended and is not counted"
    elif event.type == "contact.wrapped" and mine:
        changed = [each for each in mine if now.segments[id(each)] != before.segments.get(id(each), (False, False))]
        if not changed:
            yield f"{agent} has wrapped up already: nothing changes"
        elif changed[0] is not mine[-1]:
            yield f"the form of {agent}'s former work {_since(changed[0])}, saved during the next"
        else:
            closes = "closes" if before.segments[id(changed[0])][0] else "ends and closes"
            yield f"{closes} {agent}'s work {_since(changed[0])}"


def _since(segment: Segment) -> str:
    return f"that began with [{segment.opened.event_id}]"


def _stretch(event: Event, before: _StateAfter, now: _StateAfter, *, partial: bool) -> Iterator[str]:
    if now.instance > before.instance:
        ends = "nobody is connected and it waits in no queue: the call ends"
        how = "is resolved" if event.type == "contact.resolved" else ends
        unseen = partial and now.instance == 1
        yield f"{how} ({'no resolution: its beginning was not seen' if unseen else f'resolution {now.instance}'})"
    elif now.stretch is not None and before.stretch is None and before.instance:
        yield "is open again"
    elif event.type == "contact.resolved":
        yield "is resolved already: nothing changes"
    elif event.type == "contact.reopened":
        yield "is open already: no reopening"


def _pause(event: Event, before: _StateAfter, now: _StateAfter) -> Iterator[str]:
    if event.type == "contact.paused":
        whom = _PAUSED_FOR[event.fields.get("for_", "customer")]
        yield "is paused already: nothing changes" if before.pause is not None else f"is paused for {whom}"
    elif before.pause is not None and now.pause is None:
        yield f"the pause ends: {_UNPAUSED.get(event.type, 'the stretch ended')}"


def _other_changes(event: Event, fold: Fold, before: _StateAfter, now: _StateAfter) -> Iterator[str]:
    if event.type == "contact.rated":
        survey = event.fields.get("survey_id", "")
        name = f"survey {survey}" if survey else "the survey without a name"
        yield f"rates {name}{', in place of the rating before' if survey in before.surveys else ''}"
    elif event.type == "contact.tagged" and event.fields.get("replace"):
        off = ", ".join(sorted(before.tags - now.tags))
        yield f"states all tags there are{f'; off: {off}' if off else ''}"
    elif event.type == "contact.discarded":
        kept = "it was a test, so nothing counts" if fold.is_test else "only work on it counts"
        yield f"is discarded ({event.fields['reason']}): {kept}"


def _clock_sentences(channel: str, seen: _History, end: Sample | None, *, partial: bool) -> Iterator[Sentence]:
    start: int | None = None
    handed_off = False
    for event, state in seen:
        if end is not None and event.event_id == end.caused_by:
            return
        if state.answered_unseen:
            if partial:
                yield Sentence(event.at, event.event_id, "the wait ends, and nobody saw it begin: no first response")
            return
        if state.clock != start and state.clock is not None:
            again = " again" if start is not None else ""
            because = _start_reason(event, handed_off=handed_off)
            yield Sentence(state.clock, event.event_id, f"the clock starts{again}: {because}")
        else:
            passed_over = _why_no_answer(channel, event, runs=start is not None, is_the_bots=state.is_the_bots)
            if state.in_the_menu and event.type == "contact.abandoned":
                passed_over = "the customer left the menu, in which no clock runs: no abandonment"
            if passed_over:
                yield Sentence(event.at, event.event_id, passed_over)
        start = state.clock
        handed_off = handed_off or event.type == "contact.handed_off"


def _start_reason(event: Event, *, handed_off: bool) -> str:
    if event.type == "contact.queued":
        return f"queued for {event.fields['queue']}{', the first time after the hand-off' if handed_off else ''}"
    return _STARTS.get(event.type, f"{event.type} is the earliest event known")


def _why_no_answer(channel: str, event: Event, *, runs: bool, is_the_bots: bool) -> str | None:
    """Say why an event that looks like an answer is none; None where it does not look like one."""
    fields = event.fields
    if event.type == "contact.connected":
        return None if channel == "call" else f"{fields['agent_id']} takes it: only a reply answers"
    if event.type == "contact.abandoned":
        if is_the_bots:
            return "the customer left while the contact was the bot's: no abandonment"
        return "the customer left, but no clock runs that it could end"
    if event.type != "message.sent" or fields["author"] == "customer":
        return None
    who = fields["author"]
    if who != "agent":
        return f"a message of the {who} answers nothing"
    if fields.get("automatic"):
        return "an automatic message answers nothing"
    if not fields.get("public", True):
        return "an internal note answers nothing"
    if channel == "call":
        return "a message answers no call"
    return None if runs else "a reply before any clock runs answers nothing"


def _clock_end(channel: str, seen: _History, end: Sample | None, folded: FoldResult) -> Iterator[Sentence]:
    if end is not None:
        who = f"{end.agent_id} " if end.agent_id else ""
        answered = f"{who}answers" if end.sample == "first_response" else "the customer leaves unanswered"
        yield Sentence(end.at, end.caused_by or "", answered)
        return
    if not seen:
        return
    event, last = seen[-1]
    if last.answered_unseen and folded.summary["partial"]:
        return
    if folded.summary["discarded"]:
        says = "the contact was discarded: no response and no abandonment counts"
    elif folded.summary["clock_since"] is not None:
        says = "no answer yet: the clock runs"
    elif last.is_the_bots:
        says = "the contact is the bot's: no clock is shown or held against a target"
    elif last.clock is None:
        says = _no_clock(channel, last, folded)
    else:
        says = "it ended without an answer"
    yield Sentence(event.at, event.event_id, says)


def _no_clock(channel: str, last: _StateAfter, folded: FoldResult) -> str:
    if folded.summary["partial"]:
        return "no clock: it was under way before Pulssi saw it, and no queue and no hand-off was seen"
    if not folded.summary["inbound"]:
        waits = "a call that someone else began waits for nobody"
        other = "a contact that someone else began waits for nobody before the customer writes"
        return f"no clock: {waits if channel == 'call' else other}"
    return "no clock: a call waits for nobody while it is in its menu" if last.in_the_menu else "no clock runs"
