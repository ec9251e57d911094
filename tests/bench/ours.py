"""A worker that says when its first records reach the fold, as the other programs do; else as any worker is."""

import asyncio
import logging
from collections.abc import Sequence
from typing import Any, Final

from schemas.topics import SourcePartition
from streams.assignment.assigned_partitions import AssignedPartitions
from tests.bench import job
from tests.streams import worker_process

_TAKE: Final = AssignedPartitions.process_batch


async def _take(
    self: AssignedPartitions, partition: SourcePartition, session: int, begins: int, records: Sequence[Any]
) -> bool:
    job.consuming()
    return await _TAKE(self, partition, session, begins, records)


if __name__ == "__main__":
    logging.basicConfig(level="WARNING")
    AssignedPartitions.process_batch = _take  # type: ignore[method-assign]  # the one thing that is added
    raise SystemExit(asyncio.run(worker_process.main()))
