"""What a mail folder offers, on a server or on disk: its mails in a fixed order, and a way to wait for new ones.

A folder's mark says how far it was read; only the folder can interpret it. Only headers are read; nothing is marked as
read, moved or deleted.
"""

from collections.abc import AsyncIterator, Mapping
from typing import Any, Final, NamedTuple, Protocol, TypeAlias

from streams.sources.vendors.email.mails import INBOX

#: Mails of one page.
PAGE_MAILS: Final = 200
#: Of each folder the newest mails are remembered, to find the threads of those that come.
REMEMBERED_MAILS: Final = 50_000

#: JSON that a folder made: how far it was read.
Mark: TypeAlias = Mapping[str, Any]


class FoundMail(NamedTuple):
    """The header of a mail in a folder."""

    header: bytes
    #: When the folder got it: RFC 3339.
    internal_date: str
    #: Which one it is, for people: a number or the name of a file.
    where: str


class FoundMails(NamedTuple):
    """Some mails, and the mark behind them."""

    mails: tuple[FoundMail, ...]
    mark: Mark


class FolderName(NamedTuple):
    """A folder by its name; `sent`: it holds what agents have sent."""

    name: str
    sent: bool = False


class MailFolder(Protocol):
    """An opened folder. Its methods raise MailboxLostError where the connection is lost, and FollowError."""

    async def end(self) -> Mark:
        """Return the mark after the last mail that is there now."""
        ...

    def knows(self, mark: Mark) -> bool:
        """Tell whether a mark is still valid: an IMAP server may have given all mails of a folder new numbers."""
        ...

    def before(self, mark: Mark) -> AsyncIterator[FoundMails]:
        """Yield the newest mails up to a mark, for what comes to be compared with."""
        ...

    def behind(self, mark: Mark | None) -> AsyncIterator[FoundMails]:
        """Yield the mails behind a mark that are there now; None: all."""
        ...

    async def wait(self) -> None:
        """Return when there may be more."""
        ...

    async def close(self) -> None:
        """End the connection."""
        ...


class Mailbox(Protocol):
    """Where the folders of an account lie."""

    async def folders(self) -> tuple[FolderName, ...]:
        """Name the folders that are to be read: those of the account, and where it names none, what there is."""
        ...

    async def open(self, folder: FolderName) -> MailFolder:
        """Open a folder, for reading only."""
        ...


class MailboxLostError(ConnectionError):
    """The mailbox cannot be reached now; that may pass by itself. Says why in one line."""


#: The folder of incoming mail where an account names none.
DEFAULT_FOLDERS: Final = (INBOX,)
