"""The process: takes the folder's lock, opens the engine, serves, and ends in bounded time.

What can go wrong before it serves is told in one line, never as a trace.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
from pathlib import Path
from typing import Final

from aiohttp import web

from deploy.embedded.clickhouse.desk import Desk
from deploy.embedded.clickhouse.engine import Engine, UnusableFolderError
from deploy.embedded.clickhouse.server import MOST_LINE_BYTES, application
from deploy.embedded.lock import FolderInUseError, hold

PART: Final = "clickhouse"
UNUSABLE: Final = 2
UNREACHABLE: Final = 3

#: How long requests may go on after a signal before they are cancelled.
GRACE_S: Final = 3.0
#: aiohttp reads this far ahead of an insert.
READ_AHEAD_BYTES: Final = 1 << 20

log = logging.getLogger(__name__)


async def serve(engine: Engine, host: str, port: int) -> None:
    """Serve the engine until SIGTERM or SIGINT. Raises OSError where the address cannot be listened on."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    desk = Desk(engine)
    runner = web.AppRunner(
        application(desk),
        access_log=None,
        handler_cancellation=True,
        shutdown_timeout=GRACE_S,
        auto_decompress=False,
        max_line_size=MOST_LINE_BYTES,
        max_field_size=MOST_LINE_BYTES,
        read_bufsize=READ_AHEAD_BYTES,
    )
    await runner.setup()
    ended = False
    try:
        site = web.TCPSite(runner, host, port)
        await site.start()
        taken = runner.addresses[0][1]
        shown = f"[{host}]" if ":" in host else host
        print(f"clickhouse ready at http://{shown}:{taken}", flush=True)  # noqa: T201 - what starters wait for
        await stop.wait()
        desk.ending = True
    finally:
        await runner.cleanup()
        ended = await desk.end()
    if not ended:
        # A thread of the engine hangs in a statement that cannot be cancelled. What was acknowledged is on disk.
        log.error("a statement would not end; ending without it")
        (sys.stdout.flush(), sys.stderr.flush())
        os._exit(1)


def _complain(message: str) -> None:
    print(f"clickhouse: {message}", file=sys.stderr, flush=True)  # noqa: T201 - one line to who started it


def run(folder: Path, host: str, port: int) -> int:
    """Serve `folder` at the address until told to end; see the package's `run`."""
    try:
        with hold(folder, PART):
            engine = Engine(folder / PART)
            asyncio.run(serve(engine, host, port))
    except FolderInUseError as error:
        _complain(str(error))
        return UNREACHABLE
    except UnusableFolderError as error:
        _complain(str(error))
        return UNUSABLE
    except OSError as error:
        if error.filename is not None:
            _complain(f"{folder}: {error.strerror}; choose another --data")
            return UNUSABLE
        _complain(f"cannot listen on {host}:{port}: {error.strerror or error}; choose another --port")
        return UNREACHABLE
    return 0
