"""A contact at a glance: what gauges, alerts and the table of contacts need of it, as of its last event."""

from __future__ import annotations

from typing import TYPE_CHECKING

from schemas.contact_record import VERSION, Deadline, Summary
from schemas.policies import Metric
from streams.core.deadlines import deadline, lasts_ms

if TYPE_CHECKING:
    from streams.core.fold import Fold


def summary_of(fold: Fold, handle_ms: int | None) -> Summary:
    """Sum a contact up; `handle_ms` is the length of its closed segments in all."""
    force, responses, stretches, discarded = fold.force, fold.responses, fold.stretches, fold.discarded
    is_open = fold.asks and stretches.since is not None and not responses.gone and not discarded
    is_the_bots = fold.clock.is_the_bots
    clock_since = fold.clock.start() if is_open and not responses.answered and not is_the_bots else None
    first, last = stretches.first_end, stretches.last_end
    handling = [] if discarded else fold.segments.agents_at_work()
    deadlines: list[Deadline] = []
    target_ms = None
    if is_open and not is_the_bots:
        for metric, since in _clocks(fold, clock_since):
            policy = fold.sheet.policy(metric, fold.last_at)
            if policy is not None:
                deadlines.append(deadline(fold.rules, policy, force.queue, since))
                if metric == "first_response":
                    target_ms = lasts_ms(fold.rules, policy, force.queue, since, policy.target_ms)
    summary: Summary = {
        "v": VERSION,
        "step": 0,
        "channel": fold.channel,
        "queue": force.queue,
        "priority": force.priority,
        "team": force.team,
        "segment": force.segment,
        "language": force.language,
        "customer_id": force.customer,
        "agents": list(fold.agents),
        "started_at": stretches.started_at,
        "last_at": fold.last_at,
        "first_response_at": responses.first_at,
        "first_response_ms": responses.first_ms,
        "abandoned_at": responses.abandoned_at,
        "first_resolved_at": None if first is None else first.at,
        "resolved_at": None if last is None else last.at,
        "first_resolution_ms": stretches.first_ms,
        "resolution_ms": None if last is None else last.at - (stretches.started_at or 0),
        "handle_ms": handle_ms,
        "tags": sorted(fold.tags.in_effect),
        "reopens": stretches.reopens,
        "replies": responses.replies,
        "rating": None if fold.last_rated is None else fold.last_rated[2],
        "partial": fold.sheet.partial,
        "discarded": discarded,
        "open": is_open,
        "waiting_since": _earlier(fold.visits.since, clock_since) if is_open else None,
        "awaiting_since": _earlier(responses.turn_since, stretches.reopened_at) if is_open else None,
        "clock_since": clock_since,
        "target_ms": target_ms,
        "handling": len(handling),
        "handling_agents": handling,
        "inbound": not fold.outreach,
        "deadlines": deadlines,
        "leaves_at": fold.last_at + fold.rules.horizons_ms[fold.channel],
    }
    if discarded:  # it has no samples, so its summary tells none either: an average over contacts leaves it out
        summary.update(
            {
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
        )
    return summary


def _clocks(fold: Fold, clock_since: int | None) -> list[tuple[Metric, int]]:
    """Give the running clocks of an open contact, each with its start."""
    clocks: list[tuple[Metric, int]] = []
    if clock_since is not None:
        clocks.append(("first_response", clock_since))
    if fold.responses.turn_since is not None:
        clocks.append(("next_response", fold.responses.turn_since))
    if fold.stretches.since is not None:
        clocks.append(("resolution", fold.stretches.since))
    return clocks


def _earlier(one: int | None, other: int | None) -> int | None:
    if one is None or other is None:
        return other if one is None else one
    return min(one, other)
