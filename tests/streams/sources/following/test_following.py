"""How an account's pages are sent: what becomes of the follower when that fails."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from streams.configuration.environment import load_settings
from streams.sources import connections
from streams.sources.accounts import Account, load_accounts
from streams.sources.backfill.http_api import HttpApi
from streams.sources.backfill.pages import Page, VendorApi
from streams.sources.following import puzzel, puzzel_queues
from streams.sources.following.follower import FollowError
from streams.sources.following.following import Following
from tests.kafka.server import KafkaServer
from tests.streams.sources.mail.followed import account
from tests.streams.sources.puzzel_server import PASSWORD, PuzzelServer
from tests.until import until


async def test_a_follower_is_closed_when_its_page_cannot_be_sent(fresh_kafka: KafkaServer) -> None:
    """What the follower holds open is closed before anything else is tried."""
    fresh_kafka.with_topics()
    closed = asyncio.Event()

    async def pages(_: Account, _api: VendorApi, _position: Mapping[str, Any] | None, /) -> AsyncIterator[Page]:
        try:
            yield Page((), {"no JSON": object()})
        finally:
            closed.set()

    following = Following(load_settings(fresh_kafka.settings_env()), account(path="nowhere"), pages)
    with pytest.raises(ValueError, match="object"):
        await following.run()
    assert closed.is_set()


async def test_a_fault_that_wants_time_gets_it(fresh_kafka: KafkaServer) -> None:
    """A password that is refused is not tried every few seconds; other faults are."""
    fresh_kafka.with_topics()
    attempts: list[str] = []

    async def pages(_: Account, _api: VendorApi, _position: Mapping[str, Any] | None, /) -> AsyncIterator[Page]:
        attempts.append("again")
        if len(attempts) == 3:
            raise FollowError("refused", again_after_s=3600)
        if len(attempts) < 3:
            raise FollowError("away")
        yield Page((), {})

    settings = load_settings(fresh_kafka.settings_env())
    following = Following(settings, account(path="nowhere"), pages, again_after_s=0.01)
    running = asyncio.create_task(following.run())
    await until(lambda: following.fault == "refused")
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert len(attempts) == 3


async def test_what_it_waits_for_is_its_fault(fresh_kafka: KafkaServer, caplog: pytest.LogCaptureFixture) -> None:
    """As long as its pages say so, and no longer; the log says it once."""
    fresh_kafka.with_topics()
    well = asyncio.Event()

    async def pages(_: Account, _api: VendorApi, _position: Mapping[str, Any] | None, /) -> AsyncIterator[Page]:
        for _number in range(3):
            yield Page((), {}, fault="the database is away")
        await well.wait()
        yield Page((), {})
        await asyncio.Event().wait()

    following = Following(load_settings(fresh_kafka.settings_env()), account(path="nowhere"), pages)
    running = asyncio.create_task(following.run())
    await until(lambda: following.fault == "the database is away")
    well.set()
    await until(lambda: following.fault is None)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert caplog.text.count("is not followed now: the database is away") == 1


async def test_a_fault_is_told_once_and_so_is_its_end(
    fresh_kafka: KafkaServer, caplog: pytest.LogCaptureFixture
) -> None:
    """However often it is tried again meanwhile; who reads it is not told twice which account it is."""
    caplog.set_level("INFO")
    fresh_kafka.with_topics()
    attempts: list[str] = []

    async def pages(of: Account, _api: VendorApi, _position: Mapping[str, Any] | None, /) -> AsyncIterator[Page]:
        attempts.append("again")
        if len(attempts) < 4:
            raise FollowError(f"{of.path}: refused")
        yield Page((), {})
        await asyncio.Event().wait()

    settings, of = load_settings(fresh_kafka.settings_env()), account(path="nowhere")
    following = Following(settings, of, pages, again_after_s=0.01)
    running = asyncio.create_task(following.run())
    await until(lambda: following.fault == "refused")
    await until(lambda: following.fault is None and len(attempts) == 4)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    told = [each.getMessage() for each in caplog.records if each.name.endswith(".following")]
    assert told == [
        f"{of.path} is followed",
        f"{of.path} is not followed now: refused",
        f"{of.path} is followed again",
    ]


async def test_a_vendor_that_is_away_is_named(
    fresh_kafka: KafkaServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """What it answers and since when, once, long before anybody gives up; it needs no other log-in to be well again."""
    fresh_kafka.with_topics()
    monkeypatch.setattr(puzzel_queues, "EVERY_MS", 10)
    monkeypatch.setattr(connections, "HttpApi", partial(HttpApi, sleep=lambda _: asyncio.sleep(0.01), away_after_s=0.2))
    monkeypatch.setattr(connections, "GIVE_UP_S", 0.0)  # of an import: a follower does not give up
    async with PuzzelServer() as server:
        entry = "\n".join(f"{name} = {json.dumps(value)}" for name, value in server.entry().items())
        (tmp_path / "sources.toml").write_text(f'[[source]]\nsource = "puzzel"\naccount = "acme"\n{entry}\n')
        (of,) = load_accounts(tmp_path, {"PUZZEL_PASSWORD": PASSWORD})
        following = Following(load_settings(fresh_kafka.settings_env()), of, puzzel.FOLLOWER)
        running = asyncio.create_task(following.run())
        try:
            await until(lambda: following.payloads)
            for _ in range(2):
                server.instead = [lambda _: web.Response(status=503)] * 10_000
                await until(lambda: following.fault is not None)
                asked = len(server.asked)
                await until(lambda asked=asked: len(server.asked) > asked + 30)  # type: ignore[misc]
                assert str(following.fault).startswith(
                    "the vendor's API answers 503; no request has succeeded since 20"
                )
                server.instead = []
                await until(lambda: following.fault is None)
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
    assert server.asked.count("LogIn") == 1
    assert caplog.text.count("puzzel/acme is not followed now: the vendor's API answers 503") == 2
