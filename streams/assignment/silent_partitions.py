"""Partitions that get no batch although their log has records for them.

A batch can get lost on its way from the broker. The consumer is past it then, and the partition would stay silent until
its next event. So the consumer is sent to the head once more; a partition that stays silent after that is stuck.
"""

import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import partial

from schemas.topics import SourcePartition
from streams.assignment.failures import During, react
from streams.assignment.opened_partition import OpenedPartition
from streams.kafka.log_ends import LogEnds
from streams.monitoring.activities import Activities, Phase
from streams.tasks import BackgroundTasks

_LOG = logging.getLogger(__name__)


@dataclass(eq=False)
class SilentPartitions:
    """Finds silent partitions; `check` is called at regular intervals."""

    log_ends: LogEnds
    activities: Activities
    background: BackgroundTasks
    #: Sends the consumer to a partition's head.
    seek_to_head: Callable[[SourcePartition], Awaitable[None]]

    async def check(self, partitions: Mapping[SourcePartition, OpenedPartition]) -> None:
        """Send the consumer again to those that got no batch since the last check and whose log has records for them.

        While Kafka does not answer there are none.
        """
        silent = {each: opened for each, opened in partitions.items() if not opened.batch_arrived.is_set()}
        for opened in partitions.values():
            opened.batch_arrived.clear()
        try:
            with self.activities.during(Phase.LOG_ENDS, "the worker"):
                unread = await self.log_ends.unread({each: opened.state.head.next for each, opened in silent.items()})
        except Exception as error:  # noqa: BLE001 - what is none of the table's is raised on
            react(During.LOG_ENDS, error)
            unread = {}
        for partition, opened in silent.items():
            if partition not in unread or opened.closed or opened.pause_reason or opened.lock.locked():
                opened.batch_arrived.set()
            if not opened.batch_arrived.is_set():
                self.background.start((self, partition), partial(self._seek, partition, opened, unread[partition]))

    async def _seek(self, partition: SourcePartition, opened: OpenedPartition, end: int) -> None:
        """Seek to the head, and wait for a batch: the watchdog reports how long that takes."""
        _LOG.warning(
            "%s/%d: no batch came from offset %d on, and the log has records up to %d: seeking there again",
            *(*partition, opened.state.head.next, end),
        )
        with self.activities.during(Phase.SILENT, partition):
            await self.seek_to_head(partition)
            await opened.batch_arrived.wait()
