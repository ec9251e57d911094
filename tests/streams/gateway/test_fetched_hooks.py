"""Hooks that leave out what events need: it is asked of the vendor's API, in the time that the vendor waits."""

import time
from collections import Counter
from pathlib import Path

import orjson
import pytest
from aiohttp import web

from schemas.topics import DEAD_LETTERS
from streams.configuration.environment import load_settings
from streams.gateway.mapping import ANSWERS_OF_LARGE
from streams.sources.vendors.freshdesk import HEADER
from tests.streams.gateway.made import SECRET, body, zendesk
from tests.streams.gateway.site import Answer, MemoryWrites, Site, gateway
from tests.streams.sources.freshdesk_ticket import entry, ticket_api

ACME = "/hooks/zendesk/acme"
SETTINGS = load_settings({"PULSSI_GATEWAY_PORT": "0"})


async def called(site: Site, timeout_s: float | None = None) -> Answer:
    """Post Freshdesk's webhook, of a vendor that waits so long."""
    if timeout_s is not None:
        hook = site.accounts.now["freshdesk", "acme"]
        site.accounts.now["freshdesk", "acme"] = hook._replace(hook=hook.hook._replace(timeout_s=timeout_s))
        site.receiver.take_over()
    return await site.post("/hooks/freshdesk/acme", b'{"ticket_id": "21"}', {HEADER: SECRET})


def kinds(writes: MemoryWrites) -> Counter[str]:
    """Count the events by their types."""
    return Counter(orjson.loads(each.value)["type"] for each in writes.records if each.topic != DEAD_LETTERS)


def reason(writes: MemoryWrites) -> str:
    """Give the reason of the only dead letter."""
    (letter,) = writes.records
    assert (letter.topic, letter.value) == (DEAD_LETTERS, b'{"ticket_id": "21"}')
    return dict(letter.headers)["pulssi-reason"].decode()


async def test_what_a_payload_leaves_out_is_fetched(
    tmp_path: Path, writes: MemoryWrites, caplog: pytest.LogCaptureFixture
) -> None:
    """Of the account's API; where that refuses, a dead letter; where it does not answer, the vendor sends it again."""
    answers = [web.json_response({"priority": "high"}), web.Response(status=404), web.Response(status=503)]

    async def ticket(_: web.Request) -> web.Response:
        return answers.pop(0)

    app = web.Application()
    app.router.add_get("/tickets/{id}", ticket)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    entry = '[[source]]\nsource = "zendesk"\naccount = "acme"\nsecret_env = ["ACME"]\n'
    text = f'{entry}url = "http://127.0.0.1:{runner.addresses[0][1]}"\n'
    settings = load_settings({"PULSSI_GATEWAY_PORT": "0"})
    async with gateway(tmp_path, settings, writes.taken, text=text) as site:
        statuses = []
        for number in range(3):
            sent = body("look", number)
            statuses.append((await site.post(ACME, sent, zendesk(sent, time.time()))).status)
        assert statuses == [200, 200, 503]
        assert site.receiver.counts["zendesk", "acme"].hooks == {"stored": 1, "dead_letter": 1, "unavailable": 1}
    await runner.cleanup()
    told = [each.getMessage() for each in caplog.records if each.name == "streams.gateway.receiver"]
    assert told == [
        "zendesk/acme: a payload cannot be mapped, as the vendor's API answers 404: see the dead letters",
        "zendesk/acme: a hook is answered with 503: the vendor's API answers 503",
    ]
    found, letter = writes.records
    assert orjson.loads(found.value)["priority"] == "high"
    assert b"the vendor answers 404" in dict(letter.headers)["pulssi-reason"]


@pytest.mark.parametrize("conversations", [0, 99, 100, 350, 5_000])
async def test_a_ticket_is_read_whole(tmp_path: Path, writes: MemoryWrites, conversations: int) -> None:
    """However many conversations it has: each is a message, as is the description; no text of people is kept."""
    async with ticket_api(conversations) as api, gateway(tmp_path, SETTINGS, writes.taken, text=entry(api)) as site:
        assert (await called(site)).status == 200
        assert (api.tickets, api.pages) == (1, list(range(1, conversations // 100 + 2)))
    assert kinds(writes)["message.sent"] == conversations + 1
    assert not any(b"Anna" in each.value for each in writes.records)


async def test_the_bound_on_answers_is_the_accounts(tmp_path: Path, writes: MemoryWrites) -> None:
    """What needs more is a dead letter that names the key."""
    async with ticket_api(350) as api:
        async with gateway(tmp_path, SETTINGS, writes.taken, text=entry(api, requests_per_payload=4)) as site:
            assert (await called(site)).status == 200
        assert "it needs more than 4 answers of the vendor's API: raise `requests_per_payload`" in reason(writes)
        writes.records.clear()
        async with gateway(tmp_path, SETTINGS, writes.taken, text=entry(api, requests_per_payload=5)) as site:
            assert (await called(site)).status == 200
    assert kinds(writes)["message.sent"] == 351


@pytest.mark.parametrize("hangs", [True, False])
async def test_a_large_ticket_that_is_not_read_in_time_is_kept(
    tmp_path: Path, writes: MemoryWrites, *, hangs: bool
) -> None:
    """Sent again it would need all its pages again, until its vendor gives it up: it is kept for a replay."""
    async with ticket_api(5_000) as api, gateway(tmp_path, SETTINGS, writes.taken, text=entry(api)) as site:
        if hangs:
            api.hangs_at = ANSWERS_OF_LARGE
        else:
            api.limited_at = ANSWERS_OF_LARGE
        assert (await called(site, 5.0)).status == 200
    assert f"gave only {ANSWERS_OF_LARGE} answers in time: `pulssi dlq replay` asks for all" in reason(writes)


async def test_a_small_ticket_that_is_not_read_in_time_comes_again(tmp_path: Path, writes: MemoryWrites) -> None:
    """Nothing is stored, and nothing is acknowledged; once the API answers, the same webhook is taken."""
    async with ticket_api(150) as api, gateway(tmp_path, SETTINGS, writes.taken, text=entry(api)) as site:
        api.hangs_at = 2
        assert (await called(site, 1.0)).status == 503
        assert writes.records == []
        api.hangs_at = None
        assert (await called(site, 30.0)).status == 200
    assert kinds(writes)["message.sent"] == 151
