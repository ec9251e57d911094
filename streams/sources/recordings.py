"""A recording as it is to be sent: lines read, put in disorder where asked, turned into events, given their place.

Everything but the reading is a pure chain of iterators; what cannot be sent is handed to `refuse`, never dropped. A
line that is no good event but has a channel and a key is sent as it is: the worker dead-letters it where people look.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from heapq import merge
from itertools import chain
from typing import Final, Literal, NamedTuple

import orjson

from schemas.topics import AGENTS, CONTACTS
from streams.sources import conversations, recording_files
from streams.sources.disorder import duplicated, shuffled
from streams.sources.recording_files import Line
from streams.times import milliseconds, rfc3339

Format = Literal["events", "conversations"]

#: Called with each line that cannot be sent, and why.
OnRefused = Callable[[Line, str], None]

#: Kafka's own limit for a record as it comes; the contract's is lower, and the worker's to hold.
LARGEST_BYTES: Final = 1_000_000


class RoutedEvent(NamedTuple):
    """A line with its place: `at` in UTC milliseconds, None without a time; `origin` names its recording."""

    topic: str
    key: bytes
    value: bytes
    at: int | None
    origin: str = ""


class UnroutableError(ValueError):
    """A line that has no place to go; says why."""


@dataclass(frozen=True)
class Recording:
    """What is to be replayed, and how. `shuffle` is a seed; `duplicate` a share from 0 to 1."""

    files: Sequence[str]
    form: Format = "events"
    shuffle: int | None = None
    duplicate: float = 0.0
    #: Send in order of time across all files (for a replay that is paced), not file by file.
    by_time: bool = False

    def events(self, refuse: OnRefused, shift_ms: int | None = None) -> Iterator[RoutedEvent]:
        """Yield what goes out. Raises recording_files.UnreadableError where a file cannot be read on."""
        parts = [self._lines(file, refuse) for file in self.files]
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
        return Counter(event.origin for event in self.events(lambda _line, _why: None))

    def span(self) -> tuple[int, int] | None:
        """Read everything once for its first and last time (UTC milliseconds); None where no line has one."""
        times = [event.at for event in self.events(lambda _line, _why: None) if event.at is not None]
        return (min(times), max(times)) if times else None

    def _lines(self, file: str, refuse: OnRefused) -> Iterator[Line]:
        lines = recording_files.lines(file)
        if self.form == "events":
            return lines
        events = _conversation_events(lines, refuse)
        # Conversations overlap: to be paced, their events must first be put in order.
        return iter(sorted(events, key=lambda line: route(line.content).at or 0)) if self.by_time else events


def _conversation_events(lines: Iterable[Line], refuse: OnRefused) -> Iterator[Line]:
    for line in lines:
        try:
            for content in conversations.events_of(line.content):
                yield Line(line.file, line.number, content)
        except conversations.ConversationError as error:
            refuse(line, str(error))


def _routed(lines: Iterable[Line], refuse: OnRefused, shift_ms: int | None) -> Iterator[RoutedEvent]:
    for line in lines:
        try:
            yield route(line.content, shift_ms, line.file)
        except UnroutableError as error:
            refuse(line, str(error))


def route(line: bytes, shift_ms: int | None = None, origin: str = "") -> RoutedEvent:
    """Find a line's topic and key; with `shift_ms` its time is moved by so much. Raises UnroutableError."""
    if len(line) > LARGEST_BYTES:
        raise UnroutableError(f"{len(line):,} bytes, more than a record may have ({LARGEST_BYTES:,})")
    try:
        event = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        raise UnroutableError(f"not JSON: {error}") from None
    if not isinstance(event, dict):
        raise UnroutableError("not a JSON object")
    of_agent = _text(event.get("type")).startswith("agent.")
    name = "agent_id" if of_agent else "contact_id"
    key = _text(event.get(name))
    if not key:
        raise UnroutableError(f"{name} is missing: there is no key to send it under")
    channel = event.get("channel")
    topic = AGENTS if of_agent else next((topic for known, topic in CONTACTS.items() if known == channel), None)
    if topic is None:
        raise UnroutableError(f"channel is not one of {', '.join(CONTACTS)}: there is no topic to send it to")
    at = _time(event.get("occurred_at"))
    if shift_ms is not None and at is not None:
        at += shift_ms
        event["occurred_at"] = rfc3339(at)
        line = orjson.dumps(event)
    return RoutedEvent(topic, key.encode(), line, at, origin)


def _text(value: object) -> str:
    """Return a text as the contract trims it; empty where it is none."""
    return value.strip() if isinstance(value, str) else ""


def _time(value: object) -> int | None:
    """Read a time as UTC milliseconds; None where it is none with a zone."""
    try:
        parsed = datetime.fromisoformat(_text(value))
    except ValueError:
        return None
    return None if parsed.tzinfo is None else milliseconds(parsed)
