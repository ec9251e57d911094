"""A worker as a process of its own, without ClickHouse: no source partition had an epoch before."""

import asyncio
import logging
import signal

from streams.configuration.environment import load_settings
from streams.worker import serve
from tests.streams.stand_ins import EmptyArchive


async def main() -> int:
    """Run until SIGTERM; returns the exit status."""
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    return await serve(load_settings(), EmptyArchive(), stop)


if __name__ == "__main__":
    logging.basicConfig(level="INFO", format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    for noisy in ("aiokafka", "faust", "mode"):
        logging.getLogger(noisy).setLevel("WARNING")
    raise SystemExit(asyncio.run(main()))
