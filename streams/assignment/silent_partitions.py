"""Partitions that get no batch although their log has records for them.

Whatever loses a batch on its way from the broker, the consumer is past it then and nothing else would tell: the
partition would be silent until its next event. The consumer is sent to the head again, and what then brings nothing
either is stuck.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from functools import partial
from typing import Any

from schemas.topics import SourcePartition
from streams.assignment.failures import During, react
from streams.assignment.open_partition import OpenPartition
from streams.kafka.log_ends import LogEnds
from streams.monitoring.activities import Activities, Phase

_LOG = logging.getLogger(__name__)


class SilentPartitions:
    """Looks for them now and then."""

    def __init__(
        self,
        ends: LogEnds,
        activities: Activities,
        go_to: Callable[[SourcePartition], Awaitable[None]],
        run: Callable[[Any, Callable[[], Coroutine[Any, Any, None]]], None],
    ) -> None:
        """`go_to` sends the consumer to a partition's head; `run` runs something in the background, once at a time."""
        self._ends = ends
        self._activities = activities
        self._go_to = go_to
        self._run = run

    async def look(self, partitions: Mapping[SourcePartition, OpenPartition]) -> None:
        """Send the consumer again to those that got no batch since the last look and whose log has records for them.

        While Kafka does not answer there are none.
        """
        silent = {each: opened for each, opened in partitions.items() if not opened.served.is_set()}
        for opened in partitions.values():
            opened.served.clear()
        try:
            with self._activities.during(Phase.LOG_ENDS, "the worker"):
                unread = await self._ends.unread({each: opened.state.head.next for each, opened in silent.items()})
        except Exception as error:  # noqa: BLE001 - as everywhere, the table decides
            react(During.LOG_ENDS, error)
            unread = {}
        for partition, opened in silent.items():
            if partition not in unread or opened.closed or opened.pause_reason or opened.lock.locked():
                opened.served.set()
            if not opened.served.is_set():
                self._run((self, partition), partial(self._serve, partition, opened, unread[partition]))

    async def _serve(self, partition: SourcePartition, opened: OpenPartition, end: int) -> None:
        _LOG.warning(
            "%s/%d: no batch came from offset %d on, and the log has records up to %d: seeking there again",
            *(*partition, opened.state.head.next, end),
        )
        with self._activities.during(Phase.SILENT, partition):
            await self._go_to(partition)
            await opened.served.wait()
