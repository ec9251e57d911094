"""Amazon Connect: what is lost, late, repeated or told twice changes nothing, and a made day comes back as it was."""

from typing import Any, Final

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.sources.registry import adapter_of
from tests.streams.sources.golden_cases import account_rules, golden_cases
from tests.streams.sources.vendors import made_day
from tests.streams.sources.vendors.made_day import Call, Event, Visit

CONNECT: Final = adapter_of("amazon_connect")
ACCOUNT: Final = account_rules("amazon_connect", {})
SAMPLES: Final = (
    *("offered", "entered", "queue_wait", "first_response", "abandoned", "ivr_abandoned", "handle", "hold", "wrap"),
    *("talk", "transferred", "missed", "resolution"),
)
_METHODS: Final = {"transferred": "TRANSFER", "callback": "CALLBACK"}

#: The names of docs.aws.amazon.com/connect/latest/adminguide/ctr-data-model.html that the examples may use.
RECORD_FIELDS: Final = {
    "": (
        "AWSAccountId AWSContactTraceRecordFormatVersion Agent AgentConnectionAttempts Attributes Channel ContactId "
        "ChatMetrics ConnectedToSystemTimestamp CustomerEndpoint CustomerId DisconnectReason DisconnectTimestamp "
        "InitialContactId InitiationMethod InitiationTimestamp LastUpdateTimestamp NextContactId PreviousContactId "
        "Queue"
    ),
    "Agent": (
        "ARN AfterContactWorkDuration AfterContactWorkEndTimestamp AfterContactWorkStartTimestamp "
        "AgentInteractionDuration ConnectedToAgentTimestamp CustomerHoldDuration HierarchyGroups LongestHoldDuration "
        "NumberOfHolds RoutingProfile Username"
    ),
    "Queue": "ARN DequeueTimestamp Duration EnqueueTimestamp Name",
    "CustomerEndpoint": "Address Type",
}


def _envelope(detail: Event, at: str) -> tuple[str, Event]:
    return "hook", {"detail-type": "Amazon Connect Contact Event", "time": at, "detail": detail}


def _ids(contact: str, number: int, call: Call) -> Event:
    known: Event = {"contactId": contact if number == 0 else f"{contact}-{number}", "channel": "VOICE"}
    known["initiationMethod"] = "OUTBOUND" if call.outbound else "INBOUND"
    if number:
        known["initialContactId"] = contact
        known["previousContactId"] = contact if number == 1 else f"{contact}-{number - 1}"
        known["initiationMethod"] = _METHODS[call.visits[number - 1].how]
    return known


def contact_events(contact: str, call: Call) -> list[list[tuple[str, Event]]]:
    """Tell a call by contact events: for each leg its snapshots, each of which knows more."""
    legs = []
    for number, visit in enumerate(call.visits or [Visit(ended=call.left_in_menu)]):
        known = _ids(contact, number, call)
        at = call.started if number == 0 else visit.entered or ""
        known["initiationTimestamp"] = at
        told = [_envelope({**known, "eventType": "INITIATED"}, at)]
        if visit.queue:
            known["queueInfo"] = {"queueArn": f"x/queue/{visit.queue}", "queueType": "STANDARD"}
        if visit.entered:
            known["queueInfo"]["enqueueTimestamp"] = visit.entered
            told.append(_envelope({**known, "eventType": "QUEUED"}, visit.entered))
        agent: Event = {"agentArn": f"x/agent/{visit.agent}", "connectedToAgentTimestamp": visit.connected}
        if visit.connected:
            known["agentInfo"] = agent
            told.append(_envelope({**known, "eventType": "CONNECTED_TO_AGENT"}, visit.connected))
        if visit.ended:
            known["disconnectTimestamp"] = visit.ended
            if not call.visits:
                known["disconnectReason"] = "CUSTOMER_DISCONNECT"
            if visit.connected:
                known["agentInfo"] = agent = {**agent, "agentInitiatedHoldDuration": visit.held_ms / 1000}
            told.append(_envelope({**known, "eventType": "DISCONNECTED"}, visit.ended))
        if visit.wrapped and visit.ended:
            wrap = {"afterContactWorkStartTimestamp": visit.ended, "afterContactWorkEndTimestamp": visit.wrapped}
            known["agentInfo"] = {**agent, **wrap}
        if visit.ended:
            told.append(_envelope({**known, "eventType": "COMPLETED"}, visit.wrapped or visit.ended))
        legs.append(told)
    return legs


def records(contact: str, call: Call) -> list[tuple[str, Event]]:
    """Tell a call by contact records, one a leg."""
    told = []
    for number, visit in enumerate(call.visits or [Visit(ended=call.left_in_menu)]):
        ids = _ids(contact, number, call)
        record: Event = {name[0].upper() + name[1:]: value for name, value in ids.items()}
        record["InitiationTimestamp"] = call.started if number == 0 else visit.entered
        record["DisconnectTimestamp"] = visit.ended
        record["DisconnectReason"] = None if call.visits else "CUSTOMER_DISCONNECT"
        if number + 1 < len(call.visits):
            record["NextContactId"] = f"{contact}-{number + 1}"
        if visit.queue:
            record["Queue"] = {"ARN": f"x/queue/{visit.queue}", "EnqueueTimestamp": visit.entered, "Name": "a name"}
        if visit.connected:
            record["Agent"] = {
                "ARN": f"x/agent/{visit.agent}",
                "ConnectedToAgentTimestamp": visit.connected,
                "CustomerHoldDuration": visit.held_ms / 1000,
                "AfterContactWorkStartTimestamp": visit.wrapped and visit.ended,
                "AfterContactWorkEndTimestamp": visit.wrapped,
            }
        told.append(("record", record))
    return told


def missed(contact: str, call: Call) -> list[tuple[str, Event]]:
    """Tell by agent events who did not take a call."""
    return [
        (
            "agent",
            {
                "AgentARN": f"x/agent/{agent}",
                "EventId": f"{contact}/{at}",
                "EventTimestamp": made_day.ms(at) / 1000,
                "EventType": "STATE_CHANGE",
                "CurrentAgentSnapshot": {
                    "AgentStatus": {"Name": "Available"},
                    "Contacts": [
                        {
                            "ContactId": f"{contact}-{number}" if number else contact,
                            "InitialContactId": contact,
                            "Channel": "VOICE",
                            "State": "MISSED",
                            "StateStartTimestamp": made_day.ms(at) / 1000,
                        }
                    ],
                },
            },
        )
        for number, visit in enumerate(call.visits)
        for at, agent in visit.missed
    ]


def _calls() -> dict[str, list[Event]]:
    """Return the calls that Connect can tell: it does not put a call back into the same queue."""
    told = made_day.contacts("call", without={"contact.discarded", "event.voided"})
    return {
        contact: events for contact, events in told.items() if not any(e.get("reason") == "timeout" for e in events)
    }


@pytest.mark.parametrize("by", ["events", "records", "both"])
def test_a_made_day(by: str) -> None:
    """A simulated day gives the same samples by events, by records, and where both are told."""
    told = _calls()
    payloads: list[tuple[str, Event]] = []
    for contact, events in told.items():
        call = made_day.call_of(events)
        if by != "records":
            payloads += [each for leg in contact_events(contact, call) for each in leg]
        if by != "events":
            payloads += records(contact, call)
        payloads += missed(contact, call)
    wanted = made_day.rows([event for events in told.values() for event in events], SAMPLES)
    assert len(wanted) > 500
    assert made_day.rows(made_day.mapped(CONNECT, ACCOUNT, payloads), SAMPLES) == wanted


def _whole_seconds(value: Any) -> Any:  # noqa: ANN401 - JSON
    """Cut the times of a record to seconds, and its durations, as AWS writes them."""
    if isinstance(value, dict):
        return {name: _whole_seconds(each) for name, each in value.items()}
    if isinstance(value, str) and value.endswith("Z"):
        return f"{value[:19]}Z"
    return int(value) if isinstance(value, float) else value


def test_whole_seconds_beside_milliseconds() -> None:
    """Records have whole seconds, events milliseconds: together each sample counts once, off by a second."""
    told = {contact: made_day.call_of(events) for contact, events in _calls().items()}
    live = [each for contact, call in told.items() for leg in contact_events(contact, call) for each in leg]
    cut = [(form, _whole_seconds(body)) for contact, call in told.items() for form, body in records(contact, call)]
    alone = made_day.rows(made_day.mapped(CONNECT, ACCOUNT, live), SAMPLES)
    both = made_day.rows(made_day.mapped(CONNECT, ACCOUNT, [*live, *cut]), SAMPLES)
    of_live, of_both = ([(*row[:2], row[6], row[2], row[5]) for row in sorted(rows, key=str)] for rows in (alone, both))
    assert [row[:3] for row in sorted(of_live)] == [row[:3] for row in sorted(of_both)]
    for one, other in zip(sorted(of_live), sorted(of_both), strict=True):
        assert abs(one[3] - other[3]) <= 1_000
        assert one[4] is None or abs(one[4] - other[4]) <= 2_000


def _interesting() -> list[list[list[tuple[str, Event]]]]:
    """Choose calls with a transfer, a callback, an abandonment, a hold, and one that goes out."""
    chosen: dict[str, list[list[tuple[str, Event]]]] = {}
    for contact, events in _calls().items():
        call = made_day.call_of(events)
        if call.visits and call.visits[-1].wrapped is None and call.visits[-1].how != "abandoned":
            continue
        for visit in call.visits:
            name = "held" if visit.held_ms else "out" if call.outbound else visit.how
            chosen.setdefault(name, contact_events(contact, call))
    return list(chosen.values())


INTERESTING: Final = _interesting()


@given(st.data())
@settings(deadline=None, max_examples=120)
def test_lost_late_and_again(data: st.DataObject) -> None:
    """As long as a leg's last event comes, it does not matter which others do, in which order, and how often."""
    legs = data.draw(st.sampled_from(INTERESTING))
    whole = made_day.mapped(CONNECT, ACCOUNT, [each for leg in legs for each in leg])
    kept = [leg[-1] for leg in legs]
    for leg in legs:
        kept += data.draw(st.lists(st.sampled_from(leg)))
    some = made_day.mapped(CONNECT, ACCOUNT, data.draw(st.permutations(kept)))
    assert made_day.rows(some, SAMPLES) == made_day.rows(whole, SAMPLES)


def test_the_interesting_calls() -> None:
    """There is a call of each kind among those that are shuffled."""
    assert len(INTERESTING) >= 5


def test_without_the_end_of_the_wrap_up() -> None:
    """COMPLETED may never come: the work ends with the call, and the record that comes later mends it."""
    call = Call("2026-03-01T08:00:00.000Z", outbound=False)
    times = ("2026-03-01T08:00:20.000Z", 0, "2026-03-01T08:05:00.000Z", "2026-03-01T08:05:30.000Z")
    call.visits.append(Visit("q", "2026-03-01T08:00:05.000Z", "a", *times, how="disconnected"))
    live = made_day.mapped(CONNECT, ACCOUNT, contact_events("c", call)[0][:-1])
    mended = live + made_day.mapped(CONNECT, ACCOUNT, records("c", call))
    handle = [[row[5] for row in made_day.rows(events, {"handle"})] for events in (live, mended)]
    assert handle == [[280_000], [310_000]]


def test_a_record_that_is_delivered_again_adds_what_is_new() -> None:
    """A record comes again with its wrap-up and a later LastUpdateTimestamp: what it knew before keeps its ids."""
    call = Call("2026-03-01T08:00:00.000Z", outbound=False)
    times = ("2026-03-01T08:00:20.000Z", 0, "2026-03-01T08:05:00.000Z", None)
    call.visits.append(Visit("q", "2026-03-01T08:00:05.000Z", "a", *times, how="disconnected"))
    first = made_day.mapped(CONNECT, ACCOUNT, records("c", call))
    call.visits[0].wrapped = "2026-03-01T08:05:30.000Z"
    second = made_day.mapped(CONNECT, ACCOUNT, records("c", call))
    assert [event for event in second if event not in first] == second[-1:]
    assert second[-1]["type"] == "contact.wrapped"


@pytest.mark.parametrize("record_first", [False, True])
def test_a_chat_live_and_by_its_record(record_first: bool) -> None:  # noqa: FBT001 - a parameter of the case
    """The first reply that the record tells takes the place of the acceptance, in whichever order they come."""
    agent = {"agentArn": "x/agent/a", "connectedToAgentTimestamp": "2026-03-01T08:00:20.000Z"}
    known: Event = {"contactId": "c", "channel": "CHAT", "initiationMethod": "API"}
    known |= {"initiationTimestamp": "2026-03-01T08:00:00.000Z"}
    live = _envelope({**known, "eventType": "CONNECTED_TO_AGENT", "agentInfo": agent}, "2026-03-01T08:00:20Z")
    record = {name[0].upper() + name[1:]: value for name, value in known.items()}
    record |= {"Agent": {"ARN": "x/agent/a", "ConnectedToAgentTimestamp": "2026-03-01T08:00:20Z"}}
    record |= {"ChatMetrics": {"ChatContactMetrics": {"AgentFirstResponseTimestamp": "2026-03-01T08:00:31Z"}}}
    told = [live, ("record", record)]
    both = made_day.mapped(CONNECT, ACCOUNT, told[::-1] if record_first else told)
    alone = made_day.mapped(CONNECT, ACCOUNT, [live])
    first = [[row[5] for row in made_day.rows(events, {"first_response"})] for events in (alone, both)]
    assert first == [[20_000], [31_000]]


RECORDS: Final = [case for case in golden_cases() if (case.source, case.form) == ("amazon_connect", "record")]


@pytest.mark.parametrize("case", RECORDS, ids=lambda case: case.name)
def test_records_fit_the_description(case: Any) -> None:  # noqa: ANN401 - a golden case
    """The records of the examples have only names that AWS describes."""
    if case.wanted["case"].startswith("a file of Firehose"):
        return  # has no more than these names
    record = orjson.loads(case.payload.body)
    for path, names in RECORD_FIELDS.items():
        within = record.get(path) if path else record
        assert set(within or {}) <= set(names.split())
