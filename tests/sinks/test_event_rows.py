"""From source records to archive rows."""

from dataclasses import replace
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.events import Priority
from schemas.values import Name, Number, OptionalName, Whole
from sinks.event_rows import UnreadableEventError, event_rows, rows_from_journal
from sinks.rows import empty_of, first_wins_version
from tests.core.agents import status
from tests.core.plots import contacts
from tests.streams.flow import chat_event
from tests.streams.records import RECEIVED, Record, opened, records_of


def record(kind: str = "message.sent", **fields: Any) -> Any:  # noqa: ANN401 - any event's; a Record
    """Make the record of a message."""
    own = {"event_id": "e1", "author": "customer", **fields}
    return Record(7, b"a:1", orjson.dumps(chat_event(kind, "a:1", "2026-09-21T14:13:20.1239Z", **own)), partition=1)


def test_every_field_has_its_column() -> None:
    """Fields, defaults, where it stood and when it came."""
    (row,) = event_rows([record(queue=" q ", tags=None, seq=3, attributes={"product": "x"})], epoch=2)
    assert (row.contact_id, row.event_id, row.type, row.queue, row.seq) == ("a:1", "e1", "message.sent", "q", 3)
    assert (row.public, row.automatic, row.author, row.attributes) == (True, False, "customer", {"product": "x"})
    assert (row.occurred_at, row.received_at) == (1_790_000_000_123, RECEIVED)
    place = (row.topic, row.partition, row.offset, row.epoch, row.version)
    assert place == ("contacts.chat", 1, 7, 2, first_wins_version(2, 7))
    assert orjson.loads(row.normalised)["occurred_at"] == 1_790_000_000_123


@pytest.mark.parametrize(
    ("annotation", "empty"),
    [
        *((kind, "") for kind in (Name, OptionalName, Priority, Priority | None)),
        *((kind, None) for kind in (Whole, Whole | None, Number | None, bool, bool | None)),
        *((list[Name] | None, []), (dict[Name, Whole] | None, {})),
    ],
)
def test_only_text_is_empty_where_an_event_gives_nothing(annotation: object, empty: object) -> None:
    """A number or a truth that is not told is NULL in the archive, never 0 or false, whatever the field's name."""
    assert empty_of(annotation) == empty


def test_text_is_not_kept() -> None:
    """What people wrote is in no column, not in the normalised JSON, and not among unknown fields."""
    said = [record(text="call me", comment="hush", nickname="n")]
    (row,) = event_rows(said, epoch=1)
    assert b"call me" not in row.normalised
    assert (row.text, row.comment, row.extra) == (None, None, '{"nickname":"n"}')
    assert not any("call me" in str(each) or "hush" in str(each) for each in row)


def test_an_unknown_type_keeps_its_fields() -> None:
    """What a newer source sends is archived: its own fields as they came, but people's words."""
    (row,) = event_rows([record("contact.dreamt", depth=3, text="words")], epoch=1)
    assert (row.type, row.extra) == ("contact.dreamt", '{"author":"customer","depth":3}')


def test_an_unknown_type_keeps_fields_that_cannot_be_read() -> None:
    """An optional field of ours that a newer type fills otherwise is kept as it came, and an empty one not."""
    odd = {"queue": 5, "priority": "critical", "team": " a", "seq": "next", "segment": None, "language": " "}
    (row,) = event_rows([record("contact.dreamt", **odd)], epoch=1)
    assert (row.queue, row.team, row.seq) == ("", "a", 0)
    assert row.extra == '{"author":"customer","priority":"critical","queue":5,"seq":"next"}'


def test_an_event_that_a_worker_counted_is_never_left_out() -> None:
    """One that this version cannot read is named, with why."""
    with pytest.raises(UnreadableEventError, match="contact_id") as raised:
        event_rows([record(), replace(record(), key=b"other", offset=8)], epoch=1)
    assert raised.value.offset == 8


def test_agents_events_have_their_own_key() -> None:
    """States of agents have no contact."""
    told = status("s1", 0, "away", reason="lunch", groups=["g"], capacity={"chat": 3})
    (row,) = event_rows([replace(record(), key=b"x", value=orjson.dumps(told), topic="agents.status")], epoch=1)
    assert (row.contact_id, row.agent_key, row.agent_id, row.status, row.reason) == ("", "x", "x", "away", "lunch")
    assert (row.groups, row.capacity) == (["g"], {"chat": 3})


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        (b"1e999", "null"),
        (b"-1e999", "null"),
        (b"1e5", "100000.0"),
        (b"[" * 150 + b"]" * 150, "[" * 150 + "]" * 150),
        (b'"caf\\u00e9"', '"caf\u00e9"'),
    ],
    ids=["too large", "too small", "large", "deep", "text"],
)
def test_odd_values_in_unknown_fields_do_no_harm(written: bytes, kept: str) -> None:
    """A number beyond any double becomes null; nothing that the decoder accepts stops the sink."""
    odd = record(odd=1, big=2)
    odd = replace(odd, value=odd.value.replace(b'"odd":1', b'"odd":' + written))
    (row,) = event_rows([odd], epoch=1)
    assert row.extra.replace(" ", "") == f'{{"big":2,"odd":{kept}}}'
    if kept == "null":  # beside such a number, one beyond 64 bits keeps its digits
        (row,) = event_rows([replace(odd, value=odd.value.replace(b'"big":2', b'"big":' + b"9" * 30))], epoch=1)
        assert "9" * 30 in row.extra


@settings(max_examples=60, deadline=None)
@given(events=contacts(), parked=st.booleans())
def test_what_was_counted_stands_in_for_records_that_are_gone(events: list[dict[str, Any]], parked: bool) -> None:  # noqa: FBT001 - drawn
    """Rows made of the journal, folded or parked, are those of the records, but for where and when these came."""
    records: Any = records_of({**event, "contact_id": "c", "channel": "chat"} for event in events)
    partition = opened()
    if parked:
        partition.park([b"c"])
    written = {key: value or b"" for step in partition.steps(records) for key, value in step.records}
    made = [row for of in written.items() for row in rows_from_journal(*of, ("contacts.chat", 0), 3)]
    kept: dict[str, Any] = {}
    for row in sorted(event_rows(records, epoch=3), key=lambda row: row.normalised):
        kept.setdefault(row.event_id, row)
    plain = [row._replace(version=0, offset=0, received_at=0) for row in made]
    assert sorted(plain, key=lambda row: row.event_id) == [
        row._replace(version=0, offset=0, received_at=0) for _, row in sorted(kept.items())
    ]
    assert all(one.version < first_wins_version(3, record.offset) for one in made for record in records)
