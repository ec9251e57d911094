"""What a back-fill is: an iterator of pages of a source's past, which can go on where an earlier run ended.

It knows its vendor's lists and how they are paged; it maps nothing and sends nothing. Whoever runs it maps each
payload, sends the events, and keeps the page's position when all of them are acknowledged.

The module `streams.sources.backfill.SOURCE` holds the one of a source as `BACKFILL: Final[Backfill]`.
"""

from collections.abc import AsyncIterator, Mapping
from typing import Any, NamedTuple, Protocol

from streams.sources.accounts import Account
from streams.sources.adapter import Request


class VendorPayload(NamedTuple):
    """A payload of a page: its form, as the adapter names it, and its bytes."""

    form: str
    body: bytes
    #: Where it stands, such as "queue_log" or "ticket 17", for the dead letter of one that cannot be mapped.
    where: str = ""
    #: As `Payload.line` has it; it is written after `where`.
    line: int = 0


class Page(NamedTuple):
    """Payloads that are read together, and the position behind them."""

    payloads: tuple[VendorPayload, ...]
    #: Where to go on behind this page, as JSON. Small: it is written after each page.
    position: Mapping[str, Any]
    #: How much of the whole is read with this page, from 0 to 1; None: nobody knows.
    done: float | None = None
    #: Of a follower that waits for what is away: why nothing comes, in one line. Its next page without one ends that.
    fault: str | None = None
    #: Of a page that is one answer with the states of all queues, when it was received: UTC milliseconds; else 0.
    polled_at: int = 0


class Period(NamedTuple):
    """What is to be read: UTC milliseconds, the end not included; None: as far as there is anything."""

    begin: int | None
    end: int | None


class VendorApi(Protocol):
    """The vendor's API: limited to its rate, tried again where that helps, one request at a time."""

    async def get(self, request: Request) -> Any:  # noqa: ANN401 - JSON
        """Return the answer's JSON. Raises VendorRefusedError where the vendor says no for good."""
        ...

    async def post(self, request: Request, body: Any) -> Any:  # noqa: ANN401 - JSON
        """Post JSON, and return the answer's, as `get` does; only for log-ins and searches, which change nothing."""
        ...


class VendorRefusedError(RuntimeError):
    """The vendor answered that it will not: the status, and what to do about it; never a token or a body."""

    def __init__(self, status: int, problem: str) -> None:
        super().__init__(f"the vendor answers {status}: {problem}")
        self.status = status


class Backfill(Protocol):
    """Reads the past of an account from its vendor's API."""

    def __call__(
        self, account: Account, api: VendorApi, period: Period, position: Mapping[str, Any] | None, /
    ) -> AsyncIterator[Page]:
        """Yield the pages from a position on, or from the beginning of the period."""
        ...
