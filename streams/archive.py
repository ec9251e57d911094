"""What the streams ask ClickHouse: how far the sink is, what an evicted contact was, what an ended epoch left behind.

Reading only. Questions that a step depends on raise `ArchiveAwayError` where there is no answer; whoever asks decides
whether to wait.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any, Final, Protocol, TypeVar

from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError
from tenacity import AsyncRetrying, RetryCallState, wait_exponential

from schemas.journal import encode_pane, encode_pane_key, encode_tag_pane_key
from schemas.panes import PaneKey, TagPane, TagPaneKey
from schemas.samples import Sample
from schemas.settings import Settings
from schemas.topics import channel_of
from streams.clickhouse import connect, reason
from streams.core.event import from_normalised
from streams.past import Kept, Past

Answer = TypeVar("Answer")

#: What the live view may show, and an hour for clocks that differ: panes of ended epochs that go on in the journal.
CARRIED_MS: Final = 27 * 3_600_000
#: Contacts asked for at once.
AT_ONCE: Final = 2_000

_BACK_OFF: Final = wait_exponential(multiplier=0.2, max=5.0)
_LOG: Final = logging.getLogger(__name__)


class ArchiveAwayError(ConnectionError):
    """ClickHouse does not answer, or not with what was asked for; says why in one line."""


class Archive(Protocol):
    """What a worker needs of it."""

    async def past(self, source: str, partition: int) -> Past:
        """Tell what ended epochs left behind; waits for as long as it takes."""
        ...

    async def passed(self, source: str, partition: int, epoch: int) -> int:
        """Tell the last step of an epoch that the sink has written, -1 where none. Raises ArchiveAwayError."""
        ...

    async def contacts(self, contact_ids: Collection[bytes]) -> dict[bytes, Kept]:
        """Look contacts up; those that it does not know are left out. Raises ArchiveAwayError."""
        ...


_PAST_EPOCH: Final = "SELECT max(epoch) FROM progress WHERE topic = {topic:String} AND `partition` = {partition:UInt32}"
_PASSED: Final = """
SELECT max(toInt64(step)) FROM progress
WHERE topic = {topic:String} AND `partition` = {partition:UInt32} AND epoch = {epoch:UInt32} AND opened >= 0
"""
_LOST: Final = """
SELECT toInt64((
    SELECT max(`end`) FROM ends
    WHERE topic = {topic:String} AND `partition` = {partition:UInt32} AND epoch = {epoch:UInt32}
)) - toInt64(max(next))
FROM progress WHERE topic = {topic:String} AND `partition` = {partition:UInt32} AND epoch = {epoch:UInt32}
"""
_ALL: Final = "SELECT DISTINCT contact_id FROM events_rows WHERE topic = {topic:String}"
_OPEN: Final = "SELECT contact_id FROM contacts_rows FINAL WHERE open AND channel = {channel:String}"
_EVENTS: Final = """
SELECT contact_id, normalised FROM events_rows WHERE contact_id IN {ids:Array(String)} AND agent_key = ''
"""
_SAMPLES: Final = """
SELECT contact_id, sample, slot, toUnixTimestamp64Milli(at), queue, priority, team, segment, language, agent_id, tag,
    outcome, value_ms, business_ms, active_ms, active_business_ms, value, policy, target_ms, within, short, satisfied,
    `partial`, in_hours, instance, caused_by
FROM samples_rows FINAL WHERE contact_id IN {ids:Array(String)} AND NOT gone
"""
_PANES: Final = """
SELECT epoch, toUnixTimestamp64Milli(pane_start), queue, priority, team, segment, sample,
    n, n_target, n_within, n_short, n_satisfied, sum_ms, business_n, business_sum_ms, sum_value, hist, business_hist
FROM panes_rows FINAL
WHERE topic = {topic:String} AND `partition` = {partition:UInt32} AND supplement = ''
AND pane_start >= (SELECT max(pane_start) FROM panes_rows) - INTERVAL {carried:UInt32} MILLISECOND
"""
_TAG_PANES: Final = """
SELECT epoch, toUnixTimestamp64Milli(pane_start), queue, tag, n, known FROM tag_panes_rows FINAL
WHERE topic = {topic:String} AND `partition` = {partition:UInt32} AND supplement = ''
AND pane_start >= (SELECT max(pane_start) FROM panes_rows) - INTERVAL {carried:UInt32} MILLISECOND
"""


class ClickHouseArchive:
    """ClickHouse as the worker sees it. Its client blocks, and is called from threads."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    async def past(self, source: str, partition: int) -> Past:
        """Tell what ended epochs left behind; waits for ClickHouse and its tables, and says so."""

        def say(state: RetryCallState) -> None:
            _LOG.warning(
                "waiting for ClickHouse and its tables (`pulssi migrate`) to ask what is kept of %s/%d: attempt %d",
                *(source, partition, state.attempt_number),
            )

        return await AsyncRetrying(wait=_BACK_OFF, before_sleep=say)(
            self._ask, lambda client: _past(client, source, partition)
        )

    async def passed(self, source: str, partition: int, epoch: int) -> int:
        """Tell the last step of an epoch that the sink has written."""
        values = {"topic": source, "partition": partition, "epoch": epoch}
        rows = await self._ask(lambda client: client.query(_PASSED, parameters=values).result_rows)
        return int(rows[0][0]) if rows and rows[0][0] else -1

    async def contacts(self, contact_ids: Collection[bytes]) -> dict[bytes, Kept]:
        """Look contacts up, `AT_ONCE` at a time."""
        names, found = [each.decode() for each in contact_ids], dict[bytes, Kept]()
        for begin in range(0, len(names), AT_ONCE):
            found |= await self._ask(_looking_up(names[begin : begin + AT_ONCE]))
        return found

    async def _ask(self, question: Callable[[Client], Answer]) -> Answer:
        return await asyncio.to_thread(self._asked, question)

    def _asked(self, question: Callable[[Client], Answer]) -> Answer:
        try:
            with connect(self._settings) as client:
                return question(client)
        except (ClickHouseError, OSError) as error:
            raise ArchiveAwayError(reason(error)) from None


def _looking_up(contact_ids: Sequence[str]) -> Callable[[Client], dict[bytes, Kept]]:
    def look(client: Client) -> dict[bytes, Kept]:
        values = {"ids": list(contact_ids)}
        found: dict[bytes, Kept] = {}
        for contact_id, written in client.query(_EVENTS, parameters=values).result_rows:
            event = from_normalised(written.encode() if isinstance(written, str) else written)
            found.setdefault(contact_id.encode(), Kept([], [])).events.append(event)
        for contact_id, *fields in client.query(_SAMPLES, parameters=values).result_rows:
            found.setdefault(contact_id.encode(), Kept([], [])).issued.append(Sample._make(fields))
        return found

    return look


def _past(client: Client, source: str, partition: int) -> Past:
    values: Mapping[str, Any] = {"topic": source, "partition": partition, "carried": CARRIED_MS}
    epoch = int(client.query(_PAST_EPOCH, parameters=dict(values)).result_rows[0][0])
    if not epoch:
        return Past(epoch, [], [], [])
    lost = max(0, int(client.query(_LOST, parameters={**values, "epoch": epoch}).result_rows[0][0]))
    channel = channel_of(source)
    if channel is None:
        return Past(epoch, [], [], [], lost)

    def ids(query: str) -> list[bytes]:
        rows = client.query(query, parameters={**values, "channel": channel}).result_rows
        return [row[0].encode() for row in rows]

    return Past(epoch, ids(_ALL), ids(_OPEN), list(_carried(client, values)), lost)


def _carried(client: Client, values: Mapping[str, Any]) -> Iterator[tuple[bytes, bytes]]:
    """Write the panes as they stood in the journal that is gone, under the epochs they were counted in."""
    of = len(PaneKey._fields)
    for row in client.query(_PANES, parameters=dict(values)).result_rows:
        yield encode_pane_key(PaneKey._make(row[:of])), encode_pane(row[of:])
    for epoch, start, queue, tag, n, known in client.query(_TAG_PANES, parameters=dict(values)).result_rows:
        yield encode_tag_pane_key(TagPaneKey(epoch, start, queue, tag)), encode_pane(TagPane(n, known))
