"""`pulssi migrate`: topics and ClickHouse's schema as they must be; a second run changes nothing."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from deploy.cli.common import NearestChoice, fail, json_option, running_stack_option, stack_settings
from deploy.cli.config_option import config_option
from schemas.exits import Exit
from schemas.settings import Settings

if TYPE_CHECKING:
    from streams.kafka.topic_migration import TopicsReport

POLL_S: Final = 0.5


def _wait_for_server(what: str, fault: Callable[[], str | None], wait_s: float) -> None:
    """Wait until a server answers, saying so once; ends with 3 where it does not."""
    deadline = time.monotonic() + wait_s
    announced = False
    while (why := fault()) is not None:
        if time.monotonic() >= deadline:
            fail(f"{what} does not answer (waited {wait_s:g} s): {why}", Exit.UNREACHABLE)
        if not announced:
            click.echo(f"waiting up to {wait_s:g} s for {what}", err=True)
            announced = True
        time.sleep(POLL_S)


@click.command()
@running_stack_option
@config_option
@json_option
@click.option(
    "--wait",
    "wait_s",
    type=click.FloatRange(min=0),
    default=0.0,
    metavar="SECONDS",
    show_default=True,
    help="How long to wait for Kafka and ClickHouse to answer.",
)
@click.option(
    "--only", type=NearestChoice(["topics", "clickhouse"]), help="Migrate only the topics, or only ClickHouse."
)
def migrate(data: Path | None, wait_s: float, only: str | None, *, as_json: bool) -> None:
    """Create or update the topics and ClickHouse's schema.

    `pulssi up` does this by itself at each start. No topic, event or number is deleted. A partition count that is below
    the settings is refused, with the fix (exit 1). A source topic that has another count than its journal is left as it
    is, and named: workers refuse it, and all else is migrated.

    Example: pulssi migrate --wait 60
    """
    settings = stack_settings(data)
    report: dict[str, Any] = {"ok": True}
    refused: list[str] = []
    uneven: dict[str, None] = {}
    if only != "clickhouse":
        found = _migrate_topics(settings, wait_s, report, as_json=as_json)
        refused = [step.topic.name for step in found.refused]
        uneven = dict.fromkeys(note for step in found.uneven for note in step.notes)
    if only != "topics" and not refused:
        _migrate_schema(settings, wait_s, report, as_json=as_json)
    if as_json:
        click.echo(json.dumps(report, indent=2, default=str))
    for why in uneven:
        click.echo(why, err=True)
    if refused:
        fail(f"{len(refused)} topics are refused, nothing was changed: {refused[0]}", Exit.NO)


def _migrate_topics(settings: Settings, wait_s: float, report: dict[str, Any], *, as_json: bool) -> TopicsReport:
    """Migrate the topics."""
    from kafka.errors import KafkaError

    from deploy.embedded.readiness_probes import broker_fault
    from streams.kafka.brokers import BrokerUnreachableError
    from streams.kafka.topic_migration import migrate_topics

    _wait_for_server(f"Kafka at {settings.kafka_brokers}", lambda: broker_fault(settings.kafka_brokers), wait_s)
    try:
        found = migrate_topics(settings, wait_s=5.0)
    except BrokerUnreachableError as error:
        fail(str(error), Exit.UNREACHABLE)
    except KafkaError as error:
        fail(f"Kafka refused: {error}", Exit.NO)
    report |= {
        "ok": found.ok,
        "topics": [
            {"name": step.topic.name, "state": step.state, "partitions": step.topic.partitions, "notes": step.notes}
            for step in found.topics
        ],
    }
    for step in () if as_json else found.topics:
        notes = "" if step in found.uneven else "".join(f"\n    {note}" for note in step.notes)
        click.echo(f"topic {step.topic.name}: {step.state}, {step.topic.partitions} partitions{notes}")
    return found


def _migrate_schema(settings: Settings, wait_s: float, report: dict[str, Any], *, as_json: bool) -> None:
    """Migrate ClickHouse's schema."""
    from clickhouse_connect.driver.exceptions import Error

    from deploy.embedded.readiness_probes import clickhouse_fault
    from sinks.clickhouse import migrations
    from streams.clickhouse.addresses import clickhouse_address
    from streams.clickhouse.connection import reason

    server = clickhouse_address(settings)
    _wait_for_server(f"ClickHouse at {server}", lambda: clickhouse_fault(server), wait_s)
    try:
        report["clickhouse"] = migrations.migrate(settings)
    except Error as error:
        fail(f"ClickHouse refused: {reason(error)}", Exit.NO)
    for line in () if as_json else report["clickhouse"] or ["there"]:
        click.echo(f"ClickHouse schema: {line}")
