"""What a source reports about its queues when it is polled: states, not contacts; the topic `source_gauges`.

They name their source and stand beside Pulssi's own gauges, which are counted from events; nothing adds both up.
"""

from typing import Final

import orjson
from pydantic import BaseModel, ConfigDict, TypeAdapter

from schemas.topics import Channel
from schemas.values import Count, Name

#: Version of this record; a change that an old reader would misread raises it.
VERSION: Final = 1

#: Of one partition; key = source, account and queue as a JSON array, value = `SourceGauge` as JSON; or of an account
#: alone, with `NoQueues`.
SOURCE_GAUGES: Final = "source_gauges"


class QueueState(BaseModel):
    """The state of a queue as its vendor tells it; None: it does not."""

    model_config = ConfigDict(frozen=True, strict=True)

    queue: Name
    channel: Channel
    waiting: Count | None = None
    longest_wait_ms: Count | None = None
    #: Contacts that agents are busy with.
    handling: Count | None = None
    agents_signed_in: Count | None = None
    agents_available: Count | None = None
    agents_away: Count | None = None
    #: How many contacts more the agents could take.
    free_slots: Count | None = None


class _Answer(BaseModel):
    """What a source answered when it was asked, at `at` in UTC milliseconds."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")

    v: int = VERSION
    at: int
    source: Name
    account: Name


class SourceGauge(QueueState, _Answer):
    """The state of a queue at the time at which its source was asked."""

    @property
    def key(self) -> bytes:
        """The record's key."""
        return orjson.dumps([self.source, self.account, self.queue])


class NoQueues(_Answer):
    """The source's answer had no queue, or none whose state could be used.

    It ends the states in the answer before: without it they would stay the newest ones for ever.
    """

    @property
    def key(self) -> bytes:
        """The record's key."""
        return orjson.dumps([self.source, self.account])


_RECORD: Final = TypeAdapter[SourceGauge | NoQueues](SourceGauge | NoQueues)


def decode_source_gauge(value: bytes) -> SourceGauge | NoQueues:
    """Read a record. Raises ValueError."""
    return _RECORD.validate_json(value)
