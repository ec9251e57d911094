"""A partition, its journal, a sink that lags, and an archive, all in memory: what may happen to them happens at once.

One worker of `fencing`, which nobody fences, step by step: what a test of random courses of events needs.
"""

import asyncio
from collections.abc import Coroutine, Iterable, Mapping
from typing import Any, Final

from schemas.policies import Rules
from streams.partition.state import PartitionState
from tests.streams.fencing import Fencing
from tests.streams.records import Record, records_of

_LOOP: Final = asyncio.new_event_loop()


class World:
    """One source partition with all that hangs on it."""

    def __init__(self, rules: Rules, partitions: int = 1) -> None:
        self.model = Fencing(rules, workers=1, partitions=partitions)
        self.store = self.model.sink.store
        self._do(self.model.start())
        self._do(self.model.open(0))

    @staticmethod
    def _do(what: Coroutine[Any, Any, object]) -> None:
        _LOOP.run_until_complete(what)

    @property
    def partition(self) -> PartitionState:
        """The partition, as the worker has it."""
        return self.model.partition(0)

    def deliver(self, events: Iterable[Mapping[str, Any]]) -> None:
        """Produce events and have the worker take them as one batch, with evicted contacts looked up or parked."""
        made = list(events)
        self.model.events += made
        self.deliver_records(records_of(made))

    def deliver_records(self, records: Iterable[Record]) -> None:
        """Produce any records and have the worker take them as one batch."""
        before = len(self.model.source)
        self.model.append(records)
        self._do(self.model.step(0, len(self.model.source) - before))

    def unpark(self) -> None:
        """Fold what waited, unless ClickHouse is away."""
        self._do(self.model.unpark(0))

    def evict(self) -> None:
        """Forget what is old and in the store."""
        self._do(self.model.evict(0))

    def crash(self, *, compacted: bool, rules: Rules | None = None) -> None:
        """Lose the worker's memory, and have another one open the partition, maybe with other rules."""
        if compacted:
            self.model.compact(self.model.sink.end)
        self.model.rules = rules or self.model.rules
        self._do(self.model.open(0))

    def recreate(self) -> None:
        """Have the topic recreated, and, every other time, the journal too, once all is in the store."""
        self._do(self.model.recreate(journal=bool(self.partition.head.epoch % 2)))
        self._do(self.model.open(0))

    def sink(self, records: int) -> None:
        """Have the sink read so many records of the journal, and write the steps that are whole."""
        if not self.model.away:
            self._do(self.model.sink.read(records))
            self.model.sink.write()

    def settle(self) -> None:
        """Let everything come to its end."""
        self.model.away = False
        self.unpark()
        self._do(self.model.sink.drain())
        self.model.sink.write()
