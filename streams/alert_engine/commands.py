"""What people do about alerts: commands are records of the topic `alerts.commands`, which engine and deliverer read.

Which silences hold and which alerts are acknowledged follows from the commands read so far; nothing else is kept.
"""

from collections.abc import Iterable
from typing import Final

from aiokafka import AIOKafkaProducer

from schemas.alerts import ALERT_COMMANDS, Acknowledge, Command, EndSilence, Retry, Silence, decode_command
from schemas.settings import Settings

#: As long as the topic keeps commands.
SILENCE_AT_MOST_MS: Final = 90 * 24 * 3_600_000


class Commands:
    """The effect of the commands read so far."""

    def __init__(self) -> None:
        #: The first acknowledgement of each alert, by the alert's id.
        self.acknowledged: dict[str, Acknowledge] = {}
        #: By their own id; those that were ended are removed, those whose time is over are not.
        self.silences: dict[str, Silence] = {}

    def apply_all(self, commands: Iterable[Command]) -> None:
        """Apply the next commands."""
        for command in commands:
            self.apply(command)

    def apply(self, command: Command) -> None:
        """Apply the next command. A second acknowledgement of an alert, by whomever, changes nothing."""
        match command:
            case Acknowledge():
                self.acknowledged.setdefault(command.alert_id, command)
            case Silence():
                self.silences[command.silence_id] = command
            case EndSilence():
                self.silences.pop(command.silence_id, None)
            case Retry():
                pass  # it is the deliverer's


async def send(settings: Settings, command: Command) -> None:
    """Write a command, and return once Kafka has acknowledged it. Raises KafkaError and OSError."""
    match command:
        case Acknowledge():
            key = command.alert_id
        case Retry():
            key = command.webhook_id
        case _:
            key = command.silence_id
    producer = AIOKafkaProducer(bootstrap_servers=settings.kafka_brokers, acks="all", enable_idempotence=True)
    await producer.start()
    try:
        await producer.send_and_wait(ALERT_COMMANDS, command.model_dump_json().encode(), key.encode(), partition=0)
    finally:
        await producer.stop()


def read_command(value: bytes | None) -> Command | None:
    """Decode a command; None if this version does not know it: newer versions may write to the topic too."""
    try:
        return None if value is None else decode_command(value)
    except ValueError:
        return None
