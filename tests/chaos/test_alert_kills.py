"""Engine and deliverer killed again and again, while calls wait: the topic and the receiver have what a batch says.

The courses of `tests/sinks/hooks/test_any_course.py` say when a state changes, to the judgement. Here all is real, so
times have bounds: what waits longer than a restart takes has to be told.
"""

import asyncio
import random
import signal
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import pytest

from schemas.alerts import ALERTS, OPENING_KEY, Alert, decode_alert
from schemas.settings import Settings
from sinks.hooks.signing import webhook_id
from streams import times
from streams.kafka.topic_reader import reading
from streams.times import now_ms
from tests.kafka.server import KafkaServer
from tests.oracle.alert_sights import Call, House, Promise, sights
from tests.sinks.hooks.deliverers import Deliverer, all_delivered, half_fails, ids
from tests.sinks.hooks.receiver import Receiver, receiving
from tests.streams.alert_engine.engines import engine_process
from tests.streams.flow import PartProcess, keyed, produce, worker_process

pytestmark = pytest.mark.long

SECOND: Final = 1_000
#: The default policy for calls, as docs/configuration.md tells it.
HOUSE: Final = House(Promise("call-20s", 20 * SECOND, 5 * SECOND, 4 / 5, 0, 0), (), (), 0, 0)  # type: ignore[arg-type]
CALLS: Final = 120
EVERY_S: Final = 1.0
#: A call that waits so much longer than its target is told, whoever is killed: a session, a start, and a slow machine.
OUTLASTS_MS: Final = 45 * SECOND
WAITS_S: Final = (4, 12, 18, 30, 90)
KILLS: Final = 5
BETWEEN_KILLS_S: Final = 22.0
WITHIN_S: Final = 180.0


@pytest.fixture
def settings(fresh_kafka: KafkaServer) -> Settings:
    """Point at a broker with Pulssi's topics and nothing in them."""
    return fresh_kafka.with_topics(PULSSI_PARTITIONS="2")


@pytest.fixture
def parts(fresh_kafka: KafkaServer, settings: Settings, tmp_path: Path) -> Iterator[Mapping[str, PartProcess]]:
    """Have a worker, an engine and a deliverer, not started yet."""
    environment = {**fresh_kafka.settings_env(), "PULSSI_PARTITIONS": str(settings.partitions)}
    with (
        worker_process(environment, tmp_path / "worker.log") as worker,
        engine_process(environment, tmp_path / "engine.log") as engine,
        Deliverer(settings, tmp_path) as deliverer,
    ):
        yield {"worker": worker, "engine": engine, "deliverer": deliverer}


def _event(kind: str, number: int, at: int) -> dict[str, Any]:
    contact_id = f"pbx:main:{number}"
    own = {"type": kind, "contact_id": contact_id, "channel": "call", "source": "pbx", "queue": "sales"}
    return {**own, "event_id": f"{kind} {number}", "occurred_at": times.at(at).isoformat(), "agent_id": "a1"}


async def _calls(settings: Settings) -> list[Call]:
    """Have calls come and end, each at its time."""
    draw = random.Random(5)  # noqa: S311 - no secret
    calls: list[Call] = []

    async def one(number: int) -> None:
        since = now_ms()
        await asyncio.to_thread(
            produce,
            settings,
            keyed([_event("contact.started", number, since), _event("contact.queued", number, since)]),
        )
        await asyncio.sleep(draw.choice(WAITS_S))
        until = now_ms()
        await asyncio.to_thread(produce, settings, keyed([_event("contact.connected", number, until)]))
        calls.append(Call(f"pbx:main:{number}", "sales", since, until, answered=True))

    async with asyncio.TaskGroup() as tasks:
        for number in range(CALLS):
            tasks.create_task(one(number))
            await asyncio.sleep(EVERY_S)
    return calls


async def _kill(parts: Mapping[str, PartProcess]) -> None:
    """Kill either of them, or both, at any moment."""
    draw = random.Random(6)  # noqa: S311 - no secret
    for number in range(KILLS):
        await asyncio.sleep(BETWEEN_KILLS_S + draw.random())
        for name in (("engine",), ("deliverer",), ("engine", "deliverer"))[number % 3]:
            parts[name].end(signal.SIGKILL)
            parts[name].start()


async def _changes(settings: Settings, calls: list[Call]) -> list[Alert]:
    """Read all changes, once those of all calls that outlast a kill are over."""
    outlast = {call.contact_id for call in calls if _waited(call) > HOUSE.promise.target_ms + OUTLASTS_MS}
    assert len(outlast) > CALLS / 10
    found: list[Alert] = []
    async with asyncio.timeout(WITHIN_S), reading(settings, ALERTS) as reader:
        while True:
            read = [(record.key, record.value) for record in await reader.records()]
            found += [decode_alert(value) for key, value in read if key != OPENING_KEY and value is not None]
            newest = {alert.dimensions.contact_id: alert for alert in found if alert.kind == "contact"}
            is_over = all(alert.state == "resolved" for alert in newest.values())
            if is_over and outlast <= newest.keys():
                return found


def _waited(call: Call) -> int:
    return (call.until or 0) - call.since


async def test_what_is_told_is_what_a_batch_says_whoever_is_killed(
    settings: Settings, parts: Mapping[str, PartProcess]
) -> None:
    """Each change of a call's alert is true at its time, none comes twice, and each is delivered, once by its id."""
    deliverer = parts["deliverer"]
    assert isinstance(deliverer, Deliverer)
    async with receiving() as receiver:
        receiver.answer = half_fails(3)
        deliverer.tell(duty=receiver)
        for part in parts.values():
            part.start()
        await deliverer.works()
        async with asyncio.TaskGroup() as tasks:
            called = tasks.create_task(_calls(settings))
            tasks.create_task(_kill(parts))
        changes = await _changes(settings, called.result())
        _check_calls(changes, called.result())
        await _check_deliveries(settings, changes, receiver)
    for part in parts.values():
        part.check()


def _check_calls(changes: list[Alert], calls: list[Call]) -> None:
    of_calls: dict[str, list[Alert]] = {call.contact_id: [] for call in calls}
    for alert in changes:
        if alert.kind == "contact" and alert.reason not in {"held", "released"}:
            of_calls[alert.dimensions.contact_id or ""].append(alert)
    for call in calls:
        told = of_calls[call.contact_id]
        states = [(alert.state, alert.condition) for alert in told]
        at_risk, breached = ("firing", "at_risk"), ("firing", "breached")
        ends = [("resolved", states[-1][1])] if states else []
        assert states in ([], [at_risk, *ends], [breached, *ends], [at_risk, breached, *ends]), call
        assert len({alert.id for alert in told}) <= 1, "one firing has two ids"
        for alert in told[:-1]:
            # What is known of a call reaches the engine a moment later.
            waits = call._replace(until=None)
            (seen,) = (sight for sight in sights([waits], HOUSE, alert.at).values() if sight.kind == "contact")
            assert (seen.condition, seen.severity) == (alert.condition, alert.severity), call
        if told:
            assert told[-1].at >= (call.until or 0)
        if _waited(call) > HOUSE.promise.target_ms + OUTLASTS_MS:
            assert breached in states, "its breach was not told"


async def _check_deliveries(settings: Settings, changes: list[Alert], receiver: Receiver) -> None:
    told = [alert for alert in changes if alert.reason not in {"held", "released"} and alert.state != "pending"]
    told = [alert for alert in told if alert.notified or alert.state != "resolved"]
    wanted = [webhook_id(alert, "duty") for alert in told]
    assert len(set(wanted)) == len(wanted)
    kept = await all_delivered(settings, len(wanted))
    assert {each.webhook_id for each in kept} == set(ids(receiver)) == set(wanted)
    assert len({(of, body) for of, (_, body) in zip(ids(receiver), receiver.got, strict=True)}) == len(wanted)
    first = {of: place for place, of in reversed(list(enumerate(ids(receiver))))}
    places: dict[str, int] = {}
    for alert, of in zip(told, wanted, strict=True):
        assert first[of] > places.get(alert.key, -1), "a change overtook another of its alert"
        places[alert.key] = first[of]
