"""`pulssi epoch begin TOPIC`: what an operator does after a source topic was recreated or a journal went missing.

Nothing else begins an epoch after the first. It waits for the sink to write all steps of the ended epoch, refuses where
the sink stands still, and does nothing where the topics are those that the journals name.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from deploy.cli.common import echo_report, exit_if_unreachable, fail, json_option, running_stack_option, stack_settings
from deploy.cli.config_option import config_option, rules_in_force
from schemas.exits import Exit
from schemas.policies import Rules
from schemas.settings import Settings
from schemas.topics import SOURCES
from streams.times import now_ms

if TYPE_CHECKING:
    from schemas.journal import Head
    from sinks.reconcile.report import Report
    from streams.assignment.epochs import SurveyedPartition


#: How long the sink may write nothing while steps are missing, before the command gives up; and how often it looks.
SINK_STILL_S: Final = 20.0
ASK_SINK_S: Final = 0.5


@click.group("epoch")
def epoch_group() -> None:
    """Continue after a topic was recreated or a journal was lost."""


@epoch_group.command("begin")
@click.argument("topic", metavar="TOPIC")
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
@running_stack_option
@config_option
@json_option
def begin(topic: str, data: Path | None, *, yes: bool, as_json: bool) -> None:
    """Begin a new epoch of a source topic.

    For a topic that was recreated, or whose journal went missing: a worker then refuses its partitions.

    Waits until the sink has written all steps, compares the numbers of the ended epoch with the archive and repairs
    them, keeps open contacts and the panes that are still shown, and reads the topic from its beginning. Running
    workers continue by themselves afterwards. Where no partition is refused, nothing is changed.

    A topic that was not recreated (only its journal is lost) is read from its beginning too: no event counts twice,
    but bad records that are still in it go to the dead letters once more, so `contacts.dlq` has them twice.

    Exits with 0 if it is done or not needed, with 1 if it was refused or not confirmed, with 2 for a topic that is no
    source topic, with 3 if Kafka or ClickHouse does not answer.

    Example: pulssi epoch begin contacts.chat
    """
    if topic not in SOURCES:
        fail(f"{topic} is no source topic; these are: {', '.join(SOURCES)}", Exit.UNUSABLE)
    settings = stack_settings(data)
    rules = rules_in_force(settings)
    with exit_if_unreachable(settings):
        steps = _written_steps(settings, topic)
        last_epochs = dict(sorted(steps))  # the last epoch of each partition
        refused = _refused_partitions(settings, topic, last_epochs)
        if not refused:
            nothing = f"{topic}: no partition is refused, nothing to begin"
            echo_report({"topic": topic, "begun": []}, [nothing], as_json=as_json)
            return
        _await_sink(settings, topic, refused, steps, quiet=as_json)
        for found in () if as_json else refused:
            click.echo(f"{topic}/{found.partition[1]}: {found.refused}")
        if as_json and not yes:
            fail("--json does not ask: add --yes", Exit.UNUSABLE)
        if not yes and not click.confirm(f"begin a new epoch of these {len(refused)} partitions?"):
            fail("nothing was changed", Exit.NO)
        heads = {found.partition[1]: found.head for found in refused if found.head}
        again = _refused_partitions(settings, topic, last_epochs, heads)
        if [found.partition for found in again] != [found.partition for found in refused]:
            fail("other partitions are refused now, nothing was changed: run this command again", Exit.NO)
        begun, report = _begin_epochs(settings, rules, refused, last_epochs)
    lines = [
        f"{topic}/{each['partition']}: epoch {each['epoch']} begins with {each['contacts']:,} contacts"
        for each in begun
    ]
    repaired = sum(report.written.values())
    lines.append(f"compared with the archive: {repaired:,} rows repaired, {report.standing:,} differences remain")
    echo_report({"topic": topic, "begun": begun, "compared": report.as_json()}, lines, as_json=as_json)


def _written_steps(settings: Settings, topic: str) -> dict[tuple[int, int], int]:
    """Return the last step that the sink has written, by partition and epoch; 0 where an epoch was only claimed."""
    from sinks.clickhouse.stored_rows import StoredRows

    with StoredRows(settings) as kept:
        return {(row.partition, row.epoch): row.step for row in kept.progress() if row.topic == topic}


def _refused_partitions(
    settings: Settings, topic: str, last_epochs: dict[int, int], heads: dict[int, Head] | None = None
) -> list[SurveyedPartition]:
    """Return the partitions that are refused."""
    from streams.assignment.epochs import survey

    return [found for found in asyncio.run(survey(settings, topic, last_epochs, heads)) if found.refused]


def _await_sink(
    settings: Settings, topic: str, refused: list[SurveyedPartition], steps: dict[tuple[int, int], int], *, quiet: bool
) -> None:
    """Wait until all steps of the ended epoch are in ClickHouse: others could not be compared.

    A worker may have written some just now. Refuses once the sink has written nothing for `SINK_STILL_S`.
    """
    ends_at = time.monotonic() + SINK_STILL_S
    said = quiet
    while behind := _behind(refused, steps):
        if time.monotonic() >= ends_at:
            fail(f"{behind}: let it run until it has written all, then run this command again", Exit.NO)
        if not said:
            click.echo(f"{behind}: waiting for it", err=True)
            said = True
        time.sleep(ASK_SINK_S)
        written = _written_steps(settings, topic)
        if written != steps:
            steps, ends_at = written, time.monotonic() + SINK_STILL_S


def _behind(refused: list[SurveyedPartition], steps: dict[tuple[int, int], int]) -> str | None:
    """Say of which partition steps are in the journal and not in ClickHouse; None: of none."""
    for (source, number), head, _ in refused:
        written = steps.get((number, head.epoch), 0) if head else 0
        if head and written < head.step:
            return f"{source}/{number}: the sink has written {written} of {head.step} steps"
    return None


def _begin_epochs(
    settings: Settings, rules: Rules, refused: list[SurveyedPartition], last: dict[int, int]
) -> tuple[list[dict[str, Any]], Report]:
    """Claim the epochs, repair the rows of the ended ones, and write the new heads."""
    from sinks.clickhouse.store import ClickHouseStore
    from sinks.pending_batch import epoch_claims
    from sinks.reconcile.reconciliation import reconcile
    from sinks.store_protocol import Batch
    from streams.assignment.epochs import begin
    from streams.clickhouse.archive import ClickHouseArchive
    from streams.kafka.cluster import Cluster
    from streams.tasks import log_unhandled

    epochs = {
        found: 1 + max(found.head.epoch if found.head else 0, last.get(found.partition[1], 0)) for found in refused
    }
    begun: list[dict[str, Any]] = []

    async def begin_all() -> None:
        asyncio.get_running_loop().set_exception_handler(log_unhandled)
        archive, cluster = ClickHouseArchive(settings), Cluster(settings)
        try:
            for found, epoch in epochs.items():
                partition = await begin(settings, rules, found, epoch, archive, cluster)
                begun.append({"partition": found.partition[1], "epoch": epoch, "contacts": len(partition.contacts)})
        finally:
            await cluster.stop()

    with (
        exit_if_unreachable(settings, lambda: f": {len(begun)} epochs have begun: run this command again"),
        closing(ClickHouseStore(settings)) as store,
    ):
        # Claimed first: a repair changes only epochs below the claimed one, and no other epoch takes these numbers.
        store.write(Batch(progress=epoch_claims({found.partition: epoch for found, epoch in epochs.items()}, now_ms())))
        report = reconcile(settings, rules, repair=True)
        asyncio.run(begin_all())
    return begun, report
