"""Journals written by hand: any steps, committed as a worker would, or aborted."""

from typing import Self

from schemas.journal import HEAD_KEY, OPEN_KEY, Head, encode_head, encode_open
from streams.journal.writer import JournalWriter
from streams.partition.step_to_write import JournalRecord, StepToWrite

Records = list[JournalRecord]


class JournalByHand(JournalWriter):
    """Writes one journal partition, a transaction a step; an opening only where a test asks for it."""

    async def __aenter__(self) -> Self:
        await self._producer.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def open(self, worker: str = "hand") -> int:
        """Write an opening; returns its offset."""
        async with self._producer.transaction():
            return await self._write([(OPEN_KEY, encode_open(worker))])

    async def step(self, head: Head, records: Records) -> int:
        """Write a step; returns its head's offset."""
        await self.append(StepToWrite([*records, (HEAD_KEY, encode_head(head))], [], head))
        return self.end - 1

    async def abort(self, records: Records) -> None:
        """Begin a step and abort it."""
        await self._producer.begin_transaction()
        await self._write(records)
        await self._producer.abort_transaction()
