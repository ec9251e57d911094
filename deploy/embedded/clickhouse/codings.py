"""HTTP's content codings in both directions, piece by piece: gzip, deflate, zstd, lz4.

Answers are coded only where a client asks; a body in a coding that is not known is refused, never taken as rows.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from typing import Final, Protocol

import lz4.frame
import zstandard

from deploy.embedded.clickhouse.faults import CANNOT_DECOMPRESS, NOT_IMPLEMENTED, Fault


class Coder(Protocol):
    """Turns a stream of bytes into another, in pieces."""

    def feed(self, piece: bytes) -> bytes:
        """Take some, give what is ready."""
        ...

    def finish(self) -> bytes:
        """Give the rest, or raise a Fault where the stream was cut off."""
        ...


class Plain:
    """No coding."""

    def feed(self, piece: bytes) -> bytes:
        """Give what came."""
        return piece

    def finish(self) -> bytes:
        """Nothing is held back."""
        return b""


class Packer:
    """A compressor of some library, given its two steps."""

    def __init__(self, feed: Callable[[bytes], bytes], finish: Callable[[], bytes], head: bytes = b"") -> None:
        self._feed = feed
        self._finish = finish
        self._head = head

    def feed(self, piece: bytes) -> bytes:
        """Pack a piece; often nothing comes out yet."""
        head, self._head = self._head, b""
        return head + self._feed(piece)

    def finish(self) -> bytes:
        """Close the stream."""
        head, self._head = self._head, b""
        return head + self._finish()


class Unpacker:
    """A decompressor of some library; several streams one after the other are one body."""

    def __init__(
        self, make: Callable[[], _Decompressor], errors: type[Exception] | tuple[type[Exception], ...]
    ) -> None:
        self._make = make
        self._errors = errors
        self._stream: _Decompressor | None = None

    def feed(self, piece: bytes) -> bytes:
        """Unpack a piece."""
        plain: list[bytes] = []
        while piece:
            self._stream = self._stream or self._make()
            try:
                plain.append(self._stream.decompress(piece))
            except self._errors as error:
                raise Fault(CANNOT_DECOMPRESS, f"Cannot decompress the body: {error}") from None
            piece = b""
            if self._stream.eof:
                piece, self._stream = self._stream.unused_data or b"", None
        return b"".join(plain)

    def finish(self) -> bytes:
        """Refuse a body that was cut off."""
        if self._stream is not None:
            raise Fault(CANNOT_DECOMPRESS, "The body ends within its compression")
        return b""


class _Decompressor(Protocol):
    @property
    def eof(self) -> bool: ...

    @property
    def unused_data(self) -> bytes | None: ...

    def decompress(self, data: bytes, /) -> bytes: ...


_GZIP_WINDOW: Final = 16 + zlib.MAX_WBITS

#: Dearest to the client's and our processor last: all of this is on one machine.
_ANSWERS: Final = ("lz4", "zstd", "gzip", "deflate")


def _zlib_packer(window: int) -> Packer:
    stream = zlib.compressobj(level=1, wbits=window)
    return Packer(stream.compress, stream.flush)


def packer(coding: str) -> Coder:
    """Return a fresh coder for an answer; `coding` is one that `choose` gave, or empty."""
    if coding == "gzip":
        return _zlib_packer(_GZIP_WINDOW)
    if coding == "deflate":
        return _zlib_packer(zlib.MAX_WBITS)
    if coding == "zstd":
        stream = zstandard.ZstdCompressor(level=1).compressobj()
        return Packer(stream.compress, stream.flush)
    if coding == "lz4":
        frame = lz4.frame.LZ4FrameCompressor()
        return Packer(frame.compress, frame.flush, frame.begin())
    return Plain()


def unpacker(coding: str) -> Coder:
    """Return a fresh coder for a body in this Content-Encoding; raises NOT_IMPLEMENTED where it is unknown."""
    match coding.strip().lower():
        case "" | "identity":
            return Plain()
        case "gzip" | "x-gzip":
            return Unpacker(lambda: zlib.decompressobj(_GZIP_WINDOW), zlib.error)
        case "deflate":
            return Unpacker(zlib.decompressobj, zlib.error)
        case "zstd":
            return Unpacker(lambda: zstandard.ZstdDecompressor().decompressobj(), zstandard.ZstdError)
        case "lz4":
            return Unpacker(lz4.frame.LZ4FrameDecompressor, RuntimeError)
        case other:
            raise Fault(
                NOT_IMPLEMENTED, f"Unknown http method of compression: {other}. Known are gzip, deflate, zstd and lz4"
            )


def choose(accepted: str) -> str:
    """Return the coding for an answer from an Accept-Encoding header, or an empty string."""
    wanted = set()
    for offer in accepted.lower().split(","):
        name, _, quality = offer.partition(";")
        if quality.replace(" ", "") not in {"q=0", "q=0.0", "q=0.00", "q=0.000"}:
            wanted.add(name.strip())
    return next((coding for coding in _ANSWERS if coding in wanted), "")
