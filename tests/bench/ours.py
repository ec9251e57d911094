"""A worker that says when its first records reach the fold, as the other programs do; else as any worker is."""

import asyncio
import logging
from collections.abc import Sequence
from typing import Any, Final

from schemas.topics import SourcePartition
from streams.assignment.assigned_partitions import AssignedPartitions
from tests.bench import job
from tests.streams import worker_process

_ORIGINAL: Final = AssignedPartitions.process_batch


async def _process_batch(
    self: AssignedPartitions, partition: SourcePartition, session: int, fetch_offset: int, records: Sequence[Any]
) -> bool:
    job.consuming()
    return await _ORIGINAL(self, partition, session, fetch_offset, records)


if __name__ == "__main__":
    logging.basicConfig(level="WARNING")
    AssignedPartitions.process_batch = _process_batch  # type: ignore[method-assign]  # the one thing that is added
    raise SystemExit(asyncio.run(worker_process.main()))
