"""Reads lists out of what a vendor's API answers: another kind of answer is a refusal, and no empty list."""

from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any, Final, Protocol

from streams.sources.accounts import Account
from streams.sources.adapter import UnmappableError
from streams.sources.backfill.pages import Backfill, Page, Period, VendorApi, VendorRefusedError

_OK: Final = 200
#: Statuses of something that is gone, or that the account may not see.
GONE: Final = frozenset({403, 404, 410})


def list_of(answer: Any, what: str, *keys: str) -> list[Any]:  # noqa: ANN401 - JSON
    """Return the list in an answer, below these keys; `what` is what was asked for."""
    found = answer
    for key in keys:
        found = found.get(key) if isinstance(found, Mapping) else None
    if not isinstance(found, list):
        raise VendorRefusedError(_OK, f"{what} is no list: is this vendor's version another one?")
    return found


def text_of(row: Any, key: str) -> str:  # noqa: ANN401 - JSON
    """Return text or a whole number of a row as text; empty where there is none."""
    found = row.get(key) if isinstance(row, Mapping) else None
    return str(found) if isinstance(found, str | int) and not isinstance(found, bool) else ""


class Reading(Protocol):
    """A run of an import."""

    def pages(self, position: Mapping[str, Any] | None, /) -> AsyncIterator[Page]:
        """Yield the pages after a position. Raises UnmappableError for an answer of an unexpected form."""
        ...


def backfill_of(reading: Callable[[VendorApi, Period], Reading]) -> Backfill:
    """Make a back-fill that raises VendorRefusedError for an answer of an unexpected form."""

    async def pages(
        account: Account, api: VendorApi, period: Period, position: Mapping[str, Any] | None, /
    ) -> AsyncIterator[Page]:
        del account
        try:
            async for page in reading(api, period).pages(position):
                yield page
        except UnmappableError as error:
            raise VendorRefusedError(_OK, f"with {error}: is this vendor's version another one?") from None

    return pages
