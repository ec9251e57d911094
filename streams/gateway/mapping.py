"""Maps one hook to events, to nothing or to a dead letter; asks the vendor first for what the payload leaves out."""

import asyncio
import json
import re
from collections.abc import Iterator
from typing import Any, Final, NamedTuple
from urllib.parse import quote, quote_plus

from schemas.topics import DEAD_LETTERS
from streams.gateway.hook_accounts import HookAccount
from streams.gateway.records import Record
from streams.sources.adapter import Payload, Request, UnmappableError
from streams.sources.answered_mapping import NotFetchedError, answers_at_most, map_with_answers
from streams.sources.backfill.pages import VendorRefusedError
from streams.sources.checked_events import Outcome
from streams.sources.fetching import Fetcher
from streams.sources.guarded import map_guarded
from streams.sources.vendor_connection import VendorAwayError
from streams.sources.vendor_dead_letters import TAKEN_OUT, record_of, vendor_letter
from streams.times import rfc3339

#: The form of what the gateway gets.
FORM: Final = "hook"
#: If a hook needs more answers of the API than arrive in time, its vendor is asked to send it again. But with so many
#: answers or more it becomes a dead letter: sent again, it would need all of them again, until its vendor gives it up.
ANSWERS_OF_LARGE: Final = 10


class MappedHook(NamedTuple):
    """The records to write for a hook; `nothing` or `refusal` says why there is no event."""

    records: tuple[Record, ...] = ()
    nothing: str = ""
    refusal: UnmappableError | None = None


async def map_hook(of: HookAccount, payload: Payload, fetcher: Fetcher, within_s: float) -> MappedHook:
    """Map a hook's payload. Raises VendorAwayError or TimeoutError if the API does not answer, or not in time."""
    try:
        outcome = await _outcome(of, payload, fetcher, within_s)
    except UnmappableError as error:
        return MappedHook((_dead_letter(of, payload, error),), refusal=error)
    records = tuple(Record(each.topic, each.key, each.value) for each in outcome.records)
    return MappedHook(records, outcome.nothing)


async def _outcome(of: HookAccount, payload: Payload, fetcher: Fetcher, within_s: float) -> Outcome:
    outcome = map_guarded(of.adapter, FORM, payload, of.account.rules)
    if not outcome.requests:  # most hooks: they need no limit of time
        return outcome
    answers: dict[Request, Any] = {}
    at_most = answers_at_most(of.account.entry)
    try:
        async with asyncio.timeout(within_s):
            return await map_with_answers(
                of.adapter, FORM, payload, of.account.rules, fetcher.get, at_most=at_most, answers=answers
            )
    except VendorRefusedError as error:
        raise NotFetchedError(f"what it leaves out cannot be fetched: {error}", error.status) from None
    except (TimeoutError, VendorAwayError):
        if len(answers) < ANSWERS_OF_LARGE:
            raise
        raise UnmappableError(
            "", f"the vendor's API gave only {len(answers)} answers in time: `pulssi dlq replay` asks for all"
        ) from None


def _without_own_secrets(of: HookAccount, payload: Payload) -> Payload:
    """Remove the account's secrets: vendors that sign nothing send the secret itself."""
    written = {each for secret in of.account.secrets for each in _writings(secret.get_secret_value())}
    headers = {name: value for name, value in payload.headers.items() if not any(each in value for each in written)}
    body = payload.body
    for each in sorted(written, key=len, reverse=True):
        body = body.replace(each.encode(), TAKEN_OUT.encode())
    return payload._replace(headers=headers, body=body)


def _writings(secret: str) -> Iterator[str]:
    """Write a secret in each way in which it may stand in a text: as it is, in an address, in a form and in JSON."""
    yield secret
    for quoted in (quote(secret, safe=""), quote(secret), quote_plus(secret)):
        yield quoted
        yield re.sub("%[0-9A-F]{2}", lambda found: found[0].lower(), quoted)
    for ascii_only in (False, True):
        inner = json.dumps(secret, ensure_ascii=ascii_only)[1:-1]
        yield inner
        yield inner.replace("/", "\\/")


def _dead_letter(of: HookAccount, payload: Payload, error: UnmappableError) -> Record:
    letter = record_of(vendor_letter(of.adapter, of.account.name, FORM, _without_own_secrets(of, payload), error))
    received = ("pulssi-received-at", rfc3339(payload.received_at).encode())
    return Record(DEAD_LETTERS, letter.key, letter.value, (*letter.headers, received))
