"""The simulated clock: processes take turns in the order of their times.

A process is a generator that yields for how long it sleeps (milliseconds), or None where it sleeps until it is woken.
It never reads the wall clock, and what it does at one time it does at once.
"""

from __future__ import annotations

from collections.abc import Generator
from heapq import heappop, heappush
from typing import Any, TypeAlias, TypeVar

R = TypeVar("R")

#: What a process is made of; it is sent None when its time has come, or what another process woke it with.
Steps: TypeAlias = Generator[int | None, Any, R]


class Process:
    """A generator and the number of its present sleep: a wake-up for an earlier sleep is void."""

    __slots__ = ("sleep", "steps")

    def __init__(self, steps: Steps[None]) -> None:
        self.steps = steps
        self.sleep = 0


class Timeline:
    """All that will happen, soonest first."""

    def __init__(self, now: int) -> None:
        #: The simulated time in UTC milliseconds.
        self.now = now
        self.running: Process | None = None
        self._order = 0
        self._due: list[tuple[int, int, int, Process, object]] = []

    def start(self, steps: Steps[None], after_ms: int = 0) -> Process:
        """Let a process begin."""
        process = Process(steps)
        self._push(process, self.now + after_ms, None)
        return process

    def wake(self, process: Process, value: object) -> None:
        """End a process's sleep now, with a value; its own time to wake no longer counts."""
        process.sleep += 1
        self._push(process, self.now, value)

    def next_at(self) -> int | None:
        """Tell when something happens next; None where nothing does any more."""
        due = self._due
        while due and due[0][2] != due[0][3].sleep:
            heappop(due)
        return due[0][0] if due else None

    def step(self) -> None:
        """Let the next process take its turn."""
        at, _, sleep, process, value = heappop(self._due)
        if sleep != process.sleep:
            return
        self.now = at
        self.running = process
        try:
            delay = process.steps.send(value)
        except StopIteration:
            process.sleep = -1
            return
        process.sleep += 1
        if delay is not None:
            self._push(process, at + delay, None)

    def _push(self, process: Process, at: int, value: object) -> None:
        self._order += 1
        heappush(self._due, (at, self._order, process.sleep, process, value))
