"""Recordings: read in any packing, put in disorder on request, each line given its place or refused by name."""

import contextlib
import gzip
from collections import Counter
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import orjson
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from streams.sources import recording_files
from streams.sources.disorder import REPEATED_WITHIN, duplicated, shuffled
from streams.sources.recording_files import Line, UnreadableError
from streams.sources.recordings import LARGEST_BYTES, Recording, RoutedEvent, UnroutableError, route
from tests.streams.flow import chat_event


def event(**changed: object) -> bytes:
    """Write an event, with some fields changed."""
    told = chat_event("contact.resolved", "a:1", "2026-03-02T10:00:00.250Z")
    return orjson.dumps({name: value for name, value in (told | changed).items() if value is not None})


def numbered(count: int) -> list[Line]:
    """Return lines whose content is their number; one holds bytes that are no text."""
    return [Line("f", number, b"%d" % number if number != 3 else b"\xff\xfe") for number in range(1, count + 1)]


@pytest.mark.parametrize("name", ["a.ndjson", "a.ndjson.gz", "a.ndjson.zst"])
def test_what_is_written_is_read(name: str, tmp_path: Path) -> None:
    """In each packing; twice written gives the same bytes; line numbers count blank lines too."""
    path, again = tmp_path / name, tmp_path / f"again-{name}"
    assert recording_files.write(str(path), [b"one", b"", b" two "]) == 3
    recording_files.write(str(again), [b"one", b"", b" two "])
    assert path.read_bytes() == again.read_bytes()
    assert list(recording_files.lines(str(path))) == [Line(str(path), 1, b"one"), Line(str(path), 3, b"two")]
    assert [each.name for each in sorted(tmp_path.iterdir())] == sorted([name, f"again-{name}"])


def test_a_file_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    """A writer that fails in between leaves what was there before."""
    path = tmp_path / "a.ndjson"
    path.write_bytes(b"before\n")

    def fails() -> Iterator[bytes]:
        yield b"x"
        raise OSError("no room")

    with pytest.raises(OSError, match="no room"):
        recording_files.write(str(path), fails())
    assert path.read_bytes() == b"before\n"
    assert len(list(tmp_path.iterdir())) == 1


def test_what_cannot_be_read_is_named(tmp_path: Path) -> None:
    """Missing, not what its name says, or cut off: one line with the file, and where it broke."""
    with pytest.raises(UnreadableError, match=r"none\.ndjson: No such file"):
        list(recording_files.lines(str(tmp_path / "none.ndjson")))
    for name in ("no.gz", "no.zst"):
        (tmp_path / name).write_bytes(b"plain text\n")
        with pytest.raises(UnreadableError, match=name):
            list(recording_files.lines(str(tmp_path / name)))
    # Digits of no pattern: what packs too well is one block, and cut, nothing.
    whole = b"".join(sha256(b"%d" % number).hexdigest().encode() + b"\n" for number in range(20_000))
    for name, packed in (("cut.gz", gzip.compress(whole)), ("cut.zst", zstandard.compress(whole))):
        (tmp_path / name).write_bytes(packed[: len(packed) // 2])
        with pytest.raises(UnreadableError, match=rf"{name}: damaged after line \d+"):
            list(recording_files.lines(str(tmp_path / name)))


def test_several_frames_and_members_are_one_recording(tmp_path: Path) -> None:
    """Packed files that were put together with `cat` are read to their end."""
    (tmp_path / "a.zst").write_bytes(zstandard.compress(b"one\n") + zstandard.compress(b"two\n"))
    (tmp_path / "a.gz").write_bytes(gzip.compress(b"one\n") + gzip.compress(b"two\n"))
    for name in ("a.zst", "a.gz"):
        assert [line.content for line in recording_files.lines(str(tmp_path / name))] == [b"one", b"two"]


def test_shuffled_is_a_permutation_that_the_seed_decides() -> None:
    """Nothing lost, nothing twice, the same again with the same seed."""
    lines = numbered(5_000)
    once = list(shuffled(lines, 1))
    assert sorted(once, key=lambda line: line.number) == lines
    assert once == list(shuffled(lines, 1))
    assert once != list(shuffled(lines, 2))
    moved = sum(abs(place - line.number) for place, line in enumerate(once, 1)) / len(lines)
    assert moved == pytest.approx(len(lines) / 3, rel=0.1)


def test_duplicates_come_a_little_later() -> None:
    """The share asked for comes twice, in a seeded choice, and never before its first time."""
    lines = numbered(20_000)
    sent = list(duplicated(lines, 0.2, 1))
    assert sent == list(duplicated(lines, 0.2, 1))
    counts = Counter(line.number for line in sent)
    assert set(counts) == {line.number for line in lines}
    assert sum(1 for count in counts.values() if count == 2) == pytest.approx(4_000, rel=0.1)
    first: dict[int, int] = {}
    for place, line in enumerate(sent):
        assert place - first.setdefault(line.number, place) <= REPEATED_WITHIN * 2


def test_lines_go_where_they_belong() -> None:
    """Contacts by channel, agents' states by agent; the bytes stay as they are."""
    assert route(event()) == RoutedEvent("contacts.chat", b"a:1", event(), 1_772_445_600_250)
    status = event(type="agent.status", contact_id=None, channel=None, agent_id="agent-1")
    assert route(status)[:3] == ("agents.status", b"agent-1", status)


def test_bad_events_with_a_place_are_sent_as_they_are() -> None:
    """A wrong type, a zone-less time, a missing field: the worker dead-letters them, so they are sent."""
    for bad in (event(type=None), event(occurred_at="2026-03-02T10:00:00"), event(event_id=None), event(type=7)):
        assert route(bad)[:3] == ("contacts.chat", b"a:1", bad)
    assert route(event(occurred_at="yesterday")).at is None


@pytest.mark.parametrize(
    ("line", "why"),
    [
        (b"{", "not JSON"),
        (b"[]", "not a JSON object"),
        (event(contact_id=None), "contact_id is missing"),
        (event(contact_id=" "), "contact_id is missing"),
        (event(channel="fax"), "channel is not one of chat, email, call"),
        (event(type="agent.status", contact_id=None), "agent_id is missing"),
        (event(text="x" * LARGEST_BYTES), "bytes, more than a record may have"),
    ],
)
def test_what_has_no_place_is_refused(line: bytes, why: str) -> None:
    """The reason names the field."""
    with pytest.raises(UnroutableError, match=why):
        route(line)


@given(st.binary(max_size=200) | st.text().map(str.encode) | st.dictionaries(st.text(), st.text()).map(orjson.dumps))
def test_any_line_has_a_place_or_a_reason(line: bytes) -> None:
    """No line breaks the reader."""
    with contextlib.suppress(UnroutableError):
        assert route(line).key


def test_a_moved_time_changes_nothing_else() -> None:
    """Rebased: the time moves by so many milliseconds, in UTC; a time that cannot be read stays."""
    moved = route(event(occurred_at="2026-03-02T12:00:00+02:00"), 1_500)
    assert orjson.loads(moved.value) == orjson.loads(event(occurred_at="2026-03-02T10:00:01.500Z"))
    assert route(event(occurred_at="soon"), 1_500).value == event(occurred_at="soon")


def test_files_are_merged_by_time_where_they_are_paced(tmp_path: Path) -> None:
    """Two recordings of the same hours run beside each other, not one after the other."""
    times = {"a": (1, 4, 5), "b": (2, 3, 6)}
    for name, minutes in times.items():
        recording_files.write(
            str(tmp_path / name), [event(occurred_at=f"2026-03-02T10:0{minute}:00Z") for minute in minutes]
        )
    files = [str(tmp_path / name) for name in times]
    refused: list[tuple[Line, str]] = []
    merged = list(Recording(files, by_time=True).events(lambda line, why: refused.append((line, why))))
    assert [each.at for each in merged] == sorted(each.at or 0 for each in merged)
    assert len(merged) == 6
    assert not refused
    first, last = Recording(files).span() or (0, 0)
    assert last - first == 5 * 60_000
