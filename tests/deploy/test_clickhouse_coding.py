"""Compression both ways: checksums, ClickHouse's frames, HTTP's codings."""

from __future__ import annotations

import gzip
import zlib

import lz4.frame
import pytest
import zstandard

from deploy.embedded.clickhouse.cityhash import cityhash128
from deploy.embedded.clickhouse.codings import choose, packer, unpacker
from deploy.embedded.clickhouse.faults import Fault
from deploy.embedded.clickhouse.frames import FRAME_BYTES, LZ4, NONE, ZSTD, FrameReader, FrameWriter

#: What ClickHouse's CityHash128 gives for `_bytes(length)`: low word, high word.
VECTORS = {
    0: "3df09dfc64c09a2b3cb540c392e51e29",
    1: "5a03ab4f802b3f6c58a88a3c8a31e91a",
    3: "8d591354594cd1f90e0a05ae97219939",
    4: "8ccc7d70dd91fb5b5f5dc649b7513b83",
    7: "bebda4ecdbe640ea9ae0be77794bbdfe",
    8: "048bcd106452501b10b614e5ea7199c9",
    9: "5cb8ed9c07c744e9d2beb684d2429d94",
    15: "d5f6a832c76232fb216d6853998e7ad6",
    16: "d162ce0214fadc1c6a03ec66554c3735",
    17: "ff0d4f246a9d16d88f56f7ea74d309c5",
    23: "1eca4b265d4a2df5014904708561e6c1",
    24: "fa07c2478d9ec661cc94c557451e85b8",
    31: "e087d6cd2a63ca79763b6f3f530d41ec",
    32: "13118fb2bf3c38220254f6962e1183c5",
    33: "5ca0d38c7b23e98a3a0243592077c1cd",
    47: "8de9fb4ebb04adce062b4faacb9cba99",
    48: "5edfebe53678808d4485a253737633a9",
    64: "e03416e123686a70d39c1d1b4983420c",
    100: "02c0836435fe911b3676b13ea41d75b2",
    127: "5201b7269abcede0cae474336c1a72bd",
    128: "d3674c892738bdb0908e62690120ed0e",
    129: "e1a152033cd4997c7c2e334687c38c30",
    143: "8fe30b5d0e853a95c998123be63fa8ef",
    144: "11ba336df0a968bf21b2a9e9104e0438",
    145: "6fefd77d3b41f58826c2e0e8ad28c522",
    160: "5bba88dec970348e0b6139735f778b00",
    175: "263bd283ff61e4535b00f4e3a9b3bac3",
    176: "4a141b6eb7bf41b09ef455c4d7a84c1a",
    177: "b96246ebf0799a57f97c6de0bcf14f25",
    200: "2c1e63c1da732e703aa5d572ec765f70",
    239: "11d4e42378277666c5ab04730e10b798",
    240: "c262ed1412c84f086bc06b12dc3a7d66",
    255: "b0e7ed98562a419e4f55b3944b70fc41",
    256: "7576832cc13308e2e7363452a906a1d9",
    271: "44da8618a7b8ee3c200e2ca0dbd6f2f6",
    272: "3c4615df351a130c756a7b9f05f44aa0",
    273: "c1906e12126aa46874a9be87437ffa73",
    300: "be8a35b12fe63d22894db51fee4b3572",
    400: "a59fe9d536ff5ac1bdd3afac40e7f95d",
    1000: "8ed4c655fbb8bc0feba9b6ab51b32ead",
    4096: "c8581ffc5b4b44db5e1c36076c90a4fc",
    10007: "6fd77f7cd525f42bb61019c6299ad11e",
}


def _bytes(length: int) -> bytes:
    return bytes((at * at * 7 + at * 31 + length) & 0xFF for at in range(length))


def _pieces(whole: bytes, size: int) -> list[bytes]:
    return [whole[at : at + size] for at in range(0, len(whole), size)]


@pytest.mark.parametrize("length", VECTORS)
def test_cityhash_is_clickhouses(length: int) -> None:
    """Values of go-faster/city, which clickhouse-go checks its frames with, on every path of the function."""
    digest = cityhash128(_bytes(length))
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
