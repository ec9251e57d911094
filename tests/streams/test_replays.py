"""What a replay makes of a vendor's dead letters: what they leave out is asked of its API, in the account's name."""

import asyncio
from collections import Counter
from pathlib import Path

import orjson
import pytest

from streams.dead_letters import replay
from streams.dead_letters.letter import Letter
from streams.dead_letters.replay import NotReplayableError, Replays
from streams.sources.accounts import read_accounts
from tests.streams.sources.freshdesk_ticket import NUMBER, TicketApi, entry, ticket_api


def letter(number: int = NUMBER, account: str = "acme") -> Letter:
    """Make the letter of a webhook."""
    about = {"source": "freshdesk", "account": account, "form": "hook"}
    return Letter(0, number, 1_772_352_000_000, None, orjson.dumps({"ticket_id": str(number)}), about, ())


def replays(folder: Path, api: TicketApi, more: str = "", **keys: object) -> Replays:
    """Replay by an account of that API; an API that is away is given up at once."""
    (folder / "sources.toml").write_text(f"{entry(api, **keys)}{more}", encoding="utf-8")
    return Replays(lambda: read_accounts(folder, {"ACME": "s3cret"}), give_up_s=0.0)


async def test_what_a_letter_leaves_out_is_asked_for(tmp_path: Path) -> None:
    """A ticket with more conversations than a hook may wait for is read whole."""
    async with ticket_api(2_050) as api, replays(tmp_path, api) as made:
        records = await made.records_of(letter())
        assert api.pages == list(range(1, 22))
    assert Counter(orjson.loads(each.value)["type"] for each in records)["message.sent"] == 2_051


async def test_one_thing_that_is_gone_refuses_its_letter_alone(tmp_path: Path) -> None:
    """A ticket that was deleted: the others are asked for."""
    async with ticket_api(1) as api, replays(tmp_path, api) as made:
        with pytest.raises(NotReplayableError, match="/api/v2/tickets/7 cannot be fetched: the vendor answers 404"):
            await made.records_of(letter(7))
        assert await made.records_of(letter())


@pytest.mark.parametrize(("status", "why"), [(401, "the token is not accepted"), (503, "answers 503")])
async def test_an_account_whose_api_refuses_is_not_asked_again(tmp_path: Path, status: int, why: str) -> None:
    """A thousand wrong sign-ins could lock its user out: each further letter has the same reason, without a request."""
    async with ticket_api(1) as api, replays(tmp_path, api) as made:
        api.status = status
        for _ in range(3):
            with pytest.raises(NotReplayableError, match=why) as refused:
                await made.records_of(letter())
            assert "s3cret" not in str(refused.value)
        assert (api.tickets, api.pages) == (1, [])


async def test_an_api_that_is_away_is_named_soon(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An operator waits: they learn what is waited for long before it is given up."""
    monkeypatch.setattr(replay, "SAY_AFTER_S", 0.1)
    said = asyncio.Queue[str]()
    async with ticket_api(1) as api:
        api.status = 503
        (tmp_path / "sources.toml").write_text(entry(api), encoding="utf-8")
        async with Replays(lambda: read_accounts(tmp_path, {"ACME": "s3cret"}), said.put_nowait) as made:
            asking = asyncio.create_task(made.records_of(letter()))
            line = await asyncio.wait_for(said.get(), 20)
            asking.cancel()
            await asyncio.gather(asking, return_exceptions=True)
    assert line.startswith("freshdesk/acme: the vendor's API answers 503; no request has succeeded since ")


async def test_an_account_that_cannot_be_used(tmp_path: Path) -> None:
    """One that is faulty, or that there is not, is named; the letters of others are sent."""
    faulty = '[[source]]\nsource = "freshdesk"\naccount = "other"\ntoken_env = "NONE"\n'
    async with ticket_api(1) as api, replays(tmp_path, api, faulty) as made:
        with pytest.raises(NotReplayableError, match=r"sources\.toml:\d+: source 2.token_env: .* NONE is not set"):
            await made.records_of(letter(account="other"))
        with pytest.raises(NotReplayableError, match=r"sources\.toml has no account freshdesk/gone"):
            await made.records_of(letter(account="gone"))
        assert await made.records_of(letter())


async def test_the_bound_on_answers_holds(tmp_path: Path) -> None:
    """As in the gateway."""
    async with ticket_api(350) as api, replays(tmp_path, api, requests_per_payload=4) as made:
        with pytest.raises(NotReplayableError, match="raise `requests_per_payload`"):
            await made.records_of(letter())
