"""One source partition in memory: its contacts and panes, or its agents, and what a batch of records does to them.

No broker here. A batch becomes steps; each must be written before the next is asked for, and where one was not, this
object is ahead of its journal and must be thrown away.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, TypeVar

import orjson

from schemas.contact_record import decode_summary
from schemas.journal import AGENT, CONTACT, EVICTED, HEAD_KEY, PANES, PARKED, SET_ASIDE, SUPPLEMENTS, Head, encode_head
from schemas.panes import PANE_MS
from schemas.policies import Rules
from schemas.topics import channel_of
from streams.core.agent_fold import AgentFold
from streams.core.event import Event, merge
from streams.core.incremental_fold import Change, FoldCache
from streams.core.pane_totals import PaneTotals
from streams.core.refold import EMPTY, advance, decode, restored
from streams.core.summary import with_renewed_deadlines
from streams.decoding.decoder import BadRecord, read_event
from streams.journal.assembly import Step
from streams.kafka.partitioner import partition_of
from streams.partition.archived_history import ArchivedContact, EndedEpochs
from streams.partition.bad_record_limit import BadRecordLimit
from streams.partition.contact_scan import ContactScan
from streams.partition.evicted_ids import EvictedIds
from streams.partition.rule_changes import RuleChanges
from streams.partition.set_aside import SetAside
from streams.partition.steps import DeadLetter, Record, StepToWrite, Written, cut, in_parts

_Value = TypeVar("_Value")

#: What a step may come to before it is cut, by a guess on the safe side: a transaction's time limits it.
STEP_BYTES: Final = 48 * 1024 * 1024

#: How often contacts are looked at for their age, by how many times within a horizon of the partition's clock.
ROUNDS: Final = 16
#: Contacts looked at, and panes forgotten, in one step.
EVICTED_AT_ONCE: Final = 5_000
#: Panes are kept so long: more than the live view shows.
PANE_HORIZON_MS: Final = 48 * 3_600_000


class PartitionState:
    """The state of one source partition, as of its head."""

    def __init__(self, source: str, number: int, rules: Rules) -> None:
        self.source = source
        self.number = number
        self.head = Head()
        #: Each contact's journal record, by its id.
        self.contacts: dict[bytes, bytes] = {}
        self.panes = PaneTotals()
        self.agents = AgentFold()
        self.evicted = EvictedIds()
        #: Events of evicted contacts that wait for the archive, by contact.
        self.parked: dict[bytes, list[Event]] = {}
        #: Journal keys of supplements that the sink may not have yet, with their steps.
        self.supplements: dict[bytes, int] = {}
        self.set_aside = SetAside()
        #: Events that came twice under one id with different contents.
        self.conflicts = 0
        self.dead_letters = 0
        self.strays = 0
        self.events = 0
        #: Contacts forgotten, found again in the archive, and made to wait for it; and supplements issued.
        self.evictions = 0
        self.revivals = 0
        self.waits = 0
        self.supplemented = 0
        self.rules = rules
        self._channel = channel_of(source)
        #: Contacts that were evicted and not folded since.
        self._revived: set[bytes] = set()
        #: Contacts kept ready to go on, which partitions may share.
        self.fold_cache = FoldCache()
        self._eviction_scan = ContactScan()
        self._bad_records = BadRecordLimit()
        self._holding = RuleChanges()

    def load(self, step: Step) -> None:
        """Take a step from the journal."""
        for _, key, value in step.records:
            kind, of = key[:1], key[1:]
            if kind == CONTACT and value is not None:  # most are
                self.contacts[of] = value
            elif kind == CONTACT:
                self.contacts.pop(of, None)
            elif kind in PANES:
                self.panes.load(key, value, step.head.step)
            elif kind in SUPPLEMENTS:
                _put(self.supplements, key, None if value is None else step.head.step)
            elif kind == PARKED:
                _put(self.parked, of, None if value is None else [Event._make(event) for event in orjson.loads(value)])
            elif kind == EVICTED:
                self.evicted.load(key, value)
            elif kind == AGENT:
                self.agents.load(of, value)
            elif kind == SET_ASIDE:
                self.set_aside.load(key, value)
        self.head = step.head
        self.panes.begin = step.head.panes_from

    def begin(self, opened: int, epoch: int, partitions: int = 0, ids: tuple[str, str] | None = None) -> None:
        """Continue under an opening, whose journal offset is `opened`; `ids`: of the source topic and the journal."""
        topic, journal = ids or (self.head.topic, self.head.journal)
        if epoch > self.head.epoch:  # it reads the source topic from its beginning; what is known of contacts stays
            self.head = self.head._replace(next=0, set_aside_from=0)
        version, partitions = self.rules.version, partitions or self.head.partitions
        self.head = self.head._replace(
            open=opened, epoch=epoch, config=version, partitions=partitions, topic=topic, journal=journal
        )

    def use(self, rules: Rules) -> None:
        """Continue with other rules from the next step on; what was issued stays, `renew_deadlines` does the rest."""
        self.rules = rules
        self.head = self.head._replace(config=rules.version)

    # What a batch does.

    def fresh(self, batch: Sequence[Record]) -> Sequence[Record]:
        """Leave out what is in already."""
        return [record for record in batch if record.offset >= self.head.next]

    def unknown(self, records: Iterable[Record]) -> set[bytes]:
        """Name the contacts that are not in memory and may have been evicted: `revive` or `park` them first."""
        contacts, parked, evicted = self.contacts, self.parked, self.evicted
        if not len(evicted):
            return set()
        keys = {record.key for record in records if record.key not in contacts}
        return {key for key in keys if key is not None and key not in parked and key in evicted and self._is_own(key)}

    def _is_own(self, key: bytes) -> bool:
        return not self.head.partitions or partition_of(key, self.head.partitions) == self.number

    def revive(self, found: Mapping[bytes, ArchivedContact]) -> None:
        """Have evicted contacts in memory again; when they are folded next, they are in any case.

        The archive may have events that nothing was issued for yet: those that are parked, for one.
        """
        for contact_id, kept in found.items():
            if contact_id not in self.contacts and self._channel is not None:
                value = restored(self._channel, kept.events, kept.issued, self.rules, 0)
                if value is not None:
                    self.contacts[contact_id] = value
                    self._revived.add(contact_id)
                    self.revivals += 1

    def park(self, contact_ids: Iterable[bytes]) -> None:
        """Let the events of these contacts wait for the archive."""
        for contact_id in contact_ids:
            self.parked.setdefault(contact_id, [])
            self.waits += 1

    def steps(self, batch: Sequence[Record], limit: int = STEP_BYTES) -> Iterator[StepToWrite]:
        """Turn a batch into steps; records before the head are passed over. Write each before asking for the next.

        Raises BadRecordLimitError, before anything of that step is written.
        """
        for part in cut(self.fresh(batch), limit, lambda key: len(self.contacts.get(key) or self.agents.record(key))):
            yield from self._step(part)

    def _step(self, records: Sequence[Record]) -> Iterator[StepToWrite]:
        number = self.head.step + 1
        clock = self.head.clock
        dead: list[DeadLetter] = []
        strays: list[Record] = []
        arrived: dict[bytes, list[Event]] = {}
        for record in records:
            try:
                event = read_event(self.source, record.key, record.value)
            except BadRecord as bad:
                dead.append(DeadLetter(record, bad.code, bad.reason))
                continue
            key = record.key or b""
            if key not in arrived:
                if key not in self.contacts and not self._is_own(key):
                    strays.append(record)
                    continue
                arrived[key] = []
            clock = max(clock, min(event.at, record.timestamp))
            arrived[key].append(event)
        self._bad_records.count(len(records), len(dead), self.rules.bad_record_share, self._where(dead))
        if self._channel is None:
            written = self.agents.fold(arrived, clock)
            self.conflicts = self.agents.conflicts
        else:
            written = self._fold(arrived, self._channel, number)
        if dead or strays:
            offsets = [record.offset for record in (*(letter.record for letter in dead), *strays)]
            written.append(self.set_aside.add(self.head.epoch, number, offsets))
        head = self.head._replace(next=records[-1].offset + 1, clock=clock, parked=len(self.parked))
        self.dead_letters += len(dead)
        self.strays += len(strays)
        self.events += len(records)
        yield from self._write(written, head, dead, strays)

    def _where(self, dead: Sequence[DeadLetter]) -> str:
        if not dead:
            return ""
        return f"{self.source}/{self.number}: bad record at offset {dead[-1].record.offset} ({dead[-1].reason})"

    def _write(
        self, written: list[Written], head: Head, dead: list[DeadLetter] | None = None, strays: list[Any] | None = None
    ) -> Iterator[StepToWrite]:
        """Make a step, which counts once the next one is asked for."""
        head = head._replace(step=head.step + 1, config=self.rules.version)  # rules may have changed
        yield StepToWrite([*written, (HEAD_KEY, encode_head(head))], dead or [], head, strays or [])
        self.head = head

    def _fold(self, arrived: Mapping[bytes, list[Event]], channel: str, number: int) -> list[Written]:
        contacts, panes, epoch, parked = self.contacts, self.panes, self.head.epoch, self.parked
        revived = self._revived
        written: list[Written] = []
        for contact_id, events in arrived.items():
            if parked and contact_id in parked:
                waiting, _ = merge(parked[contact_id], events)
                parked[contact_id] = waiting
                written.append((PARKED + contact_id, orjson.dumps([tuple(event) for event in waiting])))
                continue
            change = self._advance(contact_id, channel, events, number)
            if change is None:
                continue
            self.conflicts += change.conflicts
            if change.value is None:
                continue
            contacts[contact_id] = change.value
            revived.discard(contact_id)
            if change.taken_back:
                panes.add(epoch, change.taken_back, -1)
            if change.issued:
                panes.add(epoch, change.issued, 1)
            written.append((CONTACT + contact_id, change.value))
        for record in panes.records(number):
            written.append(record)
            if record[0][:1] in SUPPLEMENTS:
                self.supplements[record[0]] = number
                self.supplemented += 1
        return written

    def _advance(self, contact_id: bytes, channel: str, events: list[Event], number: int) -> Change | None:
        value, rules = self.contacts.get(contact_id), self.rules
        again = contact_id in self._revived
        left = None if value is None or again else self.fold_cache.take(contact_id, value)
        change = None if left is None else left.follow(events, rules, number, self._holding.as_of)
        if change is None:
            contact = EMPTY if value is None else decode(value)
            outcome = advance(channel, contact, events, rules, number, again=again, as_of=self._holding.as_of)
            if outcome is None:
                if value is not None and left is not None:
                    self.fold_cache.keep(contact_id, value, left)
                return None
            change, left = outcome
        if left is not None and change.value is not None:
            self.fold_cache.keep(contact_id, change.value, left)
        return change

    # What happens between batches.

    def unpark(self, found: Mapping[bytes, ArchivedContact], contact_ids: Iterable[bytes]) -> Iterator[StepToWrite]:
        """Make the step that folds what waited for the archive, which found these contacts or does not know them."""
        self.revive(found)
        waited = {contact_id: self.parked.pop(contact_id) for contact_id in contact_ids if contact_id in self.parked}
        if waited and self._channel is not None:
            written = self._fold(waited, self._channel, self.head.step + 1)
            written += [(PARKED + contact_id, None) for contact_id in waited]
            yield from self._write(written, self.head._replace(parked=len(self.parked)))

    def renew_deadlines(self, now: int, limit: int = STEP_BYTES) -> Iterator[StepToWrite]:
        """Make the steps with the deadlines of open contacts by rules that came into force; `now` in UTC ms."""
        if self._channel is None:
            return
        for part in in_parts(self._holding.next(self.rules, now, self.contacts), limit // 2):
            number = self.head.step + 1
            written: list[Written] = []
            for contact_id, before in part:
                value = with_renewed_deadlines(before, self.rules, self._holding.as_of, number)
                if value is not None:
                    self.contacts[contact_id] = value
                    self.fold_cache.renew(contact_id, before, value)
                    written.append((CONTACT + contact_id, value))
            if written:
                yield from self._write(written, self.head)

    def wants_eviction(self) -> bool:
        """Tell whether something may go once the sink has it: what was set aside, or is old."""
        if self.set_aside:
            return True
        return self.agents.wants_eviction(self.head.clock) if self._channel is None else self._is_scan_due()

    def _is_scan_due(self) -> bool:
        if self._eviction_scan.under_way:
            return True
        return bool(self.head.clock) and self.head.clock >= self._eviction_scan.clock + self._horizon_ms // ROUNDS

    @property
    def _horizon_ms(self) -> int:
        return self.rules.horizons_ms[self._channel or ""]

    def evict(self, passed: int, at_most: int = EVICTED_AT_ONCE) -> Iterator[StepToWrite]:
        """Make the step that forgets some of what is too old; `passed` is the last step that the sink has."""
        written, covered = self.set_aside.evict(self.head, passed)
        if self._channel is None:
            written += self.agents.evict(self.head.clock)
        elif self._is_scan_due():
            written += self._evict_old(passed, at_most)
        if written or covered != self.head.set_aside_from:
            yield from self._write(written, self.head._replace(panes_from=self.panes.begin, set_aside_from=covered))

    def _evict_old(self, passed: int, at_most: int) -> list[Written]:
        if not self._eviction_scan.under_way:
            self._eviction_scan.begin(self.head.clock, self.contacts)
        before = self.head.clock - self._horizon_ms
        gone = [
            contact_id
            for contact_id in self._eviction_scan.next(at_most)
            if (value := self.contacts.get(contact_id)) is not None
            and (summary := decode_summary(value))["last_at"] < before
            and summary["step"] <= passed
        ]
        panes_before = self.head.clock - max(min(PANE_HORIZON_MS, *self.rules.horizons_ms.values()), PANE_MS)
        keys = self.panes.evict(panes_before - panes_before % PANE_MS, passed, at_most)
        keys += [key for key, step in self.supplements.items() if step <= passed]
        if not gone and not keys:
            return []
        for contact_id in gone:
            del self.contacts[contact_id]
            self._revived.discard(contact_id)
        for key in keys:
            self.supplements.pop(key, None)
        self.evicted.add(gone)
        self.evictions += len(gone)
        written: list[Written] = [(CONTACT + contact_id, None) for contact_id in gone]
        written += [(key, None) for key in keys]
        written += self.evicted.records()
        return written

    def carry(self, past: EndedEpochs) -> Iterator[StepToWrite]:
        """Make the first step of an epoch: where the journal is new, with what ClickHouse has of those before it.

        Every contact of theirs counts as evicted; those found are in memory again, for what waits now waits on.
        """
        self.evicted.add(contact_id for contact_id in past.contacts if self._is_own(contact_id))
        self.revive(past.found)
        written: list[Written] = [(CONTACT + contact_id, self.contacts[contact_id]) for contact_id in self._revived]
        written += past.panes
        written += self.evicted.records()
        for key, value in past.panes:
            self.panes.load(key, value, self.head.step + 1)
        yield from self._write(written, self.head)


def _put(into: dict[bytes, _Value], key: bytes, value: _Value | None) -> None:
    if value is None:
        into.pop(key, None)
    else:
        into[key] = value
