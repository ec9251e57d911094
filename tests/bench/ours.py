"""A worker that says when its first records reach the fold, as the other programs do; else as any worker is."""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import Sequence
from typing import Any, Final

from schemas.settings import load
from streams.log_ends import Place
from streams.partitions import Partitions
from streams.worker import serve
from tests.bench import job
from tests.streams.no_archive import NoArchive

_TAKE: Final = Partitions.take


async def _take(self: Partitions, place: Place, session: int, begins: int, records: Sequence[Any]) -> None:
    job.consuming()
    await _TAKE(self, place, session, begins, records)


async def _main() -> int:
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    return await serve(load(), NoArchive(), stop)


if __name__ == "__main__":
    logging.basicConfig(level="WARNING")
    Partitions.take = _take  # type: ignore[method-assign]  # the one thing that is added
    raise SystemExit(asyncio.run(_main()))
