"""The whole of a reconciliation: contacts page by page, then panes hour by hour; found, and where asked, mended.

Beside a running stream nothing is judged that is half written: how far it is in is always read before the rows, and of
each pair the one that the sink writes first is read last. Each piece is read, compared and forgotten, so memory does
not grow with the history; a repair that is cut off goes on where it is run again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import groupby
from typing import Final

from schemas.panes import PANE_MS
from schemas.policies import Rules
from schemas.settings import Settings
from sinks.clickhouse.keeper import ClickHouseKeeper
from sinks.clickhouse.kept import END_OF_TIME, HOUR_MS, Between, KeptRows, Piece, Span
from sinks.port import Batch
from sinks.reconcile import contacts, panes
from sinks.reconcile.contacts import Archived, Kept
from sinks.reconcile.findings import BY_PROMISE, LISTED, Difference, PaneTable, Report
from sinks.reconcile.lives import Lives
from sinks.rows import SampleRow
from streams.core.event import from_normalised

#: Contacts in one piece.
PAGE: Final = 2_000
#: Samples in one piece of panes; a single hour may have more.
PIECE: Final = 200_000

#: Told what is being compared, how much of it is done and of how much.
Tell = Callable[[str, int, int], None]


def reconcile(
    settings: Settings, rules: Rules, *, span: Span | None = None, tell: Tell | None = None, listed: int = LISTED
) -> Report:
    """Compare, and change nothing. Raises KeeperAwayError and KeeperUnfitError."""
    with KeptRows(settings) as kept:
        return _Audit(kept, rules, span or Span(), Report(listed=listed), tell).run()


def mend(
    settings: Settings,
    rules: Rules,
    *,
    all_ended: bool,
    span: Span | None = None,
    tell: Tell | None = None,
    listed: int = LISTED,
) -> Report:
    """Compare, and mend what ended epochs left behind.

    `all_ended` says that no journal is left and no worker or sink runs: then every epoch has ended. `span` limits it to
    contacts with an event, and panes, within it, and whatever panes their mending touches. Raises KeeperAwayError and
    KeeperUnfitError; run again, it goes on.
    """
    keeper = ClickHouseKeeper(settings)
    keeper.setup()
    try:
        with KeptRows(settings) as kept:
            audit = _Audit(kept, rules, span or Span(), Report(listed=listed), tell, keeper, all_ended=all_ended)
            return audit.run()
    finally:
        keeper.close()


def read_contacts(kept: KeptRows, between: Between, span: Span) -> Iterator[Kept]:
    """Read contacts with all that is kept of them, in the order of their ids."""
    # The sink writes events before samples before contacts: read the other way round, no row is without its events.
    rows = {row.contact_id: row for row in kept.of_contacts("contacts", between, span)}
    samples: dict[str, list[SampleRow]] = {}
    for row in kept.of_contacts("samples", between, span):
        samples.setdefault(row.contact_id, []).append(row)
    events: dict[str, list[Archived]] = {}
    for (contact_id, normalised), same in groupby(kept.events(between, span), key=lambda found: found[:2]):
        _, _, channel, topic, partition, epoch, offset, received_at = next(same)
        event = from_normalised(normalised.encode())
        archived = Archived(event, channel, topic, partition, epoch, offset, received_at)
        events.setdefault(contact_id, []).append(archived)
    for contact_id in sorted(rows.keys() | samples.keys() | events.keys()):
        yield Kept(contact_id, events.get(contact_id, []), samples.get(contact_id, []), rows.get(contact_id))


def _silent(what: str, done: int, of: int) -> None:
    del what, done, of


class _Audit:
    def __init__(
        self,
        kept: KeptRows,
        rules: Rules,
        span: Span,
        report: Report,
        tell: Tell | None,
        keeper: ClickHouseKeeper | None = None,
        *,
        all_ended: bool = False,
    ) -> None:
        self._kept = kept
        self._rules = rules
        self._span = _whole_hours(span)
        self._report = report
        self._tell = tell or _silent
        #: None: nothing is mended.
        self._keeper = keeper
        self._all_ended = all_ended
        #: Hours of samples that were mended, by sample: their panes are compared wherever they stand.
        self._touched: set[tuple[str, int]] = set()
        #: Samples and pane starts of samples that are wrong and stay so.
        self._doubtful: set[tuple[str, int]] = set()

    def run(self) -> Report:
        """Compare contacts, then panes: those are held against samples that are mended already."""
        self._contacts()
        self._panes()
        return self._report

    def _lives(self) -> Lives:
        return Lives(self._kept.progress(), all_ended=self._all_ended)

    def _write(self, batch: Batch) -> None:
        if self._keeper is None or not len(batch):
            return
        self._keeper.write(batch)
        for table in ("samples", "contacts", "panes", "tag_panes"):
            self._report.written[table] += len(getattr(batch, table))

    def _contacts(self) -> None:
        of, done, after = self._kept.how_many(self._span), 0, ""
        self._tell("contacts", 0, of)
        while (between := self._kept.page(after, self._span, PAGE)) is not None:
            lives = self._lives()
            mending = Batch()
            for kept in read_contacts(self._kept, between, self._span):
                self._contact(kept, lives, mending)
                done += 1
            self._write(mending)
            self._tell("contacts", min(done, of), of)
            if between.last is None:
                return
            after = between.last

    def _contact(self, kept: Kept, lives: Lives, mending: Batch) -> None:
        report = self._report
        wanted = contacts.owed(kept, self._rules)
        report.compared["contacts"] += 1
        report.compared["samples"] += len({(row.sample, row.slot) for row in kept.samples if not row.gone})
        found = contacts.differences(kept, wanted, self._rules, lives)
        if not found:
            return
        if not contacts.is_in(kept, lives):
            report.left_out["contacts"] += 1
            self._doubt(kept, wanted, found)
            return
        batch = Batch() if self._keeper is None else contacts.mending(kept, wanted, found)
        mending.samples += batch.samples
        mending.contacts += batch.contacts
        self._touch(kept, batch)
        mends = self._keeper is not None
        for each in found:
            report.add(each, mended=mends and _mendable(each))
        self._doubt(kept, wanted, [each for each in found if not _mendable(each)])

    def _doubt(self, kept: Kept, wanted: contacts.Owed | None, found: Iterable[Difference]) -> None:
        keys = {(each.key["sample"], each.key["slot"]) for each in found if each.table == "samples"}
        here = (row for row in kept.samples if (row.sample, row.slot) in keys and not row.gone)
        there = () if wanted is None else (row for key, row in wanted.samples.items() if key in keys)
        self._doubtful |= {(row.sample, row.at - row.at % PANE_MS) for row in (*here, *there)}

    def _touch(self, kept: Kept, batch: Batch) -> None:
        keys = {(row.sample, row.slot) for row in batch.samples}
        before = (row for row in kept.samples if (row.sample, row.slot) in keys)
        for row in (*before, *batch.samples):
            if not row.gone:
                self._touched.add((row.sample, row.at // HOUR_MS))

    def _panes(self) -> None:
        pieces = list(self._pieces())
        for done, piece in enumerate(pieces):
            self._tell("panes", done, len(pieces))
            self._compare("panes", piece)
            if piece.sample in {None, panes.TAGGED}:
                self._compare("tag_panes", piece)
        self._tell("panes", len(pieces), len(pieces))

    def _pieces(self) -> Iterator[Piece]:
        """Cut what is to be compared, so that each piece fits into memory: whole hours, in order.

        A long history is cut by kind of sample first, as its rows lie; of a short one all kinds are taken together.
        """
        hours = self._kept.hours()
        wanted = [self._is_wanted(sample, hour) for sample, hour, _ in hours]
        if sum(n for (_, _, n), is_wanted in zip(hours, wanted, strict=True) if is_wanted) <= PIECE:
            by_hour: dict[int, bool] = {}
            for (_, hour, _), is_wanted in zip(hours, wanted, strict=True):
                by_hour[hour] = by_hour.get(hour, False) or is_wanted
            yield from _cut(None, ((hour, 0, by_hour[hour]) for hour in sorted(by_hour)))
            return
        for sample, found in groupby(zip(hours, wanted, strict=True), key=lambda each: each[0][0]):
            yield from _cut(sample, ((hour, n, is_wanted) for (_, hour, n), is_wanted in found))

    def _is_wanted(self, sample: str, hour: int) -> bool:
        begin = hour * HOUR_MS
        return (self._span.begin < begin + HOUR_MS and begin < self._span.end) or (sample, hour) in self._touched

    def _compare(self, table: PaneTable, piece: Piece) -> None:
        lives = self._lives()
        wanted = (panes.owed if table == "panes" else panes.owed_tags)(self._kept.owed(table, piece))
        compared = panes.compare(table, wanted, self._kept.panes(table, piece), lives, self._doubtful)
        report = self._report
        report.compared[table] += compared.panes
        report.left_out[table] += compared.left_out
        self._write(Batch(**{table: compared.mending}))
        for each in compared.differences:
            mended = self._keeper is not None and not each.compared_only and len(compared.mending) > 0
            report.add(each, mended=mended)


def _mendable(difference: Difference) -> bool:
    return not difference.compared_only and difference.kind not in {"not archived", BY_PROMISE}


def _whole_hours(span: Span) -> Span:
    """Widen a span, so that of each pane in it every sample's contact is compared too."""
    if span.is_all:
        return span
    return Span(span.begin - span.begin % HOUR_MS, min(END_OF_TIME, span.end + -span.end % HOUR_MS))


def _cut(sample: str | None, hours: Iterable[tuple[int, int, bool]]) -> Iterator[Piece]:
    """Put hours together, given with the number of their samples and whether they are wanted."""
    first, last, held = None, 0, 0
    for hour, n, wanted in hours:
        if first is not None and (not wanted or held + n > PIECE):
            yield _piece(sample, first, last)
            first, held = None, 0
        if wanted:
            first, last, held = hour if first is None else first, hour, held + n
    if first is not None:
        yield _piece(sample, first, last)


def _piece(sample: str | None, first: int, last: int) -> Piece:
    return Piece(sample, Span(first * HOUR_MS, (last + 1) * HOUR_MS))
