"""A contact explained: what a supervisor is told, on stories whose outcome is plain."""

from __future__ import annotations

import pytest

from schemas.policies import Policy, Rules
from schemas.topics import CONTACTS, Channel
from sinks.reconcile.contacts import Archived, Kept, owed
from sinks.reconcile.lives import Lives
from sinks.reconcile.story import Explanation, explain
from tests.core.story import BEGIN, events

#: Reads a place in the story: everything is in.
EVERYTHING = Lives([], all_ended=True)


def told(channel: Channel, story: str, arrival: str = "", rules: Rules | None = None) -> Explanation:
    """Explain a story; `arrival` names the order in which its events came, where that is another."""
    named = {event.event_id: event for event in events(channel, story)}
    order = arrival.split() or list(named)
    archived = [
        Archived(named[event_id], channel, CONTACTS[channel], 0, 1, offset, BEGIN + offset)
        for offset, event_id in enumerate(order)
    ]
    return explain(Kept("desk:1", archived, [], None), rules or Rules(), EVERYTHING)


def clock(explanation: Explanation) -> list[tuple[float, str]]:
    """Give the clock's story with seconds since the beginning."""
    return [((each.at - BEGIN) / 1000, each.says) for each in explanation.clock]


@pytest.mark.parametrize(
    ("channel", "story", "expected"),
    [
        pytest.param(
            "chat",
            """
            0 started
            1 bot
            2 queued queue=a
            3 handed_off
            4 queued queue=b
            5 agent agent_id=ann public=false
            6 agent agent_id=ann automatic=true
            7 connected agent_id=ann
            9 agent agent_id=ann
            12 customer
            """,
            [
                (0, "the clock starts: the contact began"),
                (1, "a message of the bot answers nothing"),
                (2, "the clock starts again: queued for a"),
                (3, "the clock starts again: the bot handed the contact to humans"),
                (4, "the clock starts again: queued for b, the first time after the hand-off"),
                (5, "an internal note answers nothing"),
                (6, "an automatic message answers nothing"),
                (7, "ann takes it: only a reply answers"),
                (9, "ann answers"),
            ],
            id="bot, hand-off and notes",
        ),
        pytest.param(
            "call",
            "0 started\n1 queued queue=a\n2 missed agent_id=ben\n9 connected agent_id=ann",
            [
                (1, "the clock starts: queued for a"),
                (9, "ann answers"),
            ],
            id="a call",
        ),
        pytest.param(
            "call",
            "0 started\n1 queued queue=a\n30 abandoned",
            [
                (1, "the clock starts: queued for a"),
                (30, "the customer leaves unanswered"),
            ],
            id="abandoned",
        ),
        pytest.param(
            "call",
            "0 started direction=outbound\n5 connected agent_id=ann",
            [(5, "no clock: a call that someone else began waits for nobody")],
            id="a call out",
        ),
        pytest.param(
            "chat",
            "0 started initiated_by=agent\n1 agent agent_id=ann\n60 customer\n90 agent agent_id=ann",
            [
                (1, "a reply before any clock runs answers nothing"),
                (60, "the clock starts: the customer wrote"),
                (90, "ann answers"),
            ],
            id="an agent wrote first",
        ),
        pytest.param(
            "chat",
            "0 started\n9 resolved\n50 customer\n60 agent agent_id=ann",
            [
                (0, "the clock starts: the contact began"),
                (50, "the clock starts again: the customer wrote"),
                (60, "ann answers"),
            ],
            id="opened again unanswered",
        ),
        pytest.param(
            "chat",
            "0 started\n1 bot\n9 abandoned",
            [
                (0, "the clock starts: the contact began"),
                (1, "a message of the bot answers nothing"),
                (9, "the customer left while the contact was the bot's: no abandonment"),
                (9, "the contact is the bot's: no clock is shown or held against a target"),
            ],
            id="left the bot",
        ),
        pytest.param(
            "chat",
            "0 started\n5 customer",
            [(0, "the clock starts: the contact began"), (5, "no answer yet: the clock runs")],
            id="still waiting",
        ),
        pytest.param(
            "chat",
            "0 started\n5 agent agent_id=ann\n9 discarded reason=spam",
            [
                (0, "the clock starts: the contact began"),
                (9, "the contact was discarded: no response and no abandonment counts"),
            ],
            id="discarded",
        ),
    ],
)
def test_the_story_of_the_clock(channel: Channel, story: str, expected: list[tuple[float, str]]) -> None:
    """Each start, each thing that looks like an answer and is none, and the end."""
    assert clock(told(channel, story)) == expected


def test_samples_name_event_and_policy() -> None:
    """The first response: since when, by which message, against which target; a partial contact against none."""
    explanation = told("chat", "0 started\n5 queued queue=a\n75 agent agent_id=ann")
    first = next(each for each in explanation.samples if each.sample == "first_response")
    assert (first.since, first.at) == (BEGIN + 5_000, BEGIN + 75_000)
    assert (first.caused_by, first.type) == ("e3", "message.sent")
    assert (first.policy, first.target_ms, first.within) == ("chat-60s", 60_000, False)
    partial = told("chat", "5 queued queue=a\n75 agent agent_id=ann")
    assert {each.policy for each in partial.samples} == {""}
    assert partial.missing == [
        "no contact.started: it was under way before Pulssi saw it (partial), so no policy is held against it"
    ]


def test_a_value_of_nothing_is_told() -> None:
    """No nudge and a wait of 0 ms are values; what does not apply is left out."""
    explanation = told("chat", "0 started\n1 agent agent_id=ann\n2 customer\n2 agent agent_id=ann")
    values = {each.sample: each.values for each in explanation.samples}
    assert values["nudges"]["value"] == 0
    assert values["next_response"]["value_ms"] == 0
    assert not {"tag", "short", "partial", "team"} & values["nudges"].keys()


def test_a_late_event_is_told_with_what_it_corrected() -> None:
    """The earlier reply arrives last: the first response is another, and the story says which event did that."""
    story = "0 started\n10 agent agent_id=bo\n30 agent agent_id=ann\n40 resolved"
    explanation = told("chat", story, "e1 e3 e4 e2")
    assert [event.event_id for event in explanation.events if event.late] == ["e2"]
    changed = {each.before.sample: each for each in explanation.corrections}
    first = changed["first_response"]
    assert (first.before.value_ms, first.after and first.after.value_ms) == (30_000, 10_000)
    assert (first.by.event.event_id, first.by.because) == ("e2", "late")
    assert changed["replies"].by.because == "late"


@pytest.mark.parametrize(
    ("story", "because", "says"),
    [
        ("0 started\n9 agent agent_id=ann\n20 event.voided voids=e2", "voided", "event e3 voided e2"),
        ("0 started\n9 agent agent_id=ann\n20 discarded reason=spam", "discarded", "the contact was discarded (spam)"),
    ],
)
def test_why_a_sample_was_taken_back(story: str, because: str, says: str) -> None:
    """Voided or discarded: the sample is gone, and the event that did it is named."""
    explanation = told("chat", story)
    gone = {each.before.sample: each.by for each in explanation.corrections if each.after is None}
    assert (gone["first_response"].because, gone["first_response"].says) == (because, says)


def test_the_course_of_a_contact_is_no_correction() -> None:
    """A queue that is named later, replies that grow, a wrap-up behind the end, a tag that is taken off again."""
    explanation = told(
        "call",
        "0 started\n1 queued queue=a\n2 connected agent_id=ann\n3 disconnected\n4 wrapped agent_id=ann\n"
        "5 tagged tags=x\n6 queued queue=b\n7 connected agent_id=ann\n"
        "8 agent agent_id=ann\n9 resolved\n10 untagged tags=x",
    )
    assert explanation.corrections == []
    says = {(each.event_id, each.says) for each in explanation.course}
    assert ("e2", "names the first queue, a: the contact was offered there") in says


def test_a_queue_of_the_starts_own_time_is_not_late() -> None:
    """The start comes first whatever its rank; one that arrives behind others is late, and corrects."""
    assert told("call", "0 started\n0 queued queue=a\n0 connected agent_id=ann").corrections == []
    explanation = told("chat", "0 started\n5 queued queue=a", "e2 e1")
    assert [event.event_id for event in explanation.events if event.late] == ["e1"]
    assert {each.by.because for each in explanation.corrections} == {"late"}


def _course(channel: Channel, story: str) -> list[tuple[float, str]]:
    return [((each.at - BEGIN) / 1000, each.says) for each in told(channel, story).course]


@pytest.mark.parametrize(
    ("channel", "story", "expected"),
    [
        pytest.param(
            "call",
            """
            0 started queue=a
            1 queued queue=a
            2 queued queue=a
            9 dequeued reason=callback
            9 queued queue=b seq=1
            12 disconnected
            30 connected agent_id=ann
            60 disconnected agent_id=ann
            """,
            [
                (1, "waits in a"),
                (2, "waits in a already: nothing changes"),
                (9, "out of a unanswered (callback), and not gone: the clock runs on"),
                (9, "is to be called back: the line may drop until somebody is connected"),
                (9, "waits in b"),
                (12, "the line drops before the call back: it still waits"),
                (60, "nobody is connected and it waits in no queue: the call ends (resolution 1)"),
            ],
            id="a call back",
        ),
        pytest.param(
            "call",
            "0 started\n9 abandoned\n20 abandoned\n30 queued queue=a\n40 abandoned\n50 abandoned",
            [
                (9, "hangs up in the menu: no abandonment, and in no service level"),
                (20, "hangs up in the menu again: counted once"),
                (30, "names the first queue, a: the contact was offered there"),
                (30, "waits in a"),
                (50, "leaves again: an abandonment counts once"),
            ],
            id="the menu",
        ),
        pytest.param(
            "chat",
            "0 started queue=a\n9 abandoned\n50 customer\n60 agent agent_id=ann",
            [(50, "is back after the abandonment and waits again from here")],
            id="a return",
        ),
        pytest.param(
            "email",
            """
            0 started queue=a
            5 paused
            6 paused for=third_party
            9 customer
            10 paused for=third_party
            20 resolved
            25 resolved
            30 customer
            31 reopened
            32 paused
            33 unpaused
            """,
            [
                (5, "is paused for the customer"),
                (6, "is paused already: nothing changes"),
                (9, "the pause ends: the customer wrote"),
                (10, "is paused for somebody outside"),
                (20, "is resolved (resolution 1)"),
                (20, "the pause ends: the stretch ended"),
                (25, "is resolved already: nothing changes"),
                (30, "is open again"),
                (31, "is open already: no reopening"),
                (32, "is paused for the customer"),
                (33, "the pause ends: unpaused"),
            ],
            id="pauses",
        ),
        pytest.param(
            "chat",
            """
            0 started queue=a
            10 connected agent_id=ann
            50 disconnected agent_id=ann
            60 connected agent_id=ann
            70 wrapped agent_id=ann
            80 wrapped agent_id=ann
            90 wrapped agent_id=ann
            95 connected agent_id=ann
            99 connected agent_id=ann
            """,
            [
                (70, "the form of ann's former work that began with [e2], saved during the next"),
                (80, "ends and closes ann's work that began with [e4]"),
                (90, "ann has wrapped up already: nothing changes"),
                (99, "ann's work that began with [e8] never ended and is not counted"),
            ],
            id="whose wrap-up",
        ),
        pytest.param(
            "chat",
            """
            0 started queue=a
            5 rated score=1 scale_max=5
            6 rated score=1 scale_max=5 survey_id=s
            7 rated score=2 scale_max=5 survey_id=s
            8 tagged tags=x,y
            9 tagged tags=y replace=true
            10 discarded reason=merged
            """,
            [
                (5, "rates the survey without a name"),
                (6, "rates survey s"),
                (7, "rates survey s, in place of the rating before"),
                (9, "states all tags there are; off: x"),
                (10, "is discarded (merged): only work on it counts"),
            ],
            id="surveys, tags, discards",
        ),
    ],
)
def test_the_course(channel: Channel, story: str, expected: list[tuple[float, str]]) -> None:
    """What became of it, and what changed nothing where one would expect that it did."""
    assert _course(channel, story) == expected


def test_a_partial_contact_is_told_as_one() -> None:
    """Nothing is made up of its wait; a start that has a later time than others is told to count first."""
    assert clock(told("chat", "0 customer\n9 agent agent_id=ann\n20 queued queue=a\n30 resolved")) == [
        (9, "the wait ends, and nobody saw it begin: no first response")
    ]
    assert clock(told("chat", "0 customer")) == [
        (0, "no clock: it was under way before Pulssi saw it, and no queue and no hand-off was seen")
    ]
    (note,) = [note for event in told("chat", "0 customer\n9 started").events for note in event.notes]
    assert note == "the contact's start: it counts before all others, whatever its time"


def test_two_contents_under_one_id() -> None:
    """Both are shown; the one that does not stand says so, and what it had issued is told as corrected."""
    story = "0 started\n5 missed agent_id=ben event_id=x\n6 missed agent_id=ann event_id=y"
    first, ben, ann = events("chat", story)
    ann = ann._replace(event_id="x", at=ben.at)
    archived = [
        Archived(event, "chat", "contacts.chat", 0, 1, offset, BEGIN) for offset, event in enumerate([first, ben, ann])
    ]
    explanation = explain(Kept("desk:1", archived, [], None), Rules(), EVERYTHING)
    both = [(event.fields["agent_id"], event.counts, bool(event.notes)) for event in explanation.events[1:]]
    assert sorted(both) == [("ann", True, False), ("ben", False, True)]
    assert [each.by.because for each in explanation.corrections] == ["conflict"]


def test_what_is_missing() -> None:
    """A voided event that never came, and work of an agent who never took the contact."""
    explanation = told("call", "0 started\n5 event.voided voids=zz\n9 wrapped agent_id=ann")
    assert explanation.missing == [
        "e2 voids zz, which has not arrived",
        "contact.wrapped e3 of ann without a contact.connected before it: no handle time",
    ]


def test_no_words_and_no_customer() -> None:
    """What people wrote is not there to be shown, nor attributes that could hold anything."""
    story = '0 started customer_id=kim attributes={"note":"hush"}\n1 customer text="hush"'
    explanation = told("chat", story)
    assert "hush" not in repr(explanation.events)
    assert "kim" not in repr(explanation.events)


def test_what_it_was_held_against_counts() -> None:
    """Where policies have changed since, the sample tells the one that it was held against."""
    story = "0 started\n30 agent agent_id=ann"
    archived = [
        Archived(event, "chat", "contacts.chat", 0, 1, offset, BEGIN)
        for offset, event in enumerate(events("chat", story))
    ]
    kept = Kept("desk:1", archived, [], None)
    then = owed(kept, Rules())
    assert then is not None
    kept = kept._replace(samples=list(then.samples.values()), contact=then.contact)
    now = Rules(policies=(Policy("chat-10s", "first_response", 10_000, 0.9, channel="chat"),))
    explanation = explain(kept, now, EVERYTHING)
    first = next(each for each in explanation.samples if each.sample == "first_response")
    assert (first.policy, first.within) == ("chat-60s", True)
    assert [each.kind for each in explanation.differences] == ["another configuration"]
