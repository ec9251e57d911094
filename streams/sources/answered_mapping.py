"""Maps a payload with what must be asked of the vendor's API for it: the same for a hook, an import and a replay."""

from collections.abc import Awaitable, Callable, Iterable
from typing import Any, Final

from schemas.configuration.source_models import SourceEntry
from streams.sources.adapter import AccountRules, Adapter, Payload, Request, UnmappableError
from streams.sources.backfill.pages import VendorRefusedError
from streams.sources.checked_events import Outcome
from streams.sources.guarded import map_guarded

#: The most answers that one payload may need, unless its account says another number. A ticket of Freshdesk needs one,
#: and one for each hundred conversations.
ANSWERS_AT_MOST: Final = 60
#: Statuses that are about one thing that was asked for, and not about the account.
_OF_ONE_THING: Final = frozenset({403, 404, 410, 422})


class NotFetchedError(UnmappableError):
    """The vendor's API refuses what a payload leaves out; `status` is its answer's."""

    def __init__(self, problem: str, status: int) -> None:
        super().__init__("", problem)
        self.status = status


Ask = Callable[[Request], Awaitable[Any]]


def answers_at_most(entry: SourceEntry) -> int:
    """Give the most answers that a payload of an account may need."""
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
    """Map a payload, and `ask` for what it leaves out; `answers` gets what was answered.

    Raises UnmappableError, also where the vendor does not give one thing; and all else that `ask` raises.
    """
    known = {} if answers is None else answers
    while (outcome := map_guarded(adapter, form, payload, rules, known)).requests:
        missing = [request for request in outcome.requests if request not in known]
        if not missing:
            raise UnmappableError("", "a bug: its adapter asks again for what it knows")
        if len(known) + len(missing) > at_most:
            raise UnmappableError(
                "", f"it needs more than {at_most} answers of the vendor's API: raise `requests_per_payload`"
            )
        for request in missing:
            if not request.path.startswith("/"):  # a whole address is for imports, which take it from an answer
                raise UnmappableError("", "it gives no address of the vendor's API")
            try:
                known[request] = _read_of(await ask(request), adapter.unread_keys)
            except VendorRefusedError as error:
                if error.status not in _OF_ONE_THING:
                    raise
                raise NotFetchedError(f"{request.path} cannot be fetched: {error}", error.status) from None
    return outcome


def _read_of(answer: Any, unread: Iterable[str]) -> Any:  # noqa: ANN401 - JSON
    """Drop what nothing is made of, such as the texts of five thousand messages: all answers are in memory at once."""
    for each in answer if isinstance(answer, list) else [answer]:
        if isinstance(each, dict):
            for key in unread:
                each.pop(key, None)
    return answer
