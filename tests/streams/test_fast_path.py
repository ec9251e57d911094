"""The fast path to an event: it gives what the decoder gives, or nothing, and takes what is plain ASCII and valid."""

import json
from typing import Any, Final

import orjson
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from schemas.events import MAX_RECORD_BYTES, MODELS
from schemas.topics import AGENTS, CHANNELS, CONTACTS, Channel
from streams.core.event import event_of
from streams.decoding.decoder import BadRecord, decode, read_event
from streams.decoding.fast_path import plain_event
from tests.bench.events import write_chats
from tests.streams import test_decoder as decoding

CHAT: Final = CONTACTS["chat"]

WHOLE: Final[dict[str, Any]] = decoding.VALID | {"type": "contact.started", "priority": "low"}
anything: Final = decoding.anything | st.sampled_from((" a ", "inbound", "", " "))
names: Final = [*decoding.names, "for_"]
times: Final = st.sampled_from(
    (
        *("2026-03-02T09:30:00.1239Z", "2026-03-02t09:30:00z", "2026-03-02 09:30:00.5+05:30", " 2026-03-02T09:30:00Z "),
        *("2026-03-02T09:30:00", "2026-W10-1T09:30:00Z", "20260302T093000Z", "2026-03-02T09:30:00.123456789Z"),
        *("1969-12-31T23:59:59Z", "2100-01-01T00:00:00Z", "2026-02-30T00:00:00Z", "2026-03-02T09:30:00+24:00"),
    )
)


def _same(topic: str, channel: Channel, key: bytes | None, value: bytes) -> bool:
    """Expect the fast path to give what the decoder gives, or nothing; tells whether it gave something."""
    fast = plain_event(channel, key, value)
    if fast is not None:
        assert fast == event_of(decode(topic, key, value))
    return fast is not None


@given(
    st.sampled_from(CHANNELS),
    st.sampled_from([*MODELS, "contact.new", " contact.connected "]),
    st.dictionaries(st.sampled_from(names), anything, max_size=3),
    times | st.none(),
    st.booleans(),
)
@example("chat", "message.sent", {"text": 'caf\u00e9 "\n'}, None, False)
@example("chat", "contact.paused", {"for": "customer", "for_": "third_party"}, None, True)
def test_it_gives_what_the_decoder_gives(
    channel: Channel,
    kind: str,
    fields: dict[str, Any],
    at: str | None,
    escaped: bool,  # noqa: FBT001 - drawn
) -> None:
    """With anything in any field, the decoder takes what it takes, and gives the same event."""
    whole = WHOLE | {"type": kind, **fields} | ({"occurred_at": at} if at is not None else {})
    value = json.dumps(whole, ensure_ascii=escaped).encode("utf-8", "surrogatepass")
    _same(CONTACTS[channel], channel, b"c", value)


@given(st.binary(max_size=200))
@example(b'{"type":[]}')
@example(b"null")
def test_any_bytes(value: bytes) -> None:
    """No bytes make it fail."""
    _same(CHAT, "chat", b"c", value)


def test_it_takes_what_is_plain() -> None:
    """It takes every event of a usual chat."""
    for event in write_chats(100):
        assert _same(CHAT, "chat", event["contact_id"].encode(), orjson.dumps(event))


@pytest.mark.parametrize(
    "change",
    [
        *({"x": float("nan")}, {"x": float("-inf")}, {"queue": "caf\u00e9"}, {"channel": "call"}, {"contact_id": "d"}),
        *({"type": "contact.unheard_of"}, {"occurred_at": "2026-03-02T09:30:00"}, {"seq": None}),
    ],
)
def test_it_leaves_the_rest_to_the_decoder(change: dict[str, Any]) -> None:
    """What needs normalising, or a reason why it is bad, is not taken."""
    assert not _same(CHAT, "chat", b"c", json.dumps(WHOLE | change).encode())


@pytest.mark.parametrize("field", ["queue", "team", "language", "segment", "customer_id", "agent_id"])
@pytest.mark.parametrize("empty", ["", "  "])
def test_an_empty_optional_string_is_absent(field: str, empty: str) -> None:
    """Many systems send one where they have nothing; the fast path takes it too."""
    without = {name: given for name, given in WHOLE.items() if name != field}
    value = orjson.dumps(WHOLE | {field: empty})
    assert _same(CHAT, "chat", b"c", value)
    assert read_event(CHAT, b"c", value) == read_event(CHAT, b"c", orjson.dumps(without))


@pytest.mark.parametrize(("kind", "field"), [("contact.queued", "queue"), ("contact.connected", "agent_id")])
def test_an_empty_required_string_is_refused(kind: str, field: str) -> None:
    """What an event cannot do without is not absent."""
    with pytest.raises(BadRecord, match=f"{field}: String should have at least 1 character"):
        read_event(CHAT, b"c", orjson.dumps(WHOLE | {"type": kind, field: ""}))


def test_both_ways_are_one_reading() -> None:
    """A record is read by either, and refused by the decoder."""
    value = orjson.dumps(WHOLE)
    assert read_event(CHAT, b"c", value) == event_of(decode(CHAT, b"c", value))
    assert read_event(CHAT, b"c", orjson.dumps(WHOLE | {"type": "new"})).type == "new"
    status = orjson.dumps(WHOLE | {"type": "agent.status", "status": "busy"})
    assert read_event(AGENTS, b"ann", status).type == "agent.status"
    for key, bad in ((b"d", value), (b"c", None), (b"c", value + b" " * MAX_RECORD_BYTES)):
        with pytest.raises(BadRecord):
            read_event(CHAT, key, bad)


def test_a_name_of_ours_for_a_field_is_an_unknown_field() -> None:
    """Python cannot call a field `for`; what we call it instead means nothing in an event, for either reader."""
    value = json.dumps(WHOLE | {"type": "contact.paused", "for_": "third_party"}).encode()
    assert _same(CHAT, "chat", b"c", value)
    assert "for_" not in event_of(decode(CHAT, b"c", value)).fields
