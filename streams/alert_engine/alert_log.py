"""The topic `alerts` from the engine's side: written by one engine at a time, and read back when an engine opens it."""

import logging
from collections.abc import Iterable
from typing import Final

from schemas.alerts import ALERTS, Alert, NewerVersionError, decode_alert
from schemas.exits import EndError, Exit
from schemas.settings import Settings
from streams.kafka.fenced_topic import TRANSACTION_TIMEOUT_MS, FencedTopic

#: How much of a key is told.
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
        """Whether the topic is another one since it was opened, so that what was written before is not there."""
        return self._topic.is_recreated

    async def write(self, changed: Iterable[Alert], ended: Iterable[str] = ()) -> None:
        """Write the alerts that changed, in order, and remove those that are over (keys). Raises what aiokafka does."""
        records: list[tuple[bytes, bytes | None]] = [
            (each.key.encode(), each.model_dump_json().encode()) for each in changed
        ]
        records += [(key.encode(), None) for key in ended]
        if records:
            await self._topic.write(records)

    async def write_again(self, alerts: Iterable[Alert]) -> None:
        """Write all alerts, in the order of their changes, into a topic that lacks them. Raises what aiokafka does."""
        self._topic.is_recreated = False
        await self.write(sorted(alerts, key=lambda each: each.at))

    async def stop(self) -> None:
        """End the producer. Never while something is being written: that can hang it."""
        await self._topic.stop()
