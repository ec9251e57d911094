"""Maps one hook to events, to nothing or to a dead letter; asks the vendor first for what the payload leaves out."""

from typing import Any, Final, NamedTuple

from schemas.topics import DEAD_LETTERS
from streams.gateway.hook_accounts import HookAccount
from streams.gateway.records import Record
from streams.sources.adapter import Payload, Request, UnmappableError
from streams.sources.backfill.pages import VendorRefusedError
from streams.sources.checked_events import Outcome
from streams.sources.fetching import Fetcher
from streams.sources.guarded import map_guarded
from streams.sources.vendor_dead_letters import TAKEN_OUT, record_of, vendor_letter
from streams.times import rfc3339

#: The form of what the gateway gets.
FORM: Final = "hook"
#: How often a payload may ask for more, and for how many answers in all.
ROUNDS_AT_MOST: Final = 4
ANSWERS_AT_MOST: Final = 20


class MappedHook(NamedTuple):
    """The records to write for a hook; `nothing` or `refusal` says why there is no event."""

    records: tuple[Record, ...] = ()
    nothing: str = ""
    refusal: UnmappableError | None = None


async def map_hook(of: HookAccount, payload: Payload, fetcher: Fetcher) -> MappedHook:
    """Map a hook's payload. Raises VendorAwayError where what it needs cannot be had now."""
    try:
        outcome = await _outcome(of, payload, fetcher)
    except UnmappableError as error:
        return MappedHook((_dead_letter(of, payload, error),), refusal=error)
    records = tuple(Record(each.topic, each.key, each.value) for each in outcome.records)
    return MappedHook(records, outcome.nothing)


async def _outcome(of: HookAccount, payload: Payload, fetcher: Fetcher) -> Outcome:
    answers: dict[Request, Any] = {}
    for _ in range(ROUNDS_AT_MOST):
        outcome = map_guarded(of.adapter, FORM, payload, of.account.rules, answers)
        missing = [request for request in outcome.requests if request not in answers]
        if not outcome.requests:
            return outcome
        if not missing or len(answers) + len(missing) > ANSWERS_AT_MOST:
            break
        try:
            answers |= await fetcher.answers(missing)
        except VendorRefusedError as error:
            raise UnmappableError("", f"what it leaves out cannot be fetched: {error}") from None
    raise UnmappableError("", "asks for more answers than a payload may")


def _without_own_secrets(of: HookAccount, payload: Payload) -> Payload:
    """Remove the account's secrets: vendors that sign nothing send the secret itself."""
    secrets = [secret.get_secret_value() for secret in of.account.secrets]
    headers = {name: value for name, value in payload.headers.items() if not any(each in value for each in secrets)}
    body = payload.body
    for each in secrets:
        body = body.replace(each.encode(), TAKEN_OUT.encode())
    return payload._replace(headers=headers, body=body)


def _dead_letter(of: HookAccount, payload: Payload, error: UnmappableError) -> Record:
    letter = record_of(vendor_letter(of.adapter, of.account.name, FORM, _without_own_secrets(of, payload), error))
    received = ("pulssi-received-at", rfc3339(payload.received_at).encode())
    return Record(DEAD_LETTERS, letter.key, letter.value, (*letter.headers, received))
