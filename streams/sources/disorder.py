"""Disorder and redelivery on request: what a real bus does now and then, seeded so that it can be done again.

Memory stays bounded: a recording that does not fit is shuffled through a temporary file.
"""

from __future__ import annotations

import random
import tempfile
from collections.abc import Iterable, Iterator
from heapq import heappop, heappush
from itertools import islice
from typing import IO, Final

from streams.sources.recorded import Line

#: Up to so many lines are shuffled in memory; more go through so many piles on disk, each then shuffled in memory.
IN_MEMORY: Final = 200_000
PILES: Final = 64
#: A line that is sent again comes back within so many lines.
AGAIN_WITHIN: Final = 5_000


def shuffled(lines: Iterable[Line], seed: int, in_memory: int = IN_MEMORY) -> Iterator[Line]:
    """Yield every line once, in an order that only the seed decides: each order is as likely as any other."""
    chance = random.Random(f"shuffle:{seed}")  # noqa: S311 - disorder, no secret
    source = iter(lines)
    first = list(islice(source, in_memory))
    more = next(source, None)
    if more is None:
        chance.shuffle(first)
        yield from first
        return
    with tempfile.TemporaryFile(prefix="pulssi-shuffle-") as disk:
        piles: list[list[tuple[str, int, int, int]]] = [[] for _ in range(PILES)]
        for file, number, content in _chained(first, more, source):
            piles[int(chance.random() * PILES)].append((file, number, disk.tell(), len(content)))
            disk.write(content)
        first.clear()
        for pile in piles:
            yield from _drawn(disk, pile, chance)


def _drawn(disk: IO[bytes], pile: list[tuple[str, int, int, int]], chance: random.Random) -> Iterator[Line]:
    """Read a pile back in the order it was written, and deal it out in another."""
    hand = []
    for file, number, offset, size in pile:
        disk.seek(offset)
        hand.append(Line(file, number, disk.read(size)))
    chance.shuffle(hand)
    pile.clear()
    yield from hand


def _chained(first: list[Line], more: Line, rest: Iterator[Line]) -> Iterator[Line]:
    yield from first
    yield more
    yield from rest


def duplicated(lines: Iterable[Line], share: float, seed: int) -> Iterator[Line]:
    """Yield every line, and this share of them (0 to 1) once more a little later."""
    chance = random.Random(f"duplicate:{seed}")  # noqa: S311 - redelivery, no secret
    again: list[tuple[int, int, Line]] = []
    for position, line in enumerate(lines):
        while again and again[0][0] <= position:
            yield heappop(again)[2]
        yield line
        if chance.random() < share:
            heappush(again, (position + 1 + int(chance.random() * AGAIN_WITHIN), position, line))
    while again:
        yield heappop(again)[2]
