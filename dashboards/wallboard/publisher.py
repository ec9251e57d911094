"""The newest message for all watchers: made once, whoever asks, and never queued.

A watcher gets the newest message when it is ready for one and misses those in between, so a slow one costs no memory.
Messages are compressed once for all watchers, as raw deflate blocks that need no earlier one; each watcher gets a gzip
header of its own first.
"""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Callable
from typing import Final, NamedTuple

from schemas.boards import Board
from schemas.metric_definitions import WALLBOARD_MESSAGE_LATENCY
from streams.monitoring.prometheus import histogram

#: A gzip stream's beginning: deflate, no name, no time. The stream has no end, so it needs no check sum.
GZIP_HEADER: Final = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"


class Message(NamedTuple):
    """A message as plain bytes, and as deflate blocks that can be anywhere in a deflate stream."""

    plain: bytes
    deflated: bytes


def message(text: bytes) -> Message:
    """Compress a text for all watchers."""
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return Message(text, packer.compress(text) + packer.flush(zlib.Z_FULL_FLUSH))


class Publisher:
    """What watchers wait for: `pushes` counts news, `ticks` counts seconds."""

    def __init__(self, live: Callable[[Board, str], bytes], heading: Callable[[], bytes]) -> None:
        """`live` gives the figures of a board for a window; `heading` how fresh they are; as JSON."""
        self._live = live
        self._heading = heading
        self._number = 0
        #: By board and window; under None the tick.
        self._messages: dict[tuple[str, str] | None, Message] = {}
        self._has_news = asyncio.Event()
        self.pushes = 0
        self.ticks = 0
        self.watchers = 0
        #: When the news of the last push came in, by the monotonic clock.
        self.news_since = 0.0
        self.latency = histogram(WALLBOARD_MESSAGE_LATENCY)

    def push(self, since: float) -> None:
        """Send the figures to all watchers; the news came in at `since`, by the monotonic clock."""
        self.news_since = since
        self.pushes += 1
        self._messages.clear()
        self._wake()

    def tick(self) -> None:
        """Send the heading to all watchers: a second has passed."""
        self.ticks += 1
        self._messages.pop(None, None)
        self._wake()

    def _wake(self) -> None:
        self._has_news.set()
        self._has_news = asyncio.Event()

    async def wait_for_news(self) -> None:
        """Return at the next push or tick."""
        await self._has_news.wait()

    def newest(self, board: Board, window: str) -> Message:
        """Return the newest server-sent event of a board for a window; made when first asked for."""
        key = board.name, window
        return self._messages.get(key) or self._made(key, b"live", self._live(board, window))

    def newest_tick(self) -> Message:
        """Return the newest tick."""
        return self._messages.get(None) or self._made(None, b"tick", self._heading())

    def _made(self, key: tuple[str, str] | None, event: bytes, content: bytes) -> Message:
        self._number += 1
        made = message(b"id: %d\nevent: %s\ndata: %s\n\n" % (self._number, event, content))
        self._messages[key] = made
        return made
