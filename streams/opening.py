"""Opening a source partition: fence whoever had it, read its journal up to our own opening, go on at the head.

The journal is read up to the opening's record, never to an end offset: what a dead owner had in flight is either before
that record or does not count.
"""

from __future__ import annotations

import logging
import os
import socket
from typing import Final

from schemas.policies import Rules
from schemas.settings import Settings
from schemas.topics import journal_of
from streams.archive import Archive
from streams.journal.writing import Writer
from streams.partition import STEP_BYTES, Partition
from streams.past import Past
from streams.recovery import Left, recover
from streams.routing import partition_of
from streams.sightings import Sightings

_LOG: Final = logging.getLogger(__name__)


class PartitionsChangedError(Exception):
    """The source topic has another number of partitions than before; says what to do."""


def worker_name() -> str:
    """Name this process for people who read a journal."""
    return f"{socket.gethostname()}/{os.getpid()}"


async def open_partition(
    settings: Settings, rules: Rules, source: str, number: int, archive: Archive, *, left: Left | None = None
) -> tuple[Partition, Writer]:
    """Fence, read, and return the partition as of its head with the writer to go on with.

    With `left`, what this worker had in memory when it let go, only what was written since is read.
    Raises aiokafka's KafkaError, TimeoutError, ArchiveAwayError, and PartitionsChangedError; a writer that was started
    is stopped then.
    """
    writer = Writer(settings, source, number)
    try:
        opened = await writer.open(worker_name())
        partitions = await writer.partitions()
        partition, found = await recover(settings, rules, (source, number), opened, left)
        if found:
            _check_count(partition, partitions)
        if found and (partition.head.next or partition.head.clock):
            epoch = await _epoch_now(settings, partition, archive)
            partition.begin(opened, epoch, partitions)
        else:  # or whoever began it may have died before all that went before was written
            begun = partition.head.epoch if found else None
            await _begin_anew(partition, opened, partitions, writer, archive, settings, begun)
    except BaseException:
        await writer.stop()
        raise
    _LOG.info(
        "%s/%d is open: %d contacts, %d panes, going on at offset %d",
        *(source, number, len(partition.contacts), len(partition.panes), partition.head.next),
    )
    return partition, writer


def _check_count(partition: Partition, partitions: int) -> None:
    """Refuse to go on where keys belong to other partitions now: contacts would be in two."""
    before = partition.head.partitions
    if before and partitions != before:
        raise PartitionsChangedError(
            f"{partition.source} has {partitions} partitions, and had {before} when its journal was written. Let the"
            f" sink come to the journal's end (`pulssi drain` with the old count), delete the topic"
            f" {journal_of(partition.source)} and run `pulssi migrate`: workers then begin a new epoch, and find what"
            " was counted in ClickHouse"
        )


async def _epoch_now(settings: Settings, partition: Partition, archive: Archive) -> int:
    """Tell in which life the source partition is: a new one where its topic was made anew beside the journal."""
    place, head = (partition.source, partition.number), partition.head
    sightings = Sightings(settings)
    try:
        seen = (await sightings.look({place: head})).get(place)
    finally:
        await sightings.stop()
    if seen is None and head.next > 0 and head.last:
        # Going on unseen, the worker could read a topic that was made anew from the middle, and never notice.
        raise TimeoutError("the broker does not show the last event that was counted")
    if seen is None or seen.life == "same":
        return head.epoch
    if seen.life == "gone":
        if seen.first > head.next:
            _LOG.error(
                "%s/%d: events %d to %d are gone from the topic before they were counted: its retention is too short",
                *(*place, head.next, seen.first - 1),
            )
        return head.epoch
    past = await archive.past(*place)
    epoch = 1 + max(head.epoch, past.epoch)
    if past.epoch == head.epoch:
        _say_lost(partition, past)
    _LOG.warning("%s/%d was made anew: epoch %d begins; contacts go on", *place, epoch)
    return epoch


def _say_lost(partition: Partition, past: Past) -> None:
    if past.lost:
        _LOG.error(
            "%s/%d: %d events of epoch %d were produced and never archived: they went with the topic, uncounted",
            *(partition.source, partition.number, past.lost, past.epoch),
        )


async def _begin_anew(
    partition: Partition,
    opened: int,
    partitions: int,
    writer: Writer,
    archive: Archive,
    settings: Settings,
    epoch: int | None,
) -> None:
    """Begin a journal, or an epoch of one that was only begun; where epochs ended before it, with what they left."""
    past = await archive.past(partition.source, partition.number)
    partition.begin(opened, epoch or past.epoch + 1, partitions)
    if not past.epoch:
        return
    if past.epoch < partition.head.epoch:
        _say_lost(partition, past)
    mine = [each for each in past.open if partition_of(each, partitions) == partition.number]
    found = await archive.contacts(mine)
    for step in partition.carry(past, found, STEP_BYTES[settings.kafka_kind]):
        await writer.append(step)
    _LOG.info(
        "%s/%d: epoch %d begins with %d open contacts and %d panes of those before it",
        *(partition.source, partition.number, partition.head.epoch, len(partition.contacts), len(past.panes)),
    )
