"""One source partition in memory: its contacts and panes, or its agents, and what a batch of records does to them.

No broker here. A batch becomes steps; each must be written before the next is asked for, and where one was not, this
object is ahead of its journal and must be thrown away.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from typing import Any, Final, NamedTuple, Protocol

from schemas.journal import AGENT, CONTACT, HEAD_KEY, PANE, TAG_PANE, Head, encode_head
from schemas.policies import Rules
from schemas.topics import channel_of
from streams.core.agents import Agents
from streams.core.contact import EMPTY, advance
from streams.core.contact import decode as decode_contact
from streams.core.event import Event, event_of
from streams.core.panes import Panes
from streams.decode import BadRecord, decode
from streams.journal.assembly import Step

#: What a step may come to before it is cut, by a guess on the safe side: one record batch where it must be one; more
#: in a transaction, which only its time limits.
STEP_BYTES: Final = {"embedded": 6 * 1024 * 1024, "apache": 48 * 1024 * 1024}

#: A new event's share of its contact's record and panes, as a multiple of its own size, and a contact's fixed part.
_GROWTH: Final = 6
_FIXED_BYTES: Final = 1_000

#: How much of a hash tells one record from another.
_HASH_BYTES: Final = 8


class Record(Protocol):
    """A record of a source topic, as aiokafka gives it."""

    @property
    def offset(self) -> int:
        """Where it stands in its partition."""
        ...

    @property
    def timestamp(self) -> int:
        """The record's own time, UTC milliseconds."""
        ...

    @property
    def key(self) -> bytes | None:
        """What partitions it."""
        ...

    @property
    def value(self) -> bytes | None:
        """The event, as it came."""
        ...

    @property
    def headers(self) -> Sequence[tuple[str, bytes]]:
        """Kafka's headers."""
        ...


class DeadLetter(NamedTuple):
    """A bad record, and why."""

    record: Any
    code: str
    reason: str


class Output(NamedTuple):
    """What a step writes: journal records with the head last, and dead letters."""

    records: list[tuple[bytes, bytes | None]]
    dead: list[DeadLetter]
    head: Head


class Partition:
    """The state of one source partition, as of its head."""

    def __init__(self, source: str, number: int, rules: Rules) -> None:
        self.source = source
        self.number = number
        self.head = Head()
        #: Each contact's journal record, by its id.
        self.contacts: dict[bytes, bytes] = {}
        self.panes = Panes()
        self.agents = Agents()
        #: Events that came twice under one id with different contents.
        self.conflicts = 0
        self.dead_letters = 0
        self.events = 0
        self._rules = rules
        self._channel = channel_of(source)

    def load(self, step: Step) -> None:
        """Take a step from the journal."""
        for _, key, value in step.records:
            kind = key[:1]
            if kind == CONTACT:
                if value is None:
                    self.contacts.pop(key[1:], None)
                else:
                    self.contacts[key[1:]] = value
            elif kind == AGENT:
                self.agents.load(key[1:], value)
            elif value is not None and kind == PANE:
                self.panes.load(key, value)
            elif value is not None and kind == TAG_PANE:
                self.panes.load_tag(key, value)
        self.head = step.head

    def begin(self, opened: int, epoch: int) -> None:
        """Go on under a new opening, whose record stands at the journal offset `opened`."""
        self.head = self.head._replace(open=opened, epoch=epoch, config=self._rules.version)

    def steps(self, batch: Sequence[Record], limit: int = STEP_BYTES["embedded"]) -> Iterator[Output]:
        """Turn a batch into steps; records before the head are passed over. Write each before asking for the next."""
        fresh = [record for record in batch if record.offset >= self.head.next]
        for part in self._cut(fresh, limit):
            output = self._step(part)
            yield output
            self.head = output.head

    def _cut(self, records: Sequence[Record], limit: int) -> Iterator[Sequence[Record]]:
        """Cut a batch so that what a step writes stays below the limit."""
        begin, size, seen = 0, 0, set[bytes]()
        for at, record in enumerate(records):
            key = record.key or b""
            grows = _GROWTH * len(record.value or b"")
            if key not in seen:
                grows += len(self.contacts.get(key) or self.agents.record(key)) + _FIXED_BYTES
            if size + grows > limit and at > begin:
                yield records[begin:at]
                begin, size, seen = at, 0, set()
            size += grows
            seen.add(key)
        if begin < len(records):
            yield records[begin:]

    def _step(self, records: Sequence[Record]) -> Output:
        number = self.head.step + 1
        clock = self.head.clock
        dead: list[DeadLetter] = []
        arrived: dict[bytes, list[Event]] = {}
        for record in records:
            try:
                event = decode(self.source, record.key, record.value)
            except BadRecord as bad:
                dead.append(DeadLetter(record, bad.code, bad.reason))
                continue
            clock = max(clock, min(event.occurred_at, record.timestamp))
            if record.key is not None:
                arrived.setdefault(record.key, []).append(event_of(event))
        if self._channel is None:
            written = self.agents.fold(arrived, clock)
            self.conflicts = self.agents.conflicts
        else:
            written = self._fold(arrived, self._channel, number)
        last = records[-1]
        head = self.head._replace(next=last.offset + 1, step=number, clock=clock, last=_hash(last))
        written.append((HEAD_KEY, encode_head(head)))
        self.dead_letters += len(dead)
        self.events += len(records)
        return Output(written, dead, head)

    def _fold(self, arrived: dict[bytes, list[Event]], channel: str, number: int) -> list[tuple[bytes, bytes | None]]:
        contacts, panes, epoch = self.contacts, self.panes, self.head.epoch
        written: list[tuple[bytes, bytes | None]] = []
        for contact_id, events in arrived.items():
            value = contacts.get(contact_id)
            contact = EMPTY if value is None else decode_contact(value)
            change = advance(channel, contact, events, self._rules, number)
            if change is None:
                continue
            self.conflicts += change.conflicts
            if change.value is None:
                continue
            contacts[contact_id] = change.value
            panes.add(epoch, change.taken_back, -1)
            panes.add(epoch, change.issued, 1)
            written.append((CONTACT + contact_id, change.value))
        written.extend(panes.records())
        return written


def _hash(record: Record) -> str:
    """Tell one source record from another that may stand at its offset some day."""
    digest = hashlib.blake2b(record.key or b"", digest_size=_HASH_BYTES)
    digest.update(record.value or b"")
    return digest.hexdigest()
