"""A contact explained: what a supervisor is told, on stories whose outcome is plain."""

import pytest

from schemas.policies import Policy, Rules
from schemas.topics import Channel
from sinks.reconcile.contact_comparison import StoredContact, expected_rows
from sinks.reconcile.epochs import Epochs
from sinks.reconcile.explanation import Explanation, explain
from tests.core.story import BEGIN, Case, cases, events
from tests.sinks.reconcile.worker_and_sink import archived_events

EPOCHS = Epochs([])


def explain_story(channel: Channel, story: str, arrival: str = "", rules: Rules | None = None) -> Explanation:
    """Explain a story; `arrival` names the order in which its events came, where that is another."""
    named = {event.event_id: event for event in events(channel, story)}
    arriving = [named[event_id] for event_id in arrival.split() or named]
    return explain(StoredContact("desk:1", archived_events(arriving, channel), [], None), rules or Rules(), EPOCHS)


@pytest.mark.parametrize("case", cases("explained", {}), ids=lambda case: case.says)
def test_what_is_told(case: Case) -> None:
    """The story of the clock, or the course of the contact: each sentence with its second."""
    explanation = explain_story(case.channel, case.story)
    sentences = explanation.clock if case.samples == ["clock"] else explanation.course
    assert [f"{(each.at - BEGIN) / 1000:g} {each.says}" for each in sentences] == case.expected


def test_samples_name_event_and_policy() -> None:
    """The first response: since when, by which message, against which target; a partial contact against none."""
    explanation = explain_story("chat", "0 started\n5 queued queue=a\n75 agent agent_id=ann")
    first = next(each for each in explanation.samples if each.sample == "first_response")
    assert (first.since, first.at) == (BEGIN + 5_000, BEGIN + 75_000)
    assert (first.caused_by, first.type) == ("e3", "message.sent")
    assert (first.policy, first.target_ms, first.within) == ("chat-60s", 60_000, False)
    partial = explain_story("chat", "5 queued queue=a\n75 agent agent_id=ann")
    assert {each.policy for each in partial.samples} == {""}
    assert partial.missing == [
        "no contact.started: it was under way before Pulssi saw it (partial), so no policy is held against it"
    ]


def test_a_value_of_nothing_is_told() -> None:
    """No nudge and a wait of 0 ms are values; what does not apply is left out."""
    explanation = explain_story("chat", "0 started\n1 agent agent_id=ann\n2 customer\n2 agent agent_id=ann")
    values = {each.sample: each.values for each in explanation.samples}
    assert values["nudges"]["value"] == 0
    assert values["next_response"]["value_ms"] == 0
    assert not {"tag", "short", "partial", "team"} & values["nudges"].keys()


def test_a_late_event_is_told_with_what_it_corrected() -> None:
    """The earlier reply arrives last: the first response is another, and the story says which event did that."""
    story = "0 started\n10 agent agent_id=bo\n30 agent agent_id=ann\n40 resolved"
    explanation = explain_story("chat", story, "e1 e3 e4 e2")
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
    explanation = explain_story("chat", story)
    gone = {each.before.sample: each.by for each in explanation.corrections if each.after is None}
    assert (gone["first_response"].because, gone["first_response"].says) == (because, says)


def test_the_course_of_a_contact_is_no_correction() -> None:
    """A queue that is named later, replies that grow, a wrap-up behind the end, a tag that is taken off again."""
    explanation = explain_story(
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
    assert explain_story("call", "0 started\n0 queued queue=a\n0 connected agent_id=ann").corrections == []
    explanation = explain_story("chat", "0 started\n5 queued queue=a", "e2 e1")
    assert [event.event_id for event in explanation.events if event.late] == ["e1"]
    assert {each.by.because for each in explanation.corrections} == {"late"}


def test_a_start_that_comes_later_is_told_to_count_first() -> None:
    """Whatever its time."""
    (note,) = [note for event in explain_story("chat", "0 customer\n9 started").events for note in event.notes]
    assert note == "the contact's start: it counts before all others, whatever its time"


def test_two_contents_under_one_id() -> None:
    """Both are shown; the one that does not stand says so, and what it had issued is told as corrected."""
    story = "0 started\n5 missed agent_id=ben event_id=x\n6 missed agent_id=ann event_id=y"
    first, ben, ann = events("chat", story)
    ann = ann._replace(event_id="x", at=ben.at)
    explanation = explain(StoredContact("desk:1", archived_events([first, ben, ann]), [], None), Rules(), EPOCHS)
    both = [(event.fields["agent_id"], event.counts, bool(event.notes)) for event in explanation.events[1:]]
    assert sorted(both) == [("ann", True, False), ("ben", False, True)]
    assert [each.by.because for each in explanation.corrections] == ["conflict"]


def test_what_is_missing() -> None:
    """A voided event that never came, and work of an agent who never took the contact."""
    explanation = explain_story("call", "0 started\n5 event.voided voids=zz\n9 wrapped agent_id=ann")
    assert explanation.missing == [
        "e2 voids zz, which has not arrived",
        "contact.wrapped e3 of ann without a contact.connected before it: no handle time",
    ]


def test_no_words_and_no_customer() -> None:
    """What people wrote is not there to be shown, nor attributes that could hold anything."""
    story = '0 started customer_id=kim attributes={"note":"hush"}\n1 customer text="hush"'
    explanation = explain_story("chat", story)
    assert "hush" not in repr(explanation.events)
    assert "kim" not in repr(explanation.events)


def test_what_it_was_held_against_counts() -> None:
    """Where policies have changed since, the sample tells the one that it was held against."""
    stored = StoredContact("desk:1", archived_events(events("chat", "0 started\n30 agent agent_id=ann")), [], None)
    then = expected_rows(stored, Rules())
    assert then is not None
    stored = stored._replace(samples=list(then.samples.values()), contact=then.contact)
    now = Rules(policies=(Policy("chat-10s", "first_response", 10_000, 0.9, channel="chat"),))
    explanation = explain(stored, now, EPOCHS)
    first = next(each for each in explanation.samples if each.sample == "first_response")
    assert (first.policy, first.within) == ("chat-60s", True)
    assert [each.kind for each in explanation.differences] == ["another configuration"]
