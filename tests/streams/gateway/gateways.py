"""A gateway as a process, which a test may kill, and what is asked of it."""

import asyncio
import sys
from pathlib import Path
from typing import Final

import aiohttp

from deploy.embedded.ports import any_free
from schemas.settings import Settings
from tests.streams.flow import PartProcess
from tests.streams.gateway.made import VARIABLES, write_sources

WITHIN_S: Final = 60.0
UNLIMITED: Final = {
    f"PULSSI_GATEWAY_{name}": "100000"
    for name in ("REQUESTS_PER_SECOND", "REQUEST_BURST", "ADDRESS_REQUESTS_PER_SECOND", "ADDRESS_REQUEST_BURST")
}


class Gateway(PartProcess):
    """A gateway with a configuration folder of its own, that takes as many hooks as come."""

    def __init__(self, settings: Settings, folder: Path) -> None:
        self.port = any_free("127.0.0.1")
        self.folder = folder
        self.url = f"http://127.0.0.1:{self.port}"
        write_sources(folder)
        environment = {
            "PULSSI_KAFKA_BROKERS": settings.kafka_brokers,
            "PULSSI_APPLICATION": settings.application,
            "PULSSI_GATEWAY_PORT": str(self.port),
            "PULSSI_CONFIG": str(folder),
            **VARIABLES,
            **UNLIMITED,
        }
        command = [sys.executable, "-m", "tests.streams.gateway.gateway_process"]
        super().__init__("gateway", command, environment, folder / "gateway.log")

    @property
    def pid(self) -> int:
        """The process."""
        return self._running.pid


async def await_ready(gateway: Gateway, *, ready: bool = True) -> None:
    """Wait until it takes hooks; or until it takes none."""
    wanted = 200 if ready else 503
    async with asyncio.timeout(WITHIN_S), aiohttp.ClientSession() as session:
        while True:
            try:
                async with session.get(f"{gateway.url}/readyz") as answer:
                    if answer.status == wanted:
                        return
            except aiohttp.ClientError:
                pass
            gateway.check()
            await asyncio.sleep(0.05)
