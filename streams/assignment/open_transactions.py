"""Transactions that Kafka leaves open in a journal although it has told the worker that the step is committed.

A coordinator of Kafka 4 that ends a transaction while a partition has no leader, as after a broker was halted, never
writes the marker there (KAFKA-20734). Readers then have neither that step nor those after it. The end of the
partition's next transaction ends this one too, so an empty step is written: never more than one for the same open
transaction, and none while a step is under way.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from schemas.topics import SourcePartition, journal_of
from streams.assignment.failures import During, react
from streams.assignment.opened_partition import OpenedPartition
from streams.kafka.log_ends import LogEnds
from streams.monitoring.activities import Activities, Phase

_LOG: Final = logging.getLogger(__name__)


class _OpenTransaction(NamedTuple):
    """What was seen of a journal whose stable offset is below the end of the last step."""

    #: Journal offset of the open transaction's first record.
    begin: int
    #: Journal offset behind the last step.
    end: int
    #: Whether an empty step was asked for, and whether it is known that it did not help.
    step_asked_for: bool = False
    is_reported: bool = False


@dataclass(eq=False)
class OpenTransactions:
    """Finds them; `check` is called at regular intervals, and reacts to what two calls in a row have seen."""

    log_ends: LogEnds
    activities: Activities
    _seen: dict[SourcePartition, _OpenTransaction] = field(default_factory=dict)

    async def check(self, partitions: Mapping[SourcePartition, OpenedPartition]) -> None:
        """Have those partitions write an empty step whose last step readers cannot have. One question to Kafka."""
        opened = {partition: each for partition, each in partitions.items() if each.writer.end and not each.closed}
        ends = {partition: each.writer.end for partition, each in opened.items()}
        if not ends:
            self._seen = {}
            return
        try:
            with self.activities.during(Phase.LOG_ENDS, "the worker"):
                stable = await self.log_ends.stable([(journal_of(topic), number) for topic, number in ends])
        except Exception as error:  # noqa: BLE001 - what is none of the table's is raised on
            react(During.LOG_ENDS, error)
            return
        seen_before, self._seen = self._seen, {}
        for partition, end in ends.items():
            begin = stable.get((journal_of(partition[0]), partition[1]), end)
            if begin < end:
                before = seen_before.get(partition)
                self._seen[partition] = self._look(partition, opened[partition], _OpenTransaction(begin, end), before)

    def _look(
        self,
        partition: SourcePartition,
        opened: OpenedPartition,
        now: _OpenTransaction,
        before: _OpenTransaction | None,
    ) -> _OpenTransaction:
        """React to an open transaction that was there at the last check too, without a step since."""
        if before is None or before.begin != now.begin:
            return now
        if before.end != now.end or opened.lock.locked():
            return before._replace(end=now.end)
        if not before.step_asked_for:
            _LOG.warning(
                "%s/%d: Kafka has left the transaction of a committed step open, from offset %d of %s on, and readers"
                " wait for it: writing an empty step, which ends it",
                *(*partition, now.begin, journal_of(partition[0])),
            )
            opened.empty_step_due = True
            return before._replace(step_asked_for=True)
        if not before.is_reported and not opened.empty_step_due:
            _LOG.error(
                "%s/%d: an empty step did not end the transaction that is open from offset %d of %s on: another"
                " producer holds it, and readers wait until it is ended (docs/runbooks/stuck.md)",
                *(*partition, now.begin, journal_of(partition[0])),
            )
            return before._replace(is_reported=True)
        return before
