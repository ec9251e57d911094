"""A server that hooks are posted to."""

import socket
from collections.abc import AsyncIterator

import pytest
from aiohttp import web

from tests.sinks.hooks.receiver import Receiver


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    """Start one; it ends with the test."""
    listening = socket.create_server(("127.0.0.1", 0))
    made = Receiver(listening.getsockname()[1])
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", made.handle)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.SockSite(runner, listening).start()
    yield made
    await runner.cleanup()
