"""The topic `alerts` from the engine's side: written by one engine at a time, and read back when an engine opens it.

Reports of objectives go to the topic `objectives` in the same transactions, so that it is fenced as alerts are.
"""

import asyncio
import logging
from collections.abc import Iterable
from typing import Final

from aiokafka.errors import KafkaError

from schemas.alerts import ALERTS, OPENING_KEY, Alert, NewerVersionError, decode_alert
from schemas.exits import EndError, Exit
from schemas.objectives import OBJECTIVES
from schemas.settings import Settings
from streams.alerts.objective_reports import Due
from streams.kafka.brokers import TopicsMissingError
from streams.kafka.fenced_topic import TRANSACTION_TIMEOUT_MS, FencedTopic, Record
from streams.kafka.topic_reader import read_newest

_NOTHING: Final = Due()
#: Between two attempts to read the former reports of objectives.
_AGAIN_S: Final = 10.0

#: How much of a key is logged.
_KEY_TOLD: Final = 100

_LOG: Final = logging.getLogger(__name__)


class AlertLog:
    """The writer of the topic `alerts`. After any failure of `write` it is of no further use: open another."""

    def __init__(self, settings: Settings, timeout_ms: int = TRANSACTION_TIMEOUT_MS) -> None:
        self._topic = FencedTopic(settings, ALERTS, "alerts", timeout_ms)

    async def open(self, engine: str) -> dict[str, Alert]:
        """Fence every older engine and return all alerts by key. `engine` names this process for people.

        A record that is no alert is passed over, and logged: its cause is judged as one that never fired. Raises
        KafkaError, OSError, TimeoutError; EndError where a newer version of Pulssi wrote an alert.
        """
        alerts: dict[str, Alert] = {}
        for key, value in (await self._topic.open(engine)).items():
            try:
                alerts[key.decode()] = decode_alert(value)
            except NewerVersionError:
                raise EndError(
                    f"the topic {ALERTS} has an alert that this version cannot read: run the version that wrote it, or"
                    f" delete the topic, and run `pulssi migrate`",
                    Exit.NO,
                ) from None
            except ValueError:
                _LOG.error("%s: the record of the key %r is no alert, and is passed over", ALERTS, key[:_KEY_TOLD])
        return alerts

    @property
    def is_recreated(self) -> bool:
        """Whether the topic was recreated since it was opened, so that what was written before is not there."""
        return self._topic.is_recreated

    def take_objectives_recreated(self) -> bool:
        """Tell whether the topic of objectives was recreated since they were first written; each time only once."""
        is_recreated = OBJECTIVES in self._topic.recreated_others
        self._topic.recreated_others.discard(OBJECTIVES)
        return is_recreated

    async def write(self, changed: Iterable[Alert], ended: Iterable[str] = (), objectives: Due = _NOTHING) -> None:
        """Write the alerts that changed, in order, and remove those that are over (keys). Raises what aiokafka does.

        `objectives` are written with them, to their own topic.
        """
        records: list[Record] = [(each.key.encode(), each.model_dump_json().encode()) for each in changed]
        records += [(key.encode(), None) for key in ended]
        told = objectives.pairs()
        if records or told:
            await self._topic.write(records, {OBJECTIVES: told} if told else {})

    async def write_again(self, alerts: Iterable[Alert]) -> None:
        """Write all alerts, in the order of their changes, into a topic that lacks them. Raises what aiokafka does."""
        self._topic.is_recreated = False
        await self.write(sorted(alerts, key=lambda each: each.at))

    async def stop(self) -> None:
        """End the producer. Never while something is being written: that can hang it."""
        await self._topic.stop()


async def reported_objectives(settings: Settings) -> list[bytes]:
    """Return the keys of all objectives in the topic `objectives`; waits for Kafka and the topic, and logs that."""
    waits = False
    while True:
        try:
            return [key for key in await read_newest(settings, OBJECTIVES) if key != OPENING_KEY]
        except (KafkaError, OSError, TopicsMissingError) as error:  # of a time limit, too
            if not waits:
                _LOG.warning("no reports of objectives yet, alerts are judged: %s", str(error) or repr(error))
            waits = True
        await asyncio.sleep(_AGAIN_S)
