"""The process: takes the folder's lock, opens the engine, serves, and ends in bounded time."""

import asyncio
import logging
import os
import signal
import socket
import sys
from pathlib import Path
from typing import Final

from aiohttp import web

from deploy.embedded import UnavailableError, UnusableError
from deploy.embedded.child_processes import interrupt_once
from deploy.embedded.clickhouse.engine import Engine
from deploy.embedded.clickhouse.scheduler import Scheduler
from deploy.embedded.clickhouse.server import MAX_LINE_BYTES, make_application
from deploy.embedded.folder_lock import lock_folder
from schemas.exits import Exit
from streams.monitoring.allowed_hosts import AllowedHosts
from streams.monitoring.connections import HTTP_LOG, expecting_nothing

PART: Final = "clickhouse"
#: How long requests may go on after a signal before they are cancelled; and connections after those.
GRACE_S: Final = 2.0
CLOSE_S: Final = 1.0
#: aiohttp reads this far ahead of an insert.
READ_AHEAD_BYTES: Final = 1 << 20

log = logging.getLogger(__name__)


def _bound_socket(host: str, port: int) -> socket.socket:
    """Take the address, not listening yet: whoever connects before the engine is there is turned away, not kept.

    Raises UnavailableError where the address is taken or is none of this machine's.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        taken = socket.socket(family, kind, protocol)
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind(address)
    except OSError as error:
        why = error.strerror or error
        raise UnavailableError(f"cannot listen on {host}:{port}: {why}; choose another --port") from None
    return taken


async def _serve(engine: Engine, listener: socket.socket, hosts: AllowedHosts) -> None:
    """Serve the engine until SIGTERM or SIGINT."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    scheduler = Scheduler(engine)
    runner = web.AppRunner(
        make_application(scheduler, hosts),
        access_log=None,
        handler_cancellation=True,
        shutdown_timeout=CLOSE_S,
        auto_decompress=False,
        max_line_size=MAX_LINE_BYTES,
        max_field_size=MAX_LINE_BYTES,
        read_bufsize=READ_AHEAD_BYTES,
        logger=HTTP_LOG,
    )
    await runner.setup()
    expecting_nothing(runner)
    ended = False
    try:
        await web.SockSite(runner, listener).start()
        host, port = listener.getsockname()[:2]
        shown = f"[{host}]" if ":" in host else host
        print(f"clickhouse ready at http://{shown}:{port}", flush=True)  # noqa: T201 - what starters wait for
        await stop.wait()
        await scheduler.drain(GRACE_S)
    finally:
        await runner.cleanup()
        ended = await scheduler.close()
    if not ended:
        # A thread of the engine hangs in a statement that cannot be cancelled. What was acknowledged is on disk.
        log.error("a statement would not end; ending without it")
        (sys.stdout.flush(), sys.stderr.flush())
        os._exit(1)


def run(folder: Path, host: str, port: int, database: str = "pulssi", allowed_hosts: str = "") -> int:
    """Serve the data folder until SIGTERM or SIGINT; returns the exit code of the command. For the main thread.

    `pulssi_reader` reads `database`, or with a star at its end all databases whose names begin so. `allowed_hosts`:
    names, separated by commas, under which the server is reached besides localhost and addresses.

    Prints `clickhouse ready at http://HOST:PORT` once queries are answered; port 0 takes any free one. A signal before
    that raises KeyboardInterrupt. Raises UnusableError, and UnavailableError where another process has the folder or
    the address is taken.
    """
    interrupt_once()
    try:
        with lock_folder(folder, PART), _bound_socket(host, port) as listener:
            asyncio.run(_serve(Engine(folder / PART, database), listener, AllowedHosts(host, allowed_hosts)))
    except OSError as error:
        raise UnusableError(f"{folder}: {error.strerror or error}; choose another --data") from None
    return Exit.DONE
