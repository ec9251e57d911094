"""Recorded events: NDJSON files, plain, gzipped or in zstd, read line by line and written whole or not at all.

A line is bytes; whether it is a good event is not decided here. Nothing is ever held in memory as a whole.
"""

import gzip
import io
import os
import sys
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Final, NamedTuple

import zstandard

#: As an argument: standard input, or output.
STANDARD: Final = "-"
_BUFFER_BYTES: Final = 1024 * 1024


class UnreadableError(RuntimeError):
    """A recording that cannot be read, or read on."""


class Line(NamedTuple):
    """One line of a recording, without its end, and where it stands (from 1)."""

    file: str
    number: int
    content: bytes


def decompressed(compressed: IO[bytes]) -> Iterator[bytes]:
    """Yield the lines of a zstd file, frame after frame; raises EOFError where it was cut off."""
    frame, partial_line = None, b""
    while chunk := compressed.read(_BUFFER_BYTES):
        while chunk:
            frame = frame or zstandard.ZstdDecompressor().decompressobj()
            *whole, partial_line = (partial_line + frame.decompress(chunk)).split(b"\n")
            yield from whole
            chunk, frame = (frame.unused_data, None) if frame.eof else (b"", frame)
    if frame is not None:
        raise EOFError("it ends in the middle")
    yield partial_line


@contextmanager
def _open(name: str) -> Iterator[Iterable[bytes]]:
    if name == STANDARD:
        yield sys.stdin.buffer
    elif name.endswith(".gz"):
        with gzip.open(name, "rb") as plain:
            yield io.BufferedReader(plain, _BUFFER_BYTES)
    else:
        with Path(name).open("rb", _BUFFER_BYTES) as file:
            yield decompressed(file) if name.endswith(".zst") else file


def lines(name: str) -> Iterator[Line]:
    """Yield the lines of one recording that are not blank; `-` is standard input. Raises UnreadableError."""
    shown = "stdin" if name == STANDARD else name
    number = 0
    try:
        with _open(name) as file:
            for number, content in enumerate(file, 1):
                stripped = content.strip()
                if stripped:
                    yield Line(shown, number, stripped)
    except OSError as error:
        raise UnreadableError(f"{shown}: {error.strerror or error}") from None
    except (EOFError, zlib.error, zstandard.ZstdError) as error:
        raise UnreadableError(f"{shown}: damaged after line {number}: {error}") from None


def _compressed(file: IO[bytes], name: str) -> IO[bytes]:
    """Compress by the name's ending; the same lines give the same bytes, so no time and no name go in."""
    if name.endswith(".gz"):
        return gzip.GzipFile(filename="", mode="wb", compresslevel=6, fileobj=file, mtime=0)  # type: ignore[return-value]  # it writes and closes as a file does
    if name.endswith(".zst"):
        return zstandard.ZstdCompressor(level=3).stream_writer(file, closefd=False)
    return file


def write(name: str, contents: Iterable[bytes]) -> int:
    """Write lines to a file that then appears whole, or to standard output; returns how many. Raises OSError."""
    if name == STANDARD:
        return _write_to(sys.stdout.buffer, contents)
    path = Path(name)
    if path.exists() and not path.is_file():  # a pipe or device is written as it is
        with path.open("wb", _BUFFER_BYTES) as file:
            return _write_to(file, contents)
    partial = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with partial.open("wb", _BUFFER_BYTES) as file, _compressed(file, path.name) as compressed:
            count = _write_to(compressed, contents)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
    return count


def _write_to(file: IO[bytes], contents: Iterable[bytes]) -> int:
    count = 0
    for count, content in enumerate(contents, 1):  # noqa: B007 - it is returned
        file.write(content + b"\n")
    file.flush()
    return count
