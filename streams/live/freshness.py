"""How old the numbers are: up to which time everything that was produced is counted. Pure.

A quiet centre without events is not stale; without a broker that answers, or a worker that counts, it is. So log ends
are noted with their time: once the heads have passed these ends, everything up to that time is counted.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from itertools import islice
from typing import Final, Literal, NamedTuple

from schemas.topics import SourcePartition

#: Numbers that are older than this are called stale.
STALE_AFTER_MS: Final = 3_000

#: - `waiting`: no broker, or no topics, since the start
#: - `reading`: the journals are not read to their ends yet
#: - `live`: the numbers are as fresh as they can be
#: - `stale`: they are older than `STALE_AFTER_MS`
State = Literal["waiting", "reading", "live", "stale"]

#: Log ends that are remembered, a minute of them where they are asked for every second. Where a worker is further
#: behind, they stand further apart: an hour behind is known to two minutes.
_REMEMBERED: Final = 60  # even: of one more, every second one includes the newest


class FreshnessReading(NamedTuple):
    """How fresh the numbers are, and why not fresher."""

    state: State
    #: Everything up to here is counted, UTC milliseconds; None: not known yet.
    as_of: int | None
    #: Events that are produced and not counted, at least.
    behind: int
    #: Why it is not `live`, for people; empty where it is.
    reason: str


class Freshness:
    """Notes log ends and heads, and tells up to which time everything is counted."""

    def __init__(self) -> None:
        self._ends: deque[tuple[int, Mapping[SourcePartition, int]]] = deque()
        #: How far apart they stand at least, but the newest.
        self._apart_ms = 0
        self._heads: Mapping[SourcePartition, int] = {}
        self._counted_at: int | None = None
        self._as_of: int | None = None

    def note_log_ends(self, now_ms: int, ends: Mapping[SourcePartition, int]) -> None:
        """Note that the broker said at `now_ms` where the source partitions end."""
        remembered = self._ends
        if len(remembered) > 1 and remembered[-1][0] - remembered[-2][0] < self._apart_ms:
            remembered.pop()
        remembered.append((now_ms, ends))
        if len(remembered) > _REMEMBERED:
            self._ends = deque(islice(remembered, 0, None, 2))
            self._apart_ms = self._ends[-1][0] - self._ends[-2][0]

    def note_heads(self, now_ms: int, heads: Mapping[SourcePartition, int]) -> None:
        """Note how far each source partition is counted at `now_ms`: the first offset that is not counted."""
        if sum(heads.values()) != sum(self._heads.values()):
            self._counted_at = now_ms
        self._heads = heads
        counted = [index for index, (_, ends) in enumerate(self._ends) if not self._behind(ends)]
        if counted:
            self._as_of = max(self._as_of or 0, self._ends[counted[-1]][0])
            for _ in range(counted[-1]):  # older than the newest ends that are counted: not needed any more
                self._ends.popleft()
            if len(self._ends) == 1:
                self._apart_ms = 0

    def _behind(self, ends: Mapping[SourcePartition, int]) -> int:
        return sum(max(0, end - self._heads.get(partition, 0)) for partition, end in ends.items())

    def reading(self, now_ms: int, *, connected: bool, caught_up: bool) -> FreshnessReading:
        """Tell how fresh the numbers are at `now_ms`."""
        if not connected:
            return FreshnessReading("waiting", None, 0, "waiting for the Kafka broker and its topics")
        answered, behind = self.broker_answered(now_ms), self._behind(self._ends[-1][1]) if self._ends else 0
        if not caught_up and answered:
            return FreshnessReading("reading", None, behind, "reading the journals")
        if self._as_of is not None and now_ms - self._as_of <= STALE_AFTER_MS:
            return FreshnessReading("live", self._as_of, behind, "")
        if not answered:
            reason = "the Kafka broker does not answer"
        elif self._counted_at is not None and now_ms - self._counted_at <= STALE_AFTER_MS:
            reason = "the worker is catching up with the events"
        else:
            reason = "events wait to be counted: does the worker run?"
        return FreshnessReading("stale", self._as_of, behind, reason)

    def broker_answered(self, now_ms: int) -> bool:
        """Tell whether the broker has answered within `STALE_AFTER_MS`."""
        return bool(self._ends) and now_ms - self._ends[-1][0] <= STALE_AFTER_MS
