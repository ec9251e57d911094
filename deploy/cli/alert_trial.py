"""`pulssi alerts test`: what `alerts.toml` would have raised over recorded events."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple
from zoneinfo import ZoneInfo

import click

from deploy.cli.alert_lines import figures, where
from deploy.cli.common import exit_if_unreachable, fail, json_option, running_stack_option, stack_settings
from deploy.cli.config_option import config_option
from deploy.cli.records import moment
from deploy.cli.sending import ProgressMeter
from deploy.cli.time_arguments import parse_duration, parse_moment
from schemas.alert_rules import REACH_MS
from schemas.exits import Exit
from schemas.settings import Settings
from streams.configuration.environment import config_folder
from streams.configuration.folder import ALERT_FILES, load_all_rules
from streams.sources.recording_files import Line, UnreadableError
from streams.sources.recordings import Recording, RoutedEvent
from streams.times import milliseconds

if TYPE_CHECKING:
    from schemas.alerts import Alert
    from streams.alerts.surge_rules import KnownPast

#: Lines that are left out are named one by one up to here.
_NAMED: Final = 5
#: Of the archive, events so long before the beginning count: windows reach back a day, and contacts are open longer.
_BEFORE_MS: Final = 2 * REACH_MS


class _Span(NamedTuple):
    """What is judged, UTC milliseconds; None: from the first event, to the last."""

    begin: int | None
    end: int | None


@click.command("test")
@click.argument("file", required=False)
@click.option("--at", "begin", metavar="TIME", help="Judge from then on, such as 2026-03-02T08:00 (centre's time).")
@click.option("--for", "for_", metavar="DURATION", help="Judge for so long, such as 10h.")
@click.option("--all", "also_pending", is_flag=True, help="Also what was pending and never fired.")
@config_option
@running_stack_option
@json_option
def try_alerts(
    file: str | None, begin: str | None, for_: str | None, data: Path | None, *, also_pending: bool, as_json: bool
) -> None:
    """Show what the rules would have raised over recorded events.

    The rules are those of --config. The events come from FILE (NDJSON, plain, .gz or .zst; `-` is standard input), or
    without it from the archive in ClickHouse; then --at and --for are needed. Each second is judged as the SLA engine
    judges it, and each change of an alert's state is a line. No message is sent.

    Ends with 0 if no alert fires, with 1 if one does, with 2 if the input or the rules cannot be used.

    Example: pulssi alerts test yesterday.ndjson.zst --config new-rules
    """
    settings = stack_settings(data)
    zone = ZoneInfo(settings.time_zone)
    span = _span(begin, for_, zone)
    if file is None and None in span:
        fail("name a FILE, or say by --at and --for which time of the archive is meant", Exit.UNUSABLE)
    rules, alert_rules, _ = load_all_rules(config_folder(), settings.time_zone, ALERT_FILES)
    from streams.alerts.trial import Trial

    with exit_if_unreachable(settings):
        past = None if file is not None or span.end is None else _past(settings, span.end, zone)
        if past is None and any(rule.condition == "surge" for rule in alert_rules.floor):
            click.echo("pulssi: surges are not judged: a file does not have the weeks before", err=True)
        trial = Trial(rules, alert_rules, past)
        events = _archived(settings, span) if file is None else _recorded(file)
        with ProgressMeter("judging", None) as meter:
            changes = trial.run(events, *span, _progress(meter, zone))
            fired = _print((each for each in changes if each.id or also_pending), zone, as_json=as_json)
    if trial.dead_letters:
        click.echo(f"pulssi: {len(trial.dead_letters):,} of the events are bad records: they count nothing", err=True)
    raise SystemExit(Exit.NO if fired else Exit.DONE)


def _span(begin: str | None, for_: str | None, zone: ZoneInfo) -> _Span:
    since = None if begin is None else milliseconds(parse_moment(begin, zone, datetime.now(UTC), "--at"))
    if for_ is None:
        return _Span(since, None)
    if since is None:
        fail("--for needs --at: when the time begins", Exit.UNUSABLE)
    return _Span(since, since + parse_duration(for_))


def _past(settings: Settings, end: int, zone: ZoneInfo) -> KnownPast:
    from clickhouse_connect.driver.exceptions import ClickHouseError

    from sinks.store_protocol import StoreError
    from streams.alerts.surge_rules import KnownPast
    from streams.clickhouse.connection import reason
    from streams.seasonal.reader import read_past

    try:
        return KnownPast(read_past(settings, end), zone)
    except ClickHouseError as error:
        raise StoreError(f"the weeks before cannot be read from ClickHouse: {reason(error)}") from None


def _archived(settings: Settings, span: _Span) -> Iterator[RoutedEvent]:
    from sinks.clickhouse.stored_rows import Span
    from sinks.recorded_events import recorded_events

    begin, end = span.begin or 0, span.end or 0
    return recorded_events(settings, Span(max(0, begin - _BEFORE_MS), end))


def _recorded(file: str) -> Iterator[RoutedEvent]:
    """Give the events of a file in the order of their times; what has no place or time is named and left out."""
    left_out = 0

    def refuse(line: Line, why: str) -> None:
        nonlocal left_out
        left_out += 1
        if left_out <= _NAMED:
            click.echo(f"pulssi: {line.file}:{line.number}: left out: {why}", err=True)

    try:
        events = list(Recording([file]).events(refuse))
    except UnreadableError as error:
        fail(str(error), Exit.UNUSABLE)
    timed = [event for event in events if event.at is not None]
    left_out += len(events) - len(timed)
    if not timed:
        fail(f"{file}: no line is an event with a time", Exit.UNUSABLE)
    if left_out:
        click.echo(f"pulssi: {left_out:,} lines are left out", err=True)
    return iter(sorted(timed, key=lambda event: event.at or 0))


def _progress(meter: ProgressMeter, zone: ZoneInfo) -> Callable[[int], None]:
    count = 0

    def show(now: int) -> None:
        nonlocal count
        count += 1
        if meter.is_due():
            meter.show(count, f"{moment(now, zone)} is judged")

    return show


def _print(alerts: Iterable[Alert], zone: ZoneInfo, *, as_json: bool) -> int:
    """Print each change, and return how many alerts fired."""
    told: list[Alert] = []
    fired = 0
    for alert in alerts:
        fired += alert.state == "firing" and alert.reason == "first"
        if as_json:
            told.append(alert)
            continue
        value, limit = figures(alert.measured)
        state = f"{alert.state}{'' if alert.reason in {'first', 'resolved'} else f' ({alert.reason})'}"
        click.echo(
            f"{moment(alert.at, zone)}  {state:<17} {alert.severity:<8}  {alert.rule}: {alert.condition}"
            f"  {where(alert.dimensions)}  {value} against {limit}"
        )
    if as_json:
        click.echo(json.dumps([alert.model_dump() for alert in told], indent=2, ensure_ascii=False))
    else:
        click.echo(f"{fired:,} {'alert' if fired == 1 else 'alerts'} would have fired")
    return fired
