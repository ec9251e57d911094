"""What hooks of a faulty account are answered: they come again, until the account is mended."""

import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from streams.configuration.environment import load_settings
from tests.streams.gateway.made import OTHER_SECRET, SOURCES, body, zendesk
from tests.streams.gateway.site import MemoryWrites, Site, gateway

ACME = "/hooks/zendesk/acme"


@pytest.fixture
async def site(tmp_path: Path, writes: MemoryWrites) -> AsyncIterator[Site]:
    """Return a gateway."""
    async with gateway(tmp_path, load_settings({"PULSSI_GATEWAY_PORT": "0"}), writes.taken) as running:
        yield running


async def test_a_faulty_account_gets_its_hooks_again(site: Site, writes: MemoryWrites) -> None:
    """All its hooks get 503 with `Retry-After`; other accounts work. Once it is corrected, its counts continue."""
    sent = body()
    site.accounts.load(SOURCES.replace('["OTHER"]', '["NONE"]'))
    site.receiver.take_over()
    for headers in ({}, zendesk(sent, time.time(), OTHER_SECRET)):
        answer = await site.post("/hooks/zendesk/other", sent, headers)
        assert (answer.status, answer.headers["Retry-After"]) == (503, "50")
    assert (await site.post(ACME, sent, zendesk(sent, time.time()))).status == 200
    assert (await site.post("/hooks/zendesk/nobody", sent)).status == 404
    async with site.http.head(f"{site.url}/hooks/zendesk/other") as known:
        assert known.status == 503
    assert (await site.get("/captured/zendesk/other", Authorization=f"Bearer {OTHER_SECRET}")).status == 401
    told = (await site.get("/metrics")).text
    for wanted in (
        'pulssi_gateway_fault{account="other",source="zendesk"} 1.0',
        'pulssi_gateway_fault{account="acme",source="zendesk"} 0.0',
        'hooks_total{account="other",outcome="unavailable",source="zendesk"} 2.0',
    ):
        assert wanted in told
    site.accounts.load()
    site.receiver.take_over()
    assert (await site.post("/hooks/zendesk/other", sent, zendesk(sent, time.time(), OTHER_SECRET))).status == 200
    assert site.receiver.counts["zendesk", "other"].hooks == {"unavailable": 2, "stored": 1}
    assert len(writes.records) == 4


async def test_an_entry_of_an_unknown_source_lets_no_hook_be_given_up(site: Site) -> None:
    """It may be the account's own, misspelt: a hook that may be for it comes again, all others are unknown."""
    site.accounts.load('[[source]]\nsource = "zendsk"\naccount = "acme"\nsecret_env = ["ACME"]\n')
    site.receiver.take_over()
    assert (await site.post(ACME, b"")).status == 503
    assert (await site.post("/hooks/zendesk/other", b"")).status == 404
    assert 'pulssi_gateway_fault{account="acme",source="?"} 1.0' in (await site.get("/metrics")).text
