"""Decides which of several processes of a part works: the one to which Kafka's consumer group assigns the commands.

The topic of commands has one partition, so one process has it at a time, and the others stand by. Fencing (see
`fenced_topic`) ensures that a process that has lost it without knowing writes nothing more.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any, Final

from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition
from aiokafka.errors import KafkaError

from schemas.alerts import ALERT_COMMANDS, Command
from schemas.settings import Settings
from streams.alert_engine.commands import read_command
from streams.kafka.brokers import TopicsMissingError
from streams.kafka.consumer_end import stop_consumer
from streams.tasks import run_to_completion

#: A process that is gone for so long is replaced.
SESSION_MS: Final = 10_000
#: Between two attempts to reach Kafka.
AGAIN_S: Final = 2.0
_ANSWERS_WITHIN_S: Final = 10.0
_POLL_MS: Final = 200

_LOG: Final = logging.getLogger(__name__)


class _Turns(ConsumerRebalanceListener):  # type: ignore[misc]  # aiokafka carries no types
    """Counts how many times the partition was given to this process or taken from it."""

    def __init__(self) -> None:
        self.count = 0

    async def on_partitions_revoked(self, revoked: object) -> None:
        """Note it."""
        del revoked
        self.count += 1

    async def on_partitions_assigned(self, assigned: object) -> None:
        """Note it."""
        del assigned
        self.count += 1


class Leadership:
    """This process's membership in the consumer group of its part, and the commands that come while it leads."""

    def __init__(self, settings: Settings, part: str) -> None:
        self._settings = settings
        self._turns = _Turns()
        self._consumer: Any = AIOKafkaConsumer(
            bootstrap_servers=settings.kafka_brokers,
            group_id=f"{settings.application}-{part}",
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            session_timeout_ms=SESSION_MS,
            fetch_max_wait_ms=_POLL_MS,
        )

    async def start(self) -> None:
        """Join. Raises KafkaError, OSError, and TopicsMissingError where the topic is not there."""
        await self._consumer.start()
        if ALERT_COMMANDS not in await self._consumer.topics():  # all of them: subscribing to one may create it
            raise TopicsMissingError(self._settings.kafka_brokers, [ALERT_COMMANDS])
        self._consumer.subscribe([ALERT_COMMANDS], listener=self._turns)

    @property
    def turn(self) -> int | None:
        """The number of this process's turn; None: another one leads. If it changes, the turn was lost in between."""
        return self._turns.count if self._consumer.assignment() else None

    async def rewind(self) -> None:
        """Read all commands again, from the first one. Raises KafkaError."""
        await self._consumer.seek_to_beginning()

    async def commands(self) -> list[Command]:
        """Return the commands that come within a moment. Raises KafkaError."""
        fetched = await self._consumer.getmany(timeout_ms=_POLL_MS)
        records = [record for of_partition in fetched.values() for record in of_partition]
        return [command for record in records if (command := read_command(record.value)) is not None]

    async def ask(self) -> None:
        """Ask Kafka something that it must answer. Raises KafkaError, OSError and TimeoutError."""
        async with asyncio.timeout(_ANSWERS_WITHIN_S):
            await self._consumer.end_offsets([TopicPartition(ALERT_COMMANDS, 0)])

    async def behind(self) -> bool:
        """Tell whether there are commands that were not read yet."""
        partition = TopicPartition(ALERT_COMMANDS, 0)
        end = (await self._consumer.end_offsets([partition]))[partition]
        return bool(await self._consumer.position(partition) < end)

    async def stop(self) -> None:
        """Leave, so that another process leads at once."""
        await stop_consumer(self._consumer)


async def take_turns(
    settings: Settings,
    part: str,
    take: Callable[[Leadership], Awaitable[None]],
    without_kafka: str,
    moved: Callable[[], None] = lambda: None,
) -> None:
    """Call `take` for ever, which works while it is this process's turn; waits for Kafka, and logs that.

    `without_kafka` says in the log what is not done meanwhile. `moved` is called before each attempt to connect.
    """
    waits = False
    while True:
        moved()
        leadership = Leadership(settings, part)
        try:
            await leadership.start()
            waits = False
            while True:
                await take(leadership)
        except (KafkaError, OSError, TopicsMissingError) as error:
            if not waits:
                _LOG.warning("%s until Kafka answers: %s", without_kafka, str(error) or repr(error))
            waits = True
        finally:
            await run_to_completion(leadership.stop())
        await asyncio.sleep(AGAIN_S)
