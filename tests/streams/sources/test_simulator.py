"""The simulated centre: repeatable, valid, in order, and believable; its agents' states agree with its contacts."""

from bisect import bisect_right
from collections import Counter, defaultdict
from datetime import UTC, datetime
from itertools import islice
from statistics import fmean
from typing import Any, Final, NamedTuple

import orjson
import pytest

from schemas.events import AGENT_EVENT, CONTACT_EVENT, MODELS
from schemas.topics import AGENTS, CONTACTS, SOURCES, Channel
from streams.sources.simulator import Plan, SimulatedEvent, simulate
from streams.sources.simulator.centre import QUEUES, TEAMS
from streams.sources.simulator.demand import agents_needed
from tests.oracle.agents import State, states
from tests.oracle.batch import batch
from tests.oracle.contacts import milliseconds

HOUR_MS: Final = 3_600_000
TUESDAY: Final = int(datetime(2026, 3, 3, tzinfo=UTC).timestamp() * 1000)
DAY: Final = Plan(TUESDAY, rate=1.0, seed=1, lasts_ms=24 * HOUR_MS)
SLOTS: Final[dict[str, dict[Channel, int]]] = {team.name: team.slots for team in TEAMS}


class Work(NamedTuple):
    """What an agent did with a contact: when the talk and the wrap-up ended; None: not before the day's end."""

    channel: Channel
    since: int
    ended: int | None
    wrapped: int | None


def at(event: dict[str, Any]) -> int:
    """Return an event's time."""
    return milliseconds(event["occurred_at"])


def hour(event: dict[str, Any]) -> int:
    """Return the hour of the day."""
    return (at(event) - TUESDAY) // HOUR_MS


@pytest.fixture(scope="module")
def day() -> list[SimulatedEvent]:
    """Return a whole day of the default centre."""
    return list(simulate(DAY))


@pytest.fixture(scope="module")
def told(day: list[SimulatedEvent]) -> list[dict[str, Any]]:
    """Return the day's events as JSON objects."""
    return [orjson.loads(event.value) for event in day]


@pytest.fixture(scope="module")
def shifts(told: list[dict[str, Any]]) -> dict[str, list[State]]:
    """Return each agent's states in order."""
    found: dict[str, list[State]] = defaultdict(list)
    for state in states(event for event in told if event["type"] == "agent.status"):
        found[state.agent_id].append(state)
    return found


@pytest.fixture(scope="module")
def worked(told: list[dict[str, Any]]) -> dict[str, list[Work]]:
    """Return what each agent worked on."""
    found: dict[str, list[Work]] = defaultdict(list)
    under_way: dict[tuple[str, str], Work] = {}
    for event in told:
        contact, agent = event.get("contact_id"), event.get("agent_id", "")
        if event["type"] == "contact.connected":
            under_way[event["contact_id"], agent] = Work(event["channel"], at(event), None, None)
        elif event["type"] in {"contact.disconnected", "contact.transferred"}:
            for key, work in under_way.items():
                if key[0] == contact and agent in {"", key[1]} and work.ended is None:
                    under_way[key] = work._replace(ended=at(event))
        elif event["type"] == "contact.wrapped" and (event["contact_id"], agent) in under_way:
            found[agent].append(under_way.pop((event["contact_id"], agent))._replace(wrapped=at(event)))
    for (_, agent), work in under_way.items():
        found[agent].append(work)
    return found


def test_the_same_plan_gives_the_same_bytes() -> None:
    """Twice the same; another seed, start, rate or length differs."""
    plan = Plan(TUESDAY + 9 * HOUR_MS, rate=1.0, seed=3, lasts_ms=300_000)
    assert list(simulate(plan)) == list(simulate(plan))
    others = (
        Plan(plan.start_ms, 1.0, 4, plan.lasts_ms),
        Plan(plan.start_ms + 1000, 1.0, 3, plan.lasts_ms),
        Plan(plan.start_ms, 1.1, 3, plan.lasts_ms),
    )
    assert all(list(simulate(other)) != list(simulate(plan)) for other in others)


def test_every_event_is_valid_and_has_its_place(day: list[SimulatedEvent]) -> None:
    """Each validates against the contract, stands in its channel's topic, and is keyed by contact or agent."""
    for event in day:
        if event.topic == AGENTS:
            agent = AGENT_EVENT.validate_json(event.value)
            assert (event.key.decode(), event.at) == (agent.agent_id, agent.occurred_at)
        else:
            contact = CONTACT_EVENT.validate_json(event.value)
            assert (event.key.decode(), event.at) == (contact.contact_id, contact.occurred_at)
            assert event.topic == CONTACTS[contact.channel]


def test_events_leave_in_order_of_time_from_the_start_on(day: list[SimulatedEvent]) -> None:
    """Nothing before the start, nothing after the end, never back in time."""
    times = [event.at for event in day]
    assert times == sorted(times)
    assert times[0] >= DAY.start_ms
    assert times[-1] < DAY.start_ms + 24 * HOUR_MS


def test_ids_are_the_runs_own(told: list[dict[str, Any]]) -> None:
    """Seed and start are in each contact's id; an event's id is unique within its contact or agent."""
    ids = [
        (event.get("contact_id"), event["agent_id"] if "contact_id" not in event else None, event["event_id"])
        for event in told
    ]
    assert len(ids) == len(set(ids))
    contacts = {event["contact_id"] for event in told if "contact_id" in event}
    assert all(contact.startswith("sim:1-20260303T000000Z:") for contact in contacts)


def test_every_type_of_the_contract_occurs(told: list[dict[str, Any]]) -> None:
    """A day shows each of them, and about ten events a contact."""
    assert {event["type"] for event in told} == set(MODELS)
    of_contacts = [event for event in told if "contact_id" in event]
    assert 9 < len(of_contacts) / len({event["contact_id"] for event in of_contacts}) < 14


def test_the_rate_is_kept_on_average(day: list[SimulatedEvent]) -> None:
    """Within a tenth over a day, and within a fifth over a quarter of an hour by night."""
    assert len(day) == pytest.approx(86_400, rel=0.1)
    night = Plan(TUESDAY + 3 * HOUR_MS, rate=10.0, seed=2, lasts_ms=900_000)
    events = list(simulate(night))
    at_once = sum(1 for event in events if event.topic == AGENTS and event.at == night.start_ms)
    assert len(events) - at_once == pytest.approx(9_000, rel=0.2)


def test_service_levels_are_about_the_targets_and_move(told: list[dict[str, Any]]) -> None:
    """Calls and chats near 80 % over the day; the hours differ visibly."""
    counts = batch(event for event in told if event.get("channel") != "email")

    def level(channel: Channel) -> float:
        answered = [value for key, value in counts.items() if key[:2] == ("first_response", channel)]
        left = [value for key, value in counts.items() if key[:2] == ("abandoned", channel)]
        within = sum(value[3] for value in answered)
        return within / (sum(v[2] for v in answered) + sum(v[2] for v in left) - sum(v[4] for v in left))

    assert 0.65 < level("call") < 0.92
    assert 0.70 < level("chat") < 0.97
    by_hour: dict[int, list[int]] = defaultdict(list)
    queued = {}
    for event in told:
        if event.get("channel") == "call" and event["type"] == "contact.queued":
            queued[event["contact_id"]] = event
        elif event["type"] == "contact.connected" and event["contact_id"] in queued:
            since = queued.pop(event["contact_id"])
            by_hour[hour(since)].append(at(event) - at(since) <= 20_000)
    levels = [fmean(by_hour[each]) for each in range(8, 18)]
    assert max(levels) - min(levels) > 0.15


def test_the_day_has_its_shape_and_a_surge(told: list[dict[str, Any]]) -> None:
    """Busy by day, quiet by night, less at lunch than before; one topic rises for an hour or two."""
    started = Counter(
        hour(event) for event in told if event["type"] == "contact.started" and event["channel"] == "call"
    )
    assert started[10] > 4 * started[3]
    assert started[10] > started[12]
    outages = Counter(
        hour(event)
        for event in told
        if event["type"] == "contact.tagged" and "outage" in event["tags"] and event["channel"] != "email"
    )
    assert max(outages.values()) > 20
    quiet = [outages[each] for each in range(24) if abs(each - outages.most_common(1)[0][0]) > 3]
    assert max(quiet) < max(outages.values()) / 5


def test_agents_never_hold_more_than_their_slots(shifts: dict[str, list[State]], worked: dict[str, list[Work]]) -> None:
    """From connection to wrap-up an agent has at most the team's slots, and one channel at a time."""
    assert 60 <= len(worked) <= 160
    for agent, works in worked.items():
        slots = SLOTS[shifts[agent][0].groups[0]]
        for work in works:
            held = [
                each.channel
                for each in works
                if each.since <= work.since and (each.wrapped is None or each.wrapped > work.since)
            ]
            assert set(held) == {work.channel}
            assert len(held) <= slots[work.channel]


def during(shift: list[State], since: int, to: int) -> set[str]:
    """Give what an agent was at some time strictly between two; nothing where there is no time between."""
    if since == to:
        return set()
    first = max(0, bisect_right([state.since for state in shift], since) - 1)
    return {state.status for state in shift[first:] if state.since < to and (state.to is None or state.to > since)}


def test_who_works_is_busy_and_who_wraps_up_says_so(
    shifts: dict[str, list[State]], worked: dict[str, list[Work]]
) -> None:
    """While a contact is talked to its agent is busy; after a call or an e-mail in wrap-up, until it is wrapped."""
    seen: dict[str, set[str]] = defaultdict(set)
    for agent, works in worked.items():
        for channel, since, ended, wrapped in works:
            if ended is not None and wrapped is not None:
                seen["talk"] |= during(shifts[agent], since, ended)
                seen[channel] |= during(shifts[agent], ended, wrapped)
    # Chats go on beside one that is wrapped up.
    assert seen == {"talk": {"busy"}, "call": {"wrap_up"}, "email": {"wrap_up"}, "chat": {"busy"}}


def test_nobody_has_a_contact_who_is_not_at_work(shifts: dict[str, list[State]], worked: dict[str, list[Work]]) -> None:
    """Available, away and offline agents have nothing in hand, and no wrap-up outlasts its contact."""
    for agent, shift in shifts.items():
        for state in shift:
            if state.status != "busy":
                until = state.to if state.to is not None else TUESDAY + 24 * HOUR_MS
                inside = [work for work in worked[agent] if state.since < work.since < until]
                assert not inside, (state, inside)
            if state.status == "wrap_up" and state.to is not None:
                assert state.to in {work.wrapped for work in worked[agent]} or state.since < TUESDAY + 90 * 60_000, (
                    state
                )


def test_a_shift_is_believable(shifts: dict[str, list[State]]) -> None:
    """Agents log in, take their breaks and lunch, go home; one who is at home is offline for hours."""
    every = [state for shift in shifts.values() for state in shift]
    assert {state.reason for state in every if state.status == "away"} == {"break", "lunch", "missed offer"}
    lunches = [state.to - state.since for state in every if state.reason == "lunch" and state.to is not None]
    assert 25 * 60_000 < fmean(lunches) < 40 * 60_000
    assert len({state.agent_id for state in every if state.status == "offline"}) > len(shifts) / 2
    assert all(
        state.to - state.since >= 10 * HOUR_MS for state in every if state.status == "offline" and state.to is not None
    )


def test_capacity_is_what_the_team_can_take(shifts: dict[str, list[State]]) -> None:
    """Idle agents could take any of their team's channels; one with a contact takes more of its channel only."""
    for shift in shifts.values():
        for state in shift:
            slots = SLOTS[state.groups[0]]
            if state.status == "available":
                assert state.capacity == slots
            elif state.status == "busy":
                ((channel, count),) = state.capacity.items()
                assert (channel, count) in slots.items()


def test_a_start_at_noon_is_in_full_swing() -> None:
    """Contacts under way are there at once: partial ones, and agents who already talk."""
    noon = Plan(TUESDAY + 12 * HOUR_MS, rate=1.0, seed=1, lasts_ms=300_000)
    events = [orjson.loads(event.value) for event in simulate(noon)]
    begun = {event["contact_id"] for event in events if event["type"] == "contact.started"}
    under_way = {event["contact_id"] for event in events if "contact_id" in event} - begun
    assert len(under_way) > 20
    states = Counter(event["status"] for event in events if event["type"] == "agent.status")
    assert states["busy"] > 10
    assert len(events) == pytest.approx(300 * 1.6, rel=0.5)


def test_without_an_end_it_goes_on() -> None:
    """A plan without a length yields for as long as it is read."""
    endless = simulate(Plan(TUESDAY, rate=1.0, seed=1))
    assert len(list(islice(endless, 20_000))) == 20_000


def test_volume_scales_with_the_rate() -> None:
    """Ten times the rate: about ten times the agents, and every topic is fed."""
    small, large = (
        list(simulate(Plan(TUESDAY + 10 * HOUR_MS, rate=rate, seed=1, lasts_ms=600_000))) for rate in (0.5, 5.0)
    )

    def people(events: list[SimulatedEvent]) -> int:
        return len({event.key for event in events if event.topic == AGENTS})

    assert 5 < people(large) / people(small) < 11
    assert {event.topic for event in large} == set(SOURCES)


def test_the_tables_are_whole() -> None:
    """Shares add up to one; each queue's teams take its channel; a team takes several contacts in one channel only."""
    assert sum(queue.share for queue in QUEUES) == pytest.approx(1.0)
    assert all(queue.channel in team.slots for queue in QUEUES for team in queue.teams)
    assert all(sum(slots > 1 for slots in team.slots.values()) <= 1 for team in TEAMS)


@pytest.mark.parametrize("load", [0.3, 3.0, 30.0, 300.0, 30_000.0])
def test_staffing_is_just_above_the_load(load: float) -> None:
    """A little more than the load, relatively less the larger the team."""
    found = agents_needed(load, "call")
    assert load < found < load + 3 * load**0.5
