"""A made day at a help desk: the simulated centre's chats and e-mails, without what no help desk tells.

A vendor's test writes these contacts in the vendor's own format, maps that back, and holds the samples against those
that the events themselves give.
"""

import random
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import cache
from typing import Any, Final, NamedTuple

import orjson

from schemas.configuration.source_models import SourceName
from schemas.policies import Rules
from schemas.topics import Channel
from streams.core.event import effective, merge
from streams.core.fold import FoldResult, fold
from streams.sources.adapter import AccountRules, Payload, Request
from streams.sources.checked_events import map_payload
from streams.sources.registry import adapter_of
from streams.sources.simulator import Plan, simulate
from tests.core.contacts import read
from tests.oracle.contacts import milliseconds

Event = Mapping[str, Any]

TUESDAY_9: Final = int(datetime(2026, 3, 3, 9, tzinfo=UTC).timestamp() * 1000)
_PLAN: Final = Plan(TUESDAY_9, rate=1.0, seed=5, lasts_ms=5 * 3_600_000)
#: What a help desk tells of a contact.
_TOLD: Final = frozenset(
    {
        *("contact.started", "contact.queued", "message.sent", "contact.tagged", "contact.untagged"),
        *("contact.prioritised", "contact.resolved", "contact.reopened", "contact.paused", "contact.unpaused"),
        "contact.rated",
    }
)
#: Contacts with any of these are left out: nothing in a help desk says that.
_UNTOLD: Final = frozenset({"contact.abandoned", "contact.discarded", "event.voided"})


class Step(NamedTuple):
    """Something that happens to a contact: UTC milliseconds, and an event's type and fields."""

    at: int
    type: str
    fields: dict[str, Any]


class Contact(NamedTuple):
    """A contact of the made day: a number, and what happens to it, in order."""

    number: int
    channel: Channel
    steps: list[Step]

    def samples(self) -> list[Event]:
        """Return what its steps give, as events of the contract."""
        known = {"contact_id": f"made:{self.number}", "channel": self.channel, "source": "made"}
        return [
            {
                **known,
                "event_id": str(seq),
                "seq": seq,
                "occurred_at": datetime.fromtimestamp(step.at / 1000, UTC).isoformat(),
                "type": step.type,
                **step.fields,
            }
            for seq, step in enumerate(self.steps)
        ]


@cache
def _simulated() -> list[list[dict[str, Any]]]:
    """Simulate the day; returns the events of each chat and e-mail."""
    by_contact: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for simulated in simulate(_PLAN):
        event = orjson.loads(simulated.value)
        if event.get("channel") in {"chat", "email"}:
            by_contact[event["contact_id"]].append(event)
    return list(by_contact.values())


@cache
def contacts(*, whole_seconds: bool, bots: bool, third_parties: bool) -> tuple[Contact, ...]:
    """Make the contacts of the day; without bots those that begin in a queue, without third parties pauses for any."""
    found: list[Contact] = []
    for events in _simulated():
        begins_in_queue = any(
            event["type"] == "contact.queued" and event["occurred_at"] == events[0]["occurred_at"] for event in events
        )
        if events[0]["type"] != "contact.started" or not (bots or begins_in_queue):
            continue
        if not any(event["type"] in _UNTOLD for event in events):
            steps = _steps(events, whole_seconds=whole_seconds, third_parties=third_parties)
            found.append(Contact(len(found) + 1, events[0]["channel"], steps))
    return tuple(found)


def _steps(events: Sequence[Event], *, whole_seconds: bool, third_parties: bool) -> list[Step]:
    """Give what a help desk tells: a move between groups, and not that an agent passes a contact on."""
    steps: list[Step] = []
    queue = ""
    for event in events:
        kind = "contact.queued" if event["type"] == "contact.transferred" else event["type"]
        fields = {key: event[key] for key in ("author", "public", "tags", "replace", "priority") if key in event}
        if kind not in _TOLD or event.get("author") == "system":
            continue
        if kind == "contact.queued":
            if event["queue"] == queue:
                continue  # no change of the group
            fields["queue"] = queue = event["queue"]
        if event.get("author") == "agent":
            fields["agent_id"] = event["agent_id"]
        if kind == "contact.paused" and third_parties:
            fields["for"] = event["for"]
        if kind == "contact.rated":
            if event["survey_id"] != "service":
                continue
            fields |= {"score": event["score"], "scale_max": 5}
        if kind == "contact.started":
            fields = {}
        at = milliseconds(event["occurred_at"])
        steps.append(Step(at // 1000 * 1000 if whole_seconds else at, kind, fields))
    return steps


def mapped(
    source: SourceName,
    form: str,
    body: Mapping[str, Any],
    account: AccountRules,
    answers: Mapping[Request, Any] | None = None,
) -> list[dict[str, Any]]:
    """Map a payload; returns its events."""
    outcome = map_payload(adapter_of(source), form, Payload(orjson.dumps(body)), account, answers)
    assert not outcome.requests
    return [orjson.loads(record.value) for record in outcome.records]


def folded(events: Iterable[Event]) -> FoldResult:
    """Fold the events of one contact, in whatever order they are."""
    told = list(events)
    known, conflicts = merge([], read(told))
    assert conflicts == 0, "one id stands for two facts"
    return fold(told[0]["channel"], effective(known), Rules())


def rows(result: FoldResult, names: Iterable[str]) -> list[tuple[Any, ...]]:
    """Give the samples of these names by what can be compared between systems."""
    wanted = set(names)
    return sorted(
        (
            *(each.sample, each.at, each.queue, each.tag, each.outcome if each.sample == "queue_wait" else ""),
            *(each.value_ms, each.active_ms, each.value),
        )
        for each in result.samples
        if each.sample in wanted
    )


def state(result: FoldResult) -> dict[str, Any]:
    """Give the state that a contact ends in."""
    return {key: result.summary[key] for key in ("queue", "priority", "open", "tags", "discarded")}


def disordered(payloads: Sequence[Any], seed: int) -> list[Any]:
    """Give payloads in another order, some of them twice."""
    chance = random.Random(seed)  # noqa: S311 - a test's disorder
    both = [*payloads, *chance.sample(payloads, k=len(payloads) // 2)]
    return chance.sample(both, k=len(both))


def lost_after_an_end(hooks: Sequence[Sequence[Event]]) -> Iterator[tuple[FoldResult, FoldResult]]:
    """Lose what follows an end, up to each later webhook; give what is known then, and what would be without a loss."""
    for end, events in enumerate(hooks):
        if not any(event["type"] == "contact.resolved" for event in events):
            continue
        for last in range(end + 2, len(hooks)):
            kept = [*hooks[: end + 1], hooks[last]]
            whole = hooks[: last + 1]
            yield folded(event for each in kept for event in each), folded(event for each in whole for event in each)
