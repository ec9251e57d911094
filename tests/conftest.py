"""What all tests share: the servers they run against."""

import pytest
from hypothesis import settings

from streams import compilation

pytest_plugins = [
    "tests.fixtures.clickhouse",
    "tests.fixtures.kafka",
    "tests.fixtures.stack",
    "tests.fixtures.tls",
]

# How long an example takes says something of the machine, not of the code.
settings.register_profile("pulssi", deadline=None)
settings.load_profile("pulssi")


def pytest_sessionstart() -> None:
    """Test no code of yesterday."""
    if compilation.is_of_other_sources():
        pytest.exit(compilation.MEND, returncode=2)
