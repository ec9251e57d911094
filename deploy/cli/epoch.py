"""`pulssi epoch begin TOPIC`: what an operator does after a source topic was recreated or a journal went missing.

Nothing else begins an epoch after the first. It refuses while the sink has not written all steps of the ended epoch,
and does nothing where the topics are those that the journals name.
"""

from __future__ import annotations

import asyncio
import json
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from deploy.cli.common import data_option, fail, json_option, reaching, stack_settings
from deploy.cli.rules import config_option, rules_of
from schemas.exits import Exit
from schemas.policies import Rules
from schemas.settings import Settings
from schemas.topics import SOURCES
from streams.times import now_ms

if TYPE_CHECKING:
    from schemas.journal import Head
    from sinks.reconcile.differences import Report
    from streams.assignment.epochs import SurveyedPartition


@click.group("epoch")
def epoch_group() -> None:
    """Begin a new epoch of a source topic after it was recreated, or its journal went missing."""


@epoch_group.command("begin")
@click.argument("topic", metavar="TOPIC")
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
@data_option
@config_option
@json_option
def begin(topic: str, data: Path | None, *, yes: bool, as_json: bool) -> None:
    """Begin a new epoch of a source topic that was recreated, or whose journal went missing.

    Checks that the sink has written all steps, compares the numbers of the ended epoch with the archive and repairs
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
    rules = rules_of(settings)
    with reaching(settings):
        steps = _steps(settings, topic)
        known = dict(sorted(steps))  # the last epoch of each partition
        refused = _survey(settings, topic, known)
        if not refused:
            _tell({"topic": topic, "begun": []}, f"{topic}: no partition is refused, nothing to begin", as_json)
        _check_sink(refused, steps)
        for found in () if as_json else refused:
            click.echo(f"{topic}/{found.partition[1]}: {found.refused}")
        if as_json and not yes:
            fail("--json does not ask: add --yes", Exit.UNUSABLE)
        if not yes and not click.confirm(f"begin a new epoch of these {len(refused)} partitions?"):
            fail("nothing was changed", Exit.NO)
        heads = {found.partition[1]: found.head for found in refused if found.head}
        if [found.partition for found in _survey(settings, topic, known, heads)] != [
            found.partition for found in refused
        ]:
            fail("other partitions are refused now, nothing was changed: run this command again", Exit.NO)
        begun, report = _begin(settings, rules, refused, known)
    said = {"topic": topic, "begun": begun, "compared": report.as_json()}
    lines = [
        f"{topic}/{each['partition']}: epoch {each['epoch']} begins with {each['contacts']:,} contacts"
        for each in begun
    ]
    mended = sum(report.written.values())
    lines.append(f"compared with the archive: {mended:,} rows repaired, {report.standing:,} differences remain")
    _tell(said, "\n".join(lines), as_json)


def _tell(said: dict[str, Any], line: str, as_json: bool) -> NoReturn:  # noqa: FBT001 - of this file alone
    click.echo(json.dumps(said, indent=2, default=str) if as_json else line)
    raise SystemExit(Exit.DONE)


def _steps(settings: Settings, topic: str) -> dict[tuple[int, int], int]:
    """Return the last step that the sink has written, by partition and epoch; 0 where an epoch was only claimed."""
    from sinks.clickhouse.reading_back import StoredRows  # noqa: PLC0415 - a second of imports, not for `--help`

    with StoredRows(settings) as kept:
        return {(row.partition, row.epoch): row.step for row in kept.progress() if row.topic == topic}


def _survey(
    settings: Settings, topic: str, known: dict[int, int], heads: dict[int, Head] | None = None
) -> list[SurveyedPartition]:
    """Return the partitions that are refused."""
    from streams.assignment.epochs import survey  # noqa: PLC0415 - as above

    return [found for found in asyncio.run(survey(settings, topic, known, heads)) if found.refused]


def _check_sink(refused: list[SurveyedPartition], steps: dict[tuple[int, int], int]) -> None:
    """Refuse while steps of the ended epoch are in its journal and not in ClickHouse: they could not be compared."""
    for (source, number), head, _ in refused:
        written = steps.get((number, head.epoch), 0) if head else 0
        if head and written < head.step:
            fail(
                f"{source}/{number}: the sink has written {written} of {head.step} steps: let it run until it has"
                " written all, then run this command again",
                Exit.NO,
            )


def _begin(
    settings: Settings, rules: Rules, refused: list[SurveyedPartition], known: dict[int, int]
) -> tuple[list[dict[str, Any]], Report]:
    """Claim the epochs, repair the rows of the ended ones, and write the new heads."""
    from sinks.batching import claims  # noqa: PLC0415 - as above
    from sinks.clickhouse.store import ClickHouseStore  # noqa: PLC0415 - as above
    from sinks.port import Batch  # noqa: PLC0415 - as above
    from sinks.reconcile.audit import reconcile  # noqa: PLC0415 - as above
    from streams.assignment.epochs import begin  # noqa: PLC0415 - as above
    from streams.clickhouse.history import ClickHouseHistory  # noqa: PLC0415 - as above
    from streams.kafka.cluster import Cluster  # noqa: PLC0415 - as above
    from streams.tasks import log_unhandled  # noqa: PLC0415 - as above

    epochs = {
        found: 1 + max(found.head.epoch if found.head else 0, known.get(found.partition[1], 0)) for found in refused
    }
    begun: list[dict[str, Any]] = []

    async def begin_all() -> None:
        asyncio.get_running_loop().set_exception_handler(log_unhandled)
        archive, cluster = ClickHouseHistory(settings), Cluster(settings)
        try:
            for found, epoch in epochs.items():
                partition = await begin(settings, rules, found, epoch, archive.ended_epochs, cluster)
                begun.append({"partition": found.partition[1], "epoch": epoch, "contacts": len(partition.contacts)})
        finally:
            await cluster.stop()

    with (
        reaching(settings, lambda: f": {len(begun)} epochs have begun: run this command again"),
        closing(ClickHouseStore(settings)) as store,
    ):
        # Claimed first: a repair mends only epochs below the claimed one, and no other epoch takes these numbers.
        store.write(Batch(progress=claims({found.partition: epoch for found, epoch in epochs.items()}, now_ms())))
        report = reconcile(settings, rules, mends=True)
        asyncio.run(begin_all())
    return begun, report
