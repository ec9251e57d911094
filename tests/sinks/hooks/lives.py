"""The life of a modelled process: what it does to the world goes through here, and here it dies or is stopped."""

import asyncio
from collections.abc import Callable
from typing import Final, Literal, NamedTuple, TypeVar

#: What Kafka, or a receiver, takes to answer.
ANSWERS_S: Final = 0.01

T = TypeVar("T")
How = Literal["before", "after", "stopped"]


class Died(BaseException):
    """The process ended here."""


class Fate(NamedTuple):
    """What becomes of a life at its nth deed."""

    at: int
    how: How


class Life:
    """One process, from its start to its death."""

    def __init__(self, fate: Fate | None) -> None:
        self.deeds = 0
        self.commands_read = 0
        self.dead = False
        #: When it went on after it was stopped, by the loop's clock.
        self.woken_at: float | None = None
        self.is_stopped = asyncio.Event()
        #: Whether what it does now was begun after it had been stopped.
        self.begins_anew = False
        self._goes_on = asyncio.Event()
        self._goes_on.set()
        self._fate = fate
        self._loop = asyncio.get_running_loop()

    async def does(self, deed: Callable[[], T]) -> T:
        """Do something to the world, or die or be stopped in it."""
        self.deeds += 1
        begun_at = self._loop.time()
        how = self._fate.how if self._fate is not None and self._fate.at == self.deeds else None
        if how == "before":
            self.dead = True
        await asyncio.sleep(ANSWERS_S)
        if how == "stopped":
            self._goes_on.clear()
            self.is_stopped.set()
        await self._goes_on.wait()
        self.check()
        self.begins_anew = self.woken_at is not None and begun_at >= self.woken_at
        done = deed()
        if how == "after":
            self.dead = True
            self.check()
        return done

    def check(self) -> None:
        """Raise Died where it has."""
        if self.dead:
            raise Died

    def go_on(self) -> None:
        """Go on after it was stopped."""
        self.woken_at = self._loop.time()
        self._goes_on.set()
