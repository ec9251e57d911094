"""A worker that says when its first records reach the fold, as the other programs do; else as any worker is."""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import Iterator, Sequence
from typing import Final

from schemas.settings import load
from streams.partition import STEP_BYTES, Partition
from streams.steps import Output, Record
from streams.worker import serve
from tests.bench import job
from tests.streams.no_archive import NoArchive

_STEPS: Final = Partition.steps


def _steps(self: Partition, batch: Sequence[Record], limit: int = STEP_BYTES["embedded"]) -> Iterator[Output]:
    job.consuming()
    return _STEPS(self, batch, limit)


async def _main() -> int:
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    return await serve(load(), NoArchive(), stop)


if __name__ == "__main__":
    logging.basicConfig(level="WARNING")
    Partition.steps = _steps  # type: ignore[method-assign]  # the one thing that is added
    raise SystemExit(asyncio.run(_main()))
