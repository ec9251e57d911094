"""One source partition in memory: its contacts and panes, or its agents, and what a batch of records does to them.

Pure: no broker. A batch becomes steps; each must be written before the next is asked for, and where one was not, this
object is ahead of its journal and must be thrown away.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final, TypeVar

import orjson

from schemas.contact_record import decode_summary
from schemas.journal import AGENT, CONTACT, EVICTED, HEAD_KEY, PANES, PARKED, SET_ASIDE, SUPPLEMENTS, Head, encode_head
from schemas.panes import PANE_MS
from schemas.policies import Rules
from schemas.topics import channel_of
from streams.core.agent_fold import AgentFold
from streams.core.contact_summary import with_renewed_deadlines
from streams.core.event import Event, merge
from streams.core.incremental_fold import FoldCache
from streams.core.issued_samples import ContactChange
from streams.core.pane_totals import PaneTotals
from streams.core.refold import EMPTY, decode_contact_state, refold, restore_record
from streams.decoding.decoder import BadRecord, read_event
from streams.journal.step_assembly import Step
from streams.kafka.partitioner import partition_of
from streams.partition.archived_history import ArchivedContact, EndedEpochs
from streams.partition.bad_record_limit import BadRecordLimit
from streams.partition.contact_scan import ContactScan
from streams.partition.evicted_ids import EvictedIds
from streams.partition.rule_changes import RuleChanges
from streams.partition.set_aside import SetAside
from streams.partition.step_to_write import DeadLetter, JournalRecord, SourceRecord, StepToWrite, cut_batch, cut_records

_Value = TypeVar("_Value")

#: A batch is cut before its step grows larger than this, by a safe estimate: a transaction's time limits it.
STEP_BYTES: Final = 48 * 1024 * 1024

#: How many times within a horizon, by the partition's clock, all contacts are looked at for their age.
SCANS_PER_HORIZON: Final = 16
#: Contacts looked at, and panes evicted, in one step at most.
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
        #: Contacts evicted, found again in the archive, and made to wait for it; and supplements issued.
        self.evictions = 0
        self.revivals = 0
        self.waits = 0
        self.supplemented = 0
        self.rules = rules
        self._channel = channel_of(source)
        #: Contacts that were evicted and not folded since.
        self._revived: set[bytes] = set()
        #: The last folds of contacts, which partitions may share.
        self.fold_cache = FoldCache()
        self._eviction_scan = ContactScan()
        self._bad_records = BadRecordLimit()
        self._rule_changes = RuleChanges()

    def load(self, step: Step) -> None:
        """Load a step from the journal."""
        for _, key, value in step.records:
            kind, own_id = key[:1], key[1:]
            if kind == CONTACT and value is not None:  # most are
                self.contacts[own_id] = value
            elif kind == CONTACT:
                self.contacts.pop(own_id, None)
            elif kind in PANES:
                self.panes.load(key, value, step.head.step)
            elif kind in SUPPLEMENTS:
                _put(self.supplements, key, None if value is None else step.head.step)
            elif kind == PARKED:
                _put(
                    self.parked,
                    own_id,
                    None if value is None else [Event._make(event) for event in orjson.loads(value)],
                )
            elif kind == EVICTED:
                self.evicted.load(key, value)
            elif kind == AGENT:
                self.agents.load(own_id, value)
            elif kind == SET_ASIDE:
                self.set_aside.load(key, value)
        self.head = step.head
        self.panes.panes_from = step.head.panes_from

    def begin(self, opened: int, epoch: int, partitions: int = 0, ids: tuple[str, str] | None = None) -> None:
        """Continue under an opening, whose journal offset is `opened`; `ids`: of the source topic and the journal."""
        topic, journal = ids or (self.head.topic, self.head.journal)
        if epoch > self.head.epoch:  # it reads the source topic from its beginning; what is known of contacts stays
            self.head = self.head._replace(next=0, set_aside_from=0)
        version, partitions = self.rules.version, partitions or self.head.partitions
        self.head = self.head._replace(
            open=opened, epoch=epoch, config=version, partitions=partitions, topic=topic, journal=journal
        )

    def use_rules(self, rules: Rules) -> None:
        """Continue with other rules from the next step on; what was issued stays, `renew_deadlines` does the rest."""
        self.rules = rules
        self.head = self.head._replace(config=rules.version)

    # What a batch does.

    def not_counted(self, batch: Sequence[SourceRecord]) -> Sequence[SourceRecord]:
        """Leave out the records below the head, which are counted already."""
        return [record for record in batch if record.offset >= self.head.next]

    def maybe_evicted(self, records: Iterable[SourceRecord]) -> set[bytes]:
        """Name the contacts that are not in memory and may have been evicted: `revive` or `park` them first."""
        contacts, parked, evicted = self.contacts, self.parked, self.evicted
        if not len(evicted):
            return set()
        keys = {record.key for record in records if record.key not in contacts}
        return {key for key in keys if key is not None and key not in parked and key in evicted and self._is_own(key)}

    def _is_own(self, key: bytes) -> bool:
        return not self.head.partitions or partition_of(key, self.head.partitions) == self.number

    def revive(self, found: Mapping[bytes, ArchivedContact]) -> None:
        """Put evicted contacts into memory again; each is refolded with its next event, whether that is known or not.

        The archive may have events that nothing was issued for yet, such as parked ones.
        """
        for contact_id, archived in found.items():
            if contact_id not in self.contacts and self._channel is not None:
                value = restore_record(self._channel, archived.events, archived.issued, self.rules, 0)
                if value is not None:
                    self.contacts[contact_id] = value
                    self._revived.add(contact_id)
                    self.revivals += 1

    def park(self, contact_ids: Iterable[bytes]) -> None:
        """Have the events of these contacts wait for the archive."""
        for contact_id in contact_ids:
            self.parked.setdefault(contact_id, [])
            self.waits += 1

    def steps(self, batch: Sequence[SourceRecord], limit: int = STEP_BYTES) -> Iterator[StepToWrite]:
        """Turn a batch into steps; records before the head are skipped. Write each before asking for the next.

        Raises BadRecordLimitError, before anything of that step is written.
        """
        for part in cut_batch(
            self.not_counted(batch), limit, lambda key: len(self.contacts.get(key) or self.agents.record(key))
        ):
            yield from self._fold_records(part)

    def _fold_records(self, records: Sequence[SourceRecord]) -> Iterator[StepToWrite]:
        number = self.head.step + 1
        clock = self.head.clock
        dead: list[DeadLetter] = []
        strays: list[SourceRecord] = []
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
            written = self._fold_contacts(arrived, self._channel, number)
        if dead or strays:
            offsets = [record.offset for record in (*(letter.record for letter in dead), *strays)]
            written.append(self.set_aside.add(self.head.epoch, number, offsets))
        head = self.head._replace(next=records[-1].offset + 1, clock=clock, parked=len(self.parked))
        self.dead_letters += len(dead)
        self.strays += len(strays)
        self.events += len(records)
        yield from self._make_step(written, head, dead, strays)

    def _where(self, dead: Sequence[DeadLetter]) -> str:
        if not dead:
            return ""
        return f"{self.source}/{self.number}: bad record at offset {dead[-1].record.offset} ({dead[-1].reason})"

    def _make_step(
        self,
        records: list[JournalRecord],
        head: Head,
        dead: Sequence[DeadLetter] = (),
        strays: Sequence[SourceRecord] = (),
    ) -> Iterator[StepToWrite]:
        """Make a step of these records and a head; it counts once the next one is asked for."""
        head = head._replace(step=head.step + 1, config=self.rules.version)  # rules may have changed
        yield StepToWrite([*records, (HEAD_KEY, encode_head(head))], dead, head, strays)
        self.head = head

    def _fold_contacts(self, arrived: Mapping[bytes, list[Event]], channel: str, number: int) -> list[JournalRecord]:
        contacts, panes, epoch, parked = self.contacts, self.panes, self.head.epoch, self.parked
        revived = self._revived
        written: list[JournalRecord] = []
        for contact_id, events in arrived.items():
            if parked and contact_id in parked:
                waiting, _ = merge(parked[contact_id], events)
                parked[contact_id] = waiting
                written.append((PARKED + contact_id, orjson.dumps([tuple(event) for event in waiting])))
                continue
            change = self._fold_contact(contact_id, channel, events, number)
            if change is None:
                continue
            self.conflicts += change.conflicts
            if change.value is None:
                continue
            contacts[contact_id] = change.value
            revived.discard(contact_id)
            if change.retracted:
                panes.add(epoch, change.retracted, -1)
            if change.issued:
                panes.add(epoch, change.issued, 1)
            written.append((CONTACT + contact_id, change.value))
        for record in panes.records(number):
            written.append(record)
            if record[0][:1] in SUPPLEMENTS:
                self.supplements[record[0]] = number
                self.supplemented += 1
        return written

    def _fold_contact(self, contact_id: bytes, channel: str, events: list[Event], number: int) -> ContactChange | None:
        """Apply events to the contact's last fold, or else refold the contact; None where nothing was new."""
        value, rules, as_of = self.contacts.get(contact_id), self.rules, self._rule_changes.as_of
        is_revived = contact_id in self._revived
        cached = None if value is None or is_revived else self.fold_cache.get(contact_id, value)
        change = None if cached is None else cached.apply(events, rules, number, as_of)
        if change is None:
            contact = EMPTY if value is None else decode_contact_state(value)
            refolded = refold(channel, contact, events, rules, number, always=is_revived, as_of=as_of)
            if refolded is None:
                if value is not None and cached is not None:
                    self.fold_cache.put(contact_id, value, cached)
                return None
            change, cached = refolded
        if cached is not None and change.value is not None:
            self.fold_cache.put(contact_id, change.value, cached)
        return change

    # What happens between batches.

    def empty_step(self) -> Iterator[StepToWrite]:
        """Make a step that changes nothing: a head that says what the head before said."""
        yield from self._make_step([], self.head)

    def unpark(self, found: Mapping[bytes, ArchivedContact], contact_ids: Iterable[bytes]) -> Iterator[StepToWrite]:
        """Make the step that folds what waited for the archive, which found these contacts or does not know them."""
        self.revive(found)
        waited = {contact_id: self.parked.pop(contact_id) for contact_id in contact_ids if contact_id in self.parked}
        if waited and self._channel is not None:
            written = self._fold_contacts(waited, self._channel, self.head.step + 1)
            written += [(PARKED + contact_id, None) for contact_id in waited]
            yield from self._make_step(written, self.head._replace(parked=len(self.parked)))

    def renew_deadlines(self, now: int, limit: int = STEP_BYTES) -> Iterator[StepToWrite]:
        """Make the steps with the deadlines of open contacts by rules that came into force; `now` in UTC ms."""
        if self._channel is None:
            return
        for part in cut_records(self._rule_changes.next(self.rules, now, self.contacts), limit // 2):
            number = self.head.step + 1
            written: list[JournalRecord] = []
            for contact_id, before in part:
                value = with_renewed_deadlines(before, self.rules, self._rule_changes.as_of, number)
                if value is not None:
                    self.contacts[contact_id] = value
                    self.fold_cache.replace_record(contact_id, before, value)
                    written.append((CONTACT + contact_id, value))
            if written:
                yield from self._make_step(written, self.head)

    def is_eviction_due(self) -> bool:
        """Tell whether something may be evicted once the sink has it: what was set aside, or is old."""
        if self.set_aside:
            return True
        return self.agents.is_eviction_due(self.head.clock) if self._channel is None else self._is_scan_due()

    def _is_scan_due(self) -> bool:
        if self._eviction_scan.under_way:
            return True
        return (
            bool(self.head.clock)
            and self.head.clock >= self._eviction_scan.clock + self._horizon_ms // SCANS_PER_HORIZON
        )

    @property
    def _horizon_ms(self) -> int:
        return self.rules.horizons_ms[self._channel or ""]

    def evict(self, sink_step: int, at_most: int = EVICTED_AT_ONCE) -> Iterator[StepToWrite]:
        """Make the step that evicts some of what is too old; `sink_step` is the last step that the sink has."""
        written, covered = self.set_aside.evict(self.head, sink_step)
        if self._channel is None:
            written += self.agents.evict(self.head.clock)
        elif self._is_scan_due():
            written += self._evict_old(sink_step, at_most)
        if written or covered != self.head.set_aside_from:
            yield from self._make_step(
                written, self.head._replace(panes_from=self.panes.panes_from, set_aside_from=covered)
            )

    def _evict_old(self, sink_step: int, at_most: int) -> list[JournalRecord]:
        if not self._eviction_scan.under_way:
            self._eviction_scan.begin(self.head.clock, self.contacts)
        before = self.head.clock - self._horizon_ms
        evicted = [
            contact_id
            for contact_id in self._eviction_scan.next(at_most)
            if (value := self.contacts.get(contact_id)) is not None
            and (summary := decode_summary(value))["last_at"] < before
            and summary["step"] <= sink_step
        ]
        panes_before = self.head.clock - max(min(PANE_HORIZON_MS, *self.rules.horizons_ms.values()), PANE_MS)
        keys = self.panes.evict(panes_before - panes_before % PANE_MS, sink_step, at_most)
        keys += [key for key, step in self.supplements.items() if step <= sink_step]
        if not evicted and not keys:
            return []
        for contact_id in evicted:
            del self.contacts[contact_id]
            self._revived.discard(contact_id)
        for key in keys:
            self.supplements.pop(key, None)
        self.evicted.add(evicted)
        self.evictions += len(evicted)
        written: list[JournalRecord] = [(CONTACT + contact_id, None) for contact_id in evicted]
        written += [(key, None) for key in keys]
        written += self.evicted.records()
        return written

    def carry_over(self, ended: EndedEpochs) -> Iterator[StepToWrite]:
        """Make the first step of an epoch: where the journal is new, with what ClickHouse has of the ended epochs.

        Every contact of theirs counts as evicted; the open ones are in memory again, for their clocks run on.
        """
        self.evicted.add(contact_id for contact_id in ended.contacts if self._is_own(contact_id))
        self.revive(ended.open)
        written: list[JournalRecord] = [
            (CONTACT + contact_id, self.contacts[contact_id]) for contact_id in self._revived
        ]
        written += ended.panes
        written += self.evicted.records()
        for key, value in ended.panes:
            self.panes.load(key, value, self.head.step + 1)
        yield from self._make_step(written, self.head)


def _put(into: dict[bytes, _Value], key: bytes, value: _Value | None) -> None:
    if value is None:
        into.pop(key, None)
    else:
        into[key] = value
