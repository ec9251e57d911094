"""A worker that says when its first records reach the fold, as the other programs do; else as any worker is."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from typing import Any, Final

from streams.assignment.assigned_partitions import Partitions
from streams.kafka.log_ends import Place
from tests.bench import job
from tests.streams import worker_process

_TAKE: Final = Partitions.take


async def _take(self: Partitions, place: Place, session: int, begins: int, records: Sequence[Any]) -> None:
    job.consuming()
    await _TAKE(self, place, session, begins, records)


if __name__ == "__main__":
    logging.basicConfig(level="WARNING")
    Partitions.take = _take  # type: ignore[method-assign]  # the one thing that is added
    raise SystemExit(asyncio.run(worker_process.main()))
