"""Imports the past of a mailbox: all mails of its folders that are there still, with the threads of all of them.

All headers are read first, as any other mail can decide which contact a mail belongs to. Then the events of each
contact are written, in the order of time.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any, Final

from schemas.exits import EndError, Exit
from streams.sources.accounts import Account
from streams.sources.backfill.pages import Backfill, Page, Period, VendorApi, VendorPayload
from streams.sources.following.follower import FollowError
from streams.sources.mailboxes.folders import FolderName, FoundMails, Mailbox, MailboxLostError
from streams.sources.mailboxes.mail_pages import mailbox_of, payload_of, read_found
from streams.sources.vendors.email.mails import Mail
from streams.sources.vendors.email.threads import Threads

#: Mails that an import can hold together; about 1 KB each.
MAILS: Final = 2_000_000
#: Statements of one page.
PAGE: Final = 500
_EVER: Final = 1 << 62


async def _import(
    account: Account, api: VendorApi, period: Period, position: Mapping[str, Any] | None, /
) -> AsyncIterator[Page]:
    """Yield the contacts of an account's folders, in the order in which they began."""
    del api
    begun_at = dict(position or {})
    threads = Threads(MAILS)
    refused: list[VendorPayload] = []
    try:
        mailbox = mailbox_of(account)
        for folder in await mailbox.folders():
            async for found in _mails(mailbox, folder):
                refused += await asyncio.to_thread(_place, account, threads, folder, found)
                yield Page((), begun_at, 0.0)
    except FollowError as error:
        raise EndError(str(error), Exit.UNUSABLE) from None
    except MailboxLostError as error:
        raise EndError(f"{error}; the same command begins again", Exit.UNREACHABLE) from None
    if not begun_at:
        yield Page(tuple(refused), begun_at, 0.0)
    for page in _contacts(threads, period, tuple(begun_at.get("after", ()))):
        yield page
        await asyncio.sleep(0)


async def _mails(mailbox: Mailbox, folder: FolderName) -> AsyncIterator[FoundMails]:
    opened = await mailbox.open(folder)
    try:
        async for found in opened.behind(None):
            yield found
    finally:
        await opened.close()


def _place(account: Account, threads: Threads, folder: FolderName, found: FoundMails) -> list[VendorPayload]:
    """Remember mails; return the payloads of those that cannot be read."""
    refused = []
    for each in read_found(found.mails, folder, account.rules):
        if isinstance(each, VendorPayload):
            refused.append(each)
        elif isinstance(each, Mail):
            threads.place(each)
    return refused


def _contacts(threads: Threads, period: Period, after: tuple[Any, ...]) -> Iterator[Page]:
    """Make pages of what is said of the contacts behind a place."""
    begin, end = period.begin or 0, _EVER if period.end is None else period.end
    payloads: list[VendorPayload] = []
    last: Mapping[str, Any] = {"after": list(after)} if after else {}
    told = 0
    for place, said in threads.settled():
        told += sum(say.mail is not None for say in said)
        if after and place <= after:
            continue
        last = {"after": list(place)}
        if any(say.mail is not None and begin <= say.mail.at < end for say in said):
            payloads += [payload_of(say) for say in said if say.mail is None or begin <= say.mail.at < end]
        if len(payloads) >= PAGE:
            yield Page(tuple(payloads), last, told / max(1, len(threads)))
            payloads = []
    # A later run reads what came since, in old contacts too: it starts from the beginning.
    yield Page(tuple(payloads), {}, 1.0)


BACKFILL: Final[Backfill] = _import
