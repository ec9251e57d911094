"""A server that hooks are posted to."""

from collections.abc import AsyncIterator

import pytest

from tests.sinks.hooks.receiver import Receiver, receiving


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    """Start one; it ends with the test."""
    async with receiving() as made:
        yield made
