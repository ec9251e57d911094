"""Maps a payload and requests what it leaves out from the vendor's API; for hooks, imports and replays alike."""

from collections.abc import Awaitable, Callable, Iterable
from typing import Any, Final

from schemas.configuration.source_models import SourceEntry
from streams.sources.adapter import AccountRules, Adapter, Payload, Request, UnmappableError
from streams.sources.backfill.pages import VendorRefusedError
from streams.sources.checked_events import Outcome
from streams.sources.guarded import map_guarded

#: The most answers of the API for one payload, unless its account sets `requests_per_payload`. A ticket of Freshdesk
#: needs one, and one for each hundred conversations.
ANSWERS_AT_MOST: Final = 60
#: Refusals that concern only the thing that was requested, not the whole account.
_OF_ONE_THING: Final = frozenset({403, 404, 410, 422})


class NotFetchedError(UnmappableError):
    """The vendor's API refuses what a payload leaves out; `status` is its answer's."""

    def __init__(self, problem: str, status: int) -> None:
        super().__init__("", problem)
        self.status = status


Ask = Callable[[Request], Awaitable[Any]]


def answers_at_most(entry: SourceEntry) -> int:
    """Return the most answers that a payload of the account may need."""
    return entry.requests_per_payload or ANSWERS_AT_MOST


async def map_with_answers(
    adapter: Adapter,
    form: str,
    payload: Payload,
    rules: AccountRules,
    ask: Ask,
    *,
    at_most: int,
    answers: dict[Request, Any] | None = None,
) -> Outcome:
    """Map a payload, and `ask` for what it leaves out; `answers` collects the answers.

    Raises UnmappableError, also if the vendor refuses one thing; and whatever else `ask` raises.
    """
    known = {} if answers is None else answers
    while (outcome := map_guarded(adapter, form, payload, rules, known)).requests:
        missing = [request for request in outcome.requests if request not in known]
        if not missing:
            raise UnmappableError("", "a bug: its adapter asks again for an answer that it has")
        if len(known) + len(missing) > at_most:
            raise UnmappableError(
                "", f"it needs more than {at_most} answers of the vendor's API: raise `requests_per_payload`"
            )
        for request in missing:
            if not request.path.startswith("/"):  # whole addresses come from answers, in imports only
                raise UnmappableError("", "it gives no address of the vendor's API")
            try:
                known[request] = _without_unread(await ask(request), adapter.unread_keys)
            except VendorRefusedError as error:
                if error.status not in _OF_ONE_THING:
                    raise
                raise NotFetchedError(f"{request.path} cannot be fetched: {error}", error.status) from None
    return outcome


def _without_unread(answer: Any, unread: Iterable[str]) -> Any:  # noqa: ANN401 - JSON
    """Drop the unread keys, such as the texts of thousands of messages: all answers are in memory at once."""
    for each in answer if isinstance(answer, list) else [answer]:
        if isinstance(each, dict):
            for key in unread:
                each.pop(key, None)
    return answer
