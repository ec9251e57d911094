"""A whole reconciliation: contacts page by page, then panes hour by hour; compared and, where asked, repaired.

It may run beside a running stream. So progress is always read before the rows, and rows are read in the reverse of the
order in which the sink writes them: nothing that is half written is called wrong. One page or hour is in memory at a
time. A repair that is interrupted continues where it is run again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from itertools import groupby
from typing import Final

from schemas.panes import PANE_MS
from schemas.policies import Rules
from schemas.settings import Settings
from sinks.clickhouse.store import ClickHouseStore
from sinks.clickhouse.stored_rows import END_OF_TIME, EVERYTHING, HOUR_MS, ContactRange, PaneRange, Span, StoredRows
from sinks.reconcile import contact_comparison, pane_comparison
from sinks.reconcile.contact_comparison import ArchivedEvent, ExpectedRows, StoredContact, is_repairable
from sinks.reconcile.epochs import Epochs
from sinks.reconcile.report import LISTED, Difference, PaneTable, Report
from sinks.rows import SampleRow
from sinks.store_protocol import Batch
from streams.core.event import from_normalised

#: Contacts that are read at once.
CONTACTS_AT_ONCE: Final = 2_000
#: Samples whose panes are read at once; a single hour may have more.
SAMPLES_AT_ONCE: Final = 200_000

#: Called with what is being compared, how much of it is done, and of how much.
ShowProgress = Callable[[str, int, int], None]


def reconcile(
    settings: Settings,
    rules: Rules,
    *,
    repair: bool = False,
    span: Span = EVERYTHING,
    show_progress: ShowProgress = lambda *_: None,
    listed: int = LISTED,
) -> Report:
    """Compare, and with `repair` write the expected rows where the epoch has ended.

    `span` limits it to contacts with an event, and panes, within it; a repair also compares the panes of the samples
    that it repaired. Raises StoreError.
    """
    with StoredRows(settings) as stored, closing(ClickHouseStore(settings)) as store:
        store_or_none, report = store if repair else None, Report(listed=listed)
        return _Reconciliation(stored, store_or_none, rules, _whole_hours(span), show_progress, report).run()


def read_contacts(stored: StoredRows, contacts: ContactRange, span: Span) -> Iterator[StoredContact]:
    """Read contacts with all their rows and events, in the order of their ids."""
    # The sink writes events before samples before contacts: read the other way round, no row is without its events.
    rows = {row.contact_id: row for row in stored.contact_rows("contacts", contacts, span)}
    samples: dict[str, list[SampleRow]] = {}
    for row in stored.contact_rows("samples", contacts, span):
        samples.setdefault(row.contact_id, []).append(row)
    events: dict[str, list[ArchivedEvent]] = {}
    for (contact_id, normalised), same in groupby(stored.events(contacts, span), key=lambda found: found[:2]):
        archived = ArchivedEvent(from_normalised(normalised.encode()), *next(same)[2:])
        events.setdefault(contact_id, []).append(archived)
    for contact_id in sorted(rows.keys() | samples.keys() | events.keys()):
        yield StoredContact(contact_id, events.get(contact_id, []), samples.get(contact_id, []), rows.get(contact_id))


@dataclass
class _Reconciliation:
    stored: StoredRows
    #: None: nothing is repaired.
    store: ClickHouseStore | None
    rules: Rules
    span: Span
    show_progress: ShowProgress
    report: Report
    #: Hours of samples that were repaired: their panes are compared although they are outside the span.
    repaired_hours: set[int] = field(default_factory=set)
    #: Sample names and pane starts of samples that are wrong and stay wrong.
    unrepaired: set[tuple[str, int]] = field(default_factory=set)

    def run(self) -> Report:
        """Compare contacts, then panes: these are compared with samples that are repaired already."""
        self._compare_all_contacts()
        ranges = list(self._pane_ranges())
        for done, panes in enumerate(ranges):
            self.show_progress("panes", done, len(ranges))
            self._compare_panes("panes", panes)
            if panes.sample in {None, pane_comparison.TAGGED}:
                self._compare_panes("tag_panes", panes)
        self.show_progress("panes", len(ranges), len(ranges))
        return self.report

    def _write(self, batch: Batch) -> None:
        if self.store is not None and len(batch):
            self.store.write(batch)
            for table in ("samples", "contacts", "panes", "tag_panes"):
                self.report.written[table] += len(getattr(batch, table))

    def _compare_all_contacts(self) -> None:
        total, done, after = self.stored.estimate_contacts(self.span), 0, ""
        self.show_progress("contacts", 0, total)
        while (contacts := self.stored.next_contacts(after, self.span, CONTACTS_AT_ONCE)) is not None:
            epochs = Epochs(self.stored.progress())
            repairs = Batch()
            for contact in read_contacts(self.stored, contacts, self.span):
                self._compare_contact(contact, epochs, repairs)
                done += 1
            self._write(repairs)
            self.show_progress("contacts", min(done, total), total)
            if contacts.last is None:
                return
            after = contacts.last

    def _compare_contact(self, contact: StoredContact, epochs: Epochs, repairs: Batch) -> None:
        report = self.report
        expected = contact_comparison.expected_rows(contact, self.rules)
        report.compared["contacts"] += 1
        report.compared["samples"] += sum(not row.retracted for row in contact.samples)
        found = contact_comparison.differences(contact, expected, self.rules, epochs)
        if found and not contact_comparison.is_written(contact, epochs):
            report.left_out["contacts"] += 1
            self._note_unrepaired(contact, expected, found)
        elif found:
            if self.store is not None:
                self._repair(contact, contact_comparison.repair_rows(contact, expected, found), repairs)
            for each in found:
                report.add(each, repaired=self.store is not None and is_repairable(each))
            self._note_unrepaired(contact, expected, [each for each in found if not is_repairable(each)])

    def _note_unrepaired(
        self, contact: StoredContact, expected: ExpectedRows | None, found: Iterable[Difference]
    ) -> None:
        keys = {(each.key["sample"], each.key["slot"]) for each in found if each.table == "samples"}
        samples = (*contact.samples, *(expected.samples.values() if expected else ()))
        rows = [row for row in samples if not row.retracted and (row.sample, row.slot) in keys]
        self.unrepaired |= {(row.sample, row.at - row.at % PANE_MS) for row in rows}

    def _repair(self, contact: StoredContact, rows: Batch, repairs: Batch) -> None:
        repairs.samples += rows.samples
        repairs.contacts += rows.contacts
        keys = {(row.sample, row.slot) for row in rows.samples}
        before = (row for row in contact.samples if (row.sample, row.slot) in keys)
        self.repaired_hours |= {row.at // HOUR_MS for row in (*before, *rows.samples) if not row.retracted}

    def _pane_ranges(self) -> Iterator[PaneRange]:
        """Divide the panes into ranges that fit into memory: whole hours, in order.

        A long history is divided by kind of sample first, as the table is ordered; a short one by hours alone.
        """
        hours: list[tuple[str | None, int, int]] = [*self.stored.hours()]
        if sum(n for _, hour, n in hours if self._is_compared(hour)) <= SAMPLES_AT_ONCE:
            hours = [(None, hour, 0) for hour in sorted({hour for _, hour, _ in hours})]
        for (sample, is_compared), run in groupby(hours, key=lambda each: (each[0], self._is_compared(each[1]))):
            first, last, samples = None, 0, 0
            for _, hour, n in run if is_compared else ():
                if first is not None and samples + n > SAMPLES_AT_ONCE:
                    yield _pane_range(sample, first, last)
                    first, samples = None, 0
                first, last, samples = hour if first is None else first, hour, samples + n
            if first is not None:
                yield _pane_range(sample, first, last)

    def _is_compared(self, hour: int) -> bool:
        begin = hour * HOUR_MS
        return (self.span.begin < begin + HOUR_MS and begin < self.span.end) or hour in self.repaired_hours

    def _compare_panes(self, table: PaneTable, panes: PaneRange) -> None:
        epochs = Epochs(self.stored.progress())
        expect = pane_comparison.expected_panes if table == "panes" else pane_comparison.expected_tag_panes
        expected = expect(self.stored.sample_sums(table, panes))
        found = pane_comparison.compare(table, expected, self.stored.panes(table, panes), epochs, self.unrepaired)
        self.report.compared[table] += found.panes
        self.report.left_out[table] += found.left_out
        self._write(Batch(**{table: found.repairs}))
        for each in found.differences:
            repaired = self.store is not None and not each.compared_only and len(found.repairs) > 0
            self.report.add(each, repaired=repaired)


def _pane_range(sample: str | None, first: int, last: int) -> PaneRange:
    return PaneRange(sample, Span(first * HOUR_MS, (last + 1) * HOUR_MS))


def _whole_hours(span: Span) -> Span:
    """Widen a span to whole hours, so that the contacts of every sample of its panes are compared too."""
    if span.is_all:
        return span
    return Span(span.begin - span.begin % HOUR_MS, min(END_OF_TIME, span.end + -span.end % HOUR_MS))
