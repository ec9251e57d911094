"""A vendor's files as pages: each layout and compression, places to go on from, and files that cannot be read."""

import gzip
from pathlib import Path

import pytest
import zstandard

from streams.sources.backfill import file_pages
from streams.sources.backfill.file_pages import FilePages, Layout
from streams.sources.recording_files import UnreadableError

LOG = b"".join(b"1772352%03d|c%d|q|NONE|ENTERQUEUE||x|1\n" % (number, number) for number in range(25))


@pytest.fixture(autouse=True)
def _small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file_pages, "PAGE", 10)


def bodies(path: Path, layout: Layout | None = None) -> list[bytes]:
    """Read the payloads of a file."""
    return [each.body for page in FilePages(str(path), "row", layout).pages(None) for each in page.payloads]


@pytest.mark.parametrize("ending", ["", ".gz", ".zst"])
def test_a_log_goes_on_behind_each_page(tmp_path: Path, ending: str) -> None:
    """From each page's position on, exactly the other lines come, with their numbers."""
    path = tmp_path / f"queue_log{ending}"
    path.write_bytes(
        {"": LOG, ".gz": gzip.compress(LOG), ".zst": zstandard.ZstdCompressor().compress(LOG)}[ending],
    )
    pages = list(FilePages(str(path), "row").pages(None))
    assert [len(page.payloads) for page in pages] == [10, 10, 5]
    assert b"\n".join(each.body for page in pages for each in page.payloads) + b"\n" == LOG
    assert [pages[1].payloads[0].line, pages[1].payloads[0].where] == [11, f"queue_log{ending}"]
    assert pages[2].done == 1.0
    for number, page in enumerate(pages):
        rest = [each for later in FilePages(str(path), "row").pages(page.position) for each in later.payloads]
        assert rest == [each for later in pages[number + 1 :] for each in later.payloads]


def test_a_log_that_grew_goes_on_and_another_begins(tmp_path: Path) -> None:
    """The position holds for what was appended; a file of another beginning under the same name is read whole."""
    path = tmp_path / "queue_log"
    path.write_bytes(LOG[:90])
    (page,) = FilePages(str(path), "row").pages(None)
    path.write_bytes(LOG)
    grown = [each for later in FilePages(str(path), "row").pages(page.position) for each in later.payloads]
    assert len(page.payloads) + len(grown) == 25
    path.write_bytes(LOG.replace(b"c", b"d"))
    other = [each for later in FilePages(str(path), "row").pages(page.position) for each in later.payloads]
    assert len(other) == 25


def test_a_line_that_is_being_written_is_left(tmp_path: Path) -> None:
    """A log's last line without an end may be half a row: it is not read, and that is said."""
    path = tmp_path / "queue_log"
    path.write_bytes(LOG[:-4])
    pages = FilePages(str(path), "row")
    assert sum(len(page.payloads) for page in pages.pages(None)) == 24
    assert f"{path}:25" in pages.notice


@pytest.mark.parametrize(
    ("name", "content", "wanted"),
    [
        ("a.ndjson", b'\xef\xbb\xbf{"a":1}\n\n {"a":2}', [b'{"a":1}', b'{"a":2}']),
        ("a.json", b'[\n{"a": 1},\n{"a": 2}]', [b'{"a":1}', b'{"a":2}']),
        ("a.json", b'{\n "a": 1\n}\n', [b'{\n "a": 1\n}\n']),
        ("a.csv", b'a;b\r\n1;"x\r\n;y"\r\n2;"z""z"\r\n', [b'{"a":"1","b":"x\\r\\n;y"}', b'{"a":"2","b":"z\\"z"}']),
        ("a.csv", b"a,b\n1\n1,2,3", [b'{"a":"1"}', b'{"a":"1","b":"2","(more)":["3"]}']),
        ("a.eml", b"From: a\n\nb\n", [b"From: a\n\nb\n"]),
    ],
)
def test_other_layouts(tmp_path: Path, name: str, content: bytes, wanted: list[bytes]) -> None:
    """What a file is shows its name or its beginning."""
    path = tmp_path / name
    path.write_bytes(content)
    assert bodies(path) == wanted


def test_json_that_is_being_written_is_left(tmp_path: Path) -> None:
    """A last line without an end is read where it is whole; half a line waits, and is read once the rest is there."""
    path = tmp_path / "chats.jsonl"
    path.write_bytes(b'{"a": 1}\n{"a": 2}')
    assert bodies(path) == [b'{"a": 1}', b'{"a": 2}']
    path.write_bytes(b'{"a": 1}\n{"a": 2}\n{"a": ')
    file = FilePages(str(path), "hook")
    pages = list(file.pages(None))
    assert [each.body for page in pages for each in page.payloads] == [b'{"a": 1}', b'{"a": 2}']
    assert ":3: the last line has no end" in file.notice
    with path.open("ab") as opened:
        opened.write(b"3}\n")
    rest = [each.body for page in FilePages(str(path), "hook").pages(pages[-1].position) for each in page.payloads]
    assert rest == [b'{"a": 3}']


def test_tables_and_arrays_go_on(tmp_path: Path) -> None:
    """A table's header holds for all its pages; an array goes on with its next element."""
    table = tmp_path / "a.csv"
    table.write_bytes(b"a\n" + b"".join(b'"%d\n"\n' % number for number in range(25)))
    array = tmp_path / "a.json"
    array.write_bytes(b"[" + b",".join(b'{"a":%d}' % number for number in range(25)) + b"]")
    for path in (table, array):
        first, *others = FilePages(str(path), "row").pages(None)
        again = list(FilePages(str(path), "row").pages(first.position))
        assert [page.payloads for page in again] == [page.payloads for page in others]
        assert len(first.payloads) == 10


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.json", b"[1, 2", "is none"),
        ("a.csv", b'a\n"b', "not closed"),
        ("a.csv", b"a\n\xe4\n", "line 2 is not UTF-8"),
        ("a.gz", b"no gzip", "gzip"),
        ("a.gz", gzip.compress(LOG)[:-9], "damaged"),
        ("a.zst", zstandard.ZstdCompressor().compress(LOG)[:-9], "damaged"),
    ],
)
def test_files_that_cannot_be_read(tmp_path: Path, name: str, content: bytes, said: str) -> None:
    """Each is named with what is wrong with it."""
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(UnreadableError, match=said):
        bodies(path)
