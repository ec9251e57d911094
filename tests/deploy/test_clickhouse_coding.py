"""Compression both ways: checksums, ClickHouse's frames, HTTP's codings."""

from __future__ import annotations

import gzip
import zlib

import lz4.frame
import pytest
import zstandard

from deploy.embedded.clickhouse.codings import choose, packer, unpacker
from deploy.embedded.clickhouse.faults import Fault
from deploy.embedded.clickhouse.frames import FRAME_BYTES, LZ4, NONE, ZSTD, FrameReader, FrameWriter, checksum

#: ClickHouse's checksum of `_bytes(length)`: low word, high word.
VECTORS = {
    0: "3df09dfc64c09a2b3cb540c392e51e29",
    8: "048bcd106452501b10b614e5ea7199c9",
    17: "ff0d4f246a9d16d88f56f7ea74d309c5",
    100: "02c0836435fe911b3676b13ea41d75b2",
    144: "11ba336df0a968bf21b2a9e9104e0438",
    1000: "8ed4c655fbb8bc0feba9b6ab51b32ead",
    10007: "6fd77f7cd525f42bb61019c6299ad11e",
}


def _bytes(length: int) -> bytes:
    return bytes((at * at * 7 + at * 31 + length) & 0xFF for at in range(length))


def _pieces(whole: bytes, size: int) -> list[bytes]:
    return [whole[at : at + size] for at in range(0, len(whole), size)]


@pytest.mark.parametrize("length", VECTORS)
def test_the_checksum_is_clickhouses(length: int) -> None:
    """Values of go-faster/city, which clickhouse-go checks its frames with."""
    digest = checksum(_bytes(length))
    words = digest[:8][::-1] + digest[8:][::-1]
    assert words.hex() == VECTORS[length]


@pytest.mark.parametrize("method", [LZ4, ZSTD, NONE])
@pytest.mark.parametrize("length", [0, 1, 1000, FRAME_BYTES + 17])
def test_frames_give_back_what_they_took(method: int, length: int) -> None:
    """Frames cut anywhere on the way are put together again."""
    plain = bytes(range(256)) * (length // 256) + bytes(length % 256)
    writer, reader = FrameWriter(method), FrameReader()
    packed = writer.feed(plain) + writer.finish()
    got = b"".join(reader.feed(piece) for piece in _pieces(packed, 70_001)) + reader.finish()
    assert got == plain


def test_a_damaged_frame_is_refused() -> None:
    """One changed bit, and no row of it gets in."""
    packed = bytearray(FrameWriter().feed(b"contact" * 100))
    packed[40] ^= 1
    with pytest.raises(Fault, match="Checksum"):
        FrameReader().feed(bytes(packed))


def test_a_frame_cut_off_is_refused() -> None:
    """A body that ends early is an error, not fewer rows."""
    reader = FrameReader()
    reader.feed(FrameWriter().feed(b"contact" * 100)[:-1])
    with pytest.raises(Fault, match="ends within"):
        reader.finish()


def test_what_is_no_frame_is_refused() -> None:
    """Plain rows sent with decompress=1 are not waited on for ever."""
    with pytest.raises(Fault, match="frames"):
        FrameReader().feed(b"1,one\n2,two\n" * 10)


@pytest.mark.parametrize("coding", ["gzip", "deflate", "zstd", "lz4"])
def test_codings_give_back_what_they_took(coding: str) -> None:
    """Each coding that answers use is also read, in pieces of any size."""
    plain = b"2026-03-01 offered 1\n" * 50_000
    out, back = packer(coding), unpacker(coding)
    packed = b"".join(out.feed(piece) for piece in _pieces(plain, 65_537)) + out.finish()
    assert len(packed) < len(plain)
    assert b"".join(back.feed(piece) for piece in _pieces(packed, 1013)) + back.finish() == plain


def test_other_programs_streams_are_read() -> None:
    """What the libraries write in one go is read, and several streams in a row are one body."""
    plain = b"contact\n" * 1000
    for coding, packed in (
        ("gzip", gzip.compress(plain)),
        ("deflate", zlib.compress(plain)),
        ("zstd", zstandard.compress(plain)),
        ("lz4", lz4.frame.compress(plain)),
    ):
        coder = unpacker(coding)
        assert coder.feed(packed + packed) + coder.finish() == plain * 2, coding


def test_a_stream_cut_off_is_refused() -> None:
    """A gzip body that ends early is an error, not fewer rows."""
    coder = unpacker("gzip")
    coder.feed(gzip.compress(b"contact\n" * 1000)[:-9])
    with pytest.raises(Fault, match="ends within"):
        coder.finish()


def test_an_unknown_coding_is_refused() -> None:
    """A body in a coding that nobody can read must not become rows."""
    with pytest.raises(Fault, match="snappy"):
        unpacker("snappy")


@pytest.mark.parametrize(
    ("accepted", "coding"),
    [
        ("", ""),
        ("identity", ""),
        ("gzip", "gzip"),
        ("gzip, deflate, br, zstd", "zstd"),
        ("lz4,zstd,gzip", "lz4"),
        ("zstd;q=0, deflate;q=0.5", "deflate"),
    ],
)
def test_the_cheapest_coding_that_a_client_takes_is_used(accepted: str, coding: str) -> None:
    """Only what the client names, and never what it rules out."""
    assert choose(accepted) == coding
