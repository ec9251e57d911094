"""A deliverer as a process, with receivers of its own, and what these got of it."""

import asyncio
import json
import random
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import aiohttp
from aiohttp import web

from deploy.embedded.ports import any_free
from schemas.alerts import ALERT_DELIVERIES, Alert, DeliveryRecord, alert_id, decode_delivery
from schemas.settings import Settings
from streams.alert_engine.alert_log import AlertLog
from streams.kafka.topic_reader import read_newest
from streams.times import now_ms
from tests.sinks.hooks.alerts import alert
from tests.sinks.hooks.made import KEY
from tests.sinks.hooks.receiver import Receiver
from tests.streams.flow import PartProcess

WITHIN_S: Final = 60.0
#: Of an address, and of a key: in no log and no record.
SECRET_PATH: Final = "T0K3N-of-the-address"  # noqa: S105 - none in earnest


class Deliverer(PartProcess):
    """A deliverer with a configuration folder of its own."""

    def __init__(self, settings: Settings, folder: Path, name: str = "deliverer") -> None:
        self.port = any_free("127.0.0.1")
        self.folder = folder
        environment = {
            "PULSSI_KAFKA_BROKERS": settings.kafka_brokers,
            "PULSSI_APPLICATION": settings.application,
            "PULSSI_HOOKS_PORT": str(self.port),
            "PULSSI_CONFIG": str(folder),
            "HOOK_KEY": KEY,
        }
        command = [sys.executable, "-m", "tests.sinks.hooks.deliverer_process"]
        super().__init__(name, command, environment, folder / f"{name}.log")

    def tell(self, **receivers: Receiver) -> None:
        """Name the destinations."""
        entries = []
        for name, receiver in receivers.items():
            (self.folder / f"{name}-url").write_text(f"http://127.0.0.1:{receiver.port}/{SECRET_PATH}")
            entries.append(
                f'[[destination]]\nname = "{name}"\ntype = "webhook"\nurl_file = "{name}-url"\n'
                f'secret_env = ["HOOK_KEY"]\nallow_plain = true\n'
                f'allow_private = ["127.0.0.1:{receiver.port} 127.0.0.0/8"]\n{_of_tags(name)}'
            )
        (self.folder / "hooks.toml").write_text("\n".join(entries))

    async def answers(self, text: str, path: str = "metrics") -> None:
        """Wait until it says so."""
        async with asyncio.timeout(WITHIN_S), aiohttp.ClientSession() as session:
            while True:
                try:
                    async with session.get(f"http://127.0.0.1:{self.port}/{path}") as answer:
                        if text in await answer.text():
                            return
                except aiohttp.ClientError:
                    pass
                self.check()
                await asyncio.sleep(0.05)

    async def works(self) -> None:
        """Wait until it delivers."""
        await self.answers("pulssi_hooks_leads 1.0")


def _of_tags(name: str) -> str:
    """Give what else stands in a destination's entry."""
    return 'events = ["tags"]\nfilter.tags = ["lead"]\n' if name == "tags" else ""


def change(key: str, sequence: int) -> Alert:
    """Make a change of an alert that was told of before."""
    at = now_ms()
    return alert(key=key, id=alert_id(key, 1), sequence=sequence, reason="changed", at=at, fired_at=1)


def ids(receiver: Receiver) -> list[str]:
    """Give the ids of what a receiver got, in order."""
    return [headers["webhook-id"] for headers in receiver.headers]


def order(receiver: Receiver) -> dict[str, list[int]]:
    """Give the changes of each alert in the order in which they came first, without repetitions."""
    found: dict[str, dict[int, None]] = {}
    for _, body in receiver.got:
        data = json.loads(body)["data"]
        found.setdefault(data["key"], {})[data["sequence"]] = None
    return {key: list(sequences) for key, sequences in found.items()}


async def until(is_so: Callable[[], bool], part: PartProcess, within_s: float = WITHIN_S) -> None:
    """Wait until something is so."""
    async with asyncio.timeout(within_s):
        while not is_so():
            part.check()
            await asyncio.sleep(0.02)


async def deliveries(settings: Settings) -> list[DeliveryRecord]:
    """Read what is kept of deliveries."""
    records = await read_newest(settings, ALERT_DELIVERIES)
    return [each for key, value in records.items() if (each := decode_delivery(key, value)) is not None]


async def all_delivered(settings: Settings, number: int) -> list[DeliveryRecord]:
    """Wait until so many deliveries are known to be delivered."""
    return await all_kept(settings, number, "delivered")


async def all_kept(settings: Settings, number: int, status: str) -> list[DeliveryRecord]:
    """Wait until so many deliveries came so far."""
    async with asyncio.timeout(WITHIN_S):
        while True:
            found = [each for each in await deliveries(settings) if each.status == status]
            if len(found) >= number:
                return found
            await asyncio.sleep(0.1)


@asynccontextmanager
async def engine(settings: Settings) -> AsyncIterator[AlertLog]:
    """Write alerts as the engine does."""
    log = AlertLog(settings)
    await log.open("engine")
    yield log
    await log.stop()


def half_fails(seed: int) -> Callable[[], web.Response]:
    """Answer half the requests with an error."""
    chance = random.Random(seed)  # noqa: S311 - no secret
    return lambda: web.Response(status=500 if chance.random() < 0.5 else 204)
