"""`pulssi hooks`: runs the deliverer, lists and shows deliveries, and tries one again."""

from __future__ import annotations

import asyncio
import getpass
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

import click

from deploy.cli.common import exit_if_unreachable, fail, json_option, running_stack_option, stack_settings
from deploy.cli.config_option import config_option
from deploy.cli.part_commands import run_part, stdin_option
from deploy.cli.records import moment, one_of, print_fields, read_records, wrapped
from schemas.alerts import ALERT_DELIVERIES, DeliveryRecord, Retry, decode_delivery
from schemas.exits import Exit
from schemas.settings import Settings
from streams.configuration.environment import load_settings
from streams.times import now_ms

#: How much of an id the list shows: enough to name one.
_ID_LENGTH: Final = 12


@click.group("hooks")
def hooks_group() -> None:
    """Deliver hooks out, list their deliveries, or try one again."""


@hooks_group.command("run")
@config_option
@stdin_option
def run() -> None:
    """Run the deliverer: it sends hooks about alerts and tags.

    The file hooks.toml names the destinations. A faulty one stops no other: what is for it waits until it is mended.

    Several may run: one delivers, the others stand by. Health and metrics are at PULSSI_HOOKS_PORT (/healthz, /readyz,
    /metrics). Ends with 1 where somebody must act first, such as for a hooks.toml that is no TOML, with 70 for a bug:
    start it again after 70.

    Example: PULSSI_KAFKA_BROKERS=kafka:9092 pulssi hooks run
    """
    settings = load_settings()
    run_part("sinks.hooks.service", settings, settings)


@hooks_group.command("list")
@click.option("--all", "also_delivered", is_flag=True, help="Also what was delivered.")
@click.option("--destination", help="Only deliveries to this one.")
@running_stack_option
@json_option
def list_deliveries(data: Path | None, destination: str | None, *, also_delivered: bool, as_json: bool) -> None:
    """List the deliveries that wait or were given up, the newest last.

    Example: pulssi hooks list --all --destination duty
    """
    settings = stack_settings(data)
    found = [
        each
        for each in _deliveries(settings)
        if (also_delivered or each.status != "delivered") and destination in {None, each.destination}
    ]
    found.sort(key=lambda each: (each.at, each.sequence))
    if as_json:
        click.echo(json.dumps([each.model_dump(exclude={"body"}) for each in found], indent=2, ensure_ascii=False))
        return
    if not found:
        click.echo("there is no delivery" if also_delivered else "no delivery waits or was given up")
        return
    zone = ZoneInfo(settings.time_zone)
    for each in found:
        click.echo("\n".join(_lines(each, zone)))


def _lines(delivery: DeliveryRecord, zone: ZoneInfo) -> Iterator[str]:
    """Write a delivery in a few lines: in one it would be wider than a terminal."""
    status = [
        delivery.status.replace("_", " "),
        f"{delivery.attempted} attempt{'' if delivery.attempted == 1 else 's'}",
    ]
    if delivery.status == "waiting":
        status.append(f"next {moment(delivery.next_at, zone)}")
    yield f"{delivery.webhook_id[:_ID_LENGTH]:<{_ID_LENGTH}}  {', '.join(status)}"
    yield from wrapped(f"{delivery.destination}, {moment(delivery.at, zone)}: {delivery.title}")
    if delivery.attempts:
        yield from wrapped(f"last attempt: {delivery.attempts[-1].why}")


@hooks_group.command("show")
@click.argument("webhook_id")
@running_stack_option
@json_option
def show(webhook_id: str, data: Path | None, *, as_json: bool) -> None:
    """Show one delivery with its attempts.

    WEBHOOK_ID may be shortened to its first characters. Exits with 1 if there is no such delivery.

    Example: pulssi hooks show 3f2a
    """
    settings = stack_settings(data)
    found = _one(settings, webhook_id)
    if as_json:
        click.echo(found.model_dump_json(indent=2))
        return
    zone = ZoneInfo(settings.time_zone)
    fields = {
        "delivery": found.webhook_id,
        "destination": found.destination,
        "what": found.title,
        "alert": found.alert_id or None,
        "happened": moment(found.at, zone),
        "status": found.status.replace("_", " "),
        "next attempt": moment(found.next_at, zone) if found.status == "waiting" else None,
    }
    print_fields(fields)
    click.echo(f"attempts: {found.attempted}, times in {zone.key}")
    for each in found.attempts:
        click.echo(f"  {moment(each.at, zone)}  {each.outcome.replace('_', ' ')}: {each.why}")


@hooks_group.command("retry")
@click.argument("webhook_id")
@click.option("--by", default=getpass.getuser, show_default="your login", help="Who asks for it.")
@running_stack_option
def retry(webhook_id: str, by: str, data: Path | None) -> None:
    """Try a delivery at once that waits or was given up.

    Deliveries of one alert to one destination come in order: older ones that still wait are tried first. If one of
    them fails, the delivery waits for that one's next attempt.

    WEBHOOK_ID may be shortened to its first characters. If the attempt succeeds, a destination that was disabled is
    enabled again. Exits with 1 if there is no such delivery, it was delivered, or has no message.

    Example: pulssi hooks retry 3f2a
    """
    from streams.alert_engine.commands import send

    settings = stack_settings(data)
    found = _one(settings, webhook_id)
    if found.status == "delivered":
        fail(f"{found.webhook_id} was delivered", Exit.NO)
    if found.body is None:
        fail(f"{found.webhook_id} has no message that could be sent", Exit.NO)
    with exit_if_unreachable(settings):
        asyncio.run(send(settings, Retry(type="retry", at=now_ms(), by=by, webhook_id=found.webhook_id)))
    click.echo(
        f"{found.webhook_id}: tried at once; `pulssi hooks show {found.webhook_id[:_ID_LENGTH]}` tells what came"
    )


def _deliveries(settings: Settings) -> list[DeliveryRecord]:
    return read_records(settings, ALERT_DELIVERIES, decode_delivery)


def _one(settings: Settings, webhook_id: str) -> DeliveryRecord:
    return one_of(_deliveries(settings), "delivery", webhook_id, lambda delivery: delivery.webhook_id)
