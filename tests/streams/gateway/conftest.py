"""What tests of the gateway share."""

import pytest

from tests.streams.gateway.site import MemoryWrites


@pytest.fixture
def writes() -> MemoryWrites:
    """Return what stands in for Kafka."""
    return MemoryWrites()
