"""Compression of bodies and answers: HTTP's content codings, and ClickHouse's own frames (`compress=1`).

A frame: 16 bytes CityHash128 of what follows; a method byte; 4 bytes length from the method byte on; 4 bytes length
once unpacked; the packed bytes. A damaged or unknown stream is refused: it must never become rows.

All is lazy and in pieces: a small body can unpack to more than the memory holds.
"""

import struct
import zlib
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final

import lz4.block
import lz4.frame
import zstandard
from clickhouse_cityhash.cityhash import CityHash128

from deploy.embedded.clickhouse.errors import ClickHouseError, Code

#: Small pieces are joined up to this: a call to the engine costs more than copying.
CHUNK_BYTES: Final = 1 << 19
#: Of a packed body so much is unpacked at a time: a little can hold a lot.
SLICE_BYTES: Final = 1 << 12
#: What a server packs into one frame, and what drivers accept at least.
FRAME_BYTES: Final = 1 << 20
#: A length beyond this is no frame but noise (ClickHouse: DBMS_MAX_COMPRESSED_SIZE).
MAX_FRAME_BYTES: Final = 0x40000000

#: The coding of an answer in ClickHouse's frames; the others are called as in HTTP.
FRAMES: Final = "frames"
LZ4: Final = 0x82
ZSTD: Final = 0x90

_GZIP_WINDOW: Final = 16 + zlib.MAX_WBITS
_CHECKSUM: Final = struct.Struct("<QQ")
_HEAD: Final = struct.Struct("<BII")

#: For answers, the cheapest first.
_COMPRESSORS: Final[dict[str, Callable[[], Any]]] = {
    "zstd": lambda: zstandard.ZstdCompressor(level=1).compressobj(),
    "gzip": lambda: zlib.compressobj(level=1, wbits=_GZIP_WINDOW),
}
#: For bodies; lz4 is what clickhouse-connect sends.
_DECOMPRESSORS: Final[dict[str, Callable[[], Any]]] = {
    "gzip": lambda: zlib.decompressobj(_GZIP_WINDOW),
    "zstd": lambda: zstandard.ZstdDecompressor().decompressobj(),
    "lz4": lz4.frame.LZ4FrameDecompressor,
}


def choose_coding(accepted: str) -> str:
    """Return the coding for an answer from an Accept-Encoding header, or an empty string."""
    offered = {offer.partition(";")[0].strip() for offer in accepted.lower().split(",")}
    return next((coding for coding in _COMPRESSORS if coding in offered), "")


def compressed(blocks: Iterable[bytes], coding: str) -> Iterator[bytes]:
    """Pack an answer in a coding of `choose_coding`, in FRAMES, or not at all where it is empty."""
    if coding == FRAMES:
        for block in blocks:
            for at in range(0, len(block), FRAME_BYTES):
                yield frame(block[at : at + FRAME_BYTES])
    elif coding:
        stream = _COMPRESSORS[coding]()
        for block in blocks:
            yield stream.compress(block)
        yield stream.flush()
    else:
        yield from blocks


def decompressed(pieces: Iterable[bytes], coding: str) -> Iterator[bytes]:
    """Unpack a body of this Content-Encoding; several streams one after the other are one body."""
    if coding in {"", "identity"}:
        yield from pieces
        return
    if coding not in _DECOMPRESSORS:
        known = ", ".join(_DECOMPRESSORS)
        raise ClickHouseError(Code.NOT_IMPLEMENTED, f"Unknown Content-Encoding: {coding}. Known are {known}")
    stream = None
    for piece in pieces:
        for at in range(0, len(piece), SLICE_BYTES):
            packed = piece[at : at + SLICE_BYTES]
            while packed:
                stream = stream or _DECOMPRESSORS[coding]()
                try:
                    yield stream.decompress(packed)
                except (zlib.error, zstandard.ZstdError, RuntimeError) as error:
                    raise ClickHouseError(Code.CANNOT_DECOMPRESS, f"Cannot decompress the body: {error}") from None
                packed = b""
                if stream.eof:
                    packed, stream = stream.unused_data or b"", None
    if stream is not None:
        raise ClickHouseError(Code.CANNOT_DECOMPRESS, "The body ends within its compressed stream")


def joined(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Join pieces to such as are worth a call to the engine."""
    held = bytearray()
    for piece in pieces:
        held += piece
        if len(held) >= CHUNK_BYTES:
            yield bytes(held)
            held.clear()
    if held:
        yield bytes(held)


def checksum(packed: bytes) -> bytes:
    """Return the 16 bytes that stand before a frame: CityHash 1.0.2, low word first; later versions give others."""
    return _CHECKSUM.pack(*divmod(CityHash128(packed), 1 << 64))


def frame(plain: bytes) -> bytes:
    """Pack some bytes into one frame, by LZ4."""
    packed: bytes = lz4.block.compress(plain, store_size=False)
    framed = _HEAD.pack(LZ4, _HEAD.size + len(packed), len(plain)) + packed
    return checksum(framed) + framed


def unframed(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Unpack frames that come in pieces of any size."""
    held = bytearray()
    for piece in pieces:
        held += piece
        while len(held) >= _CHECKSUM.size + _HEAD.size:
            _, packed, plain = _HEAD.unpack_from(held, _CHECKSUM.size)
            if not _HEAD.size <= packed <= MAX_FRAME_BYTES or plain > MAX_FRAME_BYTES:
                raise ClickHouseError(Code.CANNOT_DECOMPRESS, "The body is not in ClickHouse's compressed frames")
            end = _CHECKSUM.size + packed
            if len(held) < end:
                break
            framed = bytes(held[_CHECKSUM.size : end])
            if checksum(framed) != held[: _CHECKSUM.size]:
                message = "Checksum doesn't match: corrupted data in a frame of the body"
                raise ClickHouseError(Code.CHECKSUM_DOESNT_MATCH, message)
            del held[:end]
            yield _unpacked(framed)
    if held:
        raise ClickHouseError(Code.CANNOT_DECOMPRESS, "The body ends within a compressed frame")


def _unpacked(framed: bytes) -> bytes:
    method, _, length = _HEAD.unpack_from(framed)
    packed = framed[_HEAD.size :]
    try:
        if method == ZSTD:
            return zstandard.ZstdDecompressor().decompress(packed, max_output_size=length)
        plain: bytes = lz4.block.decompress(packed, uncompressed_size=length)
    except (lz4.block.LZ4BlockError, zstandard.ZstdError) as error:
        raise ClickHouseError(Code.CANNOT_DECOMPRESS, f"Cannot decompress a frame of the body: {error}") from None
    return plain
