"""A request's body, unpacked as it comes, in pieces worth a call to the engine."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, Protocol

from deploy.embedded.clickhouse.codings import Coder, Plain
from deploy.embedded.clickhouse.faults import Fault

#: Small pieces are gathered up to this: a call to the engine costs more than copying.
PIECE_BYTES: Final = 1 << 19
#: Of a packed body so much is unpacked at a time: a little can hold a lot.
SLICE_BYTES: Final = 1 << 12
#: As a server's http_receive_timeout: a client that sends nothing for so long is gone.
RECEIVE_S: Final = 30.0
SOCKET_TIMEOUT: Final = 209


class Source(Protocol):
    """Where the bytes come from: aiohttp's StreamReader."""

    async def read(self, n: int = -1) -> bytes:
        """Return some bytes; none: the end."""
        ...


class Blocking(Protocol):
    """Runs a call in a thread."""

    def __call__(self, call: Callable[[bytes], bytes], piece: bytes, /) -> Awaitable[bytes]:
        """Await its result."""
        ...


class Body:
    """The bytes of one request, unpacked."""

    def __init__(self, source: Source | None, coders: tuple[Coder, ...] = ()) -> None:
        """`source` is None where there is no body. `coders` unpack it, the outermost first."""
        self._source = source
        self._coders = tuple(coder for coder in coders if not isinstance(coder, Plain))
        self._packed = b""
        self.expected = source is not None

    async def take(self, blocking: Blocking) -> bytes:
        """Return the next piece; an empty one is the end."""
        while self._source is not None or self._packed:
            piece, ended = b"", self._source is None
            if self._source is not None and not self._packed:
                piece, ended = await self._gather(self._source)
                if ended:
                    self._source = None
            if self._coders:
                piece = await blocking(self._unpack_to_end if ended else self._unpack, piece)
            if piece:
                return piece
        return b""

    async def _gather(self, source: Source) -> tuple[bytes, bool]:
        pieces: list[bytes] = []
        size = 0
        while size < PIECE_BYTES:
            try:
                async with asyncio.timeout(RECEIVE_S):
                    piece = await source.read(PIECE_BYTES)
            except TimeoutError:
                raise Fault(
                    SOCKET_TIMEOUT,
                    f"Timeout exceeded while reading the body: nothing came for {RECEIVE_S:g} s",
                    "SOCKET_TIMEOUT",
                ) from None
            if not piece:
                return b"".join(pieces), True
            pieces.append(piece)
            size += len(piece)
        return b"".join(pieces), False

    def _unpack(self, piece: bytes) -> bytes:
        """Unpack until there is enough; the rest waits as it came, or a small body could fill the memory."""
        packed, plain, at = self._packed + piece, bytearray(), 0
        while at < len(packed) and len(plain) < PIECE_BYTES:
            part = packed[at : at + SLICE_BYTES]
            at += SLICE_BYTES
            for coder in self._coders:
                part = coder.feed(part)
            plain += part
        self._packed = packed[at:]
        return bytes(plain)

    def _unpack_to_end(self, piece: bytes) -> bytes:
        plain = self._unpack(piece)
        if self._packed:
            return plain
        for at, coder in enumerate(self._coders):
            end = coder.finish()
            for following in self._coders[at + 1 :]:
                end = following.feed(end)
            plain += end
        return plain
