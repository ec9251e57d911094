"""`pulssi reconcile`: fold the archive again, compare with what the stream wrote, and repair what differs."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from zoneinfo import ZoneInfo

import click

from deploy.cli.common import echo_report, fail, json_option, running_stack_option, stack_settings
from deploy.cli.config_option import config_option, rules_in_force
from deploy.cli.time_arguments import parse_moment
from schemas.exits import Exit
from schemas.settings import Settings
from streams.times import milliseconds, rfc3339

if TYPE_CHECKING:
    from sinks.clickhouse.stored_rows import Span
    from sinks.reconcile.report import Difference, Report

_TABLE_LABELS: Final = {"samples": "samples", "contacts": "contacts", "panes": "panes", "tag_panes": "tag panes"}
_KIND_LABELS: Final = {
    "missing": "missing",
    "too much": "not expected",
    "different": "with another value",
    "not archived": "not checked, because their events are not in the archive",
    "another configuration": "computed with another configuration (no difference)",
}


def _span(settings: Settings, since: str | None, until: str | None) -> Span:
    from sinks.clickhouse.stored_rows import EVERYTHING

    zone, now = ZoneInfo(settings.time_zone), datetime.now(UTC)
    span = EVERYTHING
    if since is not None:
        span = span._replace(begin=milliseconds(parse_moment(since, zone, now, "--from")))
    if until is not None:
        span = span._replace(end=milliseconds(parse_moment(until, zone, now, "--to")))
    if span.begin >= span.end:
        fail("--from must lie before --to", Exit.UNUSABLE)
    return span


def _run(settings: Settings, span: Span, *, repair: bool, listed: int) -> Report:
    from deploy.cli.sending import ProgressMeter
    from sinks.reconcile.reconciliation import reconcile

    rules = rules_in_force(settings)
    with ProgressMeter("comparing", 1.0) as meter:

        def show(what: str, done: int, of: int) -> None:
            if meter.is_due():
                # Contacts are folded, panes only added up: by far the most of the time goes into the first.
                share = done / of if of else 1.0
                meter.show(0.8 * share if what == "contacts" else 0.8 + 0.2 * share, f"{what} {done:,} of {of:,}")

        return reconcile(settings, rules, repair=repair, span=span, show_progress=show, listed=listed)


@click.command("reconcile")
@click.option("--from", "since", metavar="T", help="Contacts with an event, and panes, from that hour on.")
@click.option("--to", "until", metavar="T", help="Contacts with an event, and panes, up to that hour's end.")
@click.option("--repair", "repair", is_flag=True, help="Repair what differs, where the epoch that wrote it has ended.")
@click.option(
    "--list", "listed", type=click.IntRange(0), default=20, show_default=True, help="Differences to list of each kind."
)
@running_stack_option
@config_option
@json_option
def reconcile_command(
    since: str | None, until: str | None, listed: int, data: Path | None, *, repair: bool, as_json: bool
) -> None:
    """Check the stored numbers against the archived events.

    It computes all numbers again from the archived events, and compares samples, contacts, and panes with the sum of
    their samples. It may run beside a running stream: rows that are being written are left out, and their number is
    shown. Ends with 1 where anything differs. A sample that was judged by an earlier policy or taxonomy is named, and
    is no difference.

    T is RFC 3339, `midnight` or `now`; without a zone it is the centre's time.

    Example: pulssi reconcile --from midnight
    """
    settings = stack_settings(data)
    span = _span(settings, since, until)
    report = _run(settings, span, repair=repair, listed=listed)
    echo_report(report.as_json(), _report_lines(report, repair=repair), as_json=as_json)
    if not report.ok:
        fail(f"{report.standing:,} differences", Exit.NO)


def _report_lines(report: Report, *, repair: bool) -> Iterator[str]:
    compared = ", ".join(f"{report.compared[table]:,} {name}" for table, name in _TABLE_LABELS.items())
    yield f"compared {compared}"
    for table, n in sorted(report.left_out.items()):
        if n:
            yield f"left out: {n:,} {_TABLE_LABELS[table]} that are being written"
    for (table, kind), n in sorted(report.totals.items()):
        only = report.compared_only[table, kind]
        note = f" ({only:,} compared only, as a running epoch has a part in them)" if repair and only else ""
        yield f"{_TABLE_LABELS[table]} {_KIND_LABELS[kind]}: {n:,}{note}"
        shown = [each for each in report.differences if (each.table, each.kind) == (table, kind)]
        for each in shown:
            yield f"  {_difference_line(each)}"
        if n > len(shown) > 0:
            yield f"  and {n - len(shown):,} more"
    written = ", ".join(f"{n:,} {_TABLE_LABELS[table]}" for table, n in report.written.items() if n)
    if written:
        yield f"repaired: wrote {written}"
    if report.ok and not report.written:
        yield "nothing differs"


def _difference_line(each: Difference) -> str:
    key = ", ".join(f"{name} {_value(name, value)}" for name, value in each.key.items() if value != "")
    columns = "; ".join(
        f"{name}: is {_value(name, is_)}, should be {_value(name, should)}"
        for name, (is_, should) in each.columns.items()
        if name not in {"hist", "business_hist"}
    )
    only_hist = "the histogram" if each.columns and not columns else columns
    return f"{key}: {only_hist}" if only_hist else key


def _value(name: str, value: Any) -> str:  # noqa: ANN401 - any column's
    if isinstance(value, int) and (name == "at" or name.endswith(("_at", "_since", "_start"))):
        return rfc3339(value)
    return "nothing" if value is None else str(value)
