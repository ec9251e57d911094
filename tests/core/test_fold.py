"""The fold as a whole: offers, ratings, dimensions in force, voided, discarded, unknown and partial."""

from __future__ import annotations

from typing import Final

import pytest

from schemas.samples import NAMES
from tests.core.story import BEGIN, Case, check, ids, told

OFFERED: Final = (
    Case(
        "at the start, for the first queue that any event names",
        "chat",
        "0 started\n5 customer\n9 queued queue=a\n12 queued queue=b",
        "offered at=0 queue=a slot=",
    ),
    Case(
        "unassigned where none is named",
        "chat",
        "0 started\n5 customer",
        "offered at=0 queue=unassigned priority=normal",
    ),
    Case("not where the start is missing", "chat", "3 customer\n9 queued queue=a", ""),
    Case(
        "at the start though something stands before it", "chat", "0 customer\n5 started", "offered at=5 partial=false"
    ),
    Case("a second start offers nothing again", "chat", "0 started\n5 started", "offered at=0"),
    Case(
        "an outbound contact at its first customer message",
        "email",
        "0 started direction=outbound\n9 customer\n20 customer",
        "offered at=9",
    ),
    Case("one that an agent began too", "chat", "0 started initiated_by=agent\n9 customer", "offered at=9"),
    Case(
        "one that no customer answers is not offered", "email", "0 started direction=outbound\n9 agent agent_id=ann", ""
    ),
    Case(
        "an outbound call never is", "call", "0 started direction=outbound\n9 connected agent_id=ann\n12 customer", ""
    ),
)

SCORES: Final = (
    Case(
        "on the scale from 0 to 1, in millionths",
        "chat",
        "0 started\n9 rated score=4 scale_max=5",
        "rated at=9 value=750000 satisfied=true",
    ),
    Case(
        "the last rating replaces the earlier ones",
        "chat",
        "0 started\n9 rated score=5 scale_max=5\n20 rated score=1 scale_max=5",
        "rated at=20 value=0 satisfied=false slot=",
    ),
    Case(
        "of each survey; a rating without one is of one survey",
        "chat",
        """
        0 started
        9 rated score=5 scale_max=5 survey_id=bot
        12 rated score=1 scale_max=5
        20 rated score=3 scale_max=5 survey_id=bot
        30 rated score=2 scale_max=5
        """,
        "rated at=20 value=500000 slot=bot\nrated at=30 value=250000 slot=",
    ),
    Case("in decimal, not in binary", "chat", "0 started\n9 rated score=3.3 scale_max=5", "rated at=9 value=575000"),
    Case("a third", "chat", "0 started\n9 rated score=2 scale_max=4", "rated at=9 value=333333"),
    Case("two thirds", "chat", "0 started\n9 rated score=3 scale_max=4", "rated at=9 value=666667"),
    Case(
        "a half millionth goes to the even one: down",
        "chat",
        "0 started\n9 rated score=1.0000005 scale_max=2",
        "rated at=9 value=0",
    ),
    Case("and up", "chat", "0 started\n9 rated score=1.0000015 scale_max=2", "rated at=9 value=2"),
    Case(
        "every evaluation counts",
        "chat",
        "0 started\n9 evaluated score=9 scale_max=10 form=f\n12 evaluated score=1 scale_max=10",
        "evaluated at=9 value=888889 satisfied=true\nevaluated at=12 value=0 satisfied=false",
    ),
)

MISSED: Final = (
    Case(
        "each one, for that agent",
        "call",
        "0 started queue=a\n5 missed agent_id=ann\n9 missed agent_id=ben\n12 missed agent_id=ann",
        "missed at=5 agent_id=ann queue=a\nmissed at=9 agent_id=ben\nmissed at=12 agent_id=ann",
    ),
)

IN_FORCE: Final = (
    Case(
        "what an event names is in force at it and from it on",
        "chat",
        """
        0 started queue=a priority=low team=t segment=gold language=fi
        5 missed agent_id=ann
        9 missed agent_id=ann queue=b priority=high team=u segment=silver language=sv
        12 missed agent_id=ann
        """,
        """
        missed at=5 queue=a priority=low team=t segment=gold language=fi
        missed at=9 queue=b priority=high team=u segment=silver language=sv
        missed at=12 queue=b priority=high team=u segment=silver language=sv
        """,
    ),
    Case(
        "a priority by its own event",
        "chat",
        "0 started\n3 prioritised priority=urgent\n5 missed agent_id=ann",
        "missed at=5 priority=urgent",
    ),
    Case(
        "an event without an agent is that of the last who connected or replied",
        "chat",
        """
        0 started
        1 connected agent_id=ann
        2 missed agent_id=ben
        5 transferred queue=b
        6 agent agent_id=cid
        9 transferred queue=c
        """,
        "missed at=2 agent_id=ben\ntransferred at=5 agent_id=ann\ntransferred at=9 agent_id=cid",
    ),
    Case(
        "nor does an automatic message make an agent the last",
        "chat",
        "0 started\n1 agent agent_id=ann automatic=true\n5 transferred queue=b",
        "transferred at=5 agent_id=",
    ),
)

WHOLE: Final = (
    Case(
        "what is voided had not been",
        "chat",
        """
        0 started
        5 queued queue=a
        9 agent agent_id=ann
        20 event.voided voids=e3
        30 agent agent_id=ben
        """,
        """
        offered at=0
        entered at=5
        queue_wait at=30 agent_id=ben
        first_response at=30 value_ms=25000 agent_id=ben
        """,
    ),
    Case(
        "an undoing cannot be undone",
        "chat",
        "0 started\n9 missed agent_id=ann\n20 event.voided voids=e2\n30 event.voided voids=e3",
        "offered at=0",
    ),
    Case(
        "an undoing of what is not there does nothing", "chat", "0 started\n20 event.voided voids=e77", "offered at=0"
    ),
    Case(
        "an undoing may stand before what it undoes",
        "chat",
        "0 started\n5 event.voided voids=e3\n9 missed agent_id=ann",
        "offered at=0",
    ),
    Case(
        "a discarded contact has no samples",
        "chat",
        "0 started\n5 agent agent_id=ann\n9 resolved\n20 discarded reason=spam",
        "",
    ),
    Case(
        "but those of work: what agents did on it, offered to them or judged",
        "call",
        """
        0 started
        1 queued queue=a
        2 missed agent_id=ben
        5 connected agent_id=ann
        9 discarded reason=merged
        20 disconnected
        30 evaluated score=5 scale_max=5
        """,
        """
        missed at=2
        handle at=20 value_ms=15000
        hold at=20
        wrap at=20
        talk at=20
        evaluated at=30
        """,
    ),
    Case(
        "and not even those where one of its discards says that it was a test",
        "call",
        "0 started\n5 connected agent_id=ann\n9 discarded reason=merged\n20 disconnected\n30 discarded reason=test",
        "",
    ),
    Case(
        "an undone discarding brings them back",
        "chat",
        "0 started\n5 missed agent_id=ann\n20 discarded reason=spam\n30 event.voided voids=e3",
        "offered at=0\nmissed at=5",
    ),
    Case(
        "an event of unknown type takes no part, nor do its fields",
        "chat",
        """
        0 started queue=a
        5 contact.teleported queue=b priority=urgent agent_id=ben
        9 missed agent_id=ann
        """,
        "offered at=0 queue=a\nmissed at=9 queue=a priority=normal agent_id=ann",
    ),
    Case("a contact of unknown events only has no samples", "chat", "0 contact.teleported", ""),
    Case(
        "every sample of a partial contact is marked",
        "chat",
        "0 queued queue=a\n5 resolved",
        "entered at=0 partial=true\nqueue_wait at=5 partial=true within=null short=null",
    ),
    Case(
        "and nothing is made up of what was not seen",
        "chat",
        "0 bot\n5 customer\n9 resolved",
        "",
    ),
    Case(
        "fold order is time, then the source's own order, then the id",
        "chat",
        """
        0 started seq=0
        9 prioritised priority=high seq=2
        9 prioritised priority=low seq=1
        9 missed agent_id=ann seq=3
        """,
        "offered at=0\nmissed at=9 priority=high",
    ),
)


#: Each of one time, without `seq`, told in the reverse order.
RANKED: Final = (
    Case(
        "queued before connected, whatever the ids",
        "call",
        "5 connected agent_id=ann event_id=x1\n5 queued queue=a event_id=x2\n0 started",
        "entered at=5\nqueue_wait at=5 value_ms=0 outcome=answered",
    ),
    Case(
        "a message before the transfer that follows it",
        "chat",
        "0 started\n1 queued queue=a\n5 transferred queue=b event_id=x1\n5 agent agent_id=ann event_id=x2",
        "entered at=1\nqueue_wait at=5 outcome=answered queue=a\nentered at=5 queue=b",
    ),
    Case(
        "an abandonment before the disconnection",
        "call",
        "0 started\n1 queued queue=a\n5 disconnected event_id=x1\n5 abandoned event_id=x2",
        "entered at=1\nqueue_wait at=5 outcome=abandoned",
    ),
    Case(
        "and a start before everything, though its time is later",
        "chat",
        "0 queued queue=a event_id=x1\n5 started event_id=x2\n9 agent agent_id=ann",
        "entered at=0 partial=false\nqueue_wait at=9 value_ms=9000",
    ),
)


@pytest.mark.parametrize("case", RANKED, ids=ids(RANKED))
def test_ties(case: Case) -> None:
    """What happens at one time is taken in the order in which it makes sense."""
    check(case, "entered", "queue_wait")


def test_a_start_of_a_later_time_is_not_the_last_event() -> None:
    """The latest time is: what a contact becomes stale by."""
    assert told("chat", "0 customer\n50 started\n20 customer").summary["last_at"] == BEGIN + 50_000


def test_a_partial_contact_at_a_glance() -> None:
    """It is open from its first event on, and what nobody saw stays unknown."""
    summary = told("chat", "50 contact.rated score=4 scale_max=5").summary
    assert (summary["open"], summary["started_at"], summary["waiting_since"]) == (True, None, None)
    ended = told("chat", "0 customer\n9 resolved").summary
    assert (ended["first_resolution_ms"], ended["resolution_ms"], ended["open"]) == (None, None, False)


def test_nothing_but_undoing_opens_no_contact() -> None:
    """A contact of which every event was voided is not there."""
    assert not told("chat", "0 customer\n9 event.voided voids=e1").summary["open"]


@pytest.mark.parametrize("case", OFFERED, ids=ids(OFFERED))
def test_offered(case: Case) -> None:
    """A contact is offered once, if it ever is."""
    check(case, "offered")


@pytest.mark.parametrize("case", SCORES, ids=ids(SCORES))
def test_scores(case: Case) -> None:
    """Ratings replace one another, evaluations do not; both are whole millionths."""
    check(case, "rated", "evaluated")


@pytest.mark.parametrize("case", MISSED + IN_FORCE, ids=ids(MISSED + IN_FORCE))
def test_in_force(case: Case) -> None:
    """Samples carry what is in force at their time."""
    check(case, "missed", "transferred")


@pytest.mark.parametrize("case", WHOLE, ids=ids(WHOLE))
def test_whole(case: Case) -> None:
    """Nothing but these samples comes of the story."""
    check(case, *NAMES)


def test_slots_are_unique() -> None:
    """Sample and slot are a row's key within its contact."""
    story = """
        0 started queue=a
        1 bot
        2 handed_off
        3 queued queue=a
        4 missed agent_id=ann
        9 connected agent_id=ben
        10 agent agent_id=ben
        12 customer
        14 customer
        20 agent agent_id=ben
        25 transferred agent_id=ben queue=b
        30 connected agent_id=ann
        31 tagged tags=x,y
        35 resolved
        40 customer
        50 agent agent_id=ann
        60 resolved
        70 rated score=5 scale_max=5
        80 evaluated score=5 scale_max=5
        """
    keys = [(row.sample, row.slot) for row in told("chat", story).rows]
    assert len(keys) == len(set(keys))


def test_summary() -> None:
    """A contact at a glance."""
    summary = told(
        "chat",
        """
        0 started queue=a customer_id=kim language=fi
        5 connected agent_id=ann
        9 agent agent_id=ann
        12 customer
        20 agent agent_id=ben
        30 disconnected agent_id=ann
        40 rated score=4 scale_max=5
        """,
    ).summary
    assert summary["agents"] == ["ann", "ben"]
    assert summary["customer_id"] == "kim"
    assert summary["started_at"] == BEGIN
    assert summary["last_at"] == BEGIN + 40_000
    assert summary["first_response_ms"] == 9_000
    assert summary["replies"] == 2
    assert summary["rating"] == 750_000
    assert summary["handle_ms"] == 25_000
    assert summary["open"]
    assert not summary["partial"]


def test_summary_of_a_discarded_contact() -> None:
    """It waits for nobody and is not open."""
    summary = told("chat", "0 started\n1 queued queue=a\n2 connected agent_id=ann\n9 discarded reason=merged").summary
    assert summary["discarded"]
    assert not summary["open"]
    assert summary["waiting_since"] is None
    assert summary["handling"] == 0
    assert summary["handle_ms"] is None


def test_work_on_a_discarded_contact_is_in_the_table() -> None:
    """As its samples are; that of a test is not."""
    story = "0 started\n2 connected agent_id=ann\n9 disconnected\n20 discarded reason="
    assert told("chat", story + "spam").summary["handle_ms"] == 7_000
    assert told("chat", story + "test").summary["handle_ms"] is None
