"""Decoding: any bytes give an event or a bad record with a code and a reason, and nothing else ever."""

import json
import unicodedata
from datetime import UTC, datetime, timedelta, timezone
from typing import Any, Final

import orjson
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from schemas.events import MAX_RECORD_BYTES, MODELS, ContactEvent, Started, UnknownAgentEvent, UnknownEvent
from schemas.topics import AGENTS, CONTACTS, SOURCES
from schemas.values import MAX_WHOLE
from streams.core.event import event_of
from streams.decoding.decoder import BLANKS, BadRecord, decode
from tests.core.agents import status
from tests.streams.flow import chat_event

CHAT: Final = CONTACTS["chat"]

STARTED: Final = chat_event("contact.started", "c", "2026-03-02T09:30:00Z", event_id="1")
RATED: Final = STARTED | {"type": "contact.rated", "score": 4, "scale_max": 5}
#: Whatever a type needs.
VALID: Final = RATED | {"agent_id": "ann", "queue": "a", "tags": ["x"], "author": "bot", "voids": "9", "reason": "spam"}
STATUS: Final = status("1", 0, "busy", agent_id="a")

CODES: Final = {"too_large", "not_json", "not_an_object", "invalid", "wrong_channel", "wrong_type", "wrong_key"}

#: What no reason may repeat.
PERSON: Final = "Kirsi-Maria-Virtanen"

anything: Final = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
names: Final = sorted({field for model in MODELS.values() for field in model.model_fields} - {"for_"} | {"for", "x"})


def read(fields: dict[str, Any], topic: str = CHAT, key: bytes | None = b"c") -> ContactEvent:
    """Decode fields as a contact's record."""
    event = decode(topic, key, json.dumps(fields).encode())
    assert isinstance(event, ContactEvent)
    return event


def refused(value: bytes | None, topic: str = CHAT, key: bytes | None = b"c") -> tuple[str, str]:
    """Expect a bad record; give its code and reason."""
    with pytest.raises(BadRecord) as caught:
        decode(topic, key, value)
    assert caught.value.code in CODES
    assert caught.value.reason
    assert "\n" not in caught.value.reason
    return caught.value.code, caught.value.reason


def with_field(text: str) -> bytes:
    """Add a field, as it stands, to a record that is otherwise right."""
    return json.dumps(RATED).encode()[:-1] + f", {text}}}".encode()


def _outcome(topic: str, key: bytes | None, value: bytes) -> None:
    try:
        event = decode(topic, key, value)
    except BadRecord as bad:
        assert bad.code in CODES  # noqa: PT017 - either end is right
    else:
        assert key is not None
        if isinstance(event, ContactEvent):
            kept = event_of(event)
            assert orjson.loads(orjson.dumps(tuple(kept))) == list(kept)


@given(st.sampled_from(SOURCES), st.none() | st.binary(max_size=8), st.binary(max_size=200))
@example(CHAT, b"c", b"null")
@example(CHAT, b"c", b"{}")
@example(CHAT, b"c", b'{"type":[]}')
@example(AGENTS, b"c", b'{"type":{}}')
def test_any_bytes(topic: str, key: bytes | None, value: bytes) -> None:
    """Whatever stands in a record, decoding ends in an event or a bad record."""
    _outcome(topic, key, value)


@given(
    st.sampled_from(SOURCES),
    st.sampled_from([*MODELS, "contact.new", " contact.connected ", "agent.new"]),
    st.dictionaries(st.sampled_from(names), anything, max_size=4),
)
def test_any_fields(topic: str, kind: str, fields: dict[str, Any]) -> None:
    """Nearly right events, with anything in any field, end the same two ways; what is read can be kept and folded."""
    whole = VALID | {"agent_id": "c", "status": "busy", "type": kind, **fields}
    _outcome(topic, b"c", json.dumps(whole).encode("utf-8", "surrogatepass"))


@given(
    st.datetimes(min_value=datetime(1970, 1, 2), max_value=datetime(2099, 12, 30)),  # noqa: DTZ001 - a zone is put on
    st.integers(0, 9),
    st.integers(0, 999_999_999),
    st.integers(-23 * 60 - 59, 23 * 60 + 59),
    st.sampled_from("Tt "),
)
def test_times_become_milliseconds(at: datetime, digits: int, nanoseconds: int, offset: int, separator: str) -> None:
    """Any zone and 0 to 9 fractional digits: UTC milliseconds, digits past the third cut."""
    fraction = f"{nanoseconds:09d}"[:digits]
    zone = timezone(timedelta(minutes=offset))
    there = at.replace(microsecond=0, tzinfo=zone)
    written = there.strftime(f"%Y-%m-%d{separator}%H:%M:%S") + (f".{fraction}" if digits else "")
    sign, minutes = ("-" if offset < 0 else "+"), abs(offset)
    read_at = read(STARTED | {"occurred_at": f"{written}{sign}{minutes // 60:02d}:{minutes % 60:02d}"}).occurred_at
    whole = (there - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(seconds=1)
    assert read_at == whole * 1000 + int((fraction + "000")[:3])


@pytest.mark.parametrize(
    ("written", "milliseconds"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("1970-01-01T00:00:00z", 0),
        ("1970-01-01T02:00:00+02:00", 0),
        ("1970-01-01T00:00:00-00:00", 0),
        ("1970-01-01T00:00:00.050Z", 50),
        ("1970-01-01T00:00:00.999999999Z", 999),
        ("2099-12-31T23:59:59.999Z", 4_102_444_799_999),
        (" 1970-01-01T00:00:00Z ", 0),
    ],
)
def test_times(written: str, milliseconds: int) -> None:
    """Times at the edges are cut to milliseconds."""
    assert read(STARTED | {"occurred_at": written}).occurred_at == milliseconds


@pytest.mark.parametrize(
    "written",
    [
        *("2026-03-02T09:30:00", "2026-03-02", "2026-03-02T09:30Z", "2026-03-02T24:00:00Z", "2026-02-30T09:30:00Z"),
        *("1969-12-31T23:59:59.9995Z", "2100-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "2026-03-02T09:30:60Z"),
        *("2026-03-02T09:30:00.1234567890Z", "2026-03-02T09:30:00.Z", "2026-03-02T09:30:00+0200"),
        *("2026-03-02T09:30:00+24:00", "1772443800", "1772443800.5", "yesterday", "", 1772443800, None),
        ["2026-03-02T09:30:00Z"],
    ],
)
def test_no_times(written: object) -> None:
    """What RFC 3339 does not allow, a zone-less time above all, is no time."""
    code, reason = refused(json.dumps(STARTED | {"occurred_at": written}).encode())
    assert code == "invalid"
    assert reason.startswith("occurred_at: ")


@given(st.text(min_size=1, max_size=40).filter(lambda text: text.strip(BLANKS)), st.booleans())
def test_text_is_trimmed_and_composed(text: str, with_null: bool) -> None:  # noqa: FBT001 - drawn
    """Strings come out NFC-normalised and trimmed, by the quick way and the slow, and the key must be what they are."""
    normal = unicodedata.normalize("NFC", text.strip(BLANKS))
    fields = STARTED | {"contact_id": f" {text}\u00a0", "queue": f"\t{text}\n"} | ({"team": None} if with_null else {})
    event = read(fields, key=normal.encode())
    assert (event.contact_id, event.queue) == (normal, normal)


def test_decomposed_text_is_the_same_as_composed() -> None:
    """`é` in one or two characters is one queue, and one letter of the 64; a letter that comes apart is two."""
    assert read(STARTED | {"queue": " " + "e\u0301" * 64}).queue == "\u00e9" * 64
    assert refused(json.dumps(STARTED | {"queue": "\u0958" * 64}).encode())[0] == "invalid"
    assert read(STARTED | {"queue": "caf\u0065\u0301"}).queue == "caf\u00e9"


@pytest.mark.parametrize(
    "nulls",
    [
        {"seq": None},
        {"queue": None, "priority": None, "team": None, "language": None, "segment": None, "customer_id": None},
        {"direction": None, "initiated_by": None},
        {"attributes": None},
        {"attributes": {"product": None}},
        {"nothing of ours": None},
    ],
)
def test_null_is_absent(nulls: dict[str, Any]) -> None:
    """A null field is as if it were not there, whatever its type."""
    absent = event_of(read(STARTED))
    kept = event_of(read(STARTED | nulls))
    assert kept._replace(fields={name: field for name, field in kept.fields.items() if field != {}}) == absent


def test_every_fault_is_told() -> None:
    """One reason names them all, so that a source is mended in one go."""
    code, reason = refused(json.dumps({"type": "contact.queued", "contact_id": "c", "seq": -1}).encode())
    assert code == "invalid"
    assert {fault.split(":")[0] for fault in reason.split("; ")} == {
        *("event_id", "occurred_at", "source", "seq", "channel", "queue")
    }


@pytest.mark.parametrize("key", [None, b"", b"d", b" c ", b"\xff"])
def test_wrong_key(key: bytes | None) -> None:
    """The key must be the contact's id: else its events would lie in several partitions."""
    assert refused(json.dumps(STARTED).encode(), key=key)[0] == "wrong_key"
    assert refused(json.dumps(STATUS).encode(), AGENTS, key)[0] == "wrong_key"


def test_wrong_channel() -> None:
    """A chat's event has no place among the calls."""
    code, reason = refused(json.dumps(STARTED).encode(), CONTACTS["call"])
    assert code == "wrong_channel"
    assert CONTACTS["call"] in reason


def test_wrong_type() -> None:
    """Agents' states and contacts' events are not mixed."""
    assert refused(json.dumps(STATUS).encode(), CHAT, b"a")[0] == "wrong_type"
    assert refused(json.dumps(STARTED).encode(), AGENTS)[0] == "wrong_type"
    assert refused(json.dumps(STARTED | {"type": "contact.new"}).encode(), AGENTS)[0] == "wrong_type"


def test_unknown_types_are_valid() -> None:
    """A newer source's events are kept until this side understands them."""
    event = read(STARTED | {"type": "contact.teleported", "to": "Oulu"})
    assert isinstance(event, UnknownEvent)
    assert event.type == "contact.teleported"
    of_agent = decode(AGENTS, b"a", json.dumps(STATUS | {"type": "agent.trained"}).encode())
    assert isinstance(of_agent, UnknownAgentEvent)


@pytest.mark.parametrize(("topic", "least"), [(CHAT, STARTED), (AGENTS, STATUS)])
def test_fields_of_unknown_types_take_no_part(topic: str, least: dict[str, Any]) -> None:
    """A newer type may mean something else by an optional field: that is no fault; what every event needs still is."""
    key = b"c" if topic == CHAT else b"a"
    newer = least | {"type": "newer", "seq": "next", "queue": 5, "priority": "critical", "team": [], "attributes": 1}
    event = decode(topic, key, json.dumps(newer).encode())
    assert (event.seq, event.attributes) == (0, None)
    assert refused(json.dumps(newer | {"source": 5}).encode(), topic, key)[1].startswith("source: ")


def test_a_type_is_trimmed_like_any_string() -> None:
    """Blanks around a known type do not make it unknown, nor let it pass unchecked."""
    assert isinstance(read(STARTED | {"type": " contact.started\n"}), Started)
    assert refused(json.dumps(STARTED | {"type": " contact.connected "}).encode()) == (
        "invalid",
        "agent_id: Field required",
    )


@pytest.mark.parametrize(
    ("value", "code"),
    [
        (None, "not_json"),
        (b"", "not_json"),
        (b"\xef\xbb\xbf{}", "not_json"),
        (b"{", "not_json"),
        (b"null", "not_an_object"),
        (b"[]", "not_an_object"),
        (b'"text"', "not_an_object"),
        (b"17", "not_an_object"),
        (with_field('"x": NaN'), "not_json"),
        (with_field('"x": -Infinity'), "not_json"),
        (with_field('"score": NaN'), "not_json"),
        (with_field('"seq": 1' + "0" * 5000), "not_json"),
        (with_field(f'"seq": {MAX_WHOLE + 1}'), "invalid"),
        (with_field('"seq": 1.0'), "invalid"),
        (with_field('"score": "4"'), "invalid"),
        (with_field('"score": true'), "invalid"),
        (with_field('"scale_max": 1e999'), "not_json"),
        (with_field('"x": "\\ud800"'), "not_json"),
        (with_field('"\\udc00": 1'), "not_json"),
        (json.dumps(RATED).replace("test", "\udcff").encode("utf-8", "surrogateescape"), "not_json"),
        (with_field('"x": ' + "[" * 100_000 + "]" * 100_000), "not_json"),
        (json.dumps(RATED).encode() + b" {}", "not_json"),
        (b" " * (MAX_RECORD_BYTES + 1), "too_large"),
    ],
    ids=lambda value: value[-24:] if isinstance(value, bytes) else None,
)
def test_bad_json(value: bytes | None, code: str) -> None:
    """JSON's darker corners each have a code, and none is a crash."""
    assert refused(value)[0] == code
    assert refused(value, AGENTS)[0] in {code, "invalid", "wrong_type"}


@pytest.mark.parametrize("depth", [150, 220, 300, 900, 1_500])
@pytest.mark.parametrize("kind", ["contact.started", "contact.new", "agent.status"])
def test_deep_nesting(depth: int, kind: str) -> None:
    """Depth is no crash: shallow enough is read, deeper is told."""
    topic = AGENTS if kind == "agent.status" else CHAT
    fields = STATUS | {"agent_id": "c"} if topic == AGENTS else STARTED | {"type": kind}
    value = json.dumps(fields).encode()[:-1] + b', "x": ' + b"[" * depth + b"]" * depth + b"}"
    if depth == 150:
        decode(topic, b"c", value)
    else:
        assert refused(value, topic)[0] == "not_json"


def test_the_largest_record() -> None:
    """256 KiB are allowed, a byte more is not; the reason says how many they are."""
    padding = MAX_RECORD_BYTES - len(with_field('"x": ""'))
    value = with_field('"x": "' + "x" * padding + '"')
    assert len(value) == MAX_RECORD_BYTES
    decode(CHAT, b"c", value)
    assert refused(value + b" ") == ("too_large", "the record has 262145 bytes; the limit is 262144")


def test_of_a_name_given_twice_the_last_counts() -> None:
    """In every part of Pulssi alike, the discriminator included."""
    assert read_raw(with_field('"score": 2')).model_dump()["score"] == 2
    assert read_raw(with_field('"type": "contact.started"')).model_dump()["type"] == "contact.started"


def read_raw(value: bytes) -> ContactEvent:
    """Decode a contact's record."""
    event = decode(CHAT, b"c", value)
    assert isinstance(event, ContactEvent)
    return event


def test_large_numbers_that_fit_are_kept() -> None:
    """64 bits and no more: a larger number could not be kept downstream."""
    assert read(STARTED | {"seq": MAX_WHOLE}).seq == MAX_WHOLE


def test_a_score_is_the_number_it_was_written_as() -> None:
    """4 and 4.0 are one score, 3.3 is exactly 3.3."""
    as_float = event_of(read_raw(with_field('"score": 4.0')))
    assert as_float == event_of(read_raw(with_field('"score": 4')))
    assert event_of(read(RATED | {"score": 3.3})).fields["score"] == "3.3"


def _wrong_everywhere() -> list[tuple[str, dict[str, Any]]]:
    """Put the secret where it is wrong, field by field and type by type."""
    valid = STATUS | VALID | {"agent_id": "c"}
    wrong: list[object] = [{PERSON: PERSON}, [PERSON], f"{PERSON}" * 300, PERSON]
    cases = []
    for kind in [*MODELS, "contact.new"]:
        for field in names:
            cases += [(kind, valid | {"type": kind, field: value}) for value in wrong]
    return cases


def test_reasons_never_say_what_a_field_held() -> None:
    """A value may be a person's name: reasons go into logs and headers, so they name fields only."""
    refusals = 0
    for kind, fields in _wrong_everywhere():
        topic, key = (AGENTS, b"c") if kind == "agent.status" else (CHAT, b"c")
        try:
            decode(topic, key, json.dumps(fields).encode())
        except BadRecord as bad:
            refusals += 1
            assert PERSON not in bad.reason, bad.reason  # noqa: PT017 - many records are right
            assert PERSON not in str(bad)  # noqa: PT017 - as above
            assert bad.__cause__ is None  # noqa: PT017 - as above
            assert bad.__suppress_context__ or bad.__context__ is None  # noqa: PT017 - as above
    assert refusals > 500


@pytest.mark.parametrize(
    "value", [f'{{"{PERSON}": ', f'{{"x": "{PERSON}\\ud800"}}', f"{PERSON}", f'{{"x": NaN, "y": "{PERSON}"}}']
)
def test_reasons_never_quote_json(value: str) -> None:
    """Nor does a reason quote what could not be parsed."""
    assert PERSON not in refused(value.encode())[1]
