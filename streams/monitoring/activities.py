"""What a process is doing, and what of it takes too long: the watchdog's core, without threads, logs or stacks.

Code that may hang runs within `Activities.during`, and calls `doing` where its next phase begins. That costs a few
attributes for each batch, and nothing for an event.
"""

import asyncio
import math
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from enum import StrEnum
from typing import Any, Final, NamedTuple

from schemas.topics import SourcePartition

#: From when on something is stuck, not slow: above what a batch, or a question with its own time limit, usually takes.
STUCK_AFTER_S: Final = 15.0
#: From when on the process is not healthy: above every usual time limit.
UNHEALTHY_AFTER_S: Final = 60.0
#: From when on the process ends itself: above the longest time limit, that of one attempt to open a partition.
END_AFTER_S: Final = 660.0
#: The same activity is logged once in so long.
LOG_EVERY_S: Final = 60.0
#: Longest time between two checks: after more, the process was stopped or the machine asleep, and nothing hung.
HALTED_AFTER_S: Final = 10.0


class Phase(StrEnum):
    """What is being done, in the words of logs, `/healthz` and the runbook."""

    FETCHING = "fetching"
    SILENT = "waiting for records that its log has"
    LOCK = "waiting for the partition's lock"
    FOLDING = "folding"
    WRITING = "writing the step"
    COMMITTING = "committing"
    LOOKING_UP = "looking up ClickHouse"
    INSERTING = "writing to ClickHouse"
    FENCING = "fencing the former owner"
    TOPICS = "asking Kafka for its topics"
    READING = "reading the journal"
    LOG_ENDS = "asking Kafka where logs end"
    SEEKING = "seeking the consumer"
    STOPPING = "stopping the producer"
    IN_CODE = "in code that does not wait"


#: While Kafka is unavailable these last as long as that: logged, and no reason to end the process.
TOLERATED: Final = frozenset({Phase.FETCHING})


class Activity:
    """One thing under way; `doing` changes it."""

    __slots__ = ("failed", "of", "phase", "since", "task", "thread")

    def __init__(self, of: SourcePartition | str, phase: Phase, since: float, task: asyncio.Task[Any] | None) -> None:
        self.of = of
        self.phase = phase
        #: When this phase began, or last made progress, by the clock of `Activities`; infinite once it is over.
        self.since = since
        #: The `since` of the last phase that ended in an error.
        self.failed = math.nan
        #: Where it runs: for its stack.
        self.task = task
        self.thread = threading.get_ident()


class StuckActivity(NamedTuple):
    """An activity that takes too long, as it was when it was looked at."""

    activity: Activity
    phase: Phase
    since: float
    seconds: float

    @property
    def name(self) -> str:
        """Name the partition, or what else it is of."""
        of = self.activity.of
        return of if isinstance(of, str) else f"{of[0]}/{of[1]}"

    def line(self, where: str) -> str:
        """Say it in one line, with where in the code it stands."""
        return f"{self.name} is stuck {self.phase}: {self.seconds:.0f} s so far, at {where}"

    def resumed_line(self, now: float) -> str:
        """Say in one line that it is over, after how long, and whether it was done or failed."""
        how = "it failed after" if self.activity.failed == self.since else "it took"
        return f"{self.name} is no longer stuck {self.phase}: {how} {now - self.since:.0f} s"


_CURRENT: Final[ContextVar[tuple[Activity, Callable[[], float]] | None]] = ContextVar("activity", default=None)


def doing(phase: Phase) -> None:
    """Note the next phase of this task's activity, or its progress in the same one; outside any activity, nothing."""
    if (current := _CURRENT.get()) is not None:
        activity, now = current
        activity.phase = phase
        activity.since = now()


def note_failure() -> None:
    """Note that the phase of this task's activity ends in an error that is handled; outside any activity, nothing."""
    if (current := _CURRENT.get()) is not None:
        activity, _ = current
        activity.failed = activity.since


class Activities:
    """The activities of one process."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self.now = now
        self._under_way: set[Activity] = set()

    @contextmanager
    def during(self, phase: Phase, of: SourcePartition | str) -> Iterator[Activity]:
        """Note that something is under way until the block ends."""
        try:
            task = asyncio.current_task()
        except RuntimeError:  # a thread without a loop
            task = None
        activity = Activity(of, phase, self.now(), task)
        token = _CURRENT.set((activity, self.now))
        self._under_way.add(activity)
        try:
            yield activity
        except Exception:
            activity.failed = activity.since
            raise
        finally:
            self._under_way.discard(activity)
            activity.since = math.inf
            _CURRENT.reset(token)

    def stuck(self) -> list[StuckActivity]:
        """Return the activities that take too long, the longest first."""
        now = self.now()
        # A copy: tasks of other threads begin and end meanwhile.
        seen = [StuckActivity(each, each.phase, each.since, now - each.since) for each in list(self._under_way)]
        return sorted((each for each in seen if each.seconds >= STUCK_AFTER_S), key=lambda one: -one.seconds)

    def exclude_time(self, halted_s: float) -> None:
        """Subtract a time in which the whole process was halted."""
        for activity in list(self._under_way):
            activity.since += halted_s


class Watch:
    """Decides which stuck activities are logged, and when: each once a minute, and once when it continues."""

    def __init__(self, activities: Activities) -> None:
        self._activities = activities
        self._checked_at = activities.now()
        self._next_log_at: dict[tuple[object, Phase], float] = {}
        self._logged: dict[Activity, StuckActivity] = {}

    def check(self) -> tuple[list[StuckActivity], list[str]]:
        """Check all activities; return those that are to be logged as stuck, and the lines of those that continued."""
        now = self._activities.now()
        if now - self._checked_at > HALTED_AFTER_S:
            self._activities.exclude_time(now - self._checked_at)
            self._logged.clear()
        self._checked_at = now
        resumed = [each for each in self._logged.values() if each.activity.since != each.since]  # it continued since
        for each in resumed:
            del self._logged[each.activity]
        due = [each for each in self._activities.stuck() if self._is_due(each, now)]
        return due, [each.resumed_line(now) for each in resumed]

    def _is_due(self, stuck: StuckActivity, now: float) -> bool:
        key = stuck.activity.of, stuck.phase
        if now < self._next_log_at.get(key, now):
            return False
        self._next_log_at[key] = now + LOG_EVERY_S
        self._logged[stuck.activity] = stuck
        return True


def longest_beyond(stuck: Iterable[StuckActivity], after_s: float) -> StuckActivity | None:
    """Return the longest of those that are stuck for more than `after_s` and not tolerated; None: there is none."""
    return next((each for each in stuck if each.seconds > after_s and each.phase not in TOLERATED), None)
