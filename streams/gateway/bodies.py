"""Reads the bodies of hooks within limits of size and time, and all of them within one limit of memory.

A body is never unpacked, since a small compressed body could become a large one.
"""

import asyncio
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from aiohttp import ClientPayloadError, web
from aiohttp.http import HttpProcessingError

#: Of all hooks that are under way.
IN_HAND_BYTES: Final = 64 * 1024 * 1024
#: The share of it that one address may have; the rest is always left for others.
_SHARE: Final = 0.5
#: What a body reserves at its start. More is reserved only as it arrives: anybody can claim a large Content-Length.
FIRST_BYTES: Final = 64 * 1024
#: A body that takes longer is refused.
WITHIN_S: Final = 10.0


class BodyRefusedError(Exception):
    """A body is refused; has the status of the answer and the reason."""

    def __init__(self, status: int, problem: str) -> None:
        super().__init__(problem)
        self.status = status


class Bodies:
    """Reads bodies; each holds its share of the memory until its hook is answered."""

    def __init__(self, each: int, total: int = IN_HAND_BYTES) -> None:
        """`each`: the largest, `total`: of all of them, in bytes."""
        self._each = each
        self._total = total
        #: The limit of one address, which may always send one body.
        self._of_address = max(each, int(total * _SHARE))
        self._taken: Counter[str] = Counter()
        self.in_hand = 0

    @contextmanager
    def place(self, request: web.Request, address: str) -> "Iterator[Body]":
        """Reserve memory for the body of a request from an address. Raises BodyRefusedError with 413, 415 or 503."""
        encoding = request.headers.get("Content-Encoding", "identity").strip().lower()
        if encoding not in {"", "identity"}:
            raise BodyRefusedError(415, "send the body as it is: Content-Encoding is not taken")
        size = request.content_length
        if size is not None and size > self._each:
            raise BodyRefusedError(413, f"the body has more than {self._each:,} bytes")
        body = Body(self, request, address)
        try:
            body.take(min(FIRST_BYTES, self._each if size is None else size))
            yield body
        finally:
            self._take(address, -body.taken)

    def grow(self, address: str, size: int) -> None:
        """Take so many bytes more for an address. Raises BodyRefusedError with 503."""
        if self.in_hand + size > self._total or self._taken[address] + size > self._of_address:
            raise BodyRefusedError(503, "too much is under way")
        self._take(address, size)

    def _take(self, address: str, size: int) -> None:
        self.in_hand += size
        self._taken[address] += size
        if self._taken[address] <= 0:
            del self._taken[address]

    @property
    def largest(self) -> int:
        """The largest body that is read, in bytes."""
        return self._each


class Body:
    """The body of one request, with its reserved memory."""

    def __init__(self, bodies: Bodies, request: web.Request, address: str) -> None:
        self._bodies = bodies
        self._request = request
        self._address = address
        #: Reserved bytes.
        self.taken = 0

    def take(self, size: int) -> None:
        """Reserve so many bytes in all. Raises BodyRefusedError with 503."""
        if size > self.taken:
            self._bodies.grow(self._address, size - self.taken)
            self.taken = size

    async def read(self) -> bytes:
        """Read it. Raises BodyRefusedError with 400, 408, 413 or 503."""
        read = bytearray()
        try:
            async with asyncio.timeout(WITHIN_S):
                async for piece in self._request.content.iter_any():
                    if len(read) + len(piece) > self._bodies.largest:
                        raise BodyRefusedError(413, f"the body has more than {self._bodies.largest:,} bytes")
                    self.take(len(read) + len(piece))
                    read += piece
        except TimeoutError:
            raise BodyRefusedError(408, "the body took too long") from None
        except (web.RequestPayloadError, HttpProcessingError, ClientPayloadError, ConnectionError):
            raise BodyRefusedError(400, "the body cannot be read") from None
        return bytes(read)
