"""A recording as it is to be sent: lines read, put in disorder where asked, turned into events, given their place.

Everything but the reading is a pure chain of iterators; what cannot be sent is handed to `refuse`, never dropped.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from heapq import merge
from itertools import chain
from typing import Literal

from streams.sources import conversations, recorded
from streams.sources.disorder import duplicated, shuffled
from streams.sources.recorded import Line
from streams.sources.routing import Routed, UnroutableError, route

Format = Literal["events", "conversations"]

#: Is told of each line that cannot be sent, and why.
Refuse = Callable[[Line, str], None]


@dataclass(frozen=True)
class Recording:
    """What is to be replayed, and how. `shuffle` is a seed; `duplicate` a share from 0 to 1."""

    files: Sequence[str]
    form: Format = "events"
    shuffle: int | None = None
    duplicate: float = 0.0
    #: Send in order of time across all files (for a replay that is paced), not file by file.
    by_time: bool = False

    def events(self, refuse: Refuse, shift_ms: int | None = None) -> Iterator[Routed]:
        """Yield what goes out. Raises recorded.UnreadableError where a file cannot be read on."""
        parts: list[Iterator[Line]] = [self._lines(file, refuse) for file in self.files]
        if self.by_time:
            return merge(*(_routed(part, refuse, shift_ms) for part in parts), key=lambda event: event.at or 0)
        together: Iterable[Line] = chain.from_iterable(parts)
        if self.duplicate:
            together = duplicated(together, self.duplicate, self.shuffle or 0)
        if self.shuffle is not None:
            together = shuffled(together, self.shuffle)
        return _routed(together, refuse, shift_ms)

    def count(self) -> Counter[str]:
        """Read everything once for the number of events of each file."""
        return Counter(event.origin for event in self.events(_pass_over))

    def span(self) -> tuple[int, int] | None:
        """Read everything once for its first and last time (UTC milliseconds); None where no line has one."""
        times = [event.at for event in self.events(_pass_over) if event.at is not None]
        return (min(times), max(times)) if times else None

    def _lines(self, file: str, refuse: Refuse) -> Iterator[Line]:
        lines = recorded.lines(file)
        if self.form == "events":
            return lines
        told = _told(lines, refuse)
        # Conversations overlap: to be paced, their events must first be put in order.
        return iter(sorted(told, key=lambda line: route(line.content).at or 0)) if self.by_time else told


def _pass_over(line: Line, why: str) -> None:
    del line, why


def _told(lines: Iterable[Line], refuse: Refuse) -> Iterator[Line]:
    for line in lines:
        try:
            for content in conversations.events(line.content):
                yield Line(line.file, line.number, content)
        except conversations.ConversationError as error:
            refuse(line, str(error))


def _routed(lines: Iterable[Line], refuse: Refuse, shift_ms: int | None) -> Iterator[Routed]:
    for line in lines:
        try:
            yield route(line.content, shift_ms, line.file)
        except UnroutableError as error:
            refuse(line, str(error))
