"""A contact's record: what is written reads back the same, whatever the contact, for every reader."""

from typing import Any, Final

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas import samples
from schemas.contact_record import (
    OLDEST_READ,
    VERSION,
    EventFields,
    Summary,
    decode_body,
    decode_contact,
    decode_summary,
    encode_contact,
    with_summary,
)
from schemas.events import MODELS
from schemas.journal import Head, decode_head, encode_head
from schemas.policies import Rules
from schemas.samples import Sample
from schemas.topics import Channel
from streams.core.event import Event, from_normalised, merge, normalised
from streams.core.fold import fold
from tests.bench.events import write_chats
from tests.core.contacts import contacts, record_of
from tests.core.story import told

texts: Final = st.text(max_size=6) | st.sampled_from(("", "e1", "a\nb", "queue"))
whole: Final = st.integers(0, 2**53)
perhaps: Final = st.none() | whole
asked: Final = st.none() | st.booleans()

rows: Final = st.builds(
    Sample,
    *(st.sampled_from((*samples.NAMES, "new_sample")), texts, whole, *[texts] * 6),
    **dict.fromkeys(("tag", "outcome", "policy"), texts),
    **dict.fromkeys(
        ("value_ms", "business_ms", "active_ms", "active_business_ms", "value", "target_ms", "instance"), perhaps
    ),
    **dict.fromkeys(("within", "short", "satisfied", "in_hours"), asked),
    partial=st.booleans(),
    caused_by=st.none() | texts,
)
values: Final = texts | st.booleans() | st.lists(texts, max_size=3) | st.dictionaries(texts, texts, max_size=2)
events: Final = st.lists(
    st.tuples(
        *(whole, st.integers(0, 2), texts, st.sampled_from((*MODELS, "new.type"))),
        st.dictionaries(st.sampled_from(("queue", "public", "tags", "new_field")), values, max_size=4),
    ),
    max_size=6,
    unique_by=lambda event: event[2],
)
steps: Final = st.integers(0, 9)


def _summary() -> Summary:
    return told("chat", "0 started queue=a\n5 queued queue=b\n9 agent agent_id=ann").summary


@given(events, st.lists(st.tuples(steps, rows)), st.lists(st.tuples(steps, texts, texts)), steps)
def test_any_record_reads_back(
    happened: list[EventFields], issued: list[tuple[int, Sample]], retracted: list[tuple[int, str, str]], after: int
) -> None:
    """Any events and any rows, also of names that this version does not know and of causes that are not there."""
    record = encode_contact(_summary(), happened, issued, retracted)
    read_events, read_samples, read_retracted = decode_body(record)
    assert [tuple(event) for event in read_events] == happened
    assert sorted(read_samples, key=repr) == sorted(issued, key=repr)
    assert read_retracted == retracted
    assert decode_summary(record) == _summary()
    kept = decode_contact(record, after)
    assert kept.summary == _summary()
    assert sorted(kept.samples, key=repr) == sorted((row for row in issued if row[0] > after), key=repr)
    assert kept.retracted == [one for one in retracted if one[0] > after]


@given(contacts())
def test_types_read_back_too(drawn: tuple[Channel, list[Event]]) -> None:
    """True stays true and no 1: what reads back is equal and of the same types; what the archive keeps is equal too."""
    channel, arrived = drawn
    known, _ = merge([], arrived)
    folded = fold(channel, known, Rules())
    record = encode_contact(folded.summary, known, [(3, sample) for sample in folded.samples], [])
    read_events, read_samples, _ = decode_body(record)
    assert repr([tuple(event) for event in read_events]) == repr([tuple(event) for event in known])
    assert sorted(map(repr, read_samples)) == sorted(repr((3, row)) for row in folded.samples)
    assert [from_normalised(normalised(event)) for event in known] == known


def test_a_record_is_dense() -> None:
    """Ten events, with all that came of them, in less than a kilobyte."""
    record = record_of(write_chats(10), Rules())
    assert len(decode_contact(record).samples) > 10
    assert len(record) < 900


@pytest.mark.parametrize(("version", "said"), [(VERSION - 2, "no release wrote"), (VERSION + 1, "newer Pulssi")])
def test_a_journal_of_another_version_is_refused(version: int, said: str) -> None:
    """With a word on what to do."""
    written: Any = encode_head(Head()).replace(b'"v":%d' % VERSION, b'"v":%d' % version)
    with pytest.raises(ValueError, match=said):
        decode_head(written)
    assert decode_head(encode_head(Head(step=7))).step == 7


def test_a_record_of_the_version_before_is_read() -> None:
    """It does not say where its contact came from; written again, it is of this version."""
    now = _summary()
    lacking = [OLDEST_READ, *list(now.values())[1:-1]]
    record = encode_contact(now, [], [], [])
    before = orjson.dumps(lacking) + record[record.index(b"\n") :]
    assert decode_summary(before) == decode_contact(before).summary == {**now, "v": VERSION, "source": ""}
    assert decode_summary(with_summary(before, decode_summary(before))) == {**now, "v": VERSION, "source": ""}
    head: Any = encode_head(Head(step=7)).replace(b'"v":%d' % VERSION, b'"v":%d' % OLDEST_READ)
    assert decode_head(head).step == 7


def test_the_source_is_that_of_the_first_event() -> None:
    """A survey's system is not where the conversation is; in whatever order events arrive."""
    events = [{**event, "source": "surveys" if place else "desk"} for place, event in enumerate(write_chats(10))]
    for arrived in (events, events[::-1]):
        assert decode_summary(record_of(arrived, Rules()))["source"] == "desk"
