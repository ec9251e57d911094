"""What comes of vendors' payloads in the end: their events folded as a worker folds them; and a day to write in their
formats.

The day is the simulator's, with a second in the place of each millisecond: a vendor that tells whole seconds then loses
nothing, and its samples can be compared exactly.
"""  # noqa: D205 - one sentence

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import cache
from typing import Any, Final, NamedTuple

import orjson

from schemas.configuration.source_models import SourceName
from schemas.policies import Rules
from schemas.samples import Sample
from schemas.topics import AGENTS
from streams.core.event import merge
from streams.core.fold import FoldResult, fold
from streams.sources.adapter import AccountRules, Payload
from streams.sources.checked_events import map_payload
from streams.sources.registry import adapter_of
from streams.sources.simulator import Plan, simulate
from tests.core.contacts import read

BEGIN: Final = int(datetime(2026, 3, 2, tzinfo=UTC).timestamp() * 1000)
_DAY_MS: Final = 86_400_000


class Told(NamedTuple):
    """A payload of a form."""

    form: str
    body: Mapping[str, Any]


def events_of(source: SourceName, told: Iterable[Told], account: AccountRules) -> list[dict[str, Any]]:
    """Map payloads, and give all events as they go out."""
    found = []
    for form, body in told:
        outcome = map_payload(adapter_of(source), form, Payload(orjson.dumps(body)), account)
        found += [orjson.loads(record.value) for record in outcome.records]
    return found


def folded(events: Iterable[Mapping[str, Any]]) -> dict[str, FoldResult]:
    """Fold each contact."""
    of_contact: dict[tuple[str, str], list[Mapping[str, Any]]] = defaultdict(list)
    for event in events:
        of_contact[event["contact_id"], event["channel"]].append(event)
    found = {}
    for (contact, channel), its in of_contact.items():
        assert contact not in found, f"{contact} is in two channels"
        found[contact] = fold(channel, merge([], read(its))[0], Rules())
    return found


def state_of(result: FoldResult) -> dict[str, Any]:
    """Take from a contact what it is in the end."""
    names = ("queue", "priority", "team", "tags", "open", "discarded", "customer_id", "replies", "rating", "reopens")
    return {name: result.summary.get(name) for name in names}


def row_of(sample: Sample) -> tuple[Any, ...]:
    """Take from a sample what does not depend on the ids of events; None is told apart by its place."""
    told = (sample.sample, sample.at, sample.queue, sample.priority, sample.tag, sample.outcome, sample.agent_id)
    values = (sample.value_ms, sample.active_ms, sample.value, sample.within, sample.satisfied, sample.partial)
    return (*told, *(str(value) for value in values))


def rows_of(result: FoldResult, names: Iterable[str]) -> list[tuple[Any, ...]]:
    """Take the rows of some samples, in an order of their own."""
    wanted = set(names)
    return sorted(row_of(sample) for sample in result.samples if sample.sample in wanted)


class Instant(NamedTuple):
    """All that the simulator tells of a contact at one time."""

    at: datetime
    events: Sequence[dict[str, Any]]


@cache
def day() -> Mapping[str, tuple[Instant, ...]]:
    """Give every contact of a day but those that began before it, with a second for each millisecond."""
    told: dict[str, dict[int, list[dict[str, Any]]]] = defaultdict(lambda: defaultdict(list))
    for event in simulate(Plan(BEGIN, rate=0.2, seed=11, lasts_ms=_DAY_MS)):
        if event.topic != AGENTS:
            told[event.key.decode()][event.at].append(orjson.loads(event.value))
    found = {}
    for contact, by_time in told.items():
        instants = tuple(
            Instant(datetime.fromtimestamp(BEGIN / 1000 + (at - BEGIN), UTC), sorted(events, key=_seq))
            for at, events in sorted(by_time.items())
        )
        if instants[0].events[0]["type"] == "contact.started":
            found[contact] = instants
    return found


def _seq(event: Mapping[str, Any]) -> int:
    return int(event.get("seq", 0))


def contacts_of(*channels: str) -> Iterator[tuple[str, tuple[Instant, ...]]]:
    """Give the day's contacts of some channels."""
    return ((contact, instants) for contact, instants in day().items() if instants[0].events[0]["channel"] in channels)
