"""The gateway's process: it listens from the start on, and takes hooks as soon as Kafka is there."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Final

import aiohttp
from pydantic import SecretStr

from schemas.configuration.toml_files import ConfigurationError
from schemas.exits import EndError, Exit
from schemas.settings import PREFIX, Settings
from streams.configuration.environment import config_folder
from streams.configuration.secrets import SecretMissingError, secret_of_file
from streams.gateway.counts import readings
from streams.gateway.hook_accounts import AdapterOf, HookAccounts
from streams.gateway.receiver import Receiver
from streams.gateway.server import application
from streams.gateway.writes import AcknowledgedWrites
from streams.monitoring.allowed_hosts import AllowedHosts
from streams.monitoring.health import listen
from streams.monitoring.prometheus import render
from streams.part_process import run_until_one_ends
from streams.sources.registry import adapter_of
from streams.tasks import stop_on_signals

#: How long hooks that are under way may still take when the gateway is asked to end.
ENDS_WITHIN_S: Final = 15.0


def metrics_token(settings: Settings) -> SecretStr:
    """Return the wallboard's token from its setting or its file; empty if none is set. Raises ConfigurationError."""
    path = settings.wallboard_token_file
    if not path:
        return settings.wallboard_token
    try:
        return SecretStr(secret_of_file(Path(), path))
    except SecretMissingError as error:
        raise ConfigurationError([f"{PREFIX}WALLBOARD_TOKEN_FILE: {error}"]) from None


def run(settings: Settings, adapters: AdapterOf = adapter_of) -> int:
    """Take hooks until SIGTERM or Ctrl-C; returns the exit code. Raises EndError, also where `sources.toml` is no TOML.

    `adapters` finds a source's adapter.
    """
    token = metrics_token(settings)
    try:
        accounts = HookAccounts(config_folder(os.environ), adapters)
    except ConfigurationError as error:
        raise EndError("; ".join(error.faults), Exit.NO) from None
    return asyncio.run(_serve(settings, accounts, token))


async def _serve(settings: Settings, accounts: HookAccounts, token: SecretStr) -> int:
    ended = stop_on_signals()
    writes = AcknowledgedWrites(settings, "gateway")
    async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar(), trust_env=False) as session:
        receiver = Receiver(settings, lambda: accounts.accounts, writes, session, lambda: accounts.faulty)

        def metrics() -> str:
            watched = accounts.watched
            values = readings(receiver.counts, writes, receiver.unknown, refused=watched.refused, faulty=watched.faulty)
            return render(values, (receiver.latency,))

        app = application(
            receiver,
            AllowedHosts(settings.bind, settings.allowed_hosts),
            token,
            ready=writes.unready,
            progress=writes.stuck,
            notice=accounts.watched.notice,
            metrics=metrics,
        )
        runner = await listen(app, settings, "gateway", shutdown_timeout=ENDS_WITHIN_S)

        async def stop() -> None:
            await ended.wait()
            await runner.cleanup()  # before the writes end: hooks that are under way are stored and answered

        port = runner.addresses[0][1]
        print(f"gateway at http://{settings.bind}:{port}, hooks of {len(accounts.accounts)} accounts", flush=True)  # noqa: T201 - a command's own output
        try:
            return await run_until_one_ends("the gateway", writes.run(), accounts.follow(receiver.take_over), stop())
        finally:
            await runner.cleanup()
