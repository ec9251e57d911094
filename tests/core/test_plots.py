"""The contacts that property tests are made of: whatever the metrics tell apart occurs in them, and often enough."""

import itertools
from collections import Counter
from typing import Any, Final, NamedTuple

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from schemas.agents import STATUSES
from schemas.events import MODELS
from schemas.samples import NAMES
from tests.core import configured
from tests.core.agents import statuses
from tests.core.plots import contacts
from tests.oracle.batch import rows_of
from tests.oracle.centre import Centre
from tests.oracle.clock import answer
from tests.oracle.contacts import CUSTOMER_MESSAGE, OTHER_RANK, RANK, Contact, as_json, normalised
from tests.oracle.contacts import contacts as put_together
from tests.oracle.rows import Row
from tests.oracle.segments import segments
from tests.oracle.stretches import stretches
from tests.oracle.turns import turns
from tests.oracle.visits import awaits_callback

#: Contacts that are looked at; and in how many of them each thing must occur.
DRAWN: Final = 1_000
OFTEN: Final = 5


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
    of_visit = {("queue_wait", outcome) for outcome in OUTCOMES}
    more = {"short", "not short", "paused", "nudged", "again", "thirds", "partial", "nobody", "agent", "team"}
    _often(told, {*of_target, *of_score, *of_visit, *more})


OUTCOMES: Final = (
    *("answered", "abandoned", "moved", "left"),
    *("timeout", "overflow", "callback", "voicemail", "other"),
)


@pytest.mark.long
def test_every_verdict_of_a_policy(drawn: list[Drawn]) -> None:
    """By configured policies, in clock and business time: in time and late, and with pauses that stop the clock."""
    told: Counter[Any] = Counter()
    for centre in map(Centre, (configured.FILES, configured.drawn(0), configured.drawn(1))):
        for one in drawn[: DRAWN // 2]:
            for contact in put_together(one.events, centre):
                told.update({(row.sample, row.within) for row in rows_of(contact)})
                told.update({"short visit" for row in rows_of(contact) if row.sample == "queue_wait" and row.short})
                told.update({"stopped" for row in rows_of(contact) if _stopped(row)})
    metrics = ("first_response", "next_response", "queue_wait", "resolution")
    _often(told, {*((metric, within) for metric in metrics for within in (True, False)), "short visit", "stopped"})


def _stopped(row: Row) -> bool:
    """Tell whether a resolution is in time only because pauses stopped its clock."""
    return (
        row.active_ms is not None
        and row.target_ms is not None
        and bool(row.within)
        and row.target_ms < min(row.value_ms or 0, row.business_ms or row.value_ms or 0)
    )


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
    ways = [_ways(one) for one in drawn]
    _often(Counter(way for each in ways for way, seen in each.items() if seen), {way for each in ways for way in each})


def _ways(one: Drawn) -> dict[str, Any]:
    kinds = [event["type"] for event in one.contact.events]
    sent = Counter(event["event_id"] for event in one.events)
    voided = {event["voids"] for event in one.events if event["type"] == "event.voided"}
    discarded = {event["event_id"] for event in one.events if event["type"] == "contact.discarded"}
    normal = {as_json(normalised(event)) for event in one.events}
    times = Counter(event["at"] for event in one.contact.events)
    seqs = {(event["at"], event["seq"]) for event in one.contact.events}
    ranks = {(event["at"], event["seq"], RANK.get(event["type"], OTHER_RANK)) for event in one.contact.events}
    ties = Counter((at, seq) for at, seq, _ in ranks)
    return {
        "an event is voided": voided & set(sent),
        "a discarding is voided": voided & discarded and not one.contact.discarded,
        "what is not there is voided": voided - set(sent),
        "discarded": one.contact.discarded,
        "partial": one.contact.partial and kinds,
        "outbound, or begun by others": not one.contact.customers_own,
        "offered though begun by others": not one.contact.customers_own
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
            each.wrapped is not None and each.wrapped == each.ended for each in segments(one.contact)
        ),
        "paused for ever": kinds.count("contact.paused") > kinds.count("contact.unpaused"),
        **_second_reading(one),
        "no sample at all": not one.rows,
        "an event came twice": max(sent.values()) > 1,
        "another under the same id": len(normal) > len(sent),
        "a tie of times and `seq` that ranks decide": max(ties.values(), default=0) > 1,
        "a tie that `seq` decides": len(seqs) > len(times),
        "several of one time": max(times.values(), default=0) > 2,
        "something before the start": "contact.started" in kinds[1:],
        "a reply before what it answers": _skewed(one.contact),
    }


def _second_reading(one: Drawn) -> dict[str, Any]:
    contact, events = one.contact, one.contact.events
    if not events:
        return {}
    given, runs, every = answer(contact), turns(contact), stretches(contact)
    surveys = [event["survey_id"] for event in events if event["type"] == "contact.rated"]
    reasons = {event["reason"] for event in events if event["type"] == "contact.discarded"}
    pauses = {i: events[i]["for"] for i in contact.find("contact.paused")}
    work = segments(contact)
    replaced = [event for event in events if event["type"] == "contact.tagged" and event["replace"]]
    gave_up = given.position if given is not None and given.what == "abandoned" else None
    back = [turn for turn in runs if gave_up is not None and turn.begun > gave_up]
    closed = [(each.ended, other.opened) for each, other in itertools.pairwise(every)]
    return {
        "two surveys": len(set(surveys)) > 1,
        "a survey that is rated again": len(set(surveys)) < len(surveys),
        "discarded, and its work stays": reasons and one.rows,
        "discarded for a test too": len(reasons) > 1 and "test" in reasons,
        "paused for a third party": "third_party" in pauses.values(),
        "a pause ended by the customer": any(
            contact.find(CUSTOMER_MESSAGE, "contact.unpaused", after=i)[:1]
            == contact.find(CUSTOMER_MESSAGE, after=i)[:1]
            and contact.find(CUSTOMER_MESSAGE, after=i)
            for i, whom in pauses.items()
            if whom == "customer"
        ),
        "a pause left open over the end": any(
            ended is not None and i < ended and not contact.find("contact.unpaused", after=i, before=opened)
            for i in pauses
            for ended, opened in closed
        ),
        "paused while resolved": any(
            ended is not None and ended < i < opened for i in pauses for ended, opened in closed
        ),
        "tags replaced": replaced,
        "all tags taken off by a replacement": any(not event["tags"] for event in replaced),
        "back after an abandonment": back,
        "a call back after an abandonment that is connected": contact.channel == "call"
        and any(turn.ended is not None for turn in back),
        "a turn ended by an abandonment": any(turn.ended == gave_up is not None for turn in runs),
        "a partial contact whose wait ended silently": given is not None and given.what == "silent",
        "a former call's form saved during the next": any(
            each.wrapped is not None and each.wrapped > each.until for each in work
        ),
        "a segment that never ended, and another": any(
            each.ended is None and each.until < len(events) for each in work
        ),
        "a drop before the callback": any(awaits_callback(contact, i) for i in contact.find("contact.disconnected")),
        "a call in a menu that is connected": contact.channel == "call"
        and contact.find("contact.queued", "contact.handed_off", "contact.connected")[:1]
        == contact.find("contact.connected")[:1]
        != [],
        "resolved unanswered, and opened again": len(every) > 1
        and not contact.partial
        and (given is None or given.position > every[1].opened),
    }


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
