"""How far each account is imported and followed: the topic `source_positions`.

A position is written when everything up to it is acknowledged. Several processes may write. If an older position is
written last, some payloads are read twice, which gives the same events and only costs time.
"""

from typing import Any, Final

from aiokafka.errors import KafkaError
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from schemas.settings import Settings
from schemas.topics import SOURCE_POSITIONS
from streams.kafka.brokers import BrokerUnreachableError
from streams.kafka.occasional_writer import OccasionalWriter, WrittenRecord
from streams.kafka.topic_reader import read_newest

VERSION: Final = 1


class SourcePosition(BaseModel):
    """The value of a record, as JSON."""

    model_config = ConfigDict(frozen=True)

    v: int = VERSION
    #: Where the reader of the source continues.
    position: dict[str, Any]
    #: When it was written: UTC milliseconds.
    at: int
    #: How many payloads and events there were up to here, for people.
    payloads: int = Field(default=0, ge=0)
    events: int = Field(default=0, ge=0)
    #: Whether all that was asked for is read.
    finished: bool = False


def position_key(source: str, account: str, stream: str) -> bytes:
    """Make the key of a record; `stream` is what is read: a file, a period, or `follow`."""
    return f"{source}/{account}/{stream}".encode()


class SourcePositions(OccasionalWriter):
    """Reads and writes positions."""

    def __init__(self, settings: Settings, client: str) -> None:
        super().__init__(settings, client)
        self._settings = settings

    async def read(self, key: bytes) -> SourcePosition | None:
        """Return a position; None where there is none, or one that only a newer version can read.

        Raises BrokerUnreachableError, and TopicsMissingError where there is no such topic.
        """
        try:
            value = (await read_newest(self._settings, SOURCE_POSITIONS)).get(key)
        except (KafkaError, OSError, TimeoutError):
            raise BrokerUnreachableError(self._settings.kafka_brokers, 0) from None
        if value is None:
            return None
        try:
            found = SourcePosition.model_validate_json(value)
        except ValidationError:
            return None
        return found if found.v <= VERSION else None

    async def write(self, key: bytes, position: SourcePosition) -> None:
        """Write a position, and return once Kafka has acknowledged it. Raises BrokerUnreachableError."""
        value = position.model_dump_json().encode()
        await self.write_records([WrittenRecord(SOURCE_POSITIONS, key, value, partition=0)])
