"""The deliverer as a process, with a real broker and real receivers: nothing is lost, and nothing has a second id."""

import asyncio
import json
import signal
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path

import pytest
from aiohttp import web

from schemas.alerts import Retry
from schemas.settings import Settings
from sinks.hooks.signing import webhook_id
from streams import times
from streams.alert_engine import commands
from streams.times import now_ms
from tests.kafka.server import KafkaServer
from tests.sinks.hooks.deliverers import (
    SECRET_PATH,
    Deliverer,
    all_delivered,
    all_kept,
    change,
    engine,
    half_fails,
    ids,
    order,
    until,
)
from tests.sinks.hooks.made import KEY
from tests.sinks.hooks.receiver import Receiver, receiving
from tests.streams.flow import chat_event, keyed, produce, worker_process


@pytest.fixture
def settings(fresh_kafka: KafkaServer) -> Settings:
    """Point at a broker with Pulssi's topics and nothing in them."""
    return fresh_kafka.with_topics(PULSSI_PARTITIONS="2")


@pytest.fixture
def deliverer(settings: Settings, tmp_path: Path) -> Iterator["Deliverer"]:
    """Make a deliverer that is not started yet."""
    with Deliverer(settings, tmp_path) as made:
        yield made


@pytest.mark.long
async def test_each_change_is_delivered_once_and_in_order_though_half_of_all_requests_fail(
    settings: Settings, deliverer: Deliverer, receiver: Receiver
) -> None:
    """A thousand alerts of three changes: none is lost, has a second id, or overtakes another of its alert."""
    receiver.answer = half_fails(1)
    deliverer.tell(duty=receiver)
    async with engine(settings) as log:
        await log.write([change("before", 1)])
        deliverer.start()
        await deliverer.works()
        keys = [f"key {each}" for each in range(1_000)]
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


@pytest.mark.long
async def test_a_faulty_destination_stops_no_other_and_loses_nothing(
    settings: Settings, deliverer: Deliverer, receiver: Receiver
) -> None:
    """Its secret goes missing while deliveries wait: the other is told, and it once it is mended, without a restart."""
    async with receiving() as other, engine(settings) as log:
        deliverer.tell(duty=receiver, other=other)
        receiver.answer = lambda: web.Response(status=500)
        deliverer.start()
        await deliverer.works()
        await log.write([change("a", 1)])
        await until(lambda: _has_got(receiver, 1) and _has_got(other, 1), deliverer)
        deliverer.end(signal.SIGKILL)
        before = len(receiver.got)
        (deliverer.folder / "duty-url").rename(deliverer.folder / "kept")
        receiver.answer = lambda: web.Response(status=204)
        deliverer.start()
        await deliverer.works()
        await deliverer.answers("destination 'duty': what is for it waits", "readyz")
        await deliverer.answers('pulssi_hooks_fault{destination="duty"} 1.0')
        await deliverer.answers("pulssi_hooks_waiting 1.0")
        await log.write([change("a", 2), change("b", 1)])
        await until(lambda: len(set(ids(other))) == 3, deliverer)
        assert len(receiver.got) == before
        (deliverer.folder / "kept").rename(deliverer.folder / "duty-url")
        await all_delivered(settings, 6)
        await log.write([change("b", 2)])
        kept = await all_delivered(settings, 8)
    assert order(receiver) == order(other) == {"a": [1, 2], "b": [1, 2]}
    assert len(kept) == 8
    assert deliverer.log.read_text().count("destination 'duty': what is for it waits until this is mended: ") == 1
    assert deliverer.end(signal.SIGTERM) == 0


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


@pytest.mark.long
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


@pytest.mark.long
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


@pytest.mark.long
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
