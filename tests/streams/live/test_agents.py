"""Who is there now: counts by group that are worked out by hand, and the same whatever came in which order."""

import random
from typing import Any, Final

from hypothesis import given
from hypothesis import strategies as st

from schemas.agents import AHEAD_MS, HORIZON_MS, STATUSES, AgentStretch
from schemas.topics import AGENTS
from streams.live.live_agents import AgentsReading, Slots
from streams.live.live_view import LiveView
from tests.streams.live.agent_records import agent_record
from tests.streams.live.steps import Journal, contact, contact_key, summary

NOW: Final = 1_773_559_200_000


def state(of: str, groups: list[str] | None = None, *, since: int = NOW - 60_000, **capacity: int) -> AgentStretch:
    """Make a state that was told when it began."""
    return AgentStretch(since, since, of, "", ["care"] if groups is None else groups, capacity)


def handled_contact(name: str, by: list[str], channel: str = "chat") -> tuple[bytes, bytes]:
    """Write the record of a contact that these agents have in hand."""
    return contact_key(name), contact(summary(channel=channel, handling=len(by), handling_agents=by))


def view_of(agents: list[tuple[bytes, bytes]], contacts: list[tuple[bytes, bytes]] | None = None) -> LiveView:
    """Feed a view with agents and with chats."""
    view = LiveView("UTC", lambda: NOW)
    view.feed([Journal(AGENTS).step(*agents), Journal("contacts.chat").step(*(contacts or []))])
    return view


def counts(reading: AgentsReading) -> tuple[int, ...]:
    """Give available, busy, wrap-up, away and offline."""
    return tuple(reading.by_status[status] for status in STATUSES)


def test_agents_count_in_each_of_their_groups_and_once_in_the_centre() -> None:
    """Groups in order behind the centre; who is in none stands under no name; the same group named twice is one."""
    view = view_of(
        [
            agent_record("a", state("available", ["care", "sales", "care"])),
            agent_record("b", state("away", ["care"])),
            agent_record("c", state("offline", [])),
            agent_record("d", state("wrap_up", ["sales"])),
        ]
    )
    assert {group: counts(reading) for group, reading in view.agents.readings().items()} == {
        None: (1, 0, 1, 1, 1),
        "": (0, 0, 0, 0, 1),
        "care": (1, 0, 0, 1, 0),
        "sales": (1, 0, 1, 0, 0),
    }
    assert list(view.agents.readings()) == [None, "", "care", "sales"]


def test_without_agents_there_is_nothing() -> None:
    """A centre whose sources tell no states shows no agents, not zeros."""
    assert view_of([], [handled_contact("1", ["a"])]).agents.readings() == {}


def test_slots_in_use_and_free() -> None:
    """Worked out by hand: see the comments."""
    view = view_of(
        [
            agent_record("a", state("available", chat=3)),  # one in hand: two free
            agent_record("b", state("busy", chat=3)),  # two in hand: one free
            agent_record("c", state("busy", chat=3)),  # busy with what nobody sees: none free
            agent_record("d", state("wrap_up", chat=3)),  # none in hand, and none free
            agent_record("e", state("away", chat=2)),  # away with one in hand: its slots count, none free
            agent_record("f", state("away", chat=2)),  # not there
            agent_record("g", state("offline", chat=2)),  # not there, whatever it left behind
            agent_record("h", state("available", chat=1)),  # two in hand where one is allowed: none free
        ],
        [handled_contact(str(number), by) for number, by in enumerate((["a"], ["b"], ["b", "e"], ["g"], ["h"], ["h"]))],
    )
    assert view.agents.readings()["care"].slots == (Slots("chat", 3 + 3 + 3 + 3 + 2 + 1, 6, 3, 0),)


def test_slots_that_no_source_tells_are_not_made_up() -> None:
    """Without any capacity there is no number of slots; with some, who is without is counted beside it."""
    nobody = view_of([agent_record("a", state("available"))], [handled_contact("1", ["a"])])
    assert nobody.agents.readings()["care"] == AgentsReading(
        dict.fromkeys(STATUSES, 0) | {"available": 1}, (Slots("chat", None, 1, None, 1),), 1
    )
    some = view_of(
        [
            agent_record("a", state("available", chat=3)),
            agent_record("b", state("available", call=1)),
            agent_record("c", state("away")),
        ],
        [handled_contact("1", ["a"]), handled_contact("2", ["b"])],
    )
    assert some.agents.readings()["care"].slots == (Slots("call", 1, 0, 1, 0), Slots("chat", 3, 2, 2, 1))
    assert some.agents.readings()["care"].untold == 0  # who is away has no slots to tell


def test_contacts_leave_hands() -> None:
    """Handed back, forgotten by the worker, or gone with their journal: the slots are free again."""
    view = LiveView("UTC", lambda: NOW)
    journal = Journal("contacts.chat")
    view.feed([Journal(AGENTS).step(agent_record("a", state("available", chat=3)))])

    def used() -> int:
        return sum(slots.used for slots in view.agents.readings()["care"].slots)

    before = view.version
    view.feed([journal.step(handled_contact("1", ["a"]), handled_contact("2", ["a"]))])
    assert used() == 2
    assert view.version > before
    view.feed([journal.step(handled_contact("1", []))])
    assert used() == 1
    view.feed([journal.step((contact_key("2"), None), handled_contact("3", ["a"]))])
    assert used() == 1
    view.feed([Journal("contacts.chat").step()._replace(restarted=True)])
    assert used() == 0
    view.feed([Journal(AGENTS).step()._replace(restarted=True)])
    assert view.agents.readings() == {}


def test_states_change_with_time_alone() -> None:
    """One that is dated ahead comes into force; who is not heard of for a day is gone. Readers are told."""
    clock = [NOW]
    view = LiveView("UTC", lambda: clock[0])
    ahead = NOW + AHEAD_MS + 60_000
    view.feed([Journal(AGENTS).step(agent_record("a", state("available"), state("busy", since=ahead)))])
    assert counts(view.agents.readings()["care"]) == (1, 0, 0, 0, 0)
    read = view.version
    clock[0] = ahead - AHEAD_MS - 1
    view.advance()
    assert view.version == read
    clock[0] += 1
    view.advance()
    assert view.version > read
    assert counts(view.agents.readings()["care"]) == (0, 1, 0, 0, 0)
    clock[0] = ahead + HORIZON_MS - 1
    view.advance()
    assert view.agents.readings()
    clock[0] += 1
    view.advance()
    assert view.agents.readings() == {}


_STATES: Final = st.builds(
    lambda of, since, groups, capacity: state(of, groups, since=NOW + since, **capacity),
    st.sampled_from(STATUSES),
    st.sampled_from([-HORIZON_MS - 1, -HORIZON_MS + 50, -1_000, 0, AHEAD_MS, AHEAD_MS + 50, 3_600_000]),
    st.lists(st.sampled_from(["care", "sales"]), max_size=2),
    st.dictionaries(st.sampled_from(["chat", "call"]), st.integers(0, 3), max_size=2),
)
_AGENTS: Final = st.builds(
    lambda name, states: (AGENTS, agent_record(name, *sorted(states))),
    st.sampled_from("abc"),
    st.lists(_STATES, max_size=3, unique_by=lambda each: each.since),
)
_CONTACTS: Final = st.builds(
    lambda name, channel, by: (f"contacts.{channel}", handled_contact(name, by, channel)),
    st.sampled_from("12"),
    st.sampled_from(["chat", "call"]),
    st.lists(st.sampled_from("abcd"), max_size=2, unique=True),
)


@given(
    records=st.lists(st.one_of(_AGENTS, _CONTACTS), max_size=20),
    order=st.randoms(use_true_random=False),
    moves=st.lists(st.sampled_from([0, 1, 60, HORIZON_MS]), min_size=20, max_size=20),
)
def test_only_the_last_of_each_record_counts(
    records: list[tuple[str, Any]], order: random.Random, moves: list[int]
) -> None:
    """However steps interleave, and whoever reads as time goes by: the end is that of the last records alone."""
    clock = [NOW]
    view = LiveView("UTC", lambda: clock[0])
    lanes: dict[str, list[Any]] = {}
    for lane, record in records:
        lanes.setdefault(lane, []).append(record)
    journals = {lane: Journal(lane) for lane in lanes}
    turns = [lane for lane, of_lane in lanes.items() for _ in of_lane]
    order.shuffle(turns)
    waiting = {lane: iter(of_lane) for lane, of_lane in lanes.items()}
    joined = ["care"], ["care", "sales"], [""]
    view.agents.join(joined)
    for number, (lane, passes) in enumerate(zip(turns, moves, strict=False)):
        if number == len(turns) // 2:
            view.agents.join([["sales"]])
        view.feed([journals[lane].step(next(waiting[lane]))])
        clock[0] += passes
        if passes:
            view.advance()
            view.agents.readings()
    view.advance()
    view.agents.join(joined)
    last = LiveView("UTC", lambda: clock[0])
    last.feed([Journal(lane).step(*dict(of_lane).items()) for lane, of_lane in lanes.items()])
    assert view.agents.readings() == last.agents.readings()
    last.agents.join(joined)
    for names in joined:
        assert view.agents.joined(names) == last.agents.joined(names)
    for name in ("care", ""):
        assert view.agents.joined([name]) == view.agents.readings().get(name)


def test_agents_of_several_groups_count_once() -> None:
    """Who is in two of the groups that are joined is one agent, with the slots of one."""
    view = view_of(
        [
            agent_record("a", state("available", ["care", "sales"], chat=3)),
            agent_record("b", state("busy", ["sales"], chat=1)),
            agent_record("c", state("away", ["night"])),
        ]
    )
    view.agents.join([("care", "sales"), ("nobody",)])
    joined = view.agents.joined(("sales", "care"))
    assert joined is not None
    assert (counts(joined), joined.slots) == ((1, 1, 0, 0, 0), (Slots("chat", 4, 0, 3, 0),))
    assert view.agents.joined(("nobody",)) is None
