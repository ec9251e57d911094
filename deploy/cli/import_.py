"""`pulssi import`: reads the past of an account, from its vendor's API or from files, into Kafka."""

import asyncio
import os
import signal
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final, cast
from zoneinfo import ZoneInfo

import click

from deploy.cli.common import (
    NearestChoice,
    echo_report,
    exit_if_unreachable,
    fail,
    json_option,
    running_stack_option,
    stack_settings,
)
from deploy.cli.config_option import config_option
from deploy.cli.sending import ProgressMeter, broker_wait_option
from deploy.cli.time_arguments import parse_moment
from schemas.configuration.source_models import SOURCES
from schemas.exits import Exit
from streams.times import milliseconds

if TYPE_CHECKING:
    from streams.sources.accounts import Account
    from streams.sources.adapter import Adapter
    from streams.sources.backfill.file_pages import FilePages, Layout
    from streams.sources.backfill.runner import Import, ImportProgress, ImportReport

_LAYOUTS: Final = ("lines", "json", "array", "csv", "whole")


@click.command(
    "import",
    epilog="""\b
Examples:
  pulssi import zendesk acme --from 2026-01-01
  pulssi import asterisk main /var/log/asterisk/queue_log.2.gz /var/log/asterisk/queue_log.1
  pulssi import zammad desk tickets.json --form ticket
""",
)
@click.argument("source", type=NearestChoice(SOURCES), metavar="SOURCE")
@click.argument("names", nargs=-1, metavar="[ACCOUNT] [FILE…]")
@click.option("--from", "begin", metavar="TIME", help="Read what happened from then on; default: everything.")
@click.option("--to", "end", metavar="TIME", help="Read up to that time, which is not included.")
@click.option("--form", help="The form of the files' payloads; needed if the source has several forms.")
@click.option(
    "--layout",
    type=NearestChoice(_LAYOUTS),
    help="How a file holds payloads: raw lines of a log, a JSON object a line, a JSON array, a CSV table, or the whole"
    " file as one payload. Default: by the file's name and beginning.",
)
@click.option("--again", is_flag=True, help="Read from the beginning, whatever an earlier import has read.")
@config_option
@broker_wait_option
@running_stack_option
@json_option
def import_command(
    source: str,
    names: tuple[str, ...],
    begin: str | None,
    end: str | None,
    form: str | None,
    layout: str | None,
    give_up_s: float,
    data: Path | None,
    *,
    again: bool,
    as_json: bool,
) -> None:
    """Read the past of a SOURCE into Kafka.

    ACCOUNT is one of sources.toml; it may be left out if the source has only one. Without a FILE the vendor's API is
    read. A FILE is plain, .gz or .zst; `-` is standard input. Times are RFC 3339, in the centre's time zone if they
    name none.

    An import that was interrupted goes on where it stopped. One that runs twice, or beside the hooks, counts nothing
    twice. Payloads that cannot be mapped become dead letters, and the command ends with 1. It ends with 3 if Kafka or
    the vendor does not answer.
    """
    from streams.configuration.environment import config_folder
    from streams.sources.accounts import load_accounts
    from streams.sources.backfill.runner import Import
    from streams.sources.registry import adapter_of

    settings = stack_settings(data)
    accounts = load_accounts(config_folder(), os.environ, source)
    account, files = choose_account(source, accounts, names)
    zone = ZoneInfo(settings.time_zone)
    period = _moment(begin, zone, "--from"), _moment(end, zone, "--to")
    if files and period != (None, None):
        fail("--from and --to go with the vendor's API: a file is read whole", Exit.UNUSABLE)
    adapter = adapter_of(account.source)
    from streams.sources.backfill.pages import Period

    meter = ProgressMeter(f"importing {account.path}", 1.0)
    run = Import(
        settings,
        adapter,
        account,
        files=_files(adapter, files, form, cast("Layout | None", layout)),
        period=Period(*period),
        again=again,
        report=meter.say,
        give_up_s=give_up_s,
    )

    def show(progress: "ImportProgress") -> None:
        if meter.is_due():
            meter.show(progress.done, progress_note(progress))

    run.on_progress = show
    report = run_import(run, meter, settings)
    echo_report(report._asdict(), report_lines(report), as_json=as_json)
    if report.dead_letters or not report.finished:
        raise SystemExit(Exit.NO)


def choose_account(
    source: str, accounts: Sequence["Account"], names: Sequence[str]
) -> tuple["Account", tuple[str, ...]]:
    """Find out which names are the account and which the files; ends with 2 if the account is not clear."""
    if not accounts:
        fail(f"sources.toml has no account of {source}: `pulssi init` shows an entry, docs/sources explains it", 2)
    named = {each.name: each for each in accounts}
    if names and names[0] in named:
        return named[names[0]], tuple(names[1:])
    if len(accounts) > 1 or (names and names[0] != "-" and not Path(names[0]).exists()):
        fail(f"name the account of {source}: {', '.join(named)}", Exit.UNUSABLE)
    return accounts[0], tuple(names)


def _files(adapter: "Adapter", names: Sequence[str], form: str | None, layout: "Layout | None") -> list["FilePages"]:
    from streams.sources.backfill.file_pages import FilePages, check_readable
    from streams.sources.recording_files import UnreadableError

    if not names:
        return []
    forms = sorted(adapter.forms)
    if form is None and len(forms) > 1:
        fail(f"say what the files hold: --form {'|'.join(forms)}", Exit.UNUSABLE)
    if form is not None and form not in forms:
        fail(f"{adapter.name} has no form {form}: {', '.join(forms)}", Exit.UNUSABLE)
    try:
        for name in names:
            check_readable(name)
    except UnreadableError as error:
        fail(str(error), Exit.UNUSABLE)
    return [FilePages(name, form or forms[0], layout) for name in names]


def _moment(text: str | None, zone: ZoneInfo, option: str) -> int | None:
    return None if text is None else milliseconds(parse_moment(text, zone, datetime.now(UTC), option))


def run_import(run: "Import", meter: ProgressMeter, settings: object) -> "ImportReport":
    """Run an import until its end, Ctrl-C or SIGTERM; ends the command if it cannot go on."""
    from schemas.settings import Settings
    from streams.sources.backfill.pages import VendorRefusedError
    from streams.sources.event_producer import ProduceError
    from streams.sources.recording_files import UnreadableError

    async def until_end() -> "ImportReport":
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, run.stop)
        return await run.run()

    with exit_if_unreachable(cast("Settings", settings), lambda: "; run the command again to continue"), meter:
        try:
            return asyncio.run(until_end())
        except (ProduceError, VendorRefusedError) as error:
            fail(str(error), Exit.NO)
        except UnreadableError as error:
            fail(str(error), Exit.UNUSABLE)


def progress_note(progress: "ImportProgress") -> str:
    """Write how far an import is: what came, how fast, how long it still takes."""
    parts = [f"{progress.what}: {progress.payloads:,} payloads, {progress.events:,} events"]
    if progress.seconds > 1:
        parts.append(f"{progress.payloads / progress.seconds:,.0f} a second")
    if progress.dead_letters:
        parts.append(f"{progress.dead_letters:,} dead letters")
    return ", ".join(parts)


def report_lines(report: "ImportReport") -> list[str]:
    """Write what an import did."""
    per_second = f", {report.payloads / report.seconds:,.0f} a second" if report.seconds >= 1 else ""
    read = f"{report.source}/{report.account}: read {report.payloads:,} payloads in {report.seconds:.1f} s{per_second}"
    lines = [f"{read}: {report.events:,} events; {report.nothing:,} payloads mean nothing for the numbers"]
    lines += report.notices
    if report.dead_letters:
        kept = f"{report.dead_letters:,} could not be mapped and are kept in contacts.dlq"
        lines.append(f"{kept}; the first: {report.first_reason}")
    if not report.finished:
        lines.append("ended before all was read: run the command again to continue")
    return lines
