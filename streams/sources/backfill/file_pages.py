"""Reads a vendor's file as pages of payloads, each with the position behind it.

A file is a log of raw lines, JSON line by line, a JSON array, a CSV table, or one payload as a whole; plain, gzipped or
in zstd. All but arrays and whole files are read piece by piece. Nothing is mapped here.
"""

import csv
import gzip
import io
import sys
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from hashlib import blake2b
from itertools import chain, islice
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple

import orjson
import zstandard

from streams.sources.backfill.pages import Page, VendorPayload
from streams.sources.recording_files import STANDARD, UnreadableError, decompressed

Layout = Literal["lines", "json", "array", "csv", "whole"]

#: Payloads of a page.
PAGE: Final = 5_000
#: What a file is known again by: so much of its beginning, before compression.
HEAD_BYTES: Final = 4096
_BUFFER_BYTES: Final = 1024 * 1024
#: What is read in one piece: an array, or a file that is one payload.
WHOLE_BYTES: Final = 1024 * 1024 * 1024
_CUT_END: Final = "{name}:{number}: the last line has no end, so it is not read: is it being written?"
_DELIMITERS: Final = ",;\t|"
_WHOLE_ENDINGS: Final = frozenset({".eml", ".xml"})


class _Row(NamedTuple):
    body: bytes
    #: The number of its line, from 1, and the offset behind it.
    line: int
    end: int


class FilePages:
    """A file of one account and form; `-` is standard input."""

    def __init__(self, name: str, form: str, layout: Layout | None = None) -> None:
        self.name = name
        self.shown = "stdin" if name == STANDARD else Path(name).name
        self._form = form
        self._layout = layout
        self._size = 0
        self._raw: Any = None
        self._open = ExitStack()
        #: What is said at the end, such as that the last line is cut off.
        self.notice = ""

    @property
    def stream(self) -> str:
        """Name what is read, for its position; empty where nobody can go on with it."""
        return "" if self.name == STANDARD else f"file:{self._form}:{Path(self.name).resolve()}"

    @property
    def size(self) -> int:
        """Give its size in bytes, as it is on the disk; 0 where nobody knows."""
        try:
            return 0 if self.name == STANDARD else Path(self.name).stat().st_size
        except OSError:
            return 0

    def pages(self, position: Mapping[str, Any] | None) -> Iterator[Page]:
        """Yield the pages behind a position of this file, or from its beginning. Raises UnreadableError.

        Where the file begins in another way than it did then, it is another file, and is read whole.
        """
        line = 0
        try:
            with self._open:
                pieces = self._pieces()
                head, pieces = _head(pieces)
                layout = self._layout or _layout(self.name, head)
                known = _known_head(head, position)
                kept: dict[str, Any] = {"head": known, "offset": 0, "line": 0}
                if position is not None and position.get("head") == known:
                    kept = {"head": known, "offset": position["offset"], "line": position["line"]}
                rows = _ROWS[layout](pieces, kept["line"], self)
                while batch := list(islice(rows, PAGE)):
                    if layout == "lines":
                        payloads = tuple(
                            VendorPayload(self._form, body, self.shown, number) for body, number, _ in batch
                        )
                    else:
                        payloads = tuple(
                            VendorPayload(self._form, body, f"{self.shown}:{number}") for body, number, _ in batch
                        )
                    line = batch[-1].line
                    kept |= {"offset": batch[-1].end, "line": line}
                    yield Page(payloads, dict(kept), self._done())
        except OSError as error:
            raise UnreadableError(f"{self.name}: {error.strerror or error}") from None
        except (EOFError, zlib.error, zstandard.ZstdError) as error:
            raise UnreadableError(f"{self.name}: damaged after line {line}: {error}") from None

    def head(self, known: str) -> str:
        """Name the file's beginning, as much of it as a name is of that was given before. Raises UnreadableError."""
        try:
            with self._open:
                return _known_head(_head(self._pieces())[0], {"head": known})
        except (OSError, EOFError, zlib.error, zstandard.ZstdError) as error:
            raise UnreadableError(f"{self.name}: {error}") from None

    def _pieces(self) -> Iterable[bytes]:
        """Open the file and give its lines, with or without their ends."""
        if self.name == STANDARD:
            return sys.stdin.buffer
        path = Path(self.name)
        self._raw = raw = self._open.enter_context(path.open("rb", _BUFFER_BYTES))
        self._size = path.stat().st_size
        if self.name.endswith(".gz"):
            return io.BufferedReader(self._open.enter_context(gzip.GzipFile(fileobj=raw)), _BUFFER_BYTES)
        return decompressed(raw) if self.name.endswith(".zst") else raw

    def _done(self) -> float | None:
        try:
            return min(1.0, self._raw.tell() / self._size) if self._size else None
        except (OSError, AttributeError):
            return None

    def refuse(self, problem: str) -> UnreadableError:
        """Make the error of a file that is not what it should be."""
        return UnreadableError(f"{self.name}: {problem}")


def _head(pieces: Iterable[bytes]) -> tuple[bytes, Iterator[bytes]]:
    """Read the beginning of a file, and give it back with all its lines."""
    read, size = [], 0
    lines = iter(pieces)
    for piece in lines:
        read.append(piece)
        size += len(piece)
        if size >= HEAD_BYTES:
            break
    # All but the last are whole lines, whether their ends are there or not.
    ended = [piece if piece.endswith(b"\n") else piece + b"\n" for piece in read[:-1]]
    return b"".join([*ended, *read[-1:]])[:HEAD_BYTES], chain(read, lines)


def _known_head(head: bytes, position: Mapping[str, Any] | None) -> str:
    """Name the beginning; of a file that has grown, as much of it as was there."""
    bytes_known = len(head)
    if position is not None and isinstance(position.get("head"), str):
        count, _, _ = position["head"].partition(":")
        if count.isdecimal() and int(count) <= len(head):
            bytes_known = int(count)
    digest = blake2b(head[:bytes_known], digest_size=8).hexdigest()
    return f"{bytes_known}:{digest}"


def _layout(name: str, head: bytes) -> Layout:
    """Find out what a file is: by its name, else by how it begins."""
    endings = {ending.lower() for ending in Path(name).suffixes}
    if ".csv" in endings or ".tsv" in endings:
        return "csv"
    if endings & _WHOLE_ENDINGS:
        return "whole"
    begin = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    if begin.startswith(b"["):
        return "array"
    if not begin.startswith(b"{"):
        return "lines"
    first = begin.split(b"\n", 1)[0].strip()
    if len(first) >= HEAD_BYTES - 1:  # a long line: what begins so is one of many
        return "json"
    try:
        orjson.loads(first)
    except orjson.JSONDecodeError:
        return "whole"
    return "json"


def _rows(pieces: Iterable[bytes], read: int) -> Iterator[_Row]:
    """Yield the lines behind the first `read`, blank ones too."""
    end = 0
    for number, piece in enumerate(pieces, 1):
        body = piece[:-1] if piece.endswith(b"\n") else piece
        end += len(body) + 1
        if number > read:
            yield _Row(body, number, end)


def _lines(pieces: Iterable[bytes], read: int, file: FilePages) -> Iterator[_Row]:
    """Yield the lines of a log. The last one is left out where it has no end: somebody may be writing it."""
    end = 0
    compressed = file.name.endswith((".gz", ".zst"))
    for number, piece in enumerate(pieces, 1):
        if piece[-1:] != b"\n" and not compressed:
            file.notice = _CUT_END.format(name=file.name, number=number)
            return
        end += len(piece) + (piece[-1:] != b"\n")
        if number > read and not piece.isspace() and piece:
            yield _Row(piece.rstrip(b"\r\n"), number, end)


def _json_lines(pieces: Iterable[bytes], read: int, file: FilePages) -> Iterator[_Row]:
    """Yield the lines with JSON. The last one is left out where it has neither an end nor whole JSON, as in a log."""
    for row in _rows(_without_cut_end(pieces, file), read):
        body = row.body.removeprefix(b"\xef\xbb\xbf").strip()
        if body:
            yield row._replace(body=body)


def _without_cut_end(pieces: Iterable[bytes], file: FilePages) -> Iterator[bytes]:
    compressed = file.name.endswith((".gz", ".zst"))
    for number, piece in enumerate(pieces, 1):
        if piece[-1:] != b"\n" and not compressed and not _is_json(piece):
            file.notice = _CUT_END.format(name=file.name, number=number)
            return
        yield piece


def _is_json(piece: bytes) -> bool:
    try:
        orjson.loads(piece.removeprefix(b"\xef\xbb\xbf"))
    except orjson.JSONDecodeError:
        return False
    return True


def _whole_bytes(pieces: Iterable[bytes], file: FilePages) -> bytes:
    parts, size = [], 0
    for piece in pieces:
        size += len(piece) + 1
        if size > WHOLE_BYTES:
            raise file.refuse(
                f"more than {WHOLE_BYTES:,} bytes in one piece: write it line by line, as `jq -c .[]` does"
            )
        parts.append(piece if piece.endswith(b"\n") else piece + b"\n")
    return b"".join(parts)


def _array(pieces: Iterable[bytes], read: int, file: FilePages) -> Iterator[_Row]:
    """Yield the elements of an array; the line of one is its number."""
    try:
        found = orjson.loads(_whole_bytes(pieces, file).removeprefix(b"\xef\xbb\xbf"))
    except orjson.JSONDecodeError as error:
        raise file.refuse(f"begins as a JSON array, and is none: {error}") from None
    for number, element in enumerate(found, 1):
        if number > read:
            yield _Row(orjson.dumps(element), number, number)


def _whole(pieces: Iterable[bytes], read: int, file: FilePages) -> Iterator[_Row]:
    if read == 0:
        body = _whole_bytes(pieces, file)
        yield _Row(body, 1, len(body))


def _csv(pieces: Iterable[bytes], read: int, file: FilePages) -> Iterator[_Row]:
    """Yield the rows of a table as JSON objects by the names of its first line; a row may go over several lines."""
    names: list[str] | None = None
    delimiter = ","
    for text, number, end in _records(pieces, file):
        if names is None:
            header = text.removeprefix("\ufeff")
            delimiter = max(_DELIMITERS, key=header.count)
            names = [name.strip() for name in next(csv.reader([header], delimiter=delimiter))]
            continue
        if number <= read:
            continue
        try:
            values = next(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter))
        except csv.Error as error:
            raise file.refuse(f"line {number}: {error}") from None
        row: dict[str, Any] = dict(zip(names, values, strict=False))
        if len(values) > len(names):
            row["(more)"] = values[len(names) :]
        yield _Row(orjson.dumps(row), number, end)


def _records(pieces: Iterable[bytes], file: FilePages) -> Iterator[tuple[str, int, int]]:
    """Put lines together until their quotes are closed; with the number of the last line and the offset behind it."""
    kept: list[str] = []
    quotes = 0
    for row in _rows(pieces, 0):
        try:
            text = row.body.decode()
        except UnicodeDecodeError:
            raise file.refuse(f"line {row.line} is not UTF-8: convert it, as `iconv -f cp1252 -t utf-8` does") from None
        kept.append(text)
        quotes += text.count('"')
        if quotes % 2 == 0:
            whole = "\n".join(kept).rstrip("\r")
            if whole:
                yield whole, row.line, row.end
            kept, quotes = [], 0
    if kept:
        raise file.refuse("a quote that begins near its end is not closed")


_ROWS: Final = {"lines": _lines, "json": _json_lines, "array": _array, "csv": _csv, "whole": _whole}


def check_readable(name: str) -> None:
    """See that a file is there and can be opened. Raises UnreadableError."""
    try:
        if name != STANDARD:
            Path(name).open("rb").close()
    except OSError as error:
        raise UnreadableError(f"{name}: {error.strerror or error}") from None
