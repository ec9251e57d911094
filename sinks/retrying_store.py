"""A store for asyncio: one call at a time, in a thread of its own, repeated until the store answers."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from typing import Final, TypeVar

from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type, wait_exponential

from sinks.rows import Progress
from sinks.sink_health import SinkHealth
from sinks.store_protocol import Batch, Store, StoreError
from streams.monitoring.activities import Phase

Answer = TypeVar("Answer")

_BACK_OFF: Final = wait_exponential(multiplier=0.2, max=5.0)
_LOG: Final = logging.getLogger(__name__)


class RetryingStore:
    """Waits while the store does not answer, and says so in the log and in the sink's health."""

    def __init__(self, store: Store, health: SinkHealth) -> None:
        self._store = store
        self._health = health
        self._one_call = asyncio.Lock()

    async def progress(self) -> list[Progress]:
        """Return the latest progress of each source partition."""
        return await self._with_retries(self._store.progress)

    async def write(self, batch: Batch) -> None:
        """Write a batch."""

        def timed_write() -> float:
            began = time.monotonic()
            self._store.write(batch)
            return time.monotonic() - began

        async with self._one_call:
            seconds = await self._with_retries(timed_write)
        self._health.note_insert(batch, seconds)

    async def save_gauges(self, minute: int, is_in_time: Callable[[], bool]) -> None:
        """Save the gauges, unless a write before it took too long. Raises StoreError: this is never repeated."""
        async with self._one_call:
            if is_in_time():
                await asyncio.to_thread(self._store.save_gauges, minute)

    async def close(self) -> None:
        """Close the connection."""
        await asyncio.to_thread(self._store.close)

    async def _with_retries(self, call: Callable[[], Answer]) -> Answer:
        def watched_call() -> Answer:  # in its thread, whose stack says where it hangs
            with self._health.activities.during(Phase.INSERTING, "the sink"):
                return call()

        began = time.monotonic()
        retrying = AsyncRetrying(wait=_BACK_OFF, retry=retry_if_exception_type(StoreError), before_sleep=self._say)
        answer: Answer = await retrying(asyncio.to_thread, watched_call)
        if retrying.statistics["attempt_number"] > 1:
            _LOG.warning("ClickHouse answers again after %.0f s", time.monotonic() - began)
        return answer

    def _say(self, state: RetryCallState) -> None:
        why = str(state.outcome.exception()) if state.outcome else ""
        self._health.note_failure(why)
        if state.attempt_number in {1, 5} or state.attempt_number % 12 == 0:
            _LOG.warning("the sink waits and tries again, nothing is lost (attempt %d): %s", state.attempt_number, why)
