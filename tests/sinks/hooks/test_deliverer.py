"""The deliverer as a process, with a real broker and real receivers: nothing is lost, and nothing has a second id."""

import asyncio
import json
import random
import signal
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Final

import aiohttp
import pytest
from aiohttp import web

from deploy.embedded.ports import any_free
from schemas.alerts import ALERT_DELIVERIES, Alert, DeliveryRecord, Retry, alert_id, decode_delivery
from schemas.settings import Settings
from sinks.hooks.signing import webhook_id
from streams import times
from streams.alert_engine import commands
from streams.alert_engine.alert_log import AlertLog
from streams.kafka.topic_reader import read_newest
from streams.times import now_ms
from tests.kafka.server import KafkaServer
from tests.sinks.hooks.alerts import alert
from tests.sinks.hooks.made import KEY
from tests.sinks.hooks.receiver import Receiver, receiving
from tests.streams.flow import PartProcess, chat_event, keyed, produce, worker_process

WITHIN_S: Final = 60.0
#: Of an address, and of a key: in no log and no record.
SECRET_PATH: Final = "T0K3N-of-the-address"  # noqa: S105 - none in earnest


@pytest.fixture
def settings(fresh_kafka: KafkaServer) -> Settings:
    """Point at a broker with Pulssi's topics and nothing in them."""
    return fresh_kafka.with_topics(PULSSI_PARTITIONS="2")


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


@pytest.fixture
def deliverer(settings: Settings, tmp_path: Path) -> Iterator["Deliverer"]:
    """Make a deliverer that is not started yet."""
    with Deliverer(settings, tmp_path) as made:
        yield made


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


@pytest.mark.parametrize("number", [100, pytest.param(1_000, marks=pytest.mark.long)])
async def test_each_change_is_delivered_once_and_in_order_though_half_of_all_requests_fail(
    settings: Settings, deliverer: Deliverer, receiver: Receiver, number: int
) -> None:
    """So many alerts of three changes: none is lost, has a second id, or overtakes another of its alert."""
    receiver.answer = half_fails(1)
    deliverer.tell(duty=receiver)
    async with engine(settings) as log:
        await log.write([change("before", 1)])
        deliverer.start()
        await deliverer.works()
        keys = [f"key {each}" for each in range(number)]
        changes = [change(key, sequence) for sequence in (1, 2, 3) for key in keys]
        for begin in range(0, len(changes), 50):
            await log.write(changes[begin : begin + 50])
        kept = await all_delivered(settings, len(changes))
    expected = {webhook_id(each, "duty") for each in changes}
    assert {each.webhook_id for each in kept} == set(ids(receiver)) == expected
    assert order(receiver) == {key: [1, 2, 3] for key in keys}
    bodies = {(name, body) for name, (_, body) in zip(ids(receiver), receiver.got, strict=True)}
    assert len(bodies) == len(expected), "a body changed between attempts"
    assert all(each.body is None and each.attempts[-1].outcome == "delivered" for each in kept)
    assert deliverer.end(signal.SIGTERM) == 0
    _no_secret(deliverer.log.read_text(), *(each.model_dump_json() for each in kept))


def _no_secret(*texts: str) -> None:
    for text in texts:
        assert SECRET_PATH not in text
        assert KEY.removeprefix("whsec_") not in text


def _has_got(receiver: Receiver, number: int) -> bool:
    return len(receiver.got) >= number


@pytest.mark.long
async def test_a_deliverer_that_is_killed_loses_nothing(
    settings: Settings, deliverer: Deliverer, receiver: Receiver
) -> None:
    """Killed after so many requests each time, also within one, what comes afterwards has the same ids and bodies."""
    receiver.answer = half_fails(2)
    deliverer.tell(duty=receiver)
    deliverer.start()
    await deliverer.works()
    keys = [f"key {number}" for number in range(20)]
    written = []
    async with engine(settings) as log:
        for sequence, after in enumerate((0, 1, 3, 10, 25), 1):
            changes = [change(key, sequence) for key in keys]
            written += changes
            wanted = len(receiver.got) + after
            await log.write(changes)
            await until(partial(_has_got, receiver, wanted), deliverer)
            deliverer.end(signal.SIGKILL)
            deliverer.start()
        kept = await all_delivered(settings, len(written))
    expected = {webhook_id(each, "duty") for each in written}
    assert {each.webhook_id for each in kept} == set(ids(receiver)) == expected
    assert order(receiver) == {key: [1, 2, 3, 4, 5] for key in keys}
    bodies = {(name, body) for name, (_, body) in zip(ids(receiver), receiver.got, strict=True)}
    assert len(bodies) == len(expected)


async def test_a_receiver_that_hangs_delays_no_other(
    settings: Settings, deliverer: Deliverer, receiver: Receiver
) -> None:
    """While one answers nothing, all that is for the other comes within seconds, of the same alerts."""
    release = asyncio.Event()
    async with receiving() as hanging:
        hanging.before = release.wait
        deliverer.tell(duty=receiver, hanging=hanging)
        deliverer.start()
        await deliverer.works()
        keys = [f"key {number}" for number in range(30)]
        async with engine(settings) as log:
            await log.write([change(key, 1) for key in keys])
            await until(lambda: len(set(ids(receiver))) == len(keys), deliverer, within_s=10)
            await until(lambda: len(hanging.got) > 0, deliverer)
            await log.write([change(key, 2) for key in keys])
            await until(lambda: len(set(ids(receiver))) == 2 * len(keys), deliverer, within_s=10)
        assert not release.is_set()
        release.set()
        await until(lambda: len(set(ids(hanging))) == 2 * len(keys), deliverer)
        assert order(hanging) == {key: [1, 2] for key in keys}


async def test_of_two_deliverers_one_works_and_the_other_goes_on(
    settings: Settings, deliverer: Deliverer, receiver: Receiver, tmp_path: Path
) -> None:
    """The second stands by, and delivers once the first is gone."""
    deliverer.tell(duty=receiver)
    with Deliverer(settings, tmp_path, "second") as second:
        deliverer.start()
        await deliverer.works()
        second.start()
        await second.answers("ok", "readyz")
        await second.answers("pulssi_hooks_leads 0.0")
        async with engine(settings) as log:
            await log.write([change("a", 1)])
            await until(lambda: len(receiver.got) == 1, deliverer)
            await all_delivered(settings, 1)
            deliverer.end(signal.SIGKILL)
            await log.write([change("a", 2)])
            await until(lambda: len(receiver.got) == 2, second)
    assert order(receiver) == {"a": [1, 2]}


async def test_a_changed_file_is_followed_and_a_faulty_one_refused(
    settings: Settings, deliverer: Deliverer, receiver: Receiver
) -> None:
    """A new destination begins at the present; what was in force stays while the file has a fault, which is named."""
    deliverer.tell(duty=receiver)
    deliverer.start()
    await deliverer.works()
    async with engine(settings) as log, receiving() as other:
        await log.write([change("a", 1)])
        await all_delivered(settings, 1)
        good = (deliverer.folder / "hooks.toml").read_text()
        (deliverer.folder / "hooks.toml").write_text(good + "\nnonsense = 1\n")
        await deliverer.answers("pulssi_hooks_configuration_refused 1.0")
        assert "nonsense" in deliverer.log.read_text()
        await log.write([change("a", 2)])
        await all_delivered(settings, 2)
        deliverer.tell(duty=receiver, other=other)
        await deliverer.answers("pulssi_hooks_configuration_refused 0.0")
        await log.write([change("a", 3)])
        await all_delivered(settings, 4)
    assert order(receiver) == {"a": [1, 2, 3]}
    assert order(other) == {"a": [3]}


async def test_what_was_given_up_is_tried_once_more_when_somebody_asks(
    settings: Settings, deliverer: Deliverer, receiver: Receiver
) -> None:
    """A receiver that says that it is gone is disabled; a delivery that is asked for and succeeds enables it again."""
    receiver.answer = lambda: web.Response(status=410, text=f"nobody at /{SECRET_PATH}")
    deliverer.tell(duty=receiver)
    deliverer.start()
    await deliverer.works()
    async with engine(settings) as log:
        await log.write([change("a", 1)])
        await deliverer.answers("pulssi_hooks_destinations_disabled 1.0")
        await log.write([change("b", 1)])
        await until(lambda: "destination is disabled" in deliverer.log.read_text(), deliverer)
        assert len(receiver.got) == 1
        given_up = await all_kept(settings, 2, "given_up")
        _no_secret(deliverer.log.read_text(), *(each.model_dump_json() for each in given_up))
        receiver.answer = lambda: web.Response(status=204)
        asked = next(each for each in given_up if each.queue == "b")
        await commands.send(settings, Retry(type="retry", at=now_ms(), by="Maija", webhook_id=asked.webhook_id))
        await all_delivered(settings, 1)
        await deliverer.answers("pulssi_hooks_destinations_disabled 0.0")
        deliverer.end(signal.SIGKILL)
        deliverer.start()
        await log.write([change("c", 1)])
        await all_delivered(settings, 2)
    assert order(receiver) == {"a": [1], "b": [1], "c": [1]}
    assert len(receiver.got) == 3, "the command that was read again had it sent again"


@pytest.mark.long
async def test_a_broker_that_was_away_is_waited_for(
    settings: Settings, fresh_kafka: KafkaServer, deliverer: Deliverer, receiver: Receiver
) -> None:
    """It says so and lives; what is written afterwards is delivered."""
    deliverer.tell(duty=receiver)
    deliverer.start()
    await deliverer.works()
    async with engine(settings) as log:
        await log.write([change("a", 1)])
        await all_delivered(settings, 1)
    await asyncio.to_thread(fresh_kafka.kill)
    await deliverer.answers("Kafka does not answer", "readyz")
    await asyncio.to_thread(fresh_kafka.start)
    await deliverer.works()
    async with engine(settings) as log:
        await log.write([change("a", 2)])
        await all_delivered(settings, 2)
    assert order(receiver) == {"a": [1, 2]}
    assert deliverer.end(signal.SIGTERM) == 0


async def test_a_tag_is_told_once(
    settings: Settings, fresh_kafka: KafkaServer, deliverer: Deliverer, receiver: Receiver, tmp_path: Path
) -> None:
    """However often it is put on a contact, late or repeated, and whatever was put there before anybody was told."""
    environment: Mapping[str, str] = {**fresh_kafka.settings_env(), "PULSSI_PARTITIONS": str(settings.partitions)}

    def at(ms: int) -> str:
        return times.at(ms).isoformat()

    deliverer.tell(tags=receiver)
    with worker_process(environment, tmp_path / "worker.log") as worker:
        worker.start()
        long_ago = now_ms() - 3_600_000
        old = "test:main:old"
        started = chat_event("contact.started", old, at(long_ago))
        produce(settings, keyed([started, chat_event("contact.tagged", old, at(long_ago + 1), tags=["lead"])]))
        deliverer.start()
        await deliverer.works()
        now, one, two = now_ms() + 1_000, "test:main:1", "test:main:2"
        tagged = [
            chat_event("contact.started", one, at(now)),
            chat_event("contact.tagged", one, at(now + 20), tags=["Lead", "other"]),
            chat_event("contact.tagged", one, at(now + 20), tags=["Lead", "other"]),
            chat_event("contact.tagged", one, at(now + 10), tags=["lead"]),
        ]
        produce(settings, keyed(tagged))
        await until(lambda: len(receiver.got) == 1, deliverer)
        deliverer.end(signal.SIGKILL)
        deliverer.start()
        again = [
            chat_event("contact.untagged", one, at(now + 30), tags=["lead"]),
            chat_event("contact.tagged", one, at(now + 40), tags=["lead"]),
            chat_event("contact.started", two, at(now)),
            chat_event("contact.tagged", two, at(now + 50), tags=["lead"]),
        ]
        produce(settings, keyed(again))
        await until(lambda: len(set(ids(receiver))) == 2, deliverer)
        await all_delivered(settings, 2)
    told = {json.loads(body)["data"]["contact"]["contact_id"] for _, body in receiver.got}
    assert told == {one, two}
    assert len(set(ids(receiver))) == 2
