"""Disorder and redelivery on request: what a real bus does now and then, seeded so that it can be done again."""

import random
import tempfile
from collections.abc import Iterable, Iterator
from heapq import heappop, heappush
from typing import Final

from streams.sources.recording_files import Line

#: A line that is sent again comes back within so many lines.
REPEATED_WITHIN: Final = 5_000


def shuffled(lines: Iterable[Line], seed: int) -> Iterator[Line]:
    """Yield every line once, in an order that only the seed decides; lines lie on the disk, memory holds only where."""
    with tempfile.TemporaryFile(prefix="pulssi-shuffle-") as disk:
        positions = []
        for file, number, content in lines:
            positions.append((file, number, disk.tell(), len(content)))
            disk.write(content)
        random.Random(f"shuffle:{seed}").shuffle(positions)  # noqa: S311 - disorder, no secret
        for file, number, offset, size in positions:
            disk.seek(offset)
            yield Line(file, number, disk.read(size))


def duplicated(lines: Iterable[Line], share: float, seed: int) -> Iterator[Line]:
    """Yield every line, and this share of them (0 to 1) once more a little later."""
    chance = random.Random(f"duplicate:{seed}")  # noqa: S311 - redelivery, no secret
    repeats: list[tuple[int, int, Line]] = []
    for position, line in enumerate(lines):
        while repeats and repeats[0][0] <= position:
            yield heappop(repeats)[2]
        yield line
        if chance.random() < share:
            heappush(repeats, (position + 1 + chance.randrange(REPEATED_WITHIN), position, line))
    while repeats:
        yield heappop(repeats)[2]
