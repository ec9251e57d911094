"""What the streams read from ClickHouse: the sink's progress, evicted contacts, and the rows of ended epochs.

Reading only. A question without an answer raises `HistoryAwayError`, which says why; whoever asks decides whether to
wait, and nobody waits with a lock held.
"""

import asyncio
from collections.abc import Callable, Collection, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, Final, TypeVar

from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError

from schemas.journal import encode_pane, encode_pane_key
from schemas.panes import Pane, PaneKey, TagPane, TagPaneKey
from schemas.samples import Sample
from schemas.settings import Settings
from schemas.topics import channel_of
from streams.clickhouse.connection import connect, reason, selected
from streams.core.event import from_normalised
from streams.partition.archived_history import ArchivedContact, EndedEpochs

Answer = TypeVar("Answer")

#: What the live view may show, and an hour for clocks that differ: panes of ended epochs that a new journal takes over.
CARRIED_MS: Final = 27 * 3_600_000
#: Contacts asked for at once.
CONTACTS_A_QUERY: Final = 2_000
#: How long one query may take, and how many run at a time: a ClickHouse that hangs holds no more threads than these.
ANSWER_WITHIN_S: Final = 15
MAX_QUERIES: Final = 4


class HistoryAwayError(ConnectionError):
    """ClickHouse does not answer, or not with what was asked for; says why in one line."""


_EPOCH: Final = "SELECT max(epoch) FROM progress WHERE topic = {topic:String} AND `partition` = {partition:UInt32}"
_LAST_STEP: Final = """
SELECT max(toInt64(step)) FROM progress
WHERE topic = {topic:String} AND `partition` = {partition:UInt32} AND epoch = {epoch:UInt32} AND opened >= 0
"""
#: Of one partition, by Kafka's own partitioner as ClickHouse has it.
_CONTACT_IDS: Final = """
SELECT DISTINCT contact_id FROM events_rows
WHERE topic = {topic:String}
AND bitAnd(kafkaMurmurHash(contact_id), 2147483647) % {partitions:UInt32} = {partition:UInt32}
"""
_OPEN_CONTACTS: Final = """
SELECT contact_id FROM contacts_rows FINAL
WHERE open AND channel = {channel:String}
AND bitAnd(kafkaMurmurHash(contact_id), 2147483647) % {partitions:UInt32} = {partition:UInt32}
"""
_EVENTS: Final = """
SELECT contact_id, normalised FROM events_rows WHERE contact_id IN {ids:Array(String)} AND agent_key = ''
"""
_SAMPLES: Final = f"""
SELECT contact_id, {selected(Sample._fields)} FROM samples_rows FINAL
WHERE contact_id IN {{ids:Array(String)}} AND NOT gone
"""  # noqa: S608 - our own names
_OF_PARTITION: Final = """FINAL WHERE topic = {topic:String} AND `partition` = {partition:UInt32} AND supplement = ''
AND pane_start >= fromUnixTimestamp64Milli({since:Int64})
"""
_PANES: Final = f"SELECT {selected([*PaneKey._fields, *Pane._fields])} FROM panes_rows {_OF_PARTITION}"  # noqa: S608 - our own names
_TAG_PANES: Final = f"SELECT {selected([*TagPaneKey._fields, *TagPane._fields])} FROM tag_panes_rows {_OF_PARTITION}"  # noqa: S608 - as above


class ClickHouseHistory:
    """ClickHouse as the streams see it. Its client blocks, and is called from threads."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._threads = ThreadPoolExecutor(MAX_QUERIES, "archive")

    async def epoch(self, source: str, partition: int) -> int:
        """Tell the last epoch of a source partition that is known, 0 where none is. Raises HistoryAwayError."""
        return await self._number(_EPOCH, topic=source, partition=partition)

    async def last_step_in_sink(self, source: str, partition: int, epoch: int) -> int:
        """Tell the last step of an epoch that the sink has written, -1 where none. Raises HistoryAwayError."""
        return await self._number(_LAST_STEP, topic=source, partition=partition, epoch=epoch) or -1

    async def _number(self, query: str, **values: str | int) -> int:
        rows = await self._query(lambda client: client.query(query, parameters=values).result_rows)
        return int(rows[0][0] or 0) if rows else 0

    async def contacts(self, contact_ids: Collection[bytes]) -> dict[bytes, ArchivedContact]:
        """Look contacts up; those that it does not know are left out. Raises HistoryAwayError."""
        ids, found = [each.decode() for each in contact_ids], dict[bytes, ArchivedContact]()
        for begin in range(0, len(ids), CONTACTS_A_QUERY):
            found |= await self._query(partial(_read_contacts, ids=ids[begin : begin + CONTACTS_A_QUERY]))
        return found

    async def ended_epochs(self, source: str, partition: int, partitions: int, now_ms: int) -> EndedEpochs:
        """Tell what ended epochs left behind for a journal that does not have it.

        The contacts' ids come as a stream, which whoever takes it reads in a thread; `now_ms`, UTC milliseconds, says
        which panes are still shown. Raises HistoryAwayError.
        """
        channel = channel_of(source)
        if channel is None:
            return EndedEpochs()
        place = {"topic": source, "channel": channel, "partition": partition, "partitions": partitions}
        values: dict[str, Any] = {**place, "since": now_ms - CARRIED_MS}
        open_contacts = await self._query(
            lambda client: [row[0].encode() for row in client.query(_OPEN_CONTACTS, parameters=values).result_rows]
        )
        panes = await self._query(lambda client: tuple(_read_panes(client, values)))
        return EndedEpochs(self._stream_contact_ids(values), await self.contacts(open_contacts), panes)

    def _stream_contact_ids(self, values: dict[str, Any]) -> Iterator[bytes]:
        """Read every contact's id, block by block. Raises HistoryAwayError."""
        try:
            with (
                connect(self._settings) as client,  # all of them may take longer than one question
                client.query_column_block_stream(_CONTACT_IDS, parameters=values) as blocks,
            ):
                for block in blocks:
                    yield from (contact_id.encode() for contact_id in block[0])
        except (ClickHouseError, OSError) as error:
            raise HistoryAwayError(reason(error)) from None

    async def _query(self, question: Callable[[Client], Answer]) -> Answer:
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._run, question)

    def _run(self, question: Callable[[Client], Answer]) -> Answer:
        try:
            with connect(self._settings, answer_within_s=ANSWER_WITHIN_S) as client:
                return question(client)
        except (ClickHouseError, OSError) as error:
            raise HistoryAwayError(reason(error)) from None


def _read_contacts(client: Client, ids: list[str]) -> dict[bytes, ArchivedContact]:
    found: dict[bytes, ArchivedContact] = {}
    for contact_id, normalised in client.query(_EVENTS, parameters={"ids": ids}).result_rows:
        event = from_normalised(normalised.encode() if isinstance(normalised, str) else normalised)
        found.setdefault(contact_id.encode(), ArchivedContact([], [])).events.append(event)
    for contact_id, *fields in client.query(_SAMPLES, parameters={"ids": ids}).result_rows:
        found.setdefault(contact_id.encode(), ArchivedContact([], [])).issued.append(Sample._make(fields))
    return found


def _read_panes(client: Client, values: Mapping[str, Any]) -> Iterator[tuple[bytes, bytes]]:
    """Yield the panes of the missing journal, each under the epoch that counted it."""
    keys: tuple[tuple[str, type[PaneKey | TagPaneKey]], ...] = ((_PANES, PaneKey), (_TAG_PANES, TagPaneKey))
    for question, key in keys:
        width = len(key._fields)
        for row in client.query(question, parameters=dict(values)).result_rows:
            yield encode_pane_key(key._make(row[:width])), encode_pane(row[width:])
