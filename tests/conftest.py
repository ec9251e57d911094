"""What all tests share: the servers they run against."""

import os
from pathlib import Path
from typing import Final

import pytest
from hypothesis import settings

from streams import compilation
from tests.depth import be_shallow

pytest.register_assert_rewrite("tests.dashboards.figures")
pytest_plugins = ["tests.fixtures.browser", "tests.fixtures.clickhouse", "tests.fixtures.kafka", "tests.fixtures.tls"]

# Tests give programs a home of their own; what was downloaded once is the user's all the same.
os.environ.setdefault("XDG_CACHE_HOME", str(Path.home() / ".cache"))

# How long an example takes says something of the machine, not of the code.
settings.register_profile("pulssi", deadline=None)
settings.load_profile("pulssi")

#: Fixtures that start servers.
SERVERS: Final = frozenset({"browser", "clickhouse_process", "clickhouse_server", "fresh_kafka", "kafka", "stack"})


def pytest_configure(config: pytest.Config) -> None:
    """Look less deep where tests that take long are left out."""
    if "not long" in config.option.markexpr:
        be_shallow()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run the files that need servers first.

    Their tests take longest: with several processes, none of these files then begins when all others are done.
    """
    with_servers = {item.path for item in items if SERVERS & set(getattr(item, "fixturenames", ()))}
    items.sort(key=lambda item: item.path not in with_servers)


def pytest_sessionstart() -> None:
    """Test no code of yesterday."""
    if compilation.is_of_other_sources():
        pytest.exit(compilation.MEND, returncode=2)
