"""Writing a journal on real brokers: whole steps only, and only the newest owner's."""

from typing import Final

import pytest
from aiokafka.errors import KafkaError

from schemas.journal import CONTACT, HEAD_KEY, Head, encode_head
from schemas.settings import Settings
from streams.journal.step_assembly import Step
from streams.journal.tail import JournalTail
from streams.journal.writer import CUT_BYTES, JournalWriter, StepTooLargeError
from streams.partition.step_to_write import DeadLetter, StepToWrite
from tests.kafka.server import KafkaServer
from tests.streams.flow import read_all
from tests.streams.records import Record

SOURCE: Final = "contacts.chat"


@pytest.fixture
def settings(fresh_kafka: KafkaServer) -> Settings:
    """Point at a broker with Pulssi's topics and nothing in them."""
    return fresh_kafka.with_topics()


def step(opened: int, number: int, size: int = 10) -> StepToWrite:
    """Make a step that changes one contact."""
    head = Head(next=number, step=number, open=opened)
    return StepToWrite([(CONTACT + b"c1", b"x" * size), (HEAD_KEY, encode_head(head))], [], head)


async def read(settings: Settings) -> list[Step]:
    """Read whatever steps there are, until the end."""
    tail, steps = JournalTail(settings, sources=(SOURCE,)), []
    await tail.start()
    try:
        while not tail.caught_up():
            steps += await tail.steps()
    finally:
        await tail.stop()
    return steps


async def test_a_step_is_seen_as_a_whole(settings: Settings) -> None:
    """Two steps of one owner are read in order, each with its records and its head."""
    writer = JournalWriter(settings, SOURCE, 1)
    opened = await writer.open("test")
    await writer.append(step(opened, 1))
    await writer.append(step(opened, 2))
    await writer.stop()
    steps = await read(settings)
    assert [(one.partition, one.head.step, [key for _, key, _ in one.records]) for one in steps] == [
        (1, 1, [b"cc1"]),
        (1, 2, [b"cc1"]),
    ]


async def test_an_older_owner_does_no_harm(settings: Settings) -> None:
    """Once another has opened the partition, what the former owner writes is refused or never seen."""
    old, new = JournalWriter(settings, SOURCE, 0), JournalWriter(settings, SOURCE, 0)
    opened_by_old = await old.open("old")
    await old.append(step(opened_by_old, 1))
    opened_by_new = await new.open("new")
    with pytest.raises(KafkaError):
        await old.append(step(opened_by_old, 2))
    await new.append(step(opened_by_new, 2))
    await new.stop()
    await old.stop()
    assert [(one.head.step, one.head.open) for one in await read(settings)] == [(1, opened_by_old), (2, opened_by_new)]


async def test_a_step_above_a_batch_is_never_written_in_part(settings: Settings) -> None:
    """Nine megabytes in a step: one transaction of several batches; with a record above a batch, nothing of it."""
    writer = JournalWriter(settings, SOURCE, 2)
    opened = await writer.open("test")
    head = Head(next=1, step=1, open=opened)
    parts: list[tuple[bytes, bytes | None]] = [(CONTACT + b"%d" % at, b"x" * 3_000_000) for at in range(3)]
    large = StepToWrite([*parts, (HEAD_KEY, encode_head(head))], [], head)
    await writer.append(large)
    parts[1] = (CONTACT + b"1", b"x" * 9_000_000)
    head = Head(next=2, step=2, open=opened)
    with pytest.raises(StepTooLargeError):
        await writer.append(StepToWrite([*parts, (HEAD_KEY, encode_head(head))], [], head))
    await writer.stop()
    assert [len(one.records) for one in await read(settings)] == [3]


async def test_a_bad_record_above_what_a_broker_takes_is_cut(settings: Settings) -> None:
    """Ten megabytes that came compressed: the step is written, and the letter tells how much more there was."""
    writer = JournalWriter(settings, SOURCE, 3)
    opened = await writer.open("test")
    record = Record(7, b"k", b" " * 10_000_000, headers=(("from", b"x" * 2_000_000),))
    head = Head(next=8, step=1, open=opened)
    letters = [DeadLetter(record, "too_large", "why"), DeadLetter(Record(8, b"k", b"{", headers=()), "not_json", "why")]
    await writer.append(StepToWrite([(HEAD_KEY, encode_head(head))], letters, head))
    await writer.stop()
    found = read_all(settings)
    assert [(letter.key(), len(letter.value())) for letter in found] == [(b"k", CUT_BYTES), (b"k", 1)]
    headers = dict(found[0].headers())
    assert (headers["pulssi-bytes"], headers["pulssi-offset"]) == (b"10000000", b"7")
