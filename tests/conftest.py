"""What all tests share: the servers they run against."""

from hypothesis import settings

pytest_plugins = [
    "tests.fixtures.clickhouse",
    "tests.fixtures.kafka",
    "tests.fixtures.stack",
]

# How long an example takes says something of the machine, not of the code.
settings.register_profile("pulssi", deadline=None)
settings.load_profile("pulssi")
