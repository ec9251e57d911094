"""Makes the records that a replay of dead letters sends: an event with its right key, or a payload mapped again.

A payload is mapped with the account's present entry. What it leaves out is requested from the vendor's API, at the rate
of an import and with the gateway's limit of requests for one payload, but without its time limit.
"""

from collections.abc import Callable
from contextlib import AsyncExitStack
from functools import partial
from typing import Any, Final, Self

from schemas.exits import EndError
from schemas.topics import AGENTS
from streams.dead_letters.letter import Letter
from streams.decoding.decoder import BadRecord, decode
from streams.sources.accounts import Account, SourceAccounts
from streams.sources.adapter import Payload, Request, UnmappableError
from streams.sources.answered_mapping import answers_at_most, map_with_answers
from streams.sources.backfill.http_api import HttpApi
from streams.sources.backfill.pages import VendorRefusedError
from streams.sources.checked_events import OutgoingEvent
from streams.sources.recordings import UnroutableError, route
from streams.sources.registry import adapter_of

#: After so long without an answer the API counts as away: an operator is waiting.
GIVE_UP_S: Final = 60.0
#: After this time a line says what the command waits for.
SAY_AFTER_S: Final = 5.0


class NotReplayableError(ValueError):
    """A letter cannot be sent: it would be a dead letter again, or is not complete. The message says why."""


class Replays:
    """Makes records of letters, one letter at a time; `async with` closes its connections to vendors."""

    def __init__(
        self,
        accounts: Callable[[], SourceAccounts],
        report: Callable[[str], None] = lambda _line: None,
        *,
        give_up_s: float = GIVE_UP_S,
    ) -> None:
        """`accounts` reads `sources.toml`; it is called once, when needed. `report` gets lines about long waits."""
        self._read = accounts
        self._accounts: SourceAccounts | None = None
        self._report = report
        self._give_up_s = give_up_s
        self._apis: dict[str, HttpApi] = {}
        #: By account, why its API refused or did not answer: it is not asked again for other letters of the account.
        self._refused: dict[str, str] = {}
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    async def records_of(self, letter: Letter) -> tuple[OutgoingEvent, ...]:
        """Return the records to send for a letter; none if nothing in it is counted.

        Raises NotReplayableError, and ConfigurationError if `sources.toml` cannot be used at all.
        """
        if letter.is_cut:
            raise NotReplayableError(f"only its beginning is kept; the whole record is at {letter.origin}")
        if "source" in letter.about:
            return await self._mapped(letter)
        return (_checked_event(letter.value),)

    async def _mapped(self, letter: Letter) -> tuple[OutgoingEvent, ...]:
        account = self._account_of(letter)
        adapter, form = adapter_of(account.source), letter.about.get("form", "hook")
        if form not in adapter.forms:
            raise NotReplayableError(f"{adapter.title} has no payloads of the form {form}")
        payload = Payload(
            letter.value,
            letter.vendor_headers,
            received_at=letter.number("received-at", letter.at),
            line=letter.number("line"),
        )
        at_most = answers_at_most(account.entry)
        try:
            outcome = await map_with_answers(
                adapter, form, payload, account.rules, partial(self._ask, account), at_most=at_most
            )
        except UnmappableError as error:
            raise NotReplayableError(str(error)) from None
        except (VendorRefusedError, EndError) as error:
            self._refused[account.path] = str(error)
            raise NotReplayableError(str(error)) from None
        return outcome.records

    async def _ask(self, account: Account, request: Request) -> Any:  # noqa: ANN401 - JSON
        if account.path in self._refused:
            raise NotReplayableError(self._refused[account.path])
        if account.path not in self._apis:
            api = HttpApi(account, self._report, give_up_s=self._give_up_s, away_after_s=SAY_AFTER_S)
            self._apis[account.path] = await self._stack.enter_async_context(api)
        return await self._apis[account.path].get(request)

    def _account_of(self, letter: Letter) -> Account:
        if self._accounts is None:
            self._accounts = self._read()
        source, name = letter.about["source"], letter.about.get("account", "")
        for account in self._accounts.sound:
            if (account.source, account.name) == (source, name):
                return account
        for faulty in self._accounts.faulty:
            if faulty.may_be(source, name):
                raise NotReplayableError("; ".join(faulty.faults))
        raise NotReplayableError(f"sources.toml has no account {source}/{name}")


def _checked_event(value: bytes) -> OutgoingEvent:
    """Return an event's record with its right key and topic, whatever it had before. Raises NotReplayableError."""
    try:
        routed = route(value)
        decode(routed.topic, routed.key, routed.value)
    except UnroutableError as error:
        raise NotReplayableError(str(error)) from None
    except BadRecord as error:
        name = "agent_id" if routed.topic == AGENTS else "contact_id"
        hint = f"; {name} must be trimmed and NFC" if error.code == "wrong_key" else ""
        raise NotReplayableError(f"{error.reason}{hint}") from None
    return OutgoingEvent(routed.topic, routed.key, routed.value)
