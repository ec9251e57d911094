"""Compression both ways: checksums, ClickHouse's frames, HTTP's codings."""

import gzip
import hashlib
import struct
from collections.abc import Callable

import lz4.frame
import pytest
import zstandard

from deploy.embedded.clickhouse.compression import (
    FRAME_BYTES,
    FRAMES,
    checksum,
    choose_coding,
    compressed,
    decompressed,
    frame,
    unframed,
)
from deploy.embedded.clickhouse.errors import ClickHouseError

#: ClickHouse's checksum of `_bytes(length)`: low word, high word.
VECTORS = {
    0: "3df09dfc64c09a2b3cb540c392e51e29",
    100: "02c0836435fe911b3676b13ea41d75b2",
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


@pytest.mark.parametrize("length", [0, 1, 1000, 2 * FRAME_BYTES + 17])
def test_what_is_framed_is_unpacked(length: int) -> None:
    """In pieces of any size, and several bodies in a row are one."""
    plain = bytes(range(256)) * (length // 256) + bytes(length % 256)
    framed = b"".join(compressed(_pieces(plain, 65_537), FRAMES))
    assert b"".join(unframed(_pieces(framed + framed, 70_001))) == plain * 2


@pytest.mark.parametrize(
    ("coding", "pack"), [("gzip", gzip.compress), ("zstd", zstandard.compress), ("lz4", lz4.frame.compress)]
)
def test_other_programs_streams_are_read(coding: str, pack: Callable[[bytes], bytes]) -> None:
    """Several in a row are one body; one that is cut off is an error, not fewer rows."""
    plain = hashlib.shake_128(b"no pattern").digest(10_000)
    packed = pack(plain)
    assert b"".join(decompressed([packed, packed], coding)) == plain * 2
    with pytest.raises(ClickHouseError, match="ends within"):
        list(decompressed([packed[:-9]], coding))


def test_a_frame_of_zstd_is_read() -> None:
    """clickhouse-go sends such, where its user wants zstd."""
    packed = zstandard.compress(b"contact")
    framed = struct.pack("<BII", 0x90, 9 + len(packed), 7) + packed
    assert list(unframed([checksum(framed) + framed])) == [b"contact"]


_FRAME = frame(b"contact" * 100)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (_FRAME[:40] + bytes([_FRAME[40] ^ 1]) + _FRAME[41:], "Checksum"),
        (_FRAME[:-1], "ends within"),
        # Plain rows that are sent as frames are not waited on for ever.
        (b"1,one\n2,two\n" * 10, "frames"),
    ],
)
def test_a_damaged_frame_is_refused(body: bytes, reason: str) -> None:
    """No row of it gets in."""
    with pytest.raises(ClickHouseError, match=reason):
        list(unframed([body]))


def test_an_unknown_coding_is_refused() -> None:
    """A body in a coding that nobody can read must not become rows."""
    with pytest.raises(ClickHouseError, match="snappy"):
        list(decompressed([b"x"], "snappy"))


@pytest.mark.parametrize(
    ("accepted", "coding"),
    [("", ""), ("identity", ""), ("gzip", "gzip"), ("gzip, deflate, br, zstd", "zstd"), ("lz4, gzip;q=0.5", "gzip")],
)
def test_the_cheapest_coding_that_a_client_takes_is_used(accepted: str, coding: str) -> None:
    """Only what the client names."""
    assert choose_coding(accepted) == coding
