"""The openings under way: one task a partition, so that none waits for another one.

A rebalance waits for openings up to a time limit, but not for those that wait for ClickHouse. Two openings of one
partition never run at the same time. An opening that cannot be cancelled ends the process.
"""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any, Final

from schemas.topics import SourcePartition
from streams.assignment.failures import During, react
from streams.tasks import BackgroundTasks, wait_for_all

#: How long a rebalance waits for openings; those that take longer are read from once they are open.
REBALANCE_WAITS_S: Final = 20.0
#: How long a producer may take to stop before the process ends instead.
STOP_WITHIN_S: Final = 10.0

_LOG: Final = logging.getLogger(__name__)


class OpeningTasks:
    """Opens partitions by the function given, each in a task of its own; `background` keeps their errors."""

    def __init__(
        self, open_one: Callable[[SourcePartition], Coroutine[Any, Any, None]], background: BackgroundTasks
    ) -> None:
        self._open = open_one
        self._background = background
        self._tasks: dict[SourcePartition, asyncio.Task[None]] = {}
        #: Openings that wait for ClickHouse: `wait` does not wait for them.
        self._wait_for_clickhouse: set[SourcePartition] = set()
        self._changed = asyncio.Event()

    @property
    def under_way(self) -> list[SourcePartition]:
        """The partitions that are being opened."""
        return sorted(self._tasks)

    def start(self, partition: SourcePartition) -> None:
        """Open a partition, unless that is under way."""
        if partition not in self._tasks:
            task = self._tasks[partition] = asyncio.ensure_future(self._open(partition))
            task.add_done_callback(lambda task: self._ended(partition, task))

    def note_clickhouse_wait(self, partition: SourcePartition) -> None:
        """Note that an opening waits for ClickHouse."""
        self._wait_for_clickhouse.add(partition)
        self._changed.set()

    def _ended(self, partition: SourcePartition, task: asyncio.Task[None]) -> None:
        if self._tasks.get(partition) is task:
            del self._tasks[partition]
            self._wait_for_clickhouse.discard(partition)
        self._background.keep_error(task)
        self._changed.set()

    async def wait(self) -> None:
        """Wait until each opening is done or waits for ClickHouse, up to a time limit; cancelled, cancel them all."""
        try:
            async with asyncio.timeout(REBALANCE_WAITS_S):
                while self._tasks.keys() - self._wait_for_clickhouse:
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            _LOG.info(
                "partitions not open yet, the rebalance does not wait for them: %s",
                ", ".join(f"{name}/{number}" for name, number in self.under_way),
            )
        except asyncio.CancelledError:
            await wait_for_all(self.cancel(partition) for partition in self.under_way)
            raise
        self._background.raise_first()

    async def cancel(self, partition: SourcePartition) -> None:
        """Cancel an opening, if one is under way, and wait until its producer has ended."""
        task = self._tasks.pop(partition, None)
        self._wait_for_clickhouse.discard(partition)
        if task is None:
            return
        task.cancel()
        _, hung = await asyncio.wait([task], timeout=STOP_WITHIN_S)
        if hung:
            react(During.CANCELLING, TimeoutError(), partition)
