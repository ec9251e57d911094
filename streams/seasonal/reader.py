"""Reading the last four weeks from ClickHouse: at the start and each hour, beside whatever else a part does.

It never blocks the part and never ends it: the question runs in a thread of its own that a process which ends does not
wait for, and without an answer it is asked again, later each time. What was read before stays meanwhile: the last weeks
do not change, but for corrections.
"""

import asyncio
import logging
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from threading import Thread
from typing import Any, Final, Literal, NamedTuple, TypeVar

from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError

from schemas.settings import Settings
from schemas.topics import CHANNELS
from streams.clickhouse.connection import connect, reason
from streams.seasonal.past import HOUR_MS, QUARTER_MS, WEEKS, Past, Steps
from streams.times import now_ms

Answer = TypeVar("Answer")

#: `ready`: the weeks are known. `reading`: they are read for the first time. `failed`: they could not be read.
State = Literal["ready", "reading", "failed"]

EVERY_S: Final = 3_600.0
#: How long ClickHouse may take for a question: millions of panes on a busy machine take a minute, and nobody waits.
ANSWER_WITHIN_S: Final = 300
#: One week before the longest range that is asked for, a day, still has to lie before the last reading.
KEPT_MS: Final = 6 * 24 * HOUR_MS

#: The weeks, and before them a day of 25 hours.
_REACH_HOURS: Final = WEEKS * 7 * 24 + 26
#: An hour that has begun is one of them.
_HOURS: Final = _REACH_HOURS + 1
_QUARTERS: Final = _HOURS * (HOUR_MS // QUARTER_MS)
#: Four bytes a step: 22 MB of quarter hours, in two kinds, and 28 MB of hours. What has the least is left out. A tag is
#: kept in all of its queues or in none, so that a channel's count of it is never a part of what there was.
QUEUES_AT_MOST: Final = 1_000
TAGS_AT_MOST: Final = 10_000
#: Rows that are held at a time, each with the counts of all steps.
_ROWS_A_BLOCK: Final = 200

#: After a failure it is asked again so soon; twice as long after each further one, up to the longest.
AGAIN_S: Final = 5.0
AGAIN_AT_MOST_S: Final = 300.0

_LOG: Final = logging.getLogger(__name__)

_FIRST: Final = "SELECT channel, toUnixTimestamp64Milli(min(pane_start)) FROM panes_rows GROUP BY channel"
_WITHIN: Final = (
    "pane_start >= fromUnixTimestamp64Milli({begin:Int64}) AND pane_start <= fromUnixTimestamp64Milli({now:Int64})"
)


def _step(step_ms: int) -> str:
    return f"toUInt32(intDiv(toUnixTimestamp64Milli(pane_start) - {{begin:Int64}}, {step_ms}))"


#: Not from the views: these first add up every minute of all dimensions, which takes several times as long.
_ARRIVALS: Final = f"""
SELECT count() OVER (), channel, queue, groupArrayInsertAt(0, {_QUARTERS})(counted, step)
FROM (
    SELECT channel, queue, {_step(QUARTER_MS)} AS step, toUInt32(greatest(sum(p.n), 0)) AS counted
    FROM panes_rows AS p FINAL WHERE sample = {{sample:String}} AND {_WITHIN}
    GROUP BY channel, queue, step HAVING counted != 0
)
GROUP BY channel, queue ORDER BY sum(counted) DESC, channel, queue LIMIT {{most:UInt32}}
"""  # noqa: S608 - our own names
_OF_CHANNEL: Final = f"""
SELECT channel, groupArrayInsertAt(0, {_QUARTERS})(counted, step)
FROM (
    SELECT channel, {_step(QUARTER_MS)} AS step, toUInt32(greatest(sum(p.n), 0)) AS counted
    FROM panes_rows AS p FINAL WHERE sample = 'offered' AND {_WITHIN}
    GROUP BY channel, step HAVING counted != 0
)
GROUP BY channel
"""  # noqa: S608 - our own names
#: Each tag once, with the queues that had it: counts of hours are made for those alone that are kept.
_WIDEST_TAGS: Final = f"""
SELECT tag, places, sum(places) OVER (ORDER BY counted DESC, tag) AS rows_so_far
FROM (
    SELECT tag, uniqExact(channel, queue) AS places, sum(p.n) AS counted
    FROM tag_panes_rows AS p FINAL WHERE {_WITHIN} GROUP BY tag HAVING counted > 0
)
"""  # noqa: S608 - our own names
_TAGS_LEFT_OUT: Final = f"SELECT sumIf(places, rows_so_far > {{most:UInt32}}) FROM ({_WIDEST_TAGS})"  # noqa: S608 - our own names
_TAGS: Final = f"""
SELECT channel, queue, tag, groupArrayInsertAt(0, {_HOURS})(counted, step)
FROM (
    SELECT channel, queue, tag, {_step(HOUR_MS)} AS step, toUInt32(greatest(sum(p.n), 0)) AS counted
    FROM tag_panes_rows AS p FINAL
    WHERE {_WITHIN} AND tag IN (SELECT tag FROM ({_WIDEST_TAGS}) WHERE rows_so_far <= {{most:UInt32}})
    GROUP BY channel, queue, tag, step HAVING counted != 0
)
GROUP BY channel, queue, tag
"""  # noqa: S608 - our own names
QUERY_LIMITS: Final = {"max_execution_time": ANSWER_WITHIN_S, "max_block_size": _ROWS_A_BLOCK}


class PastReading(NamedTuple):
    """How it stands with the last weeks. Times are UTC milliseconds."""

    state: State
    #: Why the last reading failed; also while `ready`, by what was read before. Empty: it did not fail.
    reason: str = ""
    #: Of what is known; None: nothing is.
    read_at: int | None = None


class PastReader:
    """The last weeks as they were read last."""

    def __init__(self, settings: Settings, now: Callable[[], int] = now_ms) -> None:
        self._settings = settings
        self._now = now
        self._past: Past | None = None
        self._reason = ""

    @property
    def past(self) -> Past | None:
        """What is known of the last weeks; None where nothing is, or too little any more."""
        past = self._past
        return past if past is not None and self._now() < past.read_at + KEPT_MS else None

    def reading(self) -> PastReading:
        """Tell how it stands."""
        past = self.past
        if past is not None:
            return PastReading("ready", self._reason, past.read_at)
        return PastReading("failed" if self._reason else "reading", self._reason)

    async def run(self) -> None:
        """Read now and then each hour, for ever."""
        again_s = AGAIN_S
        while True:
            await self.read()
            if self._reason:
                await asyncio.sleep(again_s)
                again_s = min(2 * again_s, AGAIN_AT_MOST_S)
            else:
                await asyncio.sleep(EVERY_S)
                again_s = AGAIN_S

    async def read(self) -> None:
        """Read once; where that fails, `reading` tells why."""
        try:
            past = await _in_thread(lambda: read_past(self._settings, self._now()))
        except (ClickHouseError, OSError) as error:
            self._failed(reason(error))
        except Exception as error:  # noqa: BLE001 - whatever it is: the part goes on
            _LOG.exception("a bug: the last weeks were not read")
            self._failed(f"a bug: {error!r}")
        else:
            if self._reason or self._past is None:
                _LOG.info("the last weeks are read: %d queues, %d tags", len(past.arrivals), len(past.tags))
            if past.left_out:
                _LOG.warning("of %d tags of queues the last weeks are not kept: they are too many", past.left_out)
            self._past, self._reason = past, ""

    def _failed(self, why: str) -> None:
        if why != self._reason:
            _LOG.warning("the last weeks are not read, trying again: %s", why)
        self._reason = why


def read_past(settings: Settings, now: int, queues: int = QUEUES_AT_MOST, tags: int = TAGS_AT_MOST) -> Past:
    """Ask ClickHouse for the weeks before a time, UTC milliseconds; keep so many queues and tags of queues.

    Blocks; raises ClickHouseError and OSError.
    """
    begin = now - now % HOUR_MS - _REACH_HOURS * HOUR_MS
    of_tags: dict[tuple[str, str, str], Steps] = {}
    span = {"begin": begin, "now": now}
    with connect(settings, answer_within_s=ANSWER_WITHIN_S) as client:
        first = {row[0]: int(row[1]) for row in client.query(_FIRST, settings=QUERY_LIMITS).result_rows}
        arrivals, all_kept = _arrivals(client, "offered", span, begin, queues)
        entered, _ = _arrivals(client, "entered", span, begin, queues)
        of_channel = (
            {}
            if all_kept
            else {channel: Steps(begin, QUARTER_MS, counts) for channel, counts in _rows(client, _OF_CHANNEL, {**span})}
        )
        left_out = int(client.query(_TAGS_LEFT_OUT, {**span, "most": tags}, settings=QUERY_LIMITS).result_rows[0][0])
        for channel, queue, tag, counts in _rows(client, _TAGS, {**span, "most": tags}):
            of_tags[channel, queue, tag] = Steps(begin, HOUR_MS, counts)
    # Of a channel that has nothing yet, nothing is known: it may be connected one day, and filled in.
    channels: dict[str, int] = {channel: max(first.get(channel, now), begin) for channel in CHANNELS}
    return Past(now, min(channels.values()), arrivals, entered, of_tags, left_out, channels, of_channel)


def _arrivals(
    client: Client, sample: str, span: Mapping[str, int], begin: int, queues: int
) -> tuple[dict[tuple[str, str], Steps], bool]:
    """Read the queues with the most contacts; tells whether these are all."""
    found: dict[tuple[str, str], Steps] = {}
    of_all = 0
    for of_all, channel, queue, counts in _rows(client, _ARRIVALS, {**span, "sample": sample, "most": queues}):  # noqa: B007 - used after the loop
        found[channel, queue] = Steps(begin, QUARTER_MS, counts)
    return found, of_all <= len(found)


def _rows(client: Client, query: str, values: dict[str, int | str]) -> Iterator[Any]:
    with client.query_row_block_stream(query, parameters=values, settings=QUERY_LIMITS) as blocks:
        for block in blocks:
            yield from block


async def _in_thread(question: Callable[[], Answer]) -> Answer:
    """Call a function that blocks, in a thread that nobody waits for when the process ends."""
    answer: Future[Answer] = Future()
    answer.set_running_or_notify_cancel()

    def ask() -> None:
        try:
            answer.set_result(question())
        except BaseException as error:  # noqa: BLE001 - whoever waits has it
            answer.set_exception(error)

    Thread(target=ask, name="last weeks", daemon=True).start()
    return await asyncio.wrap_future(answer)
