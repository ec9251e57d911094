"""The contacts that property tests are made of: whatever the metrics tell apart occurs in them, and often enough."""

from __future__ import annotations

from collections import Counter
from typing import Any, Final, NamedTuple

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from schemas.agents import STATUSES
from schemas.events import MODELS
from schemas.samples import NAMES
from tests.core.agents import statuses
from tests.core.plots import contacts
from tests.oracle.batch import rows_of
from tests.oracle.contacts import Contact, as_json, is_customers_own, normalised
from tests.oracle.contacts import contacts as put_together
from tests.oracle.rows import Row
from tests.oracle.segments import segments

#: Contacts that are looked at; and in how many of them each thing must occur.
DRAWN: Final = 800
OFTEN: Final = 8


class Drawn(NamedTuple):
    """One contact as it was drawn, as it is once put together, and its samples."""

    events: list[dict[str, Any]]
    contact: Contact
    rows: list[Row]


@pytest.fixture(scope="module")
def drawn() -> list[Drawn]:
    """Draw contacts as a property test does, the same ones each time."""
    return [
        Drawn(events, contact, list(rows_of(contact)))
        for events in _drawn(contacts())
        for contact in put_together(events)
    ]


def _drawn(strategy: st.SearchStrategy[list[dict[str, Any]]]) -> list[list[dict[str, Any]]]:
    found: list[list[dict[str, Any]]] = []

    @settings(
        max_examples=DRAWN,
        derandomize=True,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(strategy)
    def look(events: list[dict[str, Any]]) -> None:
        found.append(events)

    look()
    return found


def _often(counted: Counter[Any], wanted: set[Any]) -> None:
    seldom = {each: counted[each] for each in wanted if counted[each] < OFTEN}
    assert seldom == {}, f"seen in fewer than {OFTEN} of {DRAWN} contacts"


def test_every_type_of_event(drawn: list[Drawn]) -> None:
    """Each type of the contract, and one that it does not know."""
    counted = Counter(kind for one in drawn for kind in {event["type"] for event in one.events})
    _often(counted, {*MODELS, "contact.unheard_of"} - {"agent.status"})


def test_every_sample(drawn: list[Drawn]) -> None:
    """Each sample by its name, and each duration at more than nothing."""
    _often(Counter(name for one in drawn for name in {row.sample for row in one.rows}), set(NAMES))
    lasting = Counter(name for one in drawn for name in {row.sample for row in one.rows if row.value_ms})
    durations = {"queue_wait", "first_response", "next_response", "abandoned", "handle", "hold", "wrap", "talk"}
    _often(lasting, {*durations, "resolution"})


def test_every_verdict_on_a_sample(drawn: list[Drawn]) -> None:
    """In time and late, short and not, satisfied and not, each end of a visit, known tags, more than one resolution."""
    told = Counter(verdict for one in drawn for verdict in {each for row in one.rows for each in _verdicts(row)})
    of_target = {(name, within) for name in ("first_response", "abandoned") for within in (True, False)}
    of_score = {(name, satisfied) for name in ("rated", "evaluated") for satisfied in (True, False)}
    of_visit = {("queue_wait", outcome) for outcome in ("answered", "abandoned", "moved", "left")}
    more = {"short", "not short", "paused", "nudged", "again", "thirds", "partial", "nobody", "agent", "team"}
    _often(told, {*of_target, *of_score, *of_visit, *more})


def _verdicts(row: Row) -> list[Any]:
    found: list[Any] = [(row.sample, row.within), (row.sample, row.satisfied), (row.sample, row.outcome)]
    if row.sample == "abandoned" and row.within is not None:
        found.append("short" if row.short else "not short")
    if row.active_ms is not None and row.active_ms < (row.value_ms or 0):
        found.append("paused")
    if row.sample == "nudges" and row.value:
        found.append("nudged")
    if (row.instance or 0) > 1:
        found.append("again")
    if row.value in {333_333, 666_667}:
        found.append("thirds")
    if row.partial:
        found.append("partial")
    if row.team:
        found.append("team")
    found.append("agent" if row.agent_id else "nobody")
    return found


def test_every_way_a_contact_goes(drawn: list[Drawn]) -> None:
    """Voided, discarded and brought back, partial, outbound, a bot's, handed off, held, transferred."""
    _often(Counter(way for one in drawn for way in _ways(one)), set(WAYS))


def _ways(one: Drawn) -> set[str]:
    kinds = [event["type"] for event in one.contact.events]
    sent = Counter(event["event_id"] for event in one.events)
    voided = {event["voids"] for event in one.events if event["type"] == "event.voided"}
    discarded = {event["event_id"] for event in one.events if event["type"] == "contact.discarded"}
    normal = {as_json(normalised(event)) for event in one.events}
    times = Counter(event["at"] for event in one.contact.events)
    found = {
        "an event is voided": voided & set(sent),
        "a discarding is voided": voided & discarded and not one.contact.discarded,
        "what is not there is voided": voided - set(sent),
        "discarded": one.contact.discarded,
        "partial": one.contact.partial and kinds,
        "outbound, or begun by others": not is_customers_own(one.contact),
        "offered though begun by others": not is_customers_own(one.contact)
        and any(row.sample == "offered" for row in one.rows),
        "a bot wrote": any(event.get("author") == "bot" for event in one.contact.events),
        "handed off": "contact.handed_off" in kinds,
        "handed off and queued": "contact.handed_off" in kinds and "contact.queued" in kinds,
        "held, and not resumed": kinds.count("contact.held") > kinds.count("contact.resumed"),
        "transferred by nobody named": any(
            event["type"] == "contact.transferred" and event["agent_id"] is None for event in one.contact.events
        ),
        "connected twice": kinds.count("contact.connected") > 1,
        "wrapped up, and never ended": any(
            each.wrapped is not None and each.ended is None for each in segments(one.contact)
        ),
        "paused for ever": kinds.count("contact.paused") > kinds.count("contact.unpaused"),
        "rated again": kinds.count("contact.rated") > 1,
        "no sample at all": not one.rows,
        "an event came twice": max(sent.values()) > 1,
        "another under the same id": len(normal) > len(sent),
        "several of one time": max(times.values(), default=0) > 2,
        "something before the start": "contact.started" in kinds[1:],
        "a reply before what it answers": _skewed(one.contact),
    }
    assert set(found) == set(WAYS)
    return {way for way, seen in found.items() if seen}


WAYS: Final = (
    *("an event is voided", "a discarding is voided", "what is not there is voided", "discarded", "partial"),
    *("outbound, or begun by others", "offered though begun by others", "a bot wrote", "handed off"),
    *("handed off and queued", "held, and not resumed", "transferred by nobody named", "connected twice"),
    *(
        "wrapped up, and never ended",
        "paused for ever",
        "rated again",
        "no sample at all",
        "an event came twice",
        "another under the same id",
    ),
    *("several of one time", "something before the start", "a reply before what it answers"),
)


def _skewed(contact: Contact) -> bool:
    """Tell whether an agent's event stands before one that was told before it: ids are given as they are told."""
    told = [int(event["event_id"]) for event in contact.events if event["agent_id"] is not None]
    return told != sorted(told)


def test_every_way_a_time_is_written(drawn: list[Drawn]) -> None:
    """With milliseconds, with more digits than count, in a zone of its own."""
    endings = Counter(
        ending for one in drawn for ending in {event["occurred_at"][-6:].lstrip("0123456789") for event in one.events}
    )
    _often(endings, {"+00:00", "Z", "+05:30"})


def test_every_state_of_an_agent() -> None:
    """Each status; groups, slots and reasons named and emptied; unknown events; several of one time, of one id."""
    seen: Counter[str] = Counter()
    for events in _drawn(st.lists(statuses(st.integers(0, 4)), max_size=16)):
        normal = {as_json(normalised({**event, "contact_id": "", "channel": ""})) for event in events}
        found = {
            *(str(event.get("status")) for event in events if event["type"] == "agent.status"),
            *(f"{name} named" for event in events for name in ("groups", "capacity", "reason") if event.get(name)),
            *(f"{name} emptied" for event in events for name in ("groups", "capacity") if event.get(name) in ([], {})),
            *("unknown" for event in events if event["type"] != "agent.status"),
        }
        if len({event["occurred_at"] for event in events}) < len(events):
            found.add("of one time")
        if len({(event["agent_id"], event["event_id"]) for event in events}) < len(normal):
            found.add("under one id")
        seen.update(found)
    named = {"groups named", "groups emptied", "capacity named", "capacity emptied", "reason named"}
    _often(seen, {*STATUSES, *named, "unknown", "of one time", "under one id"})
