"""The story of a first response: what started the clock, what restarted it, what did not answer, and what did. Pure.

It is told by looking on while the contact is folded, never by a second computation that could say otherwise.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

from schemas.policies import Rules
from schemas.samples import Sample
from sinks.reconcile.course import Course, Told
from streams.core.event import Event
from streams.core.fold import Fold, Folded, fold

_ENDS: Final = ("first_response", "abandoned")


class _Seen(NamedTuple):
    event: Event
    start: int | None
    is_the_bots: bool
    is_in_the_menu: bool
    #: Whether the wait was over without a first response: a contact that was under way before it was seen.
    taken: bool


class Stories(NamedTuple):
    """A contact folded, its clock's story up to the first response, and its course."""

    folded: Folded
    clock: list[Told]
    course: list[Told]


def stories(channel: str, events: list[Event], rules: Rules) -> Stories:
    """Fold a contact's events, in order, and look on."""
    seen: list[_Seen] = []
    course = Course()

    def watch(event: Event, going: Fold) -> None:
        clock, responses = going.clock, going.responses
        taken = responses.answered and responses.first_at is None and responses.abandoned_at is None
        seen.append(_Seen(event, clock.start(), clock.is_the_bots, clock.is_in_the_menu, taken))
        course.watch(event, going)

    folded = fold(channel, events, rules, watch)
    end = next((row for row in folded.rows if row.sample in _ENDS), None)
    until = _until(channel, seen, end, partial=folded.summary["partial"])
    return Stories(folded, [*until, *_at_last(channel, seen, end, folded)], course.told)


def _until(channel: str, seen: list[_Seen], end: Sample | None, *, partial: bool) -> Iterator[Told]:
    start: int | None = None
    handed_off = False
    for event, now, is_the_bots, is_in_the_menu, taken in seen:
        if end is not None and event.event_id == end.caused_by:
            return
        if taken:
            if partial:
                yield Told(event.at, event.event_id, "the wait ends, and nobody saw it begin: no first response")
            return
        if now != start and now is not None:
            again = " again" if start is not None else ""
            yield Told(now, event.event_id, f"the clock starts{again}: {_because(event, handed_off=handed_off)}")
        else:
            passed_over = _no_answer(channel, event, runs=start is not None, is_the_bots=is_the_bots)
            if is_in_the_menu and event.type == "contact.abandoned":
                passed_over = "the customer left the menu, in which no clock runs: no abandonment"
            if passed_over:
                yield Told(event.at, event.event_id, passed_over)
        start = now
        handed_off = handed_off or event.type == "contact.handed_off"


def _because(event: Event, *, handed_off: bool) -> str:
    match event.type:
        case "contact.started":
            return "the contact began"
        case "contact.queued":
            after = ", the first time after the hand-off" if handed_off else ""
            return f"queued for {event.fields['queue']}{after}"
        case "contact.handed_off":
            return "the bot handed the contact to humans"
        case "contact.reopened":
            return "opened again without ever having been answered"
        case "message.sent":
            return "the customer wrote"
        case _:
            return f"{event.type} is the earliest event known"


def _no_answer(channel: str, event: Event, *, runs: bool, is_the_bots: bool) -> str | None:
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


def _at_last(channel: str, seen: list[_Seen], end: Sample | None, folded: Folded) -> Iterator[Told]:
    if end is not None:
        who = f"{end.agent_id} " if end.agent_id else ""
        answered = f"{who}answers" if end.sample == "first_response" else "the customer leaves unanswered"
        yield Told(end.at, end.caused_by or "", answered)
        return
    if not seen:
        return
    last = seen[-1]
    if last.taken and folded.summary["partial"]:
        return
    if folded.summary["discarded"]:
        says = "the contact was discarded: no response and no abandonment counts"
    elif folded.summary["clock_since"] is not None:
        says = "no answer yet: the clock runs"
    elif last.is_the_bots:
        says = "the contact is the bot's: no clock is shown or held against a target"
    elif last.start is None:
        says = _no_clock(channel, last, folded)
    else:
        says = "it ended without an answer"
    yield Told(last.event.at, last.event.event_id, says)


def _no_clock(channel: str, last: _Seen, folded: Folded) -> str:
    if folded.summary["partial"]:
        return "no clock: it was under way before Pulssi saw it, and no queue and no hand-off was seen"
    if not folded.summary["inbound"]:
        if channel == "call":
            return "no clock: a call that someone else began waits for nobody"
        return "no clock: a contact that someone else began waits for nobody before the customer writes"
    return "no clock: a call waits for nobody while it is in its menu" if last.is_in_the_menu else "no clock runs"
