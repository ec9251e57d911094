"""Reads the bodies of hooks, within a limit of size and of time, and all together within a limit of memory.

A body is never unpacked, since a small compressed body could become a large one.
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from aiohttp import ClientPayloadError, web
from aiohttp.http import HttpProcessingError

#: Of all hooks that are under way.
IN_HAND_BYTES: Final = 64 * 1024 * 1024
#: A body that takes longer is not waited for.
WITHIN_S: Final = 10.0


class BodyRefusedError(Exception):
    """A body is not taken: with which status, and why."""

    def __init__(self, status: int, problem: str) -> None:
        super().__init__(problem)
        self.status = status


class Bodies:
    """Reads bodies; each has its place from before it is read until its hook is answered."""

    def __init__(self, each: int, total: int = IN_HAND_BYTES) -> None:
        """`each`: the largest, `total`: of all of them, in bytes."""
        self._each = each
        self._total = total
        self.in_hand = 0

    @contextmanager
    def place(self, request: web.Request) -> Iterator[None]:
        """Hold a place for a request's body. Raises BodyRefusedError with 413, 415 or 503."""
        encoding = request.headers.get("Content-Encoding", "identity").strip().lower()
        if encoding not in {"", "identity"}:
            raise BodyRefusedError(415, "send the body as it is: Content-Encoding is not taken")
        size = request.content_length
        if size is not None and size > self._each:
            raise BodyRefusedError(413, f"the body has more than {self._each:,} bytes")
        taken = self._each if size is None else size
        if self.in_hand + taken > self._total:
            raise BodyRefusedError(503, "too much is under way")
        self.in_hand += taken
        try:
            yield
        finally:
            self.in_hand -= taken

    async def read(self, request: web.Request) -> bytes:
        """Read a body that has its place. Raises BodyRefusedError with 400, 408 or 413."""
        read = bytearray()
        try:
            async with asyncio.timeout(WITHIN_S):
                async for piece in request.content.iter_any():
                    read += piece
                    if len(read) > self._each:
                        raise BodyRefusedError(413, f"the body has more than {self._each:,} bytes")
        except TimeoutError:
            raise BodyRefusedError(408, "the body took too long") from None
        except (web.RequestPayloadError, HttpProcessingError, ClientPayloadError, ConnectionError):
            raise BodyRefusedError(400, "the body cannot be read") from None
        return bytes(read)
