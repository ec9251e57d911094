"""The engine and the deliverer as they are, on a Kafka, receivers and a clock that are modelled; each dies where told.

What a process does to the world, and asks of it, goes through `Life.does`: there it dies, before it is done or just
after, or is stopped for a while, as by SIGSTOP. Nothing else of a process outlives it.
"""

import asyncio
import contextvars
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from types import SimpleNamespace
from typing import Any, Final, cast

import pytest
from aiokafka.errors import KafkaError

from schemas.alert_rules import AlertRules
from schemas.alerts import ALERTS, OPENING_KEY, Command
from schemas.policies import Rules
from schemas.settings import Settings
from sinks.hooks.answers import Answer
from sinks.hooks.deliverer import Deliverer
from sinks.hooks.delivery import Delivery
from sinks.hooks.destinations import Destination
from sinks.hooks.watched_hooks import WatchedHooks
from streams.alert_engine.alert_log import AlertLog
from streams.alert_engine.commands import Commands
from streams.alert_engine.dead_letter_count import DeadLetterCount
from streams.alert_engine.engine import Engine
from streams.alert_engine.leadership import Leadership
from streams.alerts.pipeline_rules import PipelineReading
from streams.configuration.reloading import WatchedRules
from streams.kafka.topic_reader import TopicRecord
from streams.live.freshness import FreshnessReading
from tests.oracle.alert_sights import House
from tests.sinks.hooks.lives import Died, Fate, Life
from tests.sinks.hooks.modelled_world import LIFE, Course, Log, World
from tests.sinks.hooks.virtual_time import VirtualTime

#: What a part takes to start again, and what another one waits for one that is silent.
STARTS_S: Final = 0.7
SILENT_S: Final = 10.0
#: How long a question for news takes that brings none.
POLLS_S: Final = 0.9
#: How long a process is stopped.
STOPPED_S: Final = 30.0
#: What is still on its way after the last event comes within this time.
SETTLES_S: Final = 90.0

_WORLD: Final[contextvars.ContextVar[World]] = contextvars.ContextVar("world")


class _FencedTopic:
    def __init__(self, settings: object, topic: str, part: str, timeout_ms: int = 0) -> None:
        del settings, part, timeout_ms
        self._log, self._life = _WORLD.get().logs[topic], LIFE.get()
        self._epoch = -1
        self.is_recreated = False
        self.recreated_others = set[str]()
        #: Transactions.
        self.written = 0

    async def open(self, writer: str) -> dict[bytes, bytes]:
        def opened() -> None:
            self._log.epoch += 1
            self._epoch = self._log.epoch
            self._log.write(self._epoch, [(OPENING_KEY, writer.encode())])
            self._life.woken_at = None  # whoever opens the topic after it was stopped takes it back from the other one

        await self._life.does(opened)
        records = await self._life.does(self._log.newest)
        records.pop(OPENING_KEY, None)
        return records

    async def write(self, records: Iterable[tuple[bytes, bytes | None]], others: object = None) -> None:
        del others  # the records of objectives: no state follows from them
        piece = list(records)

        def commit() -> None:
            self._log.write(self._epoch, piece)
            self.written += 1

        await self._life.does(commit)

    async def stop(self) -> None:
        pass

    @property
    def leads(self) -> bool:
        return self._epoch == self._log.epoch


class _Leadership:
    """Gives a turn to every life: the other one is dead, or fenced."""

    def __init__(self) -> None:
        self._life, self._world = LIFE.get(), _WORLD.get()
        self._read = 0
        self.turn = 1

    async def commands(self) -> list[Command]:
        await asyncio.sleep(POLLS_S)
        self._life.check()
        if self._read == len(self._world.commands):
            return []
        read = await self._life.does(lambda: self._world.commands[self._read :])
        self._read += len(read)
        self._life.commands_read = self._read
        return read

    async def rewind(self) -> None:
        self._read = 0

    async def behind(self) -> bool:
        return self._read < len(self._world.commands)

    async def ask(self) -> None:
        self._life.check()


class _Reader:
    def __init__(self, log: Log, begin: int) -> None:
        self._life, self._log, self._position = LIFE.get(), log, begin

    async def records(self) -> list[TopicRecord]:
        await asyncio.sleep(POLLS_S)
        self._life.check()
        if not (found := self._log.read(self._position)):
            return []
        found = await self._life.does(lambda: self._log.read(self._position))
        self._position = found[-1].offset + 1
        return found


@asynccontextmanager
async def _reading(settings: object, topic: str, begin: int | None = None) -> AsyncIterator[_Reader]:
    del settings
    yield _Reader(_WORLD.get().logs[topic], begin or 0)


async def _read_newest(settings: object, topic: str) -> dict[bytes, bytes]:
    del settings
    return await LIFE.get().does(_WORLD.get().logs[topic].newest)


class _Sender:
    def __init__(self, destination: Destination) -> None:
        del destination

    async def attempt(self, delivery: Delivery, at_ms: int) -> Answer:
        del at_ms
        return await LIFE.get().does(lambda: _WORLD.get().answer(delivery))

    async def close(self) -> None:
        pass


class _Journals:
    """A follower that is fed as often as it is asked."""

    ready = True

    def __init__(self, settings: object, view: Any) -> None:  # noqa: ANN401 - a view
        del settings
        self._view, self._world = view, _WORLD.get()
        self._fed = 0

    def freshness_now(self) -> FreshnessReading:
        course, now = self._world.course, self._world.loop.now_ms()
        known_at = course.known_at(now)
        due = [step for at, step in course.steps[self._fed :] if at <= known_at]
        self._view.feed(due)
        self._fed += len(due)
        return FreshnessReading("stale" if course.is_old(now) else "live", known_at, 0, "")


class _DeadLetters:
    def __init__(self, settings: object) -> None:
        del settings
        self._life = LIFE.get()

    async def start(self, since: int) -> None:
        del since
        await self._life.does(lambda: None)

    async def read(self) -> None:
        self._life.check()

    def since(self, at: int) -> int:
        del at
        return 0

    async def stop(self) -> None:
        pass


class _Engine(Engine):
    """Notes each judgement that counts: one that was written, or had nothing to write."""

    async def _judge(self, log: AlertLog, commands: Commands, dead_letters: DeadLetterCount) -> None:
        world, topic = _WORLD.get(), cast("_FencedTopic", log._topic)  # noqa: SLF001 - the model's own
        moment, written = world.moment(world.loop.now_ms()), topic.written
        leads = topic.leads
        try:
            await super()._judge(log, commands, dead_letters)
        finally:
            if leads and (topic.written > written or (topic.leads and not LIFE.get().dead)):
                world.moments.append(moment)

    def _pipeline(self, *_: Any) -> PipelineReading:  # noqa: ANN401 - of any form
        return PipelineReading()


class _Deliverer(Deliverer):
    async def _end_of_alerts(self) -> int:
        return await LIFE.get().does(lambda: len(_WORLD.get().logs[ALERTS].records))

    async def _id_of_alerts(self) -> str:
        return "one"


def patch(monkeypatch: pytest.MonkeyPatch) -> None:
    """Put the models into the places of what they stand for."""

    def now_ms() -> int:
        return _WORLD.get().loop.now_ms()

    clock = SimpleNamespace(monotonic=lambda: _WORLD.get().loop.now)
    quiet = SimpleNamespace(collect=lambda: 0, freeze=lambda: None)
    for module in (
        "streams.alert_engine.engine",
        *(f"sinks.hooks.{of}" for of in ("outbox", "turn", "deliverer", "delivery_log")),
    ):
        monkeypatch.setattr(f"{module}.now_ms", now_ms)
        monkeypatch.setattr(f"{module}.time", clock)
    monkeypatch.setattr("sinks.hooks.delivery_course.now_ms", now_ms)
    monkeypatch.setattr("streams.alert_engine.engine.gc", quiet)
    monkeypatch.setattr("streams.alert_engine.engine.JUDGE_EVERY_S", 5.0)
    monkeypatch.setattr("streams.alert_engine.engine.JournalFollower", _Journals)
    monkeypatch.setattr("streams.alert_engine.engine.DeadLetterCount", _DeadLetters)
    monkeypatch.setattr("streams.alert_engine.engine.reported_objectives", _reported_objectives)
    monkeypatch.setattr("streams.alert_engine.alert_log.FencedTopic", _FencedTopic)
    monkeypatch.setattr("sinks.hooks.delivery_log.FencedTopic", _FencedTopic)
    monkeypatch.setattr("sinks.hooks.deliverer.reading", _reading)
    monkeypatch.setattr("sinks.hooks.turn.read_newest", _read_newest)
    monkeypatch.setattr("sinks.hooks.outbox.Sender", _Sender)


async def _reported_objectives(settings: object) -> list[bytes]:
    del settings
    return []


async def _engine(world: World) -> None:
    settings = cast("Settings", SimpleNamespace(time_zone="UTC"))
    configuration = SimpleNamespace(rules=world.rules, alert_rules=world.alert_rules)
    engine = _Engine(settings, cast("WatchedRules", configuration))
    leadership = cast("Leadership", _Leadership())
    while True:
        await engine._turn(leadership)  # noqa: SLF001 - what its process calls for ever


async def _deliverer(world: World) -> None:
    settings = cast("Settings", SimpleNamespace(time_zone="UTC"))
    configuration = cast("WatchedHooks", SimpleNamespace(hooks=world.hooks))
    deliverer, leadership = _Deliverer(settings, configuration, [0, *[1.0] * 40]), cast("Leadership", _Leadership())
    while True:
        await deliverer._take_turn(leadership)  # noqa: SLF001 - what its process calls for ever


async def _live(world: World, part: str, fate: Fate | None) -> None:
    """Be a process until it dies; one that was fenced ends."""
    life = Life(fate)
    world.lives[part].append(life)
    LIFE.set(life)
    with suppress(KafkaError, Died):
        await (_engine if part == "engine" else _deliverer)(world)


async def _supervise(world: World, part: str, fates: Iterator[Fate]) -> None:
    """Start a process, and another one whenever it has died, or was stopped for so long that it was given up."""
    stopped: list[asyncio.Task[None]] = []
    try:
        while True:
            begun = len(world.lives[part])
            task = asyncio.create_task(_live(world, part, next(fates, None)))
            await asyncio.sleep(0)
            life = world.lives[part][begun]
            stops = asyncio.create_task(life.is_stopped.wait())
            stopped.append(task)
            await asyncio.wait([task, stops], return_when=asyncio.FIRST_COMPLETED)
            if not task.done():
                asyncio.get_running_loop().call_later(STOPPED_S, life.go_on)
                await asyncio.sleep(SILENT_S)
            stops.cancel()
            await asyncio.sleep(STARTS_S)
    finally:
        for task in stopped:
            task.cancel()
        for ended in await asyncio.gather(*stopped, return_exceptions=True):
            if isinstance(ended, BaseException) and not isinstance(ended, asyncio.CancelledError):
                raise ended


def live_through(
    course: Course,
    house: House,
    rules: tuple[Rules, AlertRules],
    to: tuple[Destination, ...],
    fates: Mapping[str, Sequence[Fate]],
) -> World:
    """Have a course happen, and give the world as it then is."""

    async def run(loop: VirtualTime) -> World:
        world = World(loop, course, house, rules, to)
        _WORLD.set(world)
        people = asyncio.create_task(world.give_commands())
        deliverer = asyncio.create_task(_supervise(world, "deliverer", iter(fates.get("deliverer", ()))))
        await asyncio.sleep(5)  # what happens before there is a destination is not told
        engine = asyncio.create_task(_supervise(world, "engine", iter(fates.get("engine", ()))))
        await asyncio.sleep(course.lasts_s)
        for task in (people, engine):
            task.cancel()
        with suppress(asyncio.CancelledError):
            await engine
        await asyncio.sleep(SETTLES_S)
        deliverer.cancel()
        with suppress(asyncio.CancelledError):
            await deliverer
        return world

    loop = VirtualTime()
    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        return runner.run(run(loop))
