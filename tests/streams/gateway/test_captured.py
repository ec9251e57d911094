"""What is shown of payloads: their form, and nothing that anybody wrote, is called, can be reached or signs in with."""

import json
import time
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote, urlencode

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.configuration.environment import load_settings
from streams.gateway.captured import BYTES_AT_MOST, PAYLOADS_AT_MOST, Captured
from streams.gateway.mapping import MappedHook
from streams.gateway.pseudonymised import Pseudonymiser
from streams.gateway.vocabulary import WORDS, code_words
from streams.sources.adapter import Payload, UnmappableError
from tests.streams.gateway.made import AT, NOW, OTHER_SECRET, SECRET, ZENDESK, body, zendesk
from tests.streams.gateway.site import MemoryWrites, gateway

AT_MS: Final = NOW * 1000
#: What must not get through, wherever it stands.
PERSONAL: Final = (
    *("Anna", "anna", "Matti Meikäläinen", "MEIKÄLÄINEN", "anna.virtanen@example.com", "Mannerheimintie 12 A 4"),
    *("00100", "+358 40 123 4567", "+358401234567", "0401234567", "358401234567", "010190-123A", "192.0.2.7", "4711"),
    *("I cannot sign in, my password is hunter2", "Hei, olen Anna", "open the door", "FI21 1234 5600 0007 85"),
    *("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln", "a94a8fe5ccb19ba61c4c0873d391e987982fbbd3", "sk_live_4eC39HqLyjWD"),
    *(
        "1b9d6bcd-bbfd-4b2d-9b5d-ab8dfbbd4bed",
        "https://example.com/u/anna?token=t0k",
        "1985-04-12T00:00:00Z",
        "Dr_Anna",
        "ticket:Anna:Virtanen",
        "/users/anna.virtanen/chats",
        "tel:0401234567",
    ),
)
NUMBERS: Final = (358401234567, 401234567, 2025550123, 4711, 123456, 60.16952, 1985)
_FIRST_NAMES: Final = """
    anna maria juhani olavi mikael johannes eino ville matti pekka timo antti mika jukka lars erik karl anders per johan
    eva kristina birgitta elisabeth margareta ida emma james john robert michael william david mary patricia linda
    mark grant bill will may rose grace hope joy max min art frank rob pat sue dean earl guy gene dale ray roy lane drew
    chase chance iris ruby daisy amber april june summer jack jean ole knut
"""
#: Of fields, as vendors call them, and as nobody should.
FIELDS: Final = ("name", "id", "phone", "number", "text", "status", "created_at", "duration", "custom", "x", "count_of")


def shown(sent: bytes) -> Any:  # noqa: ANN401 - JSON
    """Return what is shown of a body."""
    return Pseudonymiser(b"k" * 32, code_words(ZENDESK)).body(sent, AT_MS)


def test_the_form_stays() -> None:
    """Fields, words of the vocabulary, times of now, durations, truth values and empty ones are as they were."""
    harmless = {
        "event": "conversation_updated",
        "message_type": "incoming",
        "status": "open",
        "createdAt": AT,
        "updated_at": NOW + 0.25,
        "timestamp": AT_MS,
        "talk_duration": 57_000,
        "tags": [],
        "assignee": None,
        "private": False,
        "priority": 3,
        "channel": "Channel::Email",
        "kind": "typing",
        "detail": '{"task_queue":"active","wait":12}',
    }
    assert shown(orjson.dumps(harmless)) == harmless


def test_the_same_value_is_replaced_by_the_same() -> None:
    """Of its kind, so that it shows where an id comes again, and what it looks like."""
    sent = {"id": 123456, "ref": "123456", "user": {"uuid": "1b9d6bcd-bbfd-4b2d-9b5d-ab8dfbbd4bed"}, "email": "a@b.fi"}
    made = shown(orjson.dumps([sent, sent]))
    assert made[0] == made[1]
    assert len(str(made[0]["id"])) == len(made[0]["ref"]) == 6
    assert made[0]["id"] == int(made[0]["ref"]) != 123456
    assert len(made[0]["user"]["uuid"]) == 36
    assert made[0]["email"].endswith("@example.com")


def test_the_steps_of_a_path_are_shown_where_they_are_known() -> None:
    """Each by itself: what is between two marks is judged as a whole text would be."""
    path = "/api/v5/users/1b9d6bcd-bbfd-4b2d-9b5d-ab8dfbbd4bed/chats/*/messages"
    steps = shown(orjson.dumps({"channel": path}))["channel"].split("/")
    assert [steps[1], steps[3], *steps[5:]] == ["api", "users", "chats", "*", "messages"]
    assert len(steps[4]) == 36
    made = shown(orjson.dumps({"subject_line": "ticket:4711:anna"}))["subject_line"].split(":")
    assert (made[0], len(made[1]), made[1] == "4711", made[2][:5]) == ("ticket", 4, False, "text-")


@pytest.mark.parametrize("field", FIELDS)
def test_nothing_personal_gets_through(field: str) -> None:
    """As a value, in a list, as a field's name, in JSON within a text, in a form, in something that is no JSON."""
    for personal in PERSONAL:
        if personal == "4711" and field in {"status", "duration", "count_of"}:  # there it is a number of something
            continue
        for sent in (
            orjson.dumps({field: personal}),
            orjson.dumps({"a": [{field: [personal]}]}),
            orjson.dumps({personal: {field: "open"}}),
            orjson.dumps({field: json.dumps({field: personal}, ensure_ascii=False)}),
            urlencode({field: personal, personal: field}).encode(),
            f"{field}: {personal}".encode(),
            personal.encode(),
            f"{{{personal}".encode(),
        ):
            told = json.dumps(shown(sent), ensure_ascii=False)
            assert personal not in told, sent
            assert quote(personal) not in told


def test_telephone_numbers_that_are_numbers_do_not_get_through() -> None:
    """Whatever the field is called that they stand in, unless it counts or measures."""
    for field in ("name", "id", "phone", "from", "number", "pin", "caller", "x", "customer", "zip"):
        for number in NUMBERS:
            assert str(number) not in json.dumps(shown(orjson.dumps({field: number, "a": [number]}))), field
    for field in ("created_at", "duration", "status", "timestamp", "count"):
        for number in (358401234567, 401234567, 40123456):
            assert str(number) not in json.dumps(shown(orjson.dumps({field: number})))
            assert str(number) not in json.dumps(shown(orjson.dumps({field: str(number)})))


def test_no_first_name_is_in_the_vocabulary() -> None:
    """Of the commonest of the countries that Pulssi is used in."""
    names = set(_FIRST_NAMES.split())
    assert names & WORDS == set()


json_values = st.recursive(
    st.sampled_from(PERSONAL) | st.sampled_from(NUMBERS) | st.text(max_size=12) | st.booleans() | st.none(),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from((*FIELDS, *PERSONAL)), inner, max_size=4)
    ),
    max_leaves=12,
)


@pytest.mark.parametrize("mark", "*/:@+.,-_ =#{[&;%")
@pytest.mark.parametrize("behind", ["", " hello", "!", "@", "}"])
def test_rows_of_marks_are_looked_through_once(mark: str, behind: str) -> None:
    """A line that a customer draws of marks is replaced in an instant: it does not hold the gateway up for ever."""
    drawn = f"a{mark * 3000}b{behind}"

    told = shown(orjson.dumps({"text": drawn, drawn: drawn[1:]}))

    assert drawn not in told
    assert drawn not in told.values()


@given(json_values)
def test_any_json(value: Any) -> None:  # noqa: ANN401 - JSON
    """Whatever the nesting."""
    told = json.dumps(shown(orjson.dumps(value)), ensure_ascii=False)
    assert [personal for personal in PERSONAL if len(personal) > 5 and personal in told] == []


@given(st.binary(max_size=200))
def test_any_bytes(sent: bytes) -> None:
    """Whatever comes can be shown."""
    assert orjson.dumps(shown(sent))


class Clock:
    """A clock that the test moves."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        """Tell the time."""
        return self.now


def test_what_is_kept_is_bounded() -> None:
    """In number and in bytes; the newest stay, and one that comes right after another is left out."""
    clock = Clock()
    captured = Captured(ZENDESK, clock)
    payload = Payload(body(), received_at=AT_MS)
    captured.note(payload, MappedHook(nothing="x"))
    captured.note(payload, MappedHook(nothing="x"))
    assert captured.last(50).count(b"\n") == 1
    for number in range(80):
        clock.now += 1
        captured.note(payload._replace(received_at=AT_MS + number), MappedHook(nothing="x"))
    lines = captured.last(99).splitlines()
    assert len(lines) == PAYLOADS_AT_MOST
    assert orjson.loads(lines[-1])["received_at"] == "2026-03-01T08:00:00.079Z"
    assert captured.last(2).splitlines() == lines[-2:]
    for _ in range(20):
        clock.now += 1
        captured.note(payload._replace(body=orjson.dumps(["x" * 9] * 9_000)), MappedHook(nothing="x"))
    assert len(captured.last(50)) <= BYTES_AT_MOST


def test_what_came_of_it_is_told_without_values() -> None:
    """Types of events, or the field that is wrong; the reason of an adapter may repeat what somebody wrote."""
    clock = Clock()
    captured = Captured(ZENDESK, clock)
    refusal = UnmappableError("ticket.Anna.status", "is 'Anna'")
    captured.note(Payload(b'{"access_token": "t0k"}', {"x-at": "1", "cookie": "c=t0k"}), MappedHook(refusal=refusal))
    (told,) = (orjson.loads(line) for line in captured.last(1).splitlines())
    assert told["unmappable"].startswith("ticket.field-")
    assert told["unmappable"].endswith(".status")
    assert "t0k" not in str(told)
    assert "cookie" not in told["headers"]


async def test_captured_payloads_are_for_who_has_the_secret(tmp_path: Path) -> None:
    """The account's own, and no other's; whether there is such an account is told to nobody."""
    settings = load_settings({"PULSSI_GATEWAY_PORT": "0"})
    path = "/captured/zendesk/acme"
    async with gateway(tmp_path, settings, MemoryWrites().taken, token="t" * 24) as site:
        sent = body(text="Anna wrote")
        await site.post("/hooks/zendesk/acme", sent, zendesk(sent, time.time()))
        refused = [
            await site.get(path),
            await site.get(path, Authorization=f"Bearer {OTHER_SECRET}"),
            await site.get(path, Authorization=f"Bearer {'t' * 24}"),
            await site.get(path, Authorization=f"Basic {SECRET}"),
            await site.get(path, Authorization="Bearer "),
            await site.get("/captured/zendesk/nobody", Authorization=f"Bearer {SECRET}"),
        ]
        assert {(answer.status, answer.text) for answer in refused} == {(401, "needs the secret of the account\n")}
        told = await site.get(f"{path}?last=1", Authorization=f"Bearer {SECRET}")
        assert told.status == 200
        assert orjson.loads(told.text)["events"] == ["contact.started", "contact.queued"]
        assert "Anna" not in told.text
        assert (await site.get(f"{path}?last=x", Authorization=f"Bearer {SECRET}")).status == 200
