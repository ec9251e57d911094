"""The most urgent contacts against sorting all of them, and what a hundred thousand of them cost."""

import random
from typing import Final

from hypothesis import given, settings
from hypothesis import strategies as st

from streams.live.due_contacts import URGENT_AT_MOST, DueContact, DueContacts
from tests.depth import examples
from tests.streams.live.steps import contact_key, due, summary

QUEUES: Final = (("chat", "billing"), ("chat", "sales"))

#: Contact, queue, since when its clock runs (None: it is gone), and when it becomes stale.
CHANGES: Final = st.lists(
    st.tuples(st.integers(0, 12), st.integers(0, 1), st.none() | st.integers(0, 50), st.integers(1, 80)), max_size=60
)


@settings(max_examples=examples(200))
@given(changes=CHANGES, looks=st.lists(st.integers(0, 60), max_size=5), now=st.integers(0, 90))
def test_the_most_urgent_are_those_of_a_sort(
    changes: list[tuple[int, int, int | None, int]], looks: list[int], now: int
) -> None:
    """Whatever came and went before, and whenever somebody looked in between."""
    contacts = DueContacts()
    there: dict[int, tuple[int, int, int]] = {}
    for place, (number, queue, since, leaves_at) in enumerate(changes):
        if since is None:
            there.pop(number, None)
            contacts.remove(("contacts.chat", 0), contact_key(str(number)))
        else:
            there[number] = queue, since, leaves_at
            of = summary(queue=QUEUES[queue][1], deadlines=[due(since, 1_000)], leaves_at=leaves_at)
            contacts.update(("contacts.chat", 0), contact_key(str(number)), of)
        if place in looks:
            contacts.urgent(QUEUES, URGENT_AT_MOST)
    contacts.advance(now)
    for queues in ((0,), (1,), (0, 1)):
        expected = sorted(
            (since + 1_000, str(number))
            for number, (queue, since, leaves_at) in there.items()
            if queue in queues and leaves_at > now
        )
        found = contacts.urgent([QUEUES[queue] for queue in queues], URGENT_AT_MOST)
        assert [(each.due_at, each.contact_id) for each in found] == expected[:URGENT_AT_MOST]


def test_what_is_said_of_a_contact() -> None:
    """The deadline that comes first; whether it waits for somebody outside; what has no deadline is not there."""
    contacts = DueContacts()
    lane = ("contacts.email", 0)
    both = [due(0, 90_000, metric="resolution"), due(5_000, 60_000, 15_000)]
    contacts.update(lane, contact_key("a"), summary(channel="email", deadlines=both, pauses=[(1, 2), (3, None)]))
    contacts.update(lane, contact_key("b"), summary(channel="email"))
    stopped = [("resolution", "p", 0, None, None)]
    contacts.update(lane, contact_key("c"), summary(channel="email", deadlines=stopped, pauses=[(3, None)]))
    contacts.update(lane, contact_key("d"), summary(channel="email", deadlines=both, discarded=True))
    found = contacts.urgent([("email", "billing")], 5)
    assert found == [DueContact("a", "billing", "first_response", "p", 5_000, 50_001, 65_000, paused=True)]
    contacts.clear(lane)
    assert contacts.urgent([("email", "billing")], 5) == []


def test_contacts_that_come_and_go_leave_nothing_behind() -> None:
    """A heap holds little more than the contacts that are there, also where nobody looks."""
    contacts = DueContacts()
    draw = random.Random(7)  # noqa: S311 - no secret
    for turn in range(20_000):
        key = contact_key(str(draw.randrange(50)))
        contacts.update(("contacts.chat", 0), key, summary(deadlines=[due(turn, 60_000)]))
    (queue,) = contacts._queues.values()  # noqa: SLF001 - what is measured here
    assert len(queue._heap) < 500  # noqa: SLF001 - as above


def test_a_look_costs_only_what_changed() -> None:
    """Of a hundred thousand open contacts a second look compares none, and one change only its own queue's top."""
    contacts = DueContacts()
    for number in range(100_000):
        contacts.update(("contacts.chat", 0), contact_key(str(number)), summary(deadlines=[due(number, 60_000)]))
    (queue,) = contacts._queues.values()  # noqa: SLF001 - what is measured here
    place = [("chat", "billing")]
    assert [each.contact_id for each in contacts.urgent(place, 5)] == ["0", "1", "2", "3", "4"]
    found = queue._urgent  # noqa: SLF001 - as above
    contacts.update(("contacts.chat", 0), contact_key("90000"), summary(deadlines=[due(90_001, 60_000)]))
    contacts.urgent(place, 5)
    assert queue._urgent is found, "a contact that is not among them changed nothing"  # noqa: SLF001 - as above
    contacts.remove(("contacts.chat", 0), contact_key("1"))
    assert [each.contact_id for each in contacts.urgent(place, 5)] == ["0", "2", "3", "4", "5"]
