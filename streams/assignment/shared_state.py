"""What the opened partitions of one worker share: what they wait for, why they are blocked, how large a step may be.

Health and metrics read it. It outlives a partition that is closed and opened again.
"""

from collections.abc import Callable
from typing import Final, NamedTuple

from schemas.topics import SourcePartition
from streams.clickhouse.archive import ClickHouseArchive

#: What a partition waits for: the first word of the reason in the log and in health.
CLICKHOUSE: Final = "ClickHouse"
KAFKA: Final = "Kafka"


class Wait(NamedTuple):
    """What one partition waits for: health reports it, since a partition that waits writes no steps."""

    partition: SourcePartition
    reason: str
    #: By the monotonic clock.
    since: float
    #: Whether it is for ClickHouse at an opening: a worker that is started again would wait for the same.
    opening: bool = False

    def line(self, now: float) -> str:
        """Say it in one line."""
        return f"{self.partition[0]}/{self.partition[1]} has waited {now - self.since:.0f} s for {self.reason}"


class SharedState:
    """What all partitions of a worker share."""

    def __init__(self, archive: ClickHouseArchive, now: Callable[[], float]) -> None:
        self.archive = archive
        self.now = now
        #: Whether ClickHouse did not answer last time: batches do not wait for it one after the other then.
        self.clickhouse_unavailable = False
        self._waits: dict[SourcePartition, Wait] = {}
        #: The size limit of a step in bytes, for partitions whose steps were too large.
        self.step_limits: dict[SourcePartition, int] = {}
        #: Why a partition is blocked, in one line.
        self.blocked: dict[SourcePartition, str] = {}

    def note_wait(self, partition: SourcePartition, reason: str, *, opening: bool = False) -> None:
        """Note what a partition waits for. Where it waits already, the reason is replaced and the beginning stays."""
        since = self._waits[partition].since if partition in self._waits else self.now()
        self._waits[partition] = Wait(partition, reason, since, opening)

    def clear_wait(self, partition: SourcePartition) -> None:
        """Note that a partition does not wait any more."""
        self._waits.pop(partition, None)

    @property
    def waiting_reasons(self) -> dict[SourcePartition, str]:
        """Why each partition that waits or is blocked counts nothing, as the metric names it."""
        waits = {
            partition: "clickhouse" if wait.opening or wait.reason.startswith(CLICKHOUSE) else "kafka"
            for partition, wait in self._waits.items()
        }
        return waits | dict.fromkeys(self.blocked, "blocked")

    @property
    def longest_wait(self) -> Wait | None:
        """The wait of the partition that waits longest, an opened one if any does; None where none waits."""
        return min(self._waits.values(), key=lambda wait: (wait.opening, wait.since), default=None)
