"""The whole of a reconciliation: contacts page by page, then panes hour by hour; found, and where asked, mended.

Beside a running stream nothing is judged that is half written: how far it is in is always read before the rows, and of
each pair the one that the sink writes first is read last. Each piece is read, compared and forgotten, so memory does
not grow with the history; a repair that is cut off goes on where it is run again.
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
from sinks.clickhouse.reading_back import END_OF_TIME, EVERYTHING, HOUR_MS, ContactRange, PaneRange, Span, StoredRows
from sinks.clickhouse.store import ClickHouseStore
from sinks.port import Batch
from sinks.reconcile import contact_check, pane_check
from sinks.reconcile.contact_check import Archived, StoredContact
from sinks.reconcile.differences import LISTED, Difference, PaneTable, Report
from sinks.reconcile.epochs import Epochs
from sinks.rows import SampleRow
from streams.core.event import from_normalised

#: Contacts in one piece.
PAGE: Final = 2_000
#: Samples in one piece of panes; a single hour may have more.
PIECE: Final = 200_000

#: Told what is being compared, how much of it is done and of how much.
Tell = Callable[[str, int, int], None]


def reconcile(
    settings: Settings,
    rules: Rules,
    *,
    mends: bool = False,
    span: Span = EVERYTHING,
    tell: Tell = lambda *_: None,
    listed: int = LISTED,
) -> Report:
    """Compare, and with `mends` write what ended epochs owe; run again, it goes on.

    `span` limits it to contacts with an event, and panes, within it, and whatever panes their mending touches. Raises
    StoreError.
    """
    with StoredRows(settings) as kept, closing(ClickHouseStore(settings)) as store:
        return _Audit(kept, store if mends else None, rules, _whole_hours(span), tell, Report(listed=listed)).run()


def read_contacts(kept: StoredRows, between: ContactRange, span: Span) -> Iterator[StoredContact]:
    """Read contacts with all that is kept of them, in the order of their ids."""
    # The sink writes events before samples before contacts: read the other way round, no row is without its events.
    rows = {row.contact_id: row for row in kept.of_contacts("contacts", between, span)}
    samples: dict[str, list[SampleRow]] = {}
    for row in kept.of_contacts("samples", between, span):
        samples.setdefault(row.contact_id, []).append(row)
    events: dict[str, list[Archived]] = {}
    for (contact_id, normalised), same in groupby(kept.events(between, span), key=lambda found: found[:2]):
        archived = Archived(from_normalised(normalised.encode()), *next(same)[2:])
        events.setdefault(contact_id, []).append(archived)
    for contact_id in sorted(rows.keys() | samples.keys() | events.keys()):
        yield StoredContact(contact_id, events.get(contact_id, []), samples.get(contact_id, []), rows.get(contact_id))


@dataclass
class _Audit:
    kept: StoredRows
    #: None: nothing is mended.
    store: ClickHouseStore | None
    rules: Rules
    span: Span
    tell: Tell
    report: Report
    #: Hours of samples that were mended: their panes are compared wherever they stand.
    touched: set[int] = field(default_factory=set)
    #: Samples and pane starts of samples that are wrong and stay so.
    doubtful: set[tuple[str, int]] = field(default_factory=set)

    def run(self) -> Report:
        """Compare contacts, then panes: those are held against samples that are mended already."""
        self._contacts()
        pieces = list(self._pieces())
        for done, piece in enumerate(pieces):
            self.tell("panes", done, len(pieces))
            self._panes("panes", piece)
            if piece.sample in {None, pane_check.TAGGED}:
                self._panes("tag_panes", piece)
        self.tell("panes", len(pieces), len(pieces))
        return self.report

    def _write(self, batch: Batch) -> None:
        if self.store is not None and len(batch):
            self.store.write(batch)
            for table in ("samples", "contacts", "panes", "tag_panes"):
                self.report.written[table] += len(getattr(batch, table))

    def _contacts(self) -> None:
        of, done, after = self.kept.how_many(self.span), 0, ""
        self.tell("contacts", 0, of)
        while (between := self.kept.page(after, self.span, PAGE)) is not None:
            epochs = Epochs(self.kept.progress())
            mending = Batch()
            for kept in read_contacts(self.kept, between, self.span):
                self._contact(kept, epochs, mending)
                done += 1
            self._write(mending)
            self.tell("contacts", min(done, of), of)
            if between.last is None:
                return
            after = between.last

    def _contact(self, kept: StoredContact, epochs: Epochs, mending: Batch) -> None:
        report = self.report
        wanted = contact_check.owed(kept, self.rules)
        report.compared["contacts"] += 1
        report.compared["samples"] += sum(not row.gone for row in kept.samples)
        found = contact_check.differences(kept, wanted, self.rules, epochs)
        if found and not contact_check.is_in(kept, epochs):
            report.left_out["contacts"] += 1
            self._doubt(kept, wanted, found)
        elif found:
            if self.store is not None:
                self._mend(kept, contact_check.mending(kept, wanted, found), mending)
            for each in found:
                report.add(each, mended=self.store is not None and contact_check.is_mendable(each))
            self._doubt(kept, wanted, [each for each in found if not contact_check.is_mendable(each)])

    def _doubt(self, kept: StoredContact, wanted: contact_check.Owed | None, found: Iterable[Difference]) -> None:
        keys = {(each.key["sample"], each.key["slot"]) for each in found if each.table == "samples"}
        there = wanted.samples.values() if wanted else ()
        rows = [row for row in (*kept.samples, *there) if not row.gone and (row.sample, row.slot) in keys]
        self.doubtful |= {(row.sample, row.at - row.at % PANE_MS) for row in rows}

    def _mend(self, kept: StoredContact, batch: Batch, mending: Batch) -> None:
        mending.samples += batch.samples
        mending.contacts += batch.contacts
        keys = {(row.sample, row.slot) for row in batch.samples}
        before = (row for row in kept.samples if (row.sample, row.slot) in keys)
        self.touched |= {row.at // HOUR_MS for row in (*before, *batch.samples) if not row.gone}

    def _pieces(self) -> Iterator[PaneRange]:
        """Cut what is to be compared, so that each piece fits into memory: whole hours, in order.

        A long history is cut by kind of sample first, as its rows lie; of a short one all kinds are taken together.
        """
        hours: list[tuple[str | None, int, int]] = [*self.kept.hours()]
        if sum(n for _, hour, n in hours if self._is_wanted(hour)) <= PIECE:
            hours = [(None, hour, 0) for hour in sorted({hour for _, hour, _ in hours})]
        for (sample, is_wanted), run in groupby(hours, key=lambda each: (each[0], self._is_wanted(each[1]))):
            first, last, held = None, 0, 0
            for _, hour, n in run if is_wanted else ():
                if first is not None and held + n > PIECE:
                    yield _piece(sample, first, last)
                    first, held = None, 0
                first, last, held = hour if first is None else first, hour, held + n
            if first is not None:
                yield _piece(sample, first, last)

    def _is_wanted(self, hour: int) -> bool:
        begin = hour * HOUR_MS
        return (self.span.begin < begin + HOUR_MS and begin < self.span.end) or hour in self.touched

    def _panes(self, table: PaneTable, piece: PaneRange) -> None:
        epochs = Epochs(self.kept.progress())
        wanted = (pane_check.owed if table == "panes" else pane_check.owed_tags)(self.kept.owed(table, piece))
        compared = pane_check.compare(table, wanted, self.kept.panes(table, piece), epochs, self.doubtful)
        self.report.compared[table] += compared.panes
        self.report.left_out[table] += compared.left_out
        self._write(Batch(**{table: compared.mending}))
        for each in compared.differences:
            mended = self.store is not None and not each.compared_only and len(compared.mending) > 0
            self.report.add(each, mended=mended)


def _piece(sample: str | None, first: int, last: int) -> PaneRange:
    return PaneRange(sample, Span(first * HOUR_MS, (last + 1) * HOUR_MS))


def _whole_hours(span: Span) -> Span:
    """Widen a span, so that of each pane in it every sample's contact is compared too."""
    if span.is_all:
        return span
    return Span(span.begin - span.begin % HOUR_MS, min(END_OF_TIME, span.end + -span.end % HOUR_MS))
