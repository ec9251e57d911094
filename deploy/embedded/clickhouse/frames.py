"""ClickHouse's own compressed frames (`compress=1`, `decompress=1`), which its drivers speak beside HTTP's codings.

A frame: 16 bytes CityHash128 of what follows; a method byte; 4 bytes length from the method byte on; 4 bytes length
once unpacked; the packed bytes. A frame whose checksum is wrong is refused: it must never become rows.
"""

from __future__ import annotations

import struct
from typing import Final

import lz4.block
import zstandard
from clickhouse_cityhash.cityhash import CityHash128

from deploy.embedded.clickhouse.faults import CANNOT_DECOMPRESS, CHECKSUM_DOESNT_MATCH, Fault

LZ4: Final = 0x82
ZSTD: Final = 0x90
NONE: Final = 0x02

_CHECKSUM: Final = struct.Struct("<QQ")
_WORD: Final = 1 << 64
_HEAD: Final = struct.Struct("<BII")

#: What a server packs into one frame, and what drivers accept at least.
FRAME_BYTES: Final = 1 << 20
#: A length beyond this is no frame but noise (ClickHouse: DBMS_MAX_COMPRESSED_SIZE).
MOST_BYTES: Final = 0x40000000


def checksum(frame: bytes) -> bytes:
    """Return the 16 bytes that stand before a frame: CityHash 1.0.2, low word first; later versions give others."""
    return _CHECKSUM.pack(*divmod(CityHash128(frame), _WORD))


def _pack(method: int, plain: bytes) -> bytes:
    if method == ZSTD:
        packed = zstandard.ZstdCompressor(level=1).compress(plain)
    elif method == LZ4:
        packed = lz4.block.compress(plain, store_size=False)
    else:
        packed = plain
    frame = _HEAD.pack(method, _HEAD.size + len(packed), len(plain)) + packed
    return checksum(frame) + frame


def _unpack(frame: bytes) -> bytes:
    method, _, plain = _HEAD.unpack_from(frame)
    packed = frame[_HEAD.size :]
    try:
        if method == LZ4:
            result: bytes = lz4.block.decompress(packed, uncompressed_size=plain)
        elif method == ZSTD:
            result = zstandard.ZstdDecompressor().decompress(packed, max_output_size=plain)
        elif method == NONE:
            result = packed
        else:
            raise Fault(CANNOT_DECOMPRESS, f"Unknown compression method 0x{method:02x} in a frame of the body")
    except (lz4.block.LZ4BlockError, zstandard.ZstdError) as error:
        raise Fault(CANNOT_DECOMPRESS, f"Cannot decompress a frame of the body: {error}") from None
    if len(result) != plain:
        raise Fault(CANNOT_DECOMPRESS, f"A frame of the body has {len(result)} bytes and announced {plain}")
    return result


class FrameWriter:
    """Packs bytes into frames as they come."""

    def __init__(self, method: int = LZ4) -> None:
        self._method = method

    def feed(self, plain: bytes) -> bytes:
        """Return the frames of these bytes."""
        return b"".join(_pack(self._method, plain[at : at + FRAME_BYTES]) for at in range(0, len(plain), FRAME_BYTES))

    def finish(self) -> bytes:
        """Frames need no end."""
        return b""


class FrameReader:
    """Unpacks frames that come in pieces of any size."""

    def __init__(self) -> None:
        self._held = bytearray()

    def feed(self, piece: bytes) -> bytes:
        """Return what the frames that are whole by now hold."""
        self._held += piece
        plain: list[bytes] = []
        while len(self._held) >= _CHECKSUM.size + _HEAD.size:
            _, packed, unpacked = _HEAD.unpack_from(self._held, _CHECKSUM.size)
            if not _HEAD.size <= packed <= MOST_BYTES or unpacked > MOST_BYTES:
                raise Fault(CANNOT_DECOMPRESS, "The body is not in ClickHouse's compressed frames (decompress=1)")
            end = _CHECKSUM.size + packed
            if len(self._held) < end:
                break
            frame = bytes(self._held[_CHECKSUM.size : end])
            if checksum(frame) != self._held[: _CHECKSUM.size]:
                raise Fault(CHECKSUM_DOESNT_MATCH, "Checksum doesn't match: corrupted data in a frame of the body")
            del self._held[:end]
            plain.append(_unpack(frame))
        return b"".join(plain)

    def finish(self) -> bytes:
        """Refuse a body that ends within a frame."""
        if self._held:
            raise Fault(CANNOT_DECOMPRESS, "The body ends within a compressed frame")
        return b""
