"""What an adapter asks for on behalf of a payload: within its account's API, as often as the account allows."""

from collections.abc import Mapping
from typing import Any, Final

import orjson
import pytest

from streams.sources.adapter import AccountRules, Adapter, Mapped, Payload, Request, UnmappableError
from streams.sources.answered_mapping import map_with_answers
from streams.sources.backfill.pages import VendorRefusedError

RULES: Final = AccountRules("zendesk", "acme")


def _asks(payload: Payload, account: AccountRules, answers: Mapping[Request, Any]) -> Mapped:
    """Ask for what the body names, and then for what each answer names."""
    del account
    named = [orjson.loads(payload.body)["ask"], *(answer["ask"] for answer in answers.values())]
    missing = tuple(request for each in named if each and (request := Request(each)) not in answers)
    return Mapped(requests=missing) if missing else Mapped(nothing=orjson.dumps(list(answers.values())).decode())


ASKS: Final = Adapter("zendesk", "Zendesk", {"hook": _asks}, {}, unread_keys=frozenset({"text"}))


async def mapped(first: str, answers: Mapping[str, Any], at_most: int = 10) -> str:
    """Map a payload that asks for a path; a number is a refusal. Gives what was left of the answers."""

    async def ask(request: Request) -> Any:  # noqa: ANN401 - JSON
        answer = answers[request.path]
        if isinstance(answer, int):
            raise VendorRefusedError(answer, "no")
        return answer

    body = orjson.dumps({"ask": first})
    return (await map_with_answers(ASKS, "hook", Payload(body), RULES, ask, at_most=at_most)).nothing


CHAIN: Final = {"/a": {"ask": "/b", "text": "Anna wrote"}, "/b": {"ask": "/c"}, "/c": {"ask": ""}}


async def test_it_asks_until_the_adapter_has_all() -> None:
    """However many rounds that takes; what nothing is made of is dropped on arrival."""
    assert "Anna" not in await mapped("/a", CHAIN, at_most=3)
    with pytest.raises(UnmappableError, match="more than 2 answers"):
        await mapped("/a", CHAIN, at_most=2)


@pytest.mark.parametrize("address", ["https://evil.example/x", "http://127.0.0.1/x", "x"])
async def test_a_payload_leads_to_no_other_server(address: str) -> None:
    """Only an import may read a whole address, which an answer of the vendor named."""
    with pytest.raises(UnmappableError, match="no address"):
        await mapped("/a", {"/a": {"ask": address}, address: {"ask": ""}})


@pytest.mark.parametrize("status", [403, 404, 410, 422])
async def test_what_is_refused_of_one_thing_is_the_payloads(status: int) -> None:
    """The account goes on."""
    with pytest.raises(UnmappableError, match="/a cannot be fetched"):
        await mapped("/a", {"/a": status})


@pytest.mark.parametrize("status", [400, 401])
async def test_what_is_refused_of_the_account_is_not(status: int) -> None:
    """Whoever asks decides what becomes of the account's other payloads."""
    with pytest.raises(VendorRefusedError):
        await mapped("/a", {"/a": status})
