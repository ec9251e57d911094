"""Runs an import: reads the past of an account from its vendor's API or from files, and sends its events.

It can be ended at any moment; the next run goes on behind what Kafka has acknowledged. Run twice, or beside the hooks,
it gives the same events once more, which count once.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from importlib import import_module
from importlib.util import find_spec
from typing import Any, Final, NamedTuple

from schemas.exits import EndError, Exit
from schemas.settings import Settings
from streams.sources.accounts import Account
from streams.sources.adapter import Adapter
from streams.sources.backfill.file_pages import FilePages
from streams.sources.backfill.pages import Backfill, Page, Period
from streams.sources.connections import SourceConnections, connected
from streams.sources.page_sender import PageSender
from streams.sources.source_positions import position_key

_CLIENT: Final = "import"
_ALL: Final = Period(None, None)


class ImportProgress(NamedTuple):
    """How far an import is."""

    #: What is read now.
    what: str
    payloads: int
    events: int
    dead_letters: int
    seconds: float
    #: From 0 to 1; None: nobody knows.
    done: float | None


class ImportReport(NamedTuple):
    """What an import did."""

    source: str
    account: str
    payloads: int
    events: int
    #: Payloads that mean nothing for the numbers.
    nothing: int
    dead_letters: int
    #: Where the first of those stands, and what is wrong with it.
    first_reason: str
    seconds: float
    #: Whether it read everything; else somebody asked for an end.
    finished: bool
    notices: tuple[str, ...]
    by_topic: Mapping[str, int]


def backfill_of(account: Account) -> Backfill:
    """Return the back-fill of an account's source. Raises EndError if there is none."""
    module = f"streams.sources.backfill.{account.source}"
    if find_spec(module) is None:
        raise EndError(
            f"{account.source} has no API to import from: name files, as in `pulssi import {account.source}"
            f" {account.name} FILE`",
            Exit.UNUSABLE,
        )
    backfill: Backfill = import_module(module).BACKFILL
    return backfill


class Import:
    """An import of one account: of `files`, or of a period of the vendor's API where there are none."""

    def __init__(
        self,
        settings: Settings,
        adapter: Adapter,
        account: Account,
        *,
        files: Sequence[FilePages] = (),
        period: Period = _ALL,
        again: bool = False,
        report: Callable[[str], None] = lambda _line: None,
        give_up_s: float = 60.0,
    ) -> None:
        """`again`: from the beginning, whatever an earlier import has read. `report` gets lines for people."""
        self._settings = settings
        self._adapter = adapter
        self._account = account
        self._files = files
        self._period = period
        self._again = again
        self._report = report
        self._give_up_s = give_up_s
        self._stop = asyncio.Event()
        self._began = time.monotonic()
        self._tally = _Tally()
        #: Which part of all the files is read now: where it begins and how much it is, from 0 to 1.
        self._part = 0.0, 1.0
        self.on_progress: Callable[[ImportProgress], None] = lambda _progress: None

    def stop(self) -> None:
        """Have it end after the page that is being sent."""
        self._stop.set()

    async def run(self) -> ImportReport:
        """Import. Raises EndError, BrokerUnreachableError, ProduceError, VendorRefusedError, UnreadableError."""
        backfill = None if self._files else backfill_of(self._account)
        async with connected(self._settings, self._account, _CLIENT, self._report, self._give_up_s) as connections:
            self._began = time.monotonic()
            if backfill is not None:
                await self._import_period(connections, backfill)
            for file, part in zip(self._files, _parts([each.size for each in self._files]), strict=True):
                if not self._stop.is_set():
                    self._part = part
                    await self._import_file(connections, file)
        by_topic = dict(connections.producer.sent)
        return ImportReport(
            self._account.source,
            self._account.name,
            seconds=time.monotonic() - self._began,
            finished=not self._stop.is_set(),
            notices=tuple(file.notice for file in self._files if file.notice),
            by_topic=by_topic,
            **self._tally.__dict__,
        )

    async def _import_period(self, connections: SourceConnections, backfill: Backfill) -> None:
        stream = f"period:{_written(self._period.begin)}:{_written(self._period.end)}"

        def pages(position: Mapping[str, Any] | None) -> AsyncIterator[Page]:
            return backfill(self._account, connections.api, self._period, position)

        await self._send(connections, stream, self._account.path, pages)

    async def _import_file(self, connections: SourceConnections, file: FilePages) -> None:
        async def pages(position: Mapping[str, Any] | None) -> AsyncIterator[Page]:
            for page in file.pages(position):
                yield page

        await self._send(connections, file.stream, file.shown, pages)

    async def _send(
        self,
        connections: SourceConnections,
        stream: str,
        what: str,
        pages: Callable[[Mapping[str, Any] | None], AsyncIterator[Page]],
    ) -> None:
        key = position_key(self._account.source, self._account.name, stream)
        kept = None if self._again or not stream else await connections.positions.read(key)
        if kept is not None:
            self._report(f"{what}: going on where an earlier import ended (--again reads all of it once more)")
        sender = PageSender(
            self._adapter,
            self._account,
            key if stream else None,
            connections,
            refuse_wrong_input=True,
        )
        last: Page | None = None
        before = _Tally(**self._tally.__dict__)
        async for page in _until(self._stop, pages(None if kept is None else kept.position)):
            await sender.send(page)
            last = page
            self._tally = before.with_those_of(sender)
            self.on_progress(self._progress(what, page))
        if last is not None:
            await sender.settle(last, finished=not self._stop.is_set())

    def _progress(self, what: str, page: Page) -> ImportProgress:
        tally = self._tally
        seconds = time.monotonic() - self._began
        begin, share = self._part
        done = None if page.done is None else begin + share * page.done
        return ImportProgress(what, tally.payloads, tally.events, tally.dead_letters, seconds, done)


class _Tally:
    """Counts over all that one import reads."""

    def __init__(
        self, payloads: int = 0, events: int = 0, nothing: int = 0, dead_letters: int = 0, first_reason: str = ""
    ) -> None:
        self.payloads = payloads
        self.events = events
        self.nothing = nothing
        self.dead_letters = dead_letters
        self.first_reason = first_reason

    def with_those_of(self, sender: PageSender) -> "_Tally":
        return _Tally(
            self.payloads + sender.payloads,
            self.events + sender.events,
            self.nothing + sender.nothing,
            self.dead_letters + sender.dead_letters,
            self.first_reason or sender.first_reason,
        )


async def _until(stop: asyncio.Event, pages: AsyncIterator[Page]) -> AsyncIterator[Page]:
    """Yield pages until somebody wants an end; a page that is being fetched then is not waited for."""
    stopped = asyncio.ensure_future(stop.wait())
    try:
        while not stop.is_set():
            following = asyncio.ensure_future(_next(pages))
            await asyncio.wait({following, stopped}, return_when=asyncio.FIRST_COMPLETED)
            if not following.done():
                following.cancel()
                await asyncio.gather(following, return_exceptions=True)
                return
            page = following.result()
            if page is None:
                return
            yield page
    finally:
        stopped.cancel()


async def _next(pages: AsyncIterator[Page]) -> Page | None:
    return await anext(pages, None)


def _parts(sizes: Sequence[int]) -> list[tuple[float, float]]:
    """Tell for each of several files where it begins in all of them and how much of it is its own, from 0 to 1."""
    total = sum(sizes) or 1
    return [(sum(sizes[:place]) / total, size / total) for place, size in enumerate(sizes)]


def _written(at: int | None) -> str:
    return "" if at is None else str(at)
