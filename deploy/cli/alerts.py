"""`pulssi alerts`: lists and shows alerts, acknowledges them, and silences them for a while."""

from __future__ import annotations

import asyncio
import getpass
import json
import secrets
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, Final, TypeVar
from zoneinfo import ZoneInfo

import click

from deploy.cli.alert_lines import figures, where
from deploy.cli.alert_trial import try_alerts
from deploy.cli.common import (
    NearestChoice,
    exit_if_unreachable,
    fail,
    json_option,
    running_stack_option,
    stack_settings,
)
from deploy.cli.config_option import config_option, load_configuration
from deploy.cli.part_commands import run_part, stdin_option
from deploy.cli.records import duration, moment, one_of, print_fields, read_records
from deploy.cli.time_arguments import parse_duration
from schemas.alerts import (
    ALERT_COMMANDS,
    ALERTS,
    OPENING_KEY,
    Acknowledge,
    Alert,
    Dimensions,
    EndSilence,
    Silence,
    decode_alert,
)
from schemas.exits import Exit
from schemas.settings import Settings
from schemas.topics import CHANNELS, Channel
from streams.configuration.folder import ALERT_FILES
from streams.times import now_ms

_Found = TypeVar("_Found")

#: Letters of an id.
_ID: Final = 24
#: The order of the list: what needs somebody first.
_STATES: Final = ("firing", "pending", "resolved")


@click.group("alerts")
def alerts_group() -> None:
    """Show, acknowledge and silence alerts."""


@alerts_group.command("run")
@config_option
@stdin_option
def run() -> None:
    """Run the SLA engine: it judges the rules of alerts every second.

    It writes every change of an alert to the topic `alerts`.

    Several may run: one judges, the others stand by. Health and metrics are at PULSSI_ALERTS_PORT (/healthz, /readyz,
    /metrics). Ends with 1 where somebody must act first, with 70 for a bug: start it again after 70.

    Example: PULSSI_KAFKA_BROKERS=kafka:9092 pulssi alerts run
    """
    settings, _ = load_configuration(files=ALERT_FILES)
    run_part("streams.alert_engine.service", settings, settings)


alerts_group.add_command(try_alerts)


@alerts_group.command("list")
@click.option("--all", "also_over", is_flag=True, help="Also what is pending or was resolved lately.")
@running_stack_option
@json_option
def list_alerts(data: Path | None, *, also_over: bool, as_json: bool) -> None:
    """List the alerts that fire, the critical ones first.

    Figures are those of an alert's last change: a contact that waits on has waited longer by now.

    Exits with 0 whether or not any fires, with 3 if Kafka does not answer.

    Example: pulssi alerts list --all
    """
    settings = stack_settings(data)
    found = [alert for alert in _alerts(settings) if also_over or alert.state == "firing"]
    found.sort(key=lambda alert: (_STATES.index(alert.state), alert.severity, alert.fired_at or alert.pending_since))
    if as_json:
        click.echo(json.dumps([alert.model_dump() for alert in found], indent=2, ensure_ascii=False))
        return
    if not found:
        click.echo("no alert fires" if not also_over else "there is no alert")
        return
    zone = ZoneInfo(settings.time_zone)
    for alert in found:
        click.echo("\n".join(_lines(alert, zone)))


def _lines(alert: Alert, zone: ZoneInfo) -> tuple[str, ...]:
    """Write an alert in three lines: one line would be wider than a terminal."""
    value, limit = figures(alert.measured)
    marks = [
        *(["silenced"] if alert.silenced_by else []),
        *(["data is old"] if alert.held else []),
        *([f"acknowledged by {alert.acknowledged_by}"] if alert.acknowledged_by else []),
    ]
    return (
        f"{alert.id or '-':<{_ID}}  {alert.severity:<8}  {alert.rule}: {alert.condition}, {value} against {limit}",
        f"    {where(alert.dimensions.model_copy(update={'priority': None, 'segment': None}))}",
        f"    {', '.join([_state(alert, zone), *marks])}",
    )


def _state(alert: Alert, zone: ZoneInfo) -> str:
    """Write an alert's state, and since when; of a resolved alert both its beginning and its end."""
    began = moment(alert.fired_at if alert.fired_at is not None else alert.pending_since, zone)
    if alert.state != "resolved" or alert.resolved_at is None:
        return f"{alert.state} since {began}"
    ended = moment(alert.resolved_at, zone)
    return f"resolved {ended}; fired {began}" if alert.fired_at else f"resolved {ended}, before it fired; began {began}"


@alerts_group.command("show")
@click.argument("alert_id")
@running_stack_option
@json_option
def show(alert_id: str, data: Path | None, *, as_json: bool) -> None:
    """Show one alert with its contacts and its history.

    ALERT_ID may be shortened to its first characters. Exits with 1 if there is no such alert.

    Example: pulssi alerts show 3f2a
    """
    settings = stack_settings(data)
    alert = _one(settings, alert_id)
    if as_json:
        click.echo(alert.model_dump_json(indent=2))
        return
    zone, measured = ZoneInfo(settings.time_zone), alert.measured
    value, limit = figures(measured)
    fields = {
        "alert": f"{alert.id}  {alert.severity}",
        "what": f"{alert.rule}: {alert.condition}, {value} against {limit}",
        "where": where(alert.dimensions),
        "state": _state(alert, zone),
        "resolved": alert.resolved_at and moment(alert.resolved_at, zone),
        "metric": measured.metric,
        "target": None if measured.target_ms is None else duration(measured.target_ms),
        "objective": None if measured.objective is None else f"{measured.objective:.1%} by {measured.formula}",
        "window": None if measured.window_ms is None else duration(measured.window_ms),
        "usual": None
        if measured.expected is None
        else f"{measured.expected:.1f} contacts in the same hours, by the last {measured.weeks} weeks",
        "contacts judged": measured.n,
        "beyond the target": measured.bad,
        "data": "is old: the alert keeps its state" if alert.held else None,
        "silenced by": alert.silenced_by,
        "acknowledged": alert.acknowledged_by
        and f"{moment(alert.acknowledged_at or alert.at, zone)} by {alert.acknowledged_by}",
    }
    print_fields(fields)
    if alert.contacts:
        click.echo("contacts, the costliest first")
    for contact in alert.contacts:
        click.echo(f"  {contact.contact_id}  {contact.channel}/{contact.queue}  {duration(contact.value_ms)}")
    click.echo(f"history, times in {zone.key}")
    for change in alert.history:
        click.echo(
            f"  {moment(change.at, zone)}  {change.state}: {change.reason}{f' by {change.by}' * bool(change.by)}"
        )


@alerts_group.command("ack")
@click.argument("alert_id")
@click.option("--by", default=getpass.getuser, show_default="your login", help="Who looks after it.")
@running_stack_option
def acknowledge(alert_id: str, by: str, data: Path | None) -> None:
    """Say that you look after an alert.

    Everybody sees your name, and reminders stop.

    Exits with 1 if no alert with this id fires.

    Example: pulssi alerts ack 3f2a --by Maija
    """
    settings = stack_settings(data)
    alert = _one(settings, alert_id)
    if alert.state != "firing":
        fail(f"alert {alert.id} does not fire any more: it was resolved", Exit.NO)
    _ask(settings, _send(settings, Acknowledge(type="acknowledge", at=now_ms(), by=by, alert_id=alert.id)))
    click.echo(f"{alert.id}: acknowledged by {by}")


@alerts_group.command("silence")
@click.option("--for", "for_", metavar="DURATION", help="How long, such as 2h; at most 90d.")
@click.option("--rule", help="Only alerts of this policy or rule.")
@click.option("--channel", type=NearestChoice(CHANNELS), help="Only alerts of this channel.")
@click.option("--queue", help="Only alerts of this queue.")
@click.option("--by", default=getpass.getuser, show_default="your login", help="Who begins or ends the silence.")
@click.option("--comment", default="", help="Why.")
@click.option("--end", "ended", metavar="SILENCE", help="End this silence now; takes no other option.")
@running_stack_option
def silence(
    for_: str | None,
    rule: str | None,
    channel: Channel | None,
    queue: str | None,
    by: str,
    comment: str,
    ended: str | None,
    data: Path | None,
) -> None:
    """Send no messages about the alerts that match, for a while.

    They fire and resolve as ever.

    If people were told that an alert fires, they are also told when it is resolved. If an alert still fires when the
    silence ends, they are told at that moment. Without --for and --end, the silences in force are listed.

    Example: pulssi alerts silence --queue sales --for 2h --comment "planned test calls"
    """
    settings = stack_settings(data)
    holding = _ask(settings, _silences(settings))
    if ended is not None:
        if ended not in holding:
            fail(f"there is no silence {ended}: `pulssi alerts silence` lists those that hold", Exit.NO)
        _ask(settings, _send(settings, EndSilence(type="end_silence", at=now_ms(), by=by, silence_id=ended)))
        click.echo(f"{ended}: ended by {by}")
    elif for_ is None:
        _list_silences(holding, ZoneInfo(settings.time_zone))
    else:
        made = _silence(for_, by, rule, Dimensions(channel=channel, queue=queue), comment)
        _ask(settings, _send(settings, made))
        until = moment(made.until, ZoneInfo(settings.time_zone))
        click.echo(f"{made.silence_id}: silent until {until}; `pulssi alerts silence --end {made.silence_id}` ends it")


def _silence(for_: str, by: str, rule: str | None, dimensions: Dimensions, comment: str) -> Silence:
    from streams.alert_engine.commands import SILENCE_AT_MOST_MS

    lasts_ms, now = parse_duration(for_), now_ms()
    if lasts_ms > SILENCE_AT_MOST_MS:
        fail(f"--for {for_}: a silence may last 90d at most", Exit.UNUSABLE)
    return Silence(
        type="silence",
        at=now,
        by=by,
        silence_id=secrets.token_hex(4),
        until=now + lasts_ms,
        rule=rule,
        dimensions=dimensions,
        comment=comment,
    )


def _list_silences(holding: dict[str, Silence], zone: ZoneInfo) -> None:
    if not holding:
        click.echo("there is no silence: --for begins one")
    for name, each in holding.items():
        what = f"{each.rule or 'every rule'}, {where(each.dimensions)}"
        comment = f": {each.comment}" if each.comment else ""
        click.echo(f"{name}  until {moment(each.until, zone)}  {what}  by {each.by}{comment}")


def _ask(settings: Settings, question: Coroutine[Any, Any, _Found]) -> _Found:
    with exit_if_unreachable(settings):
        return asyncio.run(question)


def _alerts(settings: Settings) -> list[Alert]:
    def decoded(key: bytes, value: bytes) -> Alert | None:
        return None if key == OPENING_KEY else decode_alert(value)

    return read_records(settings, ALERTS, decoded)


def _one(settings: Settings, alert_id: str) -> Alert:
    return one_of((alert for alert in _alerts(settings) if alert.id), "alert", alert_id, lambda alert: alert.id)


async def _silences(settings: Settings) -> dict[str, Silence]:
    from streams.alert_engine.commands import Commands, read_command
    from streams.alerts.silences import in_force
    from streams.kafka.topic_reader import read_newest

    commands = Commands()
    for value in (await read_newest(settings, ALERT_COMMANDS)).values():
        if (command := read_command(value)) is not None:
            commands.apply(command)
    return {silence.silence_id: silence for silence in in_force(commands.silences.values(), (), now_ms())}


async def _send(settings: Settings, command: Acknowledge | Silence | EndSilence) -> None:
    from streams.alert_engine.commands import send

    await send(settings, command)
