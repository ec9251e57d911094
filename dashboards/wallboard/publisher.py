"""The newest message for everyone who watches: made once, whoever asks, and never queued.

A watcher takes the newest when it is ready for one and misses what came between, so a slow one costs no memory.
Messages are compressed once for all: raw deflate blocks that depend on none before them, behind each watcher's own gzip
header.
"""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Callable
from typing import Any, Final, NamedTuple

import orjson

from schemas.metric_definitions import WALLBOARD_MESSAGE_LATENCY
from streams.monitoring.prometheus import histogram

#: A gzip stream's beginning: deflate, no name, no time. The stream has no end, so it needs no check sum.
GZIP_HEADER: Final = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"


class Message(NamedTuple):
    """What goes to watchers, plain and as deflate blocks that can stand anywhere in a deflate stream."""

    plain: bytes
    deflated: bytes


def message(text: bytes) -> Message:
    """Compress a text once for all."""
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return Message(text, packer.compress(text) + packer.flush(zlib.Z_FULL_FLUSH))


#: Gives all figures for one window, or the heading alone where there is none.
Payload = Callable[[str | None], dict[str, Any]]


class Publisher:
    """What watchers wait for: `pushed` rises with news, `ticked` every second besides."""

    def __init__(self, payload: Payload) -> None:
        self._payload = payload
        self._number = 0
        self._made: dict[str | None, Message] = {}
        self._news = asyncio.Event()
        self.pushed = 0
        self.ticked = 0
        self.watchers = 0
        #: Since when there was what was pushed last, by the monotonic clock.
        self.news_since = 0.0
        self.latency = histogram(WALLBOARD_MESSAGE_LATENCY)

    def push(self, since: float) -> None:
        """There is news, since then by the monotonic clock: everyone gets it whole."""
        self.news_since = since
        self.pushed += 1
        self._made.clear()
        self._wake()

    def tick(self) -> None:
        """A second has passed: everyone gets the heading."""
        self.ticked += 1
        self._made.pop(None, None)
        self._wake()

    def _wake(self) -> None:
        self._news.set()
        self._news = asyncio.Event()

    async def news(self) -> None:
        """Return at the next push or tick."""
        await self._news.wait()

    def newest(self, window: str | None) -> Message:
        """Return the newest server-sent event for a window, or the newest tick; made when first asked for."""
        if window not in self._made:
            self._number += 1
            event, content = b"tick" if window is None else b"live", orjson.dumps(self._payload(window))
            self._made[window] = message(b"id: %d\nevent: %s\ndata: %s\n\n" % (self._number, event, content))
        return self._made[window]
