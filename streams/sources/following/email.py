"""Follows a mailbox: its folders of incoming and of sent mail.

At the first start nothing of the past is sent; `pulssi import email` does that. At each start the mails that were read
before are read once more, since their threads are kept nowhere else. Mails that came before the first start are never
sent, even if they are moved into a folder that is followed.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from contextlib import aclosing
from functools import partial
from typing import Any, Final, NamedTuple, TypeVar

from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type, wait_random_exponential

from streams.sources.accounts import Account
from streams.sources.backfill.pages import Page, VendorApi, VendorPayload
from streams.sources.following.follower import Follower
from streams.sources.mailboxes.folders import FolderName, FoundMails, Mailbox, MailboxLostError, MailFolder, Mark
from streams.sources.mailboxes.mail_pages import mailbox_of, payload_of, read_found
from streams.sources.vendors.email.mails import Mail
from streams.sources.vendors.email.threads import Threads
from streams.tasks import cancel
from streams.times import now_ms

#: The longest wait before a mail server that is away is tried again.
BACK_OFF_S: Final = 30.0
#: A connection that was lost at once is not opened again at once.
AGAIN_S: Final = 5.0
#: Pages that are read ahead.
_AHEAD: Final = 2

#: Dead letters that are remembered by their places: more than lie in what a restart reads again.
_REFUSED_MAILS: Final = 200

#: Clocks of mail servers are not ours.
_BEFORE_MS: Final = 10 * 60 * 1000

_Result = TypeVar("_Result")

_LOG: Final = logging.getLogger(__name__)


class _Read(NamedTuple):
    folder: FolderName
    found: FoundMails


class _Following:
    """One account while it is followed."""

    def __init__(self, account: Account, mailbox: Mailbox, position: Mapping[str, Any] | None) -> None:
        self._account = account
        self._mailbox = mailbox
        #: Mails that came before are not sent: UTC milliseconds.
        self._begun = now_ms() - _BEFORE_MS if position is None else int(position.get("begun", 0))
        self._marks: dict[str, Mark] = {} if position is None else dict(position.get("folders", {}))
        #: Where the last mails lie that could not be read: each is a dead letter already (a set that keeps its order).
        self._refused: dict[str, None] = dict.fromkeys(() if position is None else position.get("refused", ()))
        self._threads = Threads()
        self._read: asyncio.Queue[_Read] = asyncio.Queue(_AHEAD)

    async def pages(self) -> AsyncGenerator[Page, None]:
        """Yield what comes."""
        folders = await self._retried(self._mailbox.folders, "the mailbox")
        for folder in folders:
            await self._retried(partial(self._remember, folder), folder.name)
        yield Page((), self._position())
        watches = [asyncio.create_task(self._watch(folder)) for folder in folders]
        reading: asyncio.Task[_Read] | None = None
        try:
            while True:
                reading = asyncio.create_task(self._read.get())
                await asyncio.wait({reading, *watches}, return_when=asyncio.FIRST_COMPLETED)
                if not reading.done():
                    reading.cancel()
                    for watch in watches:
                        if watch.done():
                            watch.result()  # raises: a watch has no end of its own
                    continue
                read = reading.result()
                payloads = await asyncio.to_thread(self._payloads, read)
                self._marks[_key(read.folder)] = read.found.mark
                yield Page(tuple(payloads), self._position())
        finally:
            # When one has failed, others may have for the same reason, which is said once.
            left = watches if reading is None else [*watches, reading]
            await cancel(*(task for task in left if not task.done()))
            await asyncio.gather(*watches, return_exceptions=True)

    def _position(self) -> Mapping[str, Any]:
        return {"begun": self._begun, "folders": dict(self._marks), "refused": list(self._refused)}

    async def _remember(self, folder: FolderName) -> None:
        """Read the mails that were read before, for their threads; of a folder that is new to us all that is there."""
        opened = await self._mailbox.open(folder)
        try:
            mark = self._marks.get(_key(folder))
            if mark is None:
                mark = self._marks[_key(folder)] = await opened.end()
            if not opened.knows(mark):
                _LOG.warning(
                    "%s: the mails of folder %s have new numbers: it is read again", self._account.path, folder.name
                )
                self._refused.clear()
                return
            async for found in opened.before(mark):
                await asyncio.to_thread(self._place, folder, found)
        finally:
            await opened.close()

    def _place(self, folder: FolderName, found: FoundMails) -> None:
        for each in read_found(found.mails, folder, self._account.rules):
            if isinstance(each, Mail):
                self._threads.place(each)

    def _payloads(self, read: _Read) -> list[VendorPayload]:
        """Find the contacts of mails, and make payloads of what is to be said."""
        payloads = []
        for each in read_found(read.found.mails, read.folder, self._account.rules):
            if isinstance(each, VendorPayload):
                if self._is_refused_now(each.where):
                    payloads.append(each)
            elif isinstance(each, Mail):
                said = self._threads.place(each)
                payloads += [payload_of(say) for say in said if say.mail is None or say.mail.at >= self._begun]
        return payloads

    def _is_refused_now(self, where: str) -> bool:
        """Tell whether a mail that cannot be read is new, and remember it."""
        if where in self._refused:
            return False
        self._refused[where] = None
        for oldest in list(self._refused)[:-_REFUSED_MAILS]:
            del self._refused[oldest]
        return True

    async def _watch(self, folder: FolderName) -> None:
        """Put what is behind the folder's mark into the queue, for ever, whatever becomes of the connection."""
        mark: Mark | None = self._marks[_key(folder)]
        while True:
            opened = await self._retried(partial(self._mailbox.open, folder), folder.name)
            try:
                if mark is not None and not opened.knows(mark):
                    mark = None
                    self._refused.clear()  # other mails have the numbers now
                while True:
                    mark = await self._put(folder, opened, mark)
                    await opened.wait()
            except MailboxLostError as error:
                _LOG.warning("%s: folder %s: %s; connecting again", self._account.path, folder.name, error)
                await asyncio.sleep(AGAIN_S)
            finally:
                await opened.close()

    async def _put(self, folder: FolderName, opened: MailFolder, mark: Mark | None) -> Mark | None:
        async for found in opened.behind(mark):
            await self._read.put(_Read(folder, found))
            mark = found.mark
        return mark

    async def _retried(self, call: Callable[[], Awaitable[_Result]], what: str) -> _Result:
        """Call until the mailbox answers."""

        def report(state: RetryCallState) -> None:
            error = state.outcome.exception() if state.outcome is not None else None
            _LOG.warning("%s: %s: %s; trying again", self._account.path, what, error)

        retrying = AsyncRetrying(
            retry=retry_if_exception_type(MailboxLostError),
            wait=wait_random_exponential(multiplier=1, max=BACK_OFF_S),
            before_sleep=report,
            reraise=True,
        )
        return await retrying(call)


def _key(folder: FolderName) -> str:
    return f"{'sent' if folder.sent else 'incoming'}:{folder.name}"


async def _follow(account: Account, api: VendorApi, position: Mapping[str, Any] | None, /) -> AsyncIterator[Page]:
    """Yield the mails of an account's folders."""
    del api
    async with aclosing(_Following(account, mailbox_of(account), position).pages()) as pages:
        async for page in pages:
            yield page


FOLLOWER: Final[Follower] = _follow
