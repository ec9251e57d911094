"""What all tests share: the servers they run against."""

pytest_plugins = [
    "tests.fixtures.kafka",
]
