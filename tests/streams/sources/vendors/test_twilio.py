"""Twilio: any order and redelivery give one contact, and a made day comes back as it was."""

from typing import Any, Final
from urllib.parse import urlencode

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from schemas.policies import Rules
from streams.sources.adapter import Request
from streams.sources.registry import adapter_of
from streams.sources.vendors.twilio.conversations import API
from tests.cases.told import folded
from tests.streams.sources.golden_cases import account_rules, golden_cases
from tests.streams.sources.vendors import made_day
from tests.streams.sources.vendors.made_day import Event

TWILIO: Final = adapter_of("twilio")
ACCOUNT: Final = account_rules("twilio", {"bots": ["bot"]})

#: Of `taskrouter.v1.workspace.event` in twilio/twilio-oai, spec/json/twilio_taskrouter_v1.json; ids are shorter here.
ROW: Final = {
    "type": "object",
    "properties": {
        "account_sid": {"type": ["string", "null"]},
        "actor_sid": {"type": ["string", "null"]},
        "actor_type": {"type": ["string", "null"]},
        "actor_url": {"type": ["string", "null"]},
        "description": {"type": ["string", "null"]},
        "event_data": {},
        "event_date": {"type": ["string", "null"], "format": "date-time"},
        "event_date_ms": {"type": ["integer", "null"]},
        "event_type": {"type": ["string", "null"]},
        "resource_sid": {"type": ["string", "null"], "pattern": "^[a-zA-Z]{2}"},
        "resource_type": {"type": ["string", "null"]},
        "resource_url": {"type": ["string", "null"]},
        "sid": {"type": ["string", "null"], "pattern": "^EV"},
        "source": {"type": ["string", "null"]},
        "source_ip_address": {"type": ["string", "null"]},
        "url": {"type": ["string", "null"]},
        "workspace_sid": {"type": ["string", "null"], "pattern": "^WS"},
    },
    "additionalProperties": False,
}


class Teller:
    """Tells simulated contacts as TaskRouter and Conversations would."""

    def __init__(self) -> None:
        self.payloads: list[tuple[str, Any]] = []
        self.answers: dict[Request, Any] = {}
        self._count = 0

    def task(self, contact: str, channel: str, kind: str, at: str, **fields: str) -> None:
        """Tell an event of a task: by Event Streams, the callback and the API in turn."""
        self._count += 1
        sid = f"EV{self._count:032}"
        attributes = {"conversationSid": contact} if channel == "chat" else {}
        if fields.pop("direction", "") == "outbound":
            attributes["direction"] = "outbound"
        known = {"task_sid": f"WT{contact}", "task_channel_unique_name": "voice" if channel == "call" else "chat"}
        if channel == "call":
            known["task_sid"] = contact
        payload = {**known, "task_attributes": orjson.dumps(attributes).decode(), **fields}
        exact = made_day.ms(at)
        if self._count % 3 == 0:
            row = {"sid": sid, "event_type": kind, "event_data": payload, "event_date_ms": exact, "event_date": at}
            self.payloads.append(("event", row))
        elif self._count % 3 == 1:
            form = {"".join(part.title() for part in name.split("_")): value for name, value in payload.items()}
            form |= {"EventType": kind, "Sid": sid, "Timestamp": str(exact // 1000), "TimestampMs": str(exact)}
            self.payloads.append(("hook", urlencode(form).encode()))
        else:
            data = {"payload": {"sid": sid, "timestamp": at, **payload}}
            self.payloads.append(("hook", {"type": f"com.twilio.taskrouter.{kind}", "data": data}))

    def message(self, contact: str, event: Event) -> None:
        """Tell a message as Conversations does."""
        self._count += 1
        form = {"EventType": "onMessageAdded", "ConversationSid": contact, "MessageSid": f"IM{self._count:08}"}
        form |= {"Index": str(event.get("seq", 0)), "DateCreated": event["occurred_at"], "Source": "SDK"}
        author = event["author"]
        form["Author"] = author
        if author != "system":
            form["ParticipantSid"] = f"MB{author}"
            path = f"/v1/Conversations/{contact}/Participants/MB{author}"
            member = {"customer": "guest"}.get(author, author)
            attributes = orjson.dumps({"member_type": member}).decode()
            self.answers[Request(path, base=API, lasting=True)] = {
                "sid": f"MB{author}",
                "identity": author,
                "attributes": attributes,
            }
        self.payloads.append(("hook", urlencode(form).encode()))

    def contact(self, contact: str, events: list[Event]) -> None:
        """Tell a contact."""
        connected: list[str] = []
        last_queue = {"task_queue_sid": events[0]["queue"]} if "queue" in events[0] else {}
        for event in events:
            kind, at, channel = event["type"], event["occurred_at"], event["channel"]
            agent = {"worker_sid": event["agent_id"]} if "agent_id" in event else {}
            queue = {"task_queue_sid": event["queue"]} if "queue" in event else {}
            if kind == "message.sent":
                self.message(contact, event)
            elif kind == "contact.started":
                self.task(contact, channel, "task.created", at, direction=event.get("direction", ""))
            elif kind == "contact.disconnected":
                for worker in [event["agent_id"]] if agent else connected:
                    self.task(contact, channel, "reservation.wrapup", at, worker_sid=worker)
                    connected = [each for each in connected if each != worker]
            elif kind == "contact.transferred":
                by = {"transfer_initiating_worker_sid": event["agent_id"]}
                self.task(contact, channel, "task.transfer-completed", at, **by)
                self.task(contact, channel, "reservation.wrapup", at, **agent)
                self.task(contact, channel, "task-queue.entered", at, **queue)
                last_queue = queue
                connected.remove(event["agent_id"])
            elif kind in _KINDS:
                self.task(contact, channel, _KINDS[kind], at, **agent, **(queue or last_queue))
                last_queue = queue or last_queue
                if kind == "contact.connected":
                    connected.append(event["agent_id"])


_KINDS: Final = {
    "contact.queued": "task-queue.entered",
    "contact.connected": "reservation.accepted",
    "contact.missed": "reservation.timeout",
    "contact.wrapped": "reservation.completed",
    "contact.resolved": "task.completed",
    "contact.abandoned": "task.canceled",
    "contact.dequeued": "task-queue.timeout",
}

CALLS: Final = (
    *("offered", "entered", "queue_wait", "first_response", "abandoned", "handle", "wrap", "transferred", "missed"),
    "resolution",
)
CHATS: Final = (*CALLS, "next_response", "nudges", "replies", "bot_contained", "reopened")


@pytest.mark.parametrize(("channel", "names"), [("call", CALLS), ("chat", CHATS)])
def test_a_made_day(channel: Any, names: tuple[str, ...]) -> None:  # noqa: ANN401 - one of the contract's channels
    """A simulated day gives the same samples after it was told by Twilio, in all of its shapes."""
    told = made_day.contacts(channel, without={"contact.discarded", "event.voided"})
    told = {each: events for each, events in told.items() if not any(e.get("reason") == "callback" for e in events)}
    teller = Teller()
    for contact, events in told.items():
        teller.contact(contact, events)
    back = made_day.mapped(TWILIO, ACCOUNT, teller.payloads, teller.answers)
    wanted = made_day.rows([event for events in told.values() for event in events], names)
    assert len(wanted) > 500
    assert made_day.rows(back, names) == wanted


def _golden_events() -> list[Event]:
    found = []
    for case in golden_cases():
        if case.source == "twilio" and "events" in case.wanted:
            given = orjson.loads(case.payload.body) if case.payload.body[:1] in b"{[" else case.payload.body
            found += made_day.mapped(TWILIO, case.account, [(case.form, given)], case.answers)
    return [event for event in found if event.get("contact_id") in {"twilio:acme:CH01", "twilio:acme:WT01"}]


GOLDEN: Final = _golden_events()
RIGHT: Final = made_day.rows(GOLDEN, CHATS)


@given(st.permutations(GOLDEN), st.lists(st.sampled_from(GOLDEN)))
@settings(deadline=None, max_examples=60)
def test_any_order_and_again(events: list[Event], again: list[Event]) -> None:
    """However the events of the examples come, and how often: their samples are the same."""
    assert made_day.rows([*events, *again], CHATS) == RIGHT
    assert len(RIGHT) > 5


ROWS: Final = [case for case in golden_cases() if (case.source, case.form) == ("twilio", "event")]


@pytest.mark.parametrize("case", ROWS, ids=lambda case: case.name)
def test_rows_fit_the_description(case: Any) -> None:  # noqa: ANN401 - a golden case
    """The rows of the examples are rows as Twilio describes them."""
    Draft202012Validator(ROW).validate(orjson.loads(case.payload.body))


def test_an_event_by_all_ways_counts_once() -> None:
    """The callback, Event Streams and the API tell one event under one id: together they are one."""
    fields = {"task_sid": "WT1", "task_channel_unique_name": "voice", "worker_sid": "WK1", "task_queue_sid": "WQ1"}
    at, kind, sid = "2026-03-01T08:00:09.512Z", "reservation.accepted", "EV1"
    form = {"TaskSid": "WT1", "TaskChannelUniqueName": "voice", "WorkerSid": "WK1", "TaskQueueSid": "WQ1"}
    form |= {"EventType": kind, "Sid": sid, "Timestamp": "1772352009", "TimestampMs": "1772352009512"}
    ways = [
        (
            "hook",
            {"type": f"com.twilio.taskrouter.{kind}", "data": {"payload": {"sid": sid, "timestamp": at, **fields}}},
        ),
        ("hook", urlencode(form).encode()),
        ("event", {"sid": sid, "event_type": kind, "event_date_ms": 1_772_352_009_512, "event_data": fields}),
    ]
    events = made_day.mapped(TWILIO, ACCOUNT, ways)
    assert events[0] == events[1] == events[2]
    assert folded(events, Rules()) == folded(events[:1], Rules())


def test_an_acceptance_that_names_no_queue_moves_the_task_nowhere() -> None:
    """The account's own queue is for tasks that name none, and not for events of tasks that wait in another."""
    payload = {"sid": "EV1", "timestamp": "2026-03-01T08:00:09.512Z", "task_sid": "WT1", "worker_sid": "WK1"}
    body = {
        "type": "com.twilio.taskrouter.reservation.accepted",
        "data": {"payload": {**payload, "task_channel_unique_name": "voice"}},
    }
    events = made_day.mapped(TWILIO, ACCOUNT._replace(queue="other"), [("hook", body)])
    assert [event.get("queue") for event in events] == [None]
