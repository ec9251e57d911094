"""The topic `alerts` from the engine's side: written by one engine at a time, and read back when an engine opens it."""

from collections.abc import Iterable

from schemas.alerts import ALERTS, Alert, decode_alert
from schemas.exits import EndError, Exit
from schemas.settings import Settings
from streams.kafka.fenced_topic import TRANSACTION_TIMEOUT_MS, FencedTopic


class AlertLog:
    """The writer of the topic `alerts`. After any failure of `write` it is of no further use: open another."""

    def __init__(self, settings: Settings, timeout_ms: int = TRANSACTION_TIMEOUT_MS) -> None:
        self._topic = FencedTopic(settings, ALERTS, "alerts", timeout_ms)

    async def open(self, engine: str) -> dict[str, Alert]:
        """Fence every older engine and return all alerts by key. `engine` names this process for people.

        Raises KafkaError, OSError, TimeoutError; EndError where another version of Pulssi wrote an alert.
        """
        records = await self._topic.open(engine)
        try:
            return {key.decode(): decode_alert(value) for key, value in records.items()}
        except ValueError:
            raise EndError(
                f"the topic {ALERTS} has an alert that this version cannot read: run the version that wrote it, or"
                f" delete the topic, and run `pulssi migrate`",
                Exit.NO,
            ) from None

    async def write(self, changed: Iterable[Alert], ended: Iterable[str] = ()) -> None:
        """Write the alerts that changed, in order, and remove those that are over (keys). Raises what aiokafka does."""
        records: list[tuple[bytes, bytes | None]] = [
            (each.key.encode(), each.model_dump_json().encode()) for each in changed
        ]
        records += [(key.encode(), None) for key in ended]
        if records:
            await self._topic.write(records)

    async def stop(self) -> None:
        """End the producer. Never while something is being written: that can hang it."""
        await self._topic.stop()
