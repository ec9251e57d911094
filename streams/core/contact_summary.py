"""A contact's summary: what gauges, alerts and the table of contacts need of it, as of its last event."""

from __future__ import annotations

from typing import TYPE_CHECKING

from schemas.contact_record import VERSION, Clock, Pause, Summary, decode_summary, with_summary
from schemas.policies import Rules
from streams.core.deadlines import deadlines_at

if TYPE_CHECKING:
    from streams.core.fold import Fold


def summary_of(fold: Fold, handle_ms: int | None) -> Summary:
    """Summarise a contact; `handle_ms` is the length of its closed segments in all."""
    in_force, responses, stretches, discarded = fold.in_force, fold.responses, fold.stretches, fold.discarded
    is_open = stretches.since is not None and not responses.customer_left and not discarded
    runs = is_open and not fold.clock.is_with_bot and not fold.clock.is_in_menu
    clock_since = fold.clock.start() if runs and not responses.first_wait_over else None
    began, first, last = stretches.started_at, fold.first_end, fold.last_end
    handling = [] if discarded else fold.segments.agents_handling()
    # None of a partial contact is held against a target.
    clocks = [] if discarded or fold.writer.partial else _clocks(fold, clock_since, runs=runs)
    # A discarded contact has no samples, so its summary tells none either: averages over contacts leave it out.
    summary: Summary = {
        "v": VERSION,
        "step": 0,
        "channel": fold.channel,
        "queue": in_force.queue,
        "priority": in_force.priority,
        "team": in_force.team,
        "segment": in_force.segment,
        "language": in_force.language,
        "customer_id": in_force.customer,
        "agents": list(fold.agents),
        "started_at": began,
        "last_at": fold.last_at,
        "first_response_at": None if discarded else responses.first_at,
        "first_response_ms": None if discarded else responses.first_ms,
        "abandoned_at": None if discarded else responses.abandoned_at,
        "first_resolved_at": None if first is None or discarded else first[0].at,
        "resolved_at": None if last is None or discarded else last[0].at,
        "first_resolution_ms": None if discarded else stretches.first_ms,
        "resolution_ms": None if discarded or last is None or began is None else max(0, last[0].at - began),
        "handle_ms": handle_ms,
        "tags": sorted(fold.tags.in_effect),
        "reopens": 0 if discarded else stretches.reopens,
        "replies": responses.replies,
        "rating": None if discarded else fold.rating,
        "partial": fold.writer.partial,
        "discarded": discarded,
        "open": is_open,
        "waiting_since": None if discarded else earlier(fold.visits.since, clock_since),
        "awaiting_since": earlier(responses.turn_since, stretches.reopened_at) if is_open else None,
        "clock_since": clock_since,
        "target_ms": None,
        "handling": len(handling),
        "handling_agents": handling,
        "inbound": not fold.outreach,
        "clocks": clocks,
        "pauses": _pauses(fold) if clocks else [],
        "deadlines": [],
        "leaves_at": 0,
        "source": fold.source,
    }
    _set_deadlines(summary, fold.rules, fold.as_of)
    return summary


def with_renewed_deadlines(value: bytes, rules: Rules, as_of: int, step: int) -> bytes | None:
    """Compute the deadlines in a contact's record again, by other rules; None where nothing changes."""
    summary = decode_summary(value)
    before = summary["deadlines"], summary["target_ms"], summary["leaves_at"]
    _set_deadlines(summary, rules, as_of)
    if before == (summary["deadlines"], summary["target_ms"], summary["leaves_at"]):
        return None
    summary["step"] = step
    return with_summary(value, summary)


def _set_deadlines(summary: Summary, rules: Rules, as_of: int) -> None:
    """Set the deadlines by the rules in force, and the time from which the contact is stale."""
    summary["leaves_at"] = summary["last_at"] + rules.horizons_ms[summary["channel"]]
    if summary["clocks"] or summary["deadlines"]:
        summary["deadlines"], summary["target_ms"] = deadlines_at(rules, summary, max(as_of, summary["last_at"]))


def _clocks(fold: Fold, clock_since: int | None, *, runs: bool) -> list[Clock]:
    """Return the running clocks, each with its start; a queue visit's clock also runs in a contact that is not open.

    The first response ends a turn without a sample, so no turn has a deadline before it.
    """
    clocks: list[Clock] = []
    if clock_since is not None:
        clocks.append(("first_response", clock_since, ""))
    elif runs and fold.responses.turn_since is not None:
        clocks.append(("next_response", fold.responses.turn_since, ""))
    visits = fold.visits
    if visits.since is not None:
        clocks.append(("queue_wait", visits.since, "" if visits.queue == fold.in_force.queue else visits.queue))
    if runs and fold.stretches.since is not None:
        clocks.append(("resolution", fold.stretches.since, ""))
    return clocks


def _pauses(fold: Fold) -> list[Pause]:
    """Return the pauses of the open stretch; the last one may have no end yet."""
    stretches = fold.stretches
    pauses: list[Pause] = [*stretches.pauses]
    if stretches.paused_since is not None and stretches.since is not None:
        pauses.append((max(stretches.paused_since, stretches.since), None))
    return pauses


def earlier(one: int | None, other: int | None) -> int | None:
    """Give the earlier of two times; None where there is none."""
    if one is None or other is None:
        return other if one is None else one
    return min(one, other)
