"""Folders on an IMAP server: opened for reading only, only headers fetched, and by BODY.PEEK, so nothing changes.

A mail is known by its number (UID) as long as the folder keeps UIDVALIDITY; after that the folder is read again. New
mail is announced by IDLE (RFC 2177) where the server has it; IDLE is begun again each minute, and the folder is looked
through then, as servers and routers in between forget connections. IMAPClient blocks, so each folder has a connection
of its own, used in threads, one call at a time.
"""

import asyncio
import logging
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack, suppress
from datetime import UTC, datetime
from functools import partial
from socket import SHUT_RDWR
from typing import Any, Final, NamedTuple, TypeVar
from urllib.parse import urlsplit

from imapclient import IMAPClient, SocketTimeout
from imapclient.exceptions import IMAPClientError, LoginError, ProtocolError
from pydantic import SecretStr

from streams.own_thread import in_own_thread
from streams.sources.following.follower import FollowError
from streams.sources.mailboxes.folders import (
    DEFAULT_FOLDERS,
    PAGE_MAILS,
    REMEMBERED_MAILS,
    FolderName,
    FoundMail,
    FoundMails,
    MailboxLostError,
    Mark,
)
from streams.sources.vendors.email.header import HEADER_BYTES

#: IDLE is begun again so often; RFC 2177 wants it within 29 minutes, routers forget a silent connection within 5.
IDLE_S: Final = 60.0
#: How often a server without IDLE is asked.
POLL_S: Final = 15.0
#: A server that is asked often with a wrong password locks the account.
_REFUSED_S: Final = 600.0
_CONNECT_S: Final = 20.0
_ANSWER_S: Final = 120.0
#: Numbers that are searched through at once: the answer is one line, and has a limit.
_SEARCHED: Final = 50_000
_HEADER: Final = f"BODY.PEEK[HEADER]<0.{HEADER_BYTES}>"
#: In a server's words: it may let us in later.
_LATER: Final = ("[UNAVAILABLE]", "[INUSE]", "[LIMIT]", "[SERVERBUG]", "too many", "try again", "temporar")

_Result = TypeVar("_Result")


class ImapServer(NamedTuple):
    """Where a mailbox is and who signs in."""

    #: `imaps://host[:port]`, or `imap://host[:port]` for STARTTLS, without which nothing is sent.
    url: str
    user: str
    password: SecretStr


class ImapMailbox:
    """A mailbox on a server."""

    def __init__(self, server: ImapServer, folders: tuple[str, ...], sent_folders: tuple[str, ...]) -> None:
        # It logs all that is sent and answered: addresses and subjects.
        logging.getLogger("imapclient").setLevel(logging.WARNING)
        self._server = server
        self._folders = folders or DEFAULT_FOLDERS
        self._sent_folders = sent_folders

    async def folders(self) -> tuple[FolderName, ...]:
        """Name the folders; that of sent mail is asked of the server where the account names none."""
        sent = self._sent_folders or await in_own_thread(self._find_sent)
        return tuple(FolderName(name) for name in self._folders) + tuple(FolderName(name, sent=True) for name in sent)

    def _find_sent(self) -> tuple[str, ...]:
        client = _connected(self._server)
        try:
            found = _answer(lambda: client.find_special_folder(b"\\Sent"))
        finally:
            _end(client)
        return () if found is None else (found,)

    async def open(self, folder: FolderName) -> "ImapFolder":
        """Connect, sign in and open a folder. Raises MailboxLostError, and FollowError for what does not pass."""
        return await in_own_thread(partial(_opened, self._server, folder.name))


class ImapFolder:
    """An opened folder."""

    def __init__(self, client: IMAPClient, selected: dict[bytes, Any]) -> None:
        self._client = client
        client._imap.untagged_responses.pop("EXISTS", None)  # noqa: SLF001 - as below: this is of the opening
        self._uid_validity = int(selected[b"UIDVALIDITY"])
        #: The next number, as of the opening; 0: the server does not tell.
        self._uid_next = int(selected.get(b"UIDNEXT", 0))
        self._idles = client.has_capability("IDLE")
        #: Whether the server announced new mail with another answer; it does not announce it again.
        self._told_of_more = False

    async def end(self) -> Mark:
        """Return the mark after the last mail that is there now."""
        uids = [] if self._uid_next else await self._uids(1)
        return self._mark(self._uid_next - 1 if self._uid_next else max(uids, default=0))

    def knows(self, mark: Mark) -> bool:
        """Tell whether the folder is still numbered as when the mark was made."""
        return mark.get("uid_validity") == self._uid_validity and isinstance(mark.get("uid"), int)

    async def before(self, mark: Mark) -> AsyncIterator[FoundMails]:
        """Yield the newest mails up to a mark."""
        last = int(mark["uid"])
        uids = [each for each in await self._uids(1) if each <= last]
        async for found in self._fetched(uids[-REMEMBERED_MAILS:]):
            yield found

    async def behind(self, mark: Mark | None) -> AsyncIterator[FoundMails]:
        """Yield the mails with higher numbers than the mark's."""
        after = int(mark["uid"]) if mark is not None else 0
        async for found in self._fetched(await self._uids(after + 1)):
            yield found

    async def wait(self) -> None:
        """Return when the server tells anything, and after a minute at the latest."""
        if self._told_of_more:
            self._told_of_more = False
            return
        if not self._idles:
            await asyncio.sleep(POLL_S)
        else:
            if not await self._run(self._idle):
                await self._told()
            await self._run(self._client.idle_done)
        await self._run(self._client.noop)

    def _idle(self) -> bool:
        """Begin IDLE; tell whether more than its beginning is read already, which no wait at the socket would see."""
        self._client.idle()
        socket, imap = self._client.socket(), self._client._imap  # noqa: SLF001 - its reader has no other name
        within = socket.gettimeout()
        socket.setblocking(False)
        try:
            return bool(imap.file.peek(1))
        except (BlockingIOError, ssl.SSLWantReadError):
            return False
        finally:
            socket.settimeout(within)

    async def _told(self) -> None:
        """Return when the server sends something, and after a minute at the latest."""
        loop, told = asyncio.get_running_loop(), asyncio.Event()
        socket = self._client.socket().fileno()
        loop.add_reader(socket, told.set)
        try:
            async with asyncio.timeout(IDLE_S):
                await told.wait()
        except TimeoutError:
            pass
        finally:
            loop.remove_reader(socket)

    async def close(self) -> None:
        """End the connection, also while a call is under way: that holds its reader until the socket is shut."""
        with suppress(OSError):
            self._client.socket().shutdown(SHUT_RDWR)
        await in_own_thread(partial(_end, self._client))

    def _mark(self, uid: int) -> Mark:
        return {"uid_validity": self._uid_validity, "uid": uid}

    async def _uids(self, first: int) -> list[int]:
        """Find the numbers from one on; of `n:*` servers give the last mail even below n."""
        found: list[int] = []
        begin = first
        while begin + _SEARCHED < self._uid_next:
            found += await self._searched(f"{begin}:{begin + _SEARCHED - 1}")
            begin += _SEARCHED
        found += await self._searched(f"{begin}:*")
        return sorted({each for each in found if each >= first})

    async def _searched(self, numbers: str) -> list[int]:
        return [int(each) for each in await self._run(lambda: self._client.search(["UID", numbers]))]

    async def _fetched(self, uids: list[int]) -> AsyncIterator[FoundMails]:
        for begin in range(0, len(uids), PAGE_MAILS):
            page = uids[begin : begin + PAGE_MAILS]
            answers = await self._run(partial(self._client.fetch, page, [_HEADER, "INTERNALDATE"]))
            # What is missing was deleted or moved meanwhile; in the folder that it was moved to it is found.
            mails = (_mail(uid, answers[uid]) for uid in page if uid in answers)
            yield FoundMails(tuple(each for each in mails if each is not None), self._mark(page[-1]))

    async def _run(self, call: Callable[[], _Result]) -> _Result:
        """Call the client in a thread; note whether the server told of new mail beside its answer."""
        try:
            return await in_own_thread(partial(_answer, call))
        finally:
            beside = self._client._imap.untagged_responses  # noqa: SLF001 - the client itself keeps it to itself
            if beside.pop("EXISTS", None):
                self._told_of_more = True


def _mail(uid: int, answer: dict[bytes, Any]) -> FoundMail | None:
    header = next((value for name, value in answer.items() if name.startswith(b"BODY[HEADER]")), None)
    came = answer.get(b"INTERNALDATE")
    if header is None or not isinstance(came, datetime):
        return None
    return FoundMail(header, came.astimezone(UTC).isoformat(), str(uid))


def _opened(server: ImapServer, folder: str) -> ImapFolder:
    with ExitStack() as at_fault:
        client = _connected(server)
        at_fault.callback(_end, client)
        opened = _answer(partial(_selected, client, folder))
        at_fault.pop_all()
        return opened


def _selected(client: IMAPClient, folder: str) -> ImapFolder:
    try:
        return ImapFolder(client, client.select_folder(folder, readonly=True))
    except IMAPClient.AbortError:
        raise
    except IMAPClientError:
        known = ", ".join(sorted(str(each[2]) for each in client.list_folders())[:20])
        raise FollowError(f"the mailbox has no folder {folder}; it has {known}: set `folders`") from None


def _connected(server: ImapServer) -> IMAPClient:
    """Connect by TLS and sign in."""
    return _answer(partial(_signed_in, server))


def _signed_in(server: ImapServer) -> IMAPClient:
    parts = urlsplit(server.url)
    host, by_tls = parts.hostname or "", parts.scheme == "imaps"
    context = ssl.create_default_context()
    timeout = SocketTimeout(connect=_CONNECT_S, read=_ANSWER_S)
    with ExitStack() as at_fault:
        client = IMAPClient(host, parts.port, ssl=by_tls, ssl_context=context, timeout=timeout)
        at_fault.callback(_end, client)
        client.normalise_times = False
        if not by_tls:
            _start_tls(client, context)
        client.login(server.user, server.password.get_secret_value())
        at_fault.pop_all()
        return client


def _start_tls(client: IMAPClient, context: ssl.SSLContext) -> None:
    if not client.has_capability("STARTTLS"):
        raise FollowError("the mail server offers no STARTTLS, so no password is sent: write imaps:// in `url_imap`")
    client.starttls(context)


def _answer(call: Callable[[], _Result]) -> _Result:
    """Call the client, and tell its errors from those that a person must mend."""
    try:
        return call()
    except (OSError, IMAPClientError, ProtocolError, KeyError, ValueError) as error:
        raise _told(error) from None


def _told(error: Exception) -> Exception:
    """Say in one line what went wrong, and whether it may pass; of the server's own words nothing."""
    if isinstance(error, MailboxLostError):
        return error
    if isinstance(error, ssl.SSLCertVerificationError):
        return FollowError(f"the mail server's certificate is not valid: {error.verify_message}")
    if isinstance(error, LoginError):
        words = str(error).casefold()
        lost = isinstance(error.__context__, IMAPClient.AbortError)  # the client tells that as a refusal too
        if not lost and not any(each.casefold() in words for each in _LATER):
            problem = "the mail server refuses `user` and its password: check them, and that IMAP is allowed"
            return FollowError(problem, _REFUSED_S)
        return MailboxLostError("the mail server lets nobody in just now")
    if isinstance(error, OSError):
        return MailboxLostError(f"the mail server does not answer: {error.strerror or type(error).__name__}")
    return MailboxLostError(f"the mail server's answer is not understood: {type(error).__name__}")


def _end(client: IMAPClient) -> None:
    with suppress(OSError, IMAPClientError):
        client.shutdown()
