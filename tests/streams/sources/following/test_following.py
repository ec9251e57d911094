"""How an account's pages are sent: what becomes of the follower when that fails."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Any

import pytest

from streams.configuration.environment import load_settings
from streams.sources.accounts import Account
from streams.sources.backfill.pages import Page, VendorApi
from streams.sources.following.follower import FollowError
from streams.sources.following.following import Following
from tests.kafka.server import KafkaServer
from tests.streams.sources.mail.followed import account
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
