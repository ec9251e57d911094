"""Genesys Cloud: live and later tell one contact, open windows and disorder change nothing, a made day comes back."""

from typing import Any, Final

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.sources.registry import adapter_of
from tests.streams.sources.golden_cases import account_rules, golden_cases
from tests.streams.sources.vendors import made_day
from tests.streams.sources.vendors.made_day import Call, Event, Visit, ms

GENESYS: Final = adapter_of("genesys")
ACCOUNT: Final = account_rules("genesys", {})
SAMPLES: Final = (
    *("offered", "entered", "queue_wait", "first_response", "abandoned", "handle", "hold", "wrap", "talk"),
    *("transferred", "missed", "resolution"),
)
LAST: Final = "2099-01-01T00:00:00.000Z"
NEVER: Final = "2099-12-31T00:00:00.000Z"

_OF_ALL: Final = (
    "eventTime conversationId participantId sessionId mediaType provider direction ani dnis addressTo addressFrom "
    "callbackUserName callbackNumbers callbackScheduledTime subject messageType"
)
#: Properties of the models in MyPureCloud/platform-client-sdk-python, build/docs/…DetailEventTopic…Event.md (258.0.0).
TOPICS: Final = {
    "customer.start": "externalOrganizationId externalContactId divisionId journeyContext",
    "customer.end": "externalOrganizationId externalContactId divisionId disconnectType interactingDurationMs",
    "acd.start": "queueId divisionId routingPriority requestedRoutingSkillIds",
    "acd.end": "queueId divisionId disconnectType acdOutcome answeredUserId usedRouting connectedDurationMs flowType",
    "user.end": (
        "userId divisionId queueId disconnectType interactingDurationMs heldDurationMs alertingDurationMs "
        "contactingDurationMs dialingDurationMs callbackDurationMs"
    ),
    "acw": "userId queueId wrapupCode wrapupNotes wrapupDurationMs",
    "wrapup": "queueId wrapupCode wrapupNotes wrapupDurationMs",
}
#: The same of AnalyticsConversation and of what is in it: AnalyticsParticipant, AnalyticsSession and so on.
CONVERSATION: Final = (
    "conversationId conversationStart conversationEnd originatingDirection divisionIds participants evaluations surveys"
)
PARTICIPANT: Final = "externalContactId participantId participantName purpose userId sessions"
SESSION: Final = "ani direction mediaType messageType sessionId metrics segments"
EVALUATION: Final = "deleted evaluationId evaluatorId eventTime formName queueId released rescored userId oTotalScore"
SURVEY: Final = "surveyId surveyFormContextId surveyStatus surveyPromoterScore surveyCompletedDate oSurveyTotalScore"
SEGMENT: Final = "conference disconnectType queueId segmentEnd segmentStart segmentType wrapUpCode wrapUpNote"


def detail_events(contact: str, call: Call) -> list[tuple[str, Event]]:
    """Tell a call by detail events."""
    told: list[tuple[str, Event]] = []

    def tell(topic: str, session: str, at: str, **fields: Any) -> None:  # noqa: ANN401 - JSON
        body = {"eventTime": ms(at), "conversationId": contact, "sessionId": f"{contact}/{session}", **fields}
        name = f"v2.detail.events.conversation.{contact}.{topic}"
        told.append(("hook", {"topicName": name, "eventBody": {**body, "mediaType": "VOICE"}}))

    tell("customer.start", "c", call.started, direction="OUTBOUND" if call.outbound else "INBOUND")
    for number, visit in enumerate(call.visits):
        of_queue = {"queueId": visit.queue}
        if visit.entered:
            tell("acd.start", f"q{number}", visit.entered, **of_queue)
        for at, agent in visit.missed:
            fields = {"userId": agent, "alertingDurationMs": 15_000, "disconnectType": "TIMEOUT"}
            tell("user.end", f"m{number}/{at}", at, **fields)
        if visit.connected and visit.entered:
            fields = {"acdOutcome": "ANSWERED", "answeredUserId": visit.agent, **of_queue}
            tell("acd.end", f"q{number}", visit.connected, **fields)
        if visit.ended and visit.how == "abandoned":
            tell("acd.end", f"q{number}", visit.ended, acdOutcome="ABANDON", **of_queue)
        if visit.connected and visit.ended:
            talked = ms(visit.ended) - ms(visit.connected) - visit.held_ms
            fields = {"userId": visit.agent, "interactingDurationMs": talked, "heldDurationMs": visit.held_ms}
            fields["disconnectType"] = "TRANSFER" if visit.how == "transferred" else "PEER"
            tell("user.end", f"u{number}", visit.ended, **fields, **of_queue)
        if visit.wrapped:
            tell("acw", f"u{number}", visit.wrapped, userId=visit.agent, wrapupCode="w-1", **of_queue)
    end = call.left_in_menu or call.visits[-1].ended
    if end:
        tell("customer.end", "c", end)
    return told


def conversation(contact: str, call: Call, until: str = LAST) -> tuple[str, Event]:
    """Tell a call as the details job gave it at a time: what began later is not there, what ended later is open."""
    end = call.left_in_menu or call.visits[-1].ended or NEVER

    def segment(kind: str, start: str | None, ended: str | None, **fields: Any) -> list[Event]:  # noqa: ANN401 - JSON
        if start is None or start > until:
            return []
        known = {"segmentType": kind, "segmentStart": start, **fields}
        return [known | ({"segmentEnd": ended} if ended is not None and ended <= until else {})]

    def participant(purpose: str, name: str, segments: list[Event], metrics: tuple[str, ...] = (), **of: Any) -> None:  # noqa: ANN401 - JSON
        if segments:
            direction = "outbound" if call.outbound else "inbound"
            session: Event = {"mediaType": "voice", "sessionId": f"{contact}/{name}", "direction": direction}
            session |= {"segments": segments, "metrics": [{"name": name, "value": 1} for name in metrics]}
            participants.append({"purpose": purpose, "sessions": [session], **of})

    participants: list[Event] = []
    participant("customer", "c", segment("interact", call.started, end))
    for number, visit in enumerate(call.visits):
        of_queue = {"queueId": visit.queue}
        waited = visit.connected or (visit.ended if visit.how == "abandoned" else None)
        metrics = ("tAnswered",) if visit.connected else ("tAbandon", "tShortAbandon")
        over = waited is not None and waited <= until
        waits = segment("interact", visit.entered, waited, **of_queue)
        participant("acd", f"q{number}", waits, metrics if over else ())
        for at, agent in visit.missed:
            alert = segment("alert", at, at, **of_queue)
            participant("agent", f"m{number}/{at}", alert, ("tNotResponding",), userId=agent)
        if visit.connected:
            held = made_day.later(visit.connected, visit.held_ms)
            how = {"disconnectType": "transfer" if visit.how == "transferred" else "peer"}
            talk = segment("hold", visit.connected, held, **of_queue) if visit.held_ms else []
            last = segment("interact", held, visit.ended, **of_queue)
            if last and "segmentEnd" in last[0]:
                last[0] |= how
            wrap = segment("wrapup", visit.ended, visit.wrapped, wrapUpCode="w-1", **of_queue)
            participant("agent", f"u{number}", talk + last + wrap, userId=visit.agent)
    whole: Event = {"conversationId": contact, "conversationStart": call.started, "participants": participants}
    if end <= until and all(visit.wrapped is None or visit.wrapped <= until for visit in call.visits):
        whole["conversationEnd"] = end
    return "conversation", whole


def _calls() -> dict[str, list[Event]]:
    """Return the calls that Genesys can tell: how a wait ended that nobody answered, it says less of."""
    told = made_day.contacts("call", without={"contact.discarded", "event.voided", "contact.dequeued"})
    return {contact: events for contact, events in told.items() if events[-1]["type"] != "contact.started"}


@pytest.mark.parametrize("by", ["events", "conversations", "both"])
def test_a_made_day(by: str) -> None:
    """A simulated day gives the same samples by detail events, by conversations, and where both are told."""
    told = _calls()
    payloads: list[tuple[str, Event]] = []
    for contact, events in told.items():
        call = made_day.call_of(events)
        if by != "conversations":
            payloads += detail_events(contact, call)
        if by != "events":
            payloads.append(conversation(contact, call))
    wanted = made_day.rows([event for events in told.values() for event in events], SAMPLES)
    assert len(wanted) > 500
    assert made_day.rows(made_day.mapped(GENESYS, ACCOUNT, payloads), SAMPLES) == wanted


def _interesting() -> list[tuple[str, Call]]:
    """Choose calls with a transfer, an abandonment, a hold, a miss, and one that goes out."""
    chosen: dict[str, tuple[str, Call]] = {}
    for contact, events in _calls().items():
        call = made_day.call_of(events)
        for visit in call.visits:
            name = "held" if visit.held_ms else "missed" if visit.missed else "out" if call.outbound else visit.how
            if call.visits[-1].wrapped or call.visits[-1].how == "abandoned":
                chosen.setdefault(name, (contact, call))
    return list(chosen.values())


INTERESTING: Final = _interesting()


@given(st.data())
@settings(deadline=None, max_examples=120)
def test_windows_and_disorder(data: st.DataObject) -> None:
    """A call that came in several windows while it was open, with its live events in any order, is one call."""
    contact, call = data.draw(st.sampled_from(INTERESTING))
    whole = made_day.rows(made_day.mapped(GENESYS, ACCOUNT, [conversation(contact, call)]), SAMPLES)
    begin, end = ms(call.started), ms(call.visits[-1].wrapped or call.visits[-1].ended or call.started) + 1
    windows = [
        conversation(contact, call, made_day.later(call.started, data.draw(st.integers(0, end - begin))))
        for _ in range(data.draw(st.integers(1, 3)))
    ]
    live = data.draw(st.lists(st.sampled_from(detail_events(contact, call))))
    told = data.draw(st.permutations([*windows, *live, conversation(contact, call)]))
    assert made_day.rows(made_day.mapped(GENESYS, ACCOUNT, told), SAMPLES) == whole


def test_the_interesting_calls() -> None:
    """There is a call of each kind among those that are shuffled."""
    assert len(INTERESTING) >= 5


def test_live_a_few_milliseconds_apart() -> None:
    """The customer's end comes before the queue's, and a user's answer is told twice with other milliseconds."""
    call = Call("2026-03-01T08:00:00.000Z", outbound=False, visits=[Visit("q", "2026-03-01T08:00:05.000Z")])
    call.visits[0].ended, call.visits[0].how = "2026-03-01T08:00:25.003Z", "abandoned"
    told = detail_events("c", call)
    told[-1][1]["eventBody"]["eventTime"] -= 3
    rows = made_day.rows(made_day.mapped(GENESYS, ACCOUNT, told), {"queue_wait", "abandoned"})
    assert {(row[0], row[5], row[6]) for row in rows} == {
        ("queue_wait", 20_003, "abandoned"),
        ("abandoned", 25_003 - 5_000, ""),
    }
    times = ("2026-03-01T08:00:25.000Z", 1_000, "2026-03-01T08:05:00.000Z", None)
    call.visits[0] = Visit("q", "2026-03-01T08:00:05.000Z", "a", *times, how="disconnected")
    for shift in (-4, 4):
        told = detail_events("c", call)
        next(body for _, body in told if "acdOutcome" in body["eventBody"])["eventBody"]["eventTime"] += shift
        rows = made_day.rows(
            made_day.mapped(GENESYS, ACCOUNT, told), {"handle", "hold", "first_response", "queue_wait"}
        )
        assert sorted(row[0] for row in rows) == ["first_response", "handle", "hold", "queue_wait"]
        assert {row[5] for row in rows if row[0] == "hold"} == {1_000}


def _chat() -> list[tuple[str, Any]]:
    """Return how a chat of the examples is told live and later."""
    found = [case for case in golden_cases() if case.source == "genesys" and "c-8" in case.payload.body.decode()]
    return [(case.form, case.payload.body) for case in found]


@given(st.permutations([*_chat(), *_chat()]))
@settings(deadline=None, max_examples=20)
def test_a_chat_live_and_later(told: list[tuple[str, Any]]) -> None:
    """The response time that is told later takes the place of the acceptance, in whichever order they come."""
    assert len(told) == 4
    events = made_day.mapped(GENESYS, ACCOUNT, told)
    rows = made_day.rows(events, {"first_response", "next_response"})
    assert [row[5] for row in rows if row[1] == "c-8"] == [65_000]
    live = made_day.mapped(GENESYS, ACCOUNT, [each for each in _chat() if each[0] == "hook"])
    assert [event["type"] for event in live] == ["contact.connected", "message.sent"]


@pytest.mark.parametrize(
    "case",
    [case for case in golden_cases() if case.source == "genesys" and "unmappable" not in case.wanted],
    ids=lambda case: case.name,
)
def test_payloads_fit_the_models(case: Any) -> None:  # noqa: ANN401 - a golden case
    """The examples have only properties of the vendor's models, each where it belongs."""
    given_body = orjson.loads(case.payload.body)
    for each in given_body if isinstance(given_body, list) else [given_body]:
        if case.form == "conversation":
            for found in each.get("conversations", [each]):
                _check_conversation(found)
            continue
        body = each.get("detail", each)
        topic = body["topicName"].partition(".conversation.")[2].partition(".")[2]
        if topic in TOPICS:
            assert set(body["eventBody"]) <= {*_OF_ALL.split(), *TOPICS[topic].split()}


def _check_conversation(found: Event) -> None:
    assert set(found) <= set(CONVERSATION.split())
    assert all(set(each) <= set(EVALUATION.split()) for each in found.get("evaluations", []))
    assert all(set(each) <= set(SURVEY.split()) for each in found.get("surveys", []))
    for participant in found["participants"]:
        assert set(participant) <= set(PARTICIPANT.split())
        for session in participant["sessions"]:
            assert set(session) <= set(SESSION.split())
            assert all(set(segment) <= set(SEGMENT.split()) for segment in session["segments"])
