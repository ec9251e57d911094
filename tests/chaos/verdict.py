"""Holds what is in ClickHouse and among the dead letters against an independent fold of the same events."""

from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from schemas.panes import PANE_MS
from tests.chaos.feed import Feed
from tests.chaos.installation import Installation
from tests.chaos.records import Event
from tests.oracle.agents import states
from tests.oracle.batch import added_up, contact_rows, rows_of
from tests.oracle.centre import Centre
from tests.oracle.contacts import contacts
from tests.oracle.rows import Row
from tests.streams.flow import read_all

#: Differences that are told in full.
DIFFERENCES_SHOWN: Final = 8

#: Asks ClickHouse; returns rows.
Query = Callable[[str], Sequence[Sequence[Any]]]

_SAMPLES: Final = """
SELECT sample, channel, queue, count(), sum(ifNull(value_ms, 0)), countIf(within IS NOT NULL), countIf(within),
    countIf(short), countIf(satisfied), sum(ifNull(value, 0))
FROM samples GROUP BY ALL
"""
_EACH: Final = """
SELECT sample, channel, contact_id, queue, priority, toUnixTimestamp64Milli(at), value_ms, value, within, tag, outcome,
    policy, business_ms, in_hours
FROM samples
"""
_PANES: Final = """
SELECT sample, channel, queue, sum(n), sum(sum_ms), sum(n_target), sum(n_within), sum(n_short), sum(n_satisfied),
    sum(sum_value)
FROM panes GROUP BY ALL
"""
_MINUTES: Final = """
SELECT sample, channel, queue, priority, toUnixTimestamp64Milli(pane_start), sum(n), sum(sum_ms), sum(business_sum_ms),
    sum(arraySum(mapValues(business_hist)))
FROM panes GROUP BY ALL HAVING sum(n) != 0 OR sum(sum_ms) != 0
"""
_TAG_PANES: Final = "SELECT tag, channel, queue, sum(n) FROM tag_panes GROUP BY ALL HAVING sum(n) != 0"
_CONTACTS: Final = """
SELECT contact_id, channel, `partial`, discarded, if(`partial`, NULL, toUnixTimestamp64Milli(started_at)),
    toUnixTimestamp64Milli(first_response_at), first_response_ms, toUnixTimestamp64Milli(abandoned_at),
    toUnixTimestamp64Milli(first_resolved_at), toUnixTimestamp64Milli(resolved_at), ifNull(handle_ms, 0), replies,
    reopens, arraySort(tags)
FROM contacts
"""
_ARCHIVE: Final = "SELECT type, count() FROM events GROUP BY type"
_AGENTS: Final = """
SELECT agent_id, toUnixTimestamp64Milli(`from`), toUnixTimestamp64Milli(`to`), status, reason, groups, capacity
FROM agent_states
"""


def differences(query: Query, *parts: tuple[Sequence[Event], Centre]) -> dict[str, list[str]]:
    """Compare every view with all events, each part folded by the centre of its time; returns what differs, by view."""
    events = [event for part, _ in parts for event in part]
    rows = [row for part, centre in parts for contact in contacts(part, centre) for row in rows_of(contact)]
    sums: dict[Hashable, Any] = {key: tuple(value) for key, value in added_up(rows).items()}
    tags = Counter((row.tag, row.channel, row.queue) for row in rows if row.sample == "tagged")
    compared: dict[str, tuple[Mapping[Hashable, Any], Mapping[Hashable, Any]]] = {
        "samples": (_keyed(query(_SAMPLES), 3), sums),
        "each sample": (Counter(map(tuple, query(_EACH))), Counter(map(_sample, rows))),
        "panes": (_keyed(query(_PANES), 3, zeros=False), sums),
        "panes by the minute": (_keyed(query(_MINUTES), 5), _by_minute(rows)),
        "tag_panes": (_keyed(query(_TAG_PANES), 3), {key: (n,) for key, n in tags.items()}),
        "contacts": (
            _keyed(query(_CONTACTS), 1),
            {key: row for part, centre in parts for key, row in _contacts(part, centre)},
        ),
        "events": (
            _keyed(query(_ARCHIVE), 1),
            {(kind,): (n,) for kind, n in Counter(event["type"] for event in events).items()},
        ),
        "agent_states": (
            Counter(repr(tuple(row)) for row in query(_AGENTS)),
            Counter(repr(tuple(state)) for state in states(e for e in events if e["type"] == "agent.status")),
        ),
    }
    return {name: list(_told(actual, expected)) for name, (actual, expected) in compared.items() if actual != expected}


def _keyed(rows: Iterable[Sequence[Any]], of: int, *, zeros: bool = True) -> dict[Hashable, Any]:
    found = {tuple(row[:of]): tuple(row[of:]) for row in rows}
    return {key: value for key, value in found.items() if zeros or any(value)}


def _sample(row: Row) -> tuple[Any, ...]:
    place = row.sample, row.channel, row.contact_id, row.queue, row.priority, row.at
    verdict = row.within, row.tag, row.outcome, row.policy, row.business_ms, row.in_hours
    return *place, row.value_ms, row.value, *verdict


def _by_minute(rows: Iterable[Row]) -> dict[Hashable, Any]:
    found: dict[Hashable, tuple[int, ...]] = {}
    for row in rows:
        key = row.sample, row.channel, row.queue, row.priority, row.at - row.at % PANE_MS
        own = 1, row.value_ms or 0, row.business_ms or 0, int(row.business_ms is not None)
        found[key] = tuple(a + b for a, b in zip(found.get(key, (0,) * len(own)), own, strict=True))
    return found


def _contacts(events: Iterable[Event], centre: Centre) -> Iterator[tuple[Hashable, Any]]:
    for contact_id, row in contact_rows(events, centre).items():
        times = row.started_at, row.first_response_at, row.first_response_ms, row.abandoned_at
        ends = row.first_resolved_at, row.resolved_at, row.handle_ms, row.replies, row.reopens
        yield (contact_id,), (row.channel, row.partial, row.discarded, *times, *ends, sorted(row.tags))


def _told(actual: Mapping[Hashable, Any], expected: Mapping[Hashable, Any]) -> Iterator[str]:
    differ = [key for key in {**actual, **expected} if actual.get(key) != expected.get(key)]
    yield f"{len(differ):,} of {len(expected):,} differ"
    for key in differ[:DIFFERENCES_SHOWN]:
        yield f"{key}: is {actual.get(key)}, should be {expected.get(key)}"


def dead_letter_faults(installation: Installation, feed: Feed) -> tuple[int, list[str]]:
    """Hold the dead letters against the bad records: returns how many came again, and what is wrong.

    With transactions each comes once; without, one may come again, and says by its headers that it is the same.
    """
    found: dict[int, list[tuple[str, tuple[bytes, ...]]]] = {}
    for letter in read_all(installation.settings):
        headers = dict(letter.headers())
        place = tuple(headers[f"pulssi-{name}"] for name in ("topic", "partition", "offset"))
        found.setdefault(int(headers.get("number", b"0")), []).append((headers["pulssi-code"].decode(), place))
    faults = [f"bad record {number} ({code}) is missing" for number, code in feed.bad.items() if number not in found]
    for number, letters in found.items():
        if {code for code, _ in letters} != {feed.bad.get(number)}:
            faults.append(f"record {number}: is {letters}, should be {feed.bad.get(number)}")
        elif len({place for _, place in letters}) > 1:
            faults.append(f"record {number} is there from several places: {letters}")
    repeated = sum(len(letters) - 1 for letters in found.values())
    if repeated:
        faults.append(f"{repeated} dead letters are there twice")
    return repeated, faults
