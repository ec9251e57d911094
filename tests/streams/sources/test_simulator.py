"""The simulated centre: repeatable, valid, in order, and believable."""

from __future__ import annotations

from collections import Counter, defaultdict
from datetime import UTC, datetime
from itertools import islice
from statistics import fmean
from typing import Any, Final

import orjson
import pytest

from schemas.events import AGENT_EVENT, CONTACT_EVENT, MODELS
from schemas.topics import AGENTS, CONTACTS, SOURCES, Channel
from streams.sources.simulator import Emitted, Plan, simulate
from streams.sources.simulator.centre import QUEUES, TEAMS
from streams.sources.simulator.demand import servers
from tests.oracle.batch import batch
from tests.oracle.contacts import milliseconds

HOUR_MS: Final = 3_600_000
TUESDAY: Final = int(datetime(2026, 3, 3, tzinfo=UTC).timestamp() * 1000)
DAY: Final = Plan(TUESDAY, rate=1.0, seed=1, lasts_ms=24 * HOUR_MS)


@pytest.fixture(scope="module")
def day() -> list[Emitted]:
    """Return a whole day of the default centre."""
    return list(simulate(DAY))


@pytest.fixture(scope="module")
def told(day: list[Emitted]) -> list[dict[str, Any]]:
    """Return the day's events as JSON objects."""
    return [orjson.loads(event.value) for event in day]


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


def test_every_event_is_valid_and_has_its_place(day: list[Emitted]) -> None:
    """Each validates against the contract, stands in its channel's topic, and is keyed by contact or agent."""
    for event in day:
        if event.topic == AGENTS:
            agent = AGENT_EVENT.validate_json(event.value)
            assert (event.key.decode(), event.at) == (agent.agent_id, agent.occurred_at)
        else:
            contact = CONTACT_EVENT.validate_json(event.value)
            assert (event.key.decode(), event.at) == (contact.contact_id, contact.occurred_at)
            assert event.topic == CONTACTS[contact.channel]


def test_events_leave_in_order_of_time_from_the_start_on(day: list[Emitted]) -> None:
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


def test_the_rate_is_kept_on_average(day: list[Emitted]) -> None:
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
            queued[event["contact_id"]] = milliseconds(event["occurred_at"])
        elif event["type"] == "contact.connected" and event["contact_id"] in queued:
            since = queued.pop(event["contact_id"])
            by_hour[(since - TUESDAY) // HOUR_MS].append(milliseconds(event["occurred_at"]) - since <= 20_000)
    levels = [fmean(within) for hour, within in by_hour.items() if 8 <= hour < 18]
    assert max(levels) - min(levels) > 0.15


def test_the_day_has_its_shape_and_a_surge(told: list[dict[str, Any]]) -> None:
    """Busy by day, quiet by night, less at lunch than before; one topic rises for an hour or two."""
    started = Counter(
        (milliseconds(event["occurred_at"]) - TUESDAY) // HOUR_MS
        for event in told
        if event["type"] == "contact.started" and event["channel"] == "call"
    )
    assert started[10] > 4 * started[3]
    assert started[10] > started[12]
    outages = Counter(
        (milliseconds(event["occurred_at"]) - TUESDAY) // HOUR_MS
        for event in told
        if event["type"] == "contact.tagged" and "outage" in event["tags"] and event["channel"] != "email"
    )
    assert max(outages.values()) > 20
    quiet = [outages[hour] for hour in range(24) if abs(hour - outages.most_common(1)[0][0]) > 3]
    assert max(quiet) < max(outages.values()) / 5


def test_agents_never_hold_more_than_their_slots(told: list[dict[str, Any]]) -> None:
    """From connection to wrap-up an agent has at most the team's slots, and one channel at a time."""
    slots: dict[tuple[str, str], int] = {
        (team.name, channel): count for team in TEAMS for channel, count in team.slots.items()
    }
    teams = {event["agent_id"]: event["groups"][0] for event in told if event["type"] == "agent.status"}
    hands: dict[str, set[tuple[str, str]]] = defaultdict(set)
    worked = set()
    for event in told:
        agent = event.get("agent_id", "")
        if event["type"] == "contact.connected":
            hands[agent].add((event["channel"], event["contact_id"]))
            channels = {channel for channel, _ in hands[agent]}
            assert len(channels) == 1
            assert len(hands[agent]) <= slots[teams[agent], channels.pop()]
            worked.add(agent)
        elif event["type"] == "contact.wrapped":
            hands[agent].discard((event["channel"], event["contact_id"]))
    assert 60 <= len(worked) <= 160
    assert any(len(held) == 0 for held in hands.values())


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

    def people(events: list[Emitted]) -> int:
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
    found = servers(load, "call")
    assert load < found < load + 3 * load**0.5
