"""The course of a contact after the clock: its queues, work, pauses, ends and returns, a sentence an event. Pure.

Each sentence reports what an event changed, or that it changed nothing where a reader would expect a change. None of
them is a correction. The changes are observed while the contact is folded; nothing is computed a second time, so the
story cannot differ from the numbers.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple

from streams.core.event import Event
from streams.core.fold import Fold
from streams.core.segments import Segment
from streams.core.sheet import UNASSIGNED

_FOR: Final = {"customer": "the customer", "third_party": "somebody outside"}


class Told(NamedTuple):
    """One sentence of a story."""

    #: UTC milliseconds.
    at: int
    event_id: str
    says: str


class _State(NamedTuple):
    """What an event may change."""

    named: bool = False
    queue: str | None = None
    waits_since: int | None = None
    called_back: bool = False
    stretch: int | None = None
    instance: int = 0
    pause: int | None = None
    turn: int | None = None
    abandoned: bool = False
    over: bool = False
    segments: Mapping[int, tuple[bool, bool]] = {}
    tags: frozenset[str] = frozenset()
    surveys: frozenset[str] = frozenset()


class Course:
    """Looks on while a contact is folded."""

    def __init__(self) -> None:
        self.told: list[Told] = []
        self._before = _State()
        self._left = False

    def watch(self, event: Event, fold: Fold) -> None:
        """Say what an event, which was just taken, did to the contact."""
        now = _state(fold)
        before = self._before
        self.told += [Told(event.at, event.event_id, says) for says in self._sentences(event, fold, before, now)]
        self._before = now

    def _sentences(self, event: Event, fold: Fold, before: _State, now: _State) -> Iterator[str]:
        if fold.offered and now.named and not before.named and event.type != "contact.started":
            yield f"names the first queue, {fold.force.first_queue}: the contact was offered there"
        yield from _queue(event, before, now)
        yield from _work(event, fold, before, now)
        yield from self._leaving(event, fold, before, now)
        yield from _stretch(event, before, now, partial=fold.sheet.partial)
        yield from _pause(event, before, now)
        yield from _marks(event, fold, before, now)

    def _leaving(self, event: Event, fold: Fold, before: _State, now: _State) -> Iterator[str]:
        if event.type == "contact.abandoned":
            if fold.clock.is_in_the_menu:
                again = " again: counted once" if self._left else ": no abandonment, and in no service level"
                yield f"hangs up in the menu{again}"
                self._left = True
            elif before.abandoned:
                yield "leaves again: an abandonment counts once"
            elif not now.abandoned and before.over:
                yield "leaves after the wait had ended: no abandonment"
        elif now.abandoned and now.turn is not None and before.turn is None and event.at == now.turn:
            yield "is back after the abandonment and waits again from here"


def _state(fold: Fold) -> _State:
    visits, stretches, responses = fold.visits, fold.stretches, fold.responses
    return _State(
        fold.force.queue != UNASSIGNED,
        visits.queue if visits.since is not None else None,
        visits.since,
        fold.called_back,
        stretches.since,
        stretches.instance,
        stretches.paused_since,
        responses.turn_since,
        responses.abandoned_at is not None,
        responses.answered,
        {id(each): (each.ended is not None, each.wrapped is not None) for each in fold.segments.every},
        frozenset(fold.tags.in_effect),
        frozenset(fold.rated),
    )


def _queue(event: Event, before: _State, now: _State) -> Iterator[str]:
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


def _work(event: Event, fold: Fold, before: _State, now: _State) -> Iterator[str]:
    agent = event.fields.get("agent_id", "")
    mine: list[Segment] = [each for each in fold.segments.every if each.opened.fields["agent_id"] == agent]
    if event.type == "contact.connected":
        if len(mine) > 1 and mine[-2].ended is None:
            yield f"{agent}'s work {_since(mine[-2])} never ended and is not counted"
    elif event.type == "contact.wrapped" and mine:
        changed = [each for each in mine if now.segments[id(each)] != before.segments.get(id(each), (False, False))]
        if not changed:
            yield f"{agent} has wrapped up already: nothing changes"
        elif changed[0] is not mine[-1]:
            yield f"the form of {agent}'s former work {_since(changed[0])}, saved during the next"
        elif not before.segments[id(changed[0])][0]:
            yield f"ends and closes {agent}'s work {_since(changed[0])}"
        else:
            yield f"closes {agent}'s work {_since(changed[0])}"


def _since(segment: Segment) -> str:
    return f"that began with [{segment.opened.event_id}]"


def _stretch(event: Event, before: _State, now: _State, *, partial: bool) -> Iterator[str]:
    if now.instance > before.instance:
        how = "nobody is connected and it waits in no queue: the call ends"
        if event.type == "contact.resolved":
            how = "is resolved"
        unseen = partial and now.instance == 1
        yield f"{how} ({'no resolution: its beginning was not seen' if unseen else f'resolution {now.instance}'})"
    elif now.stretch is not None and before.stretch is None and before.instance:
        yield "is open again"
    elif event.type == "contact.resolved":
        yield "is resolved already: nothing changes"
    elif event.type == "contact.reopened":
        yield "is open already: no reopening"


def _pause(event: Event, before: _State, now: _State) -> Iterator[str]:
    if event.type == "contact.paused":
        if before.pause is not None:
            yield "is paused already: nothing changes"
        else:
            yield f"is paused for {_FOR[event.fields.get('for_', 'customer')]}"
    elif before.pause is not None and now.pause is None:
        why = {"message.sent": "the customer wrote", "contact.unpaused": "unpaused"}.get(
            event.type, "the stretch ended"
        )
        yield f"the pause ends: {why}"


def _marks(event: Event, fold: Fold, before: _State, now: _State) -> Iterator[str]:
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
