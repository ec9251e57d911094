"""When a running Grafana has a definition: what it adds, leaves out and hides does not matter, and all else does."""

import pytest

from dashboards.grafana_definitions.differences import has


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ({"a": 1, "id": 7}, {"a": 1}),
        ({}, {"a": False, "b": None, "c": "", "d": [], "e": {}, "f": 0}),
        (None, {}),
        ({"url": "[REDACTED]"}, {"url": "https://hooks.example/1"}),
        ([{"a": 1, "id": 1}, 2.0], [{"a": 1}, 2]),
    ],
)
def test_the_same(theirs: object, ours: object) -> None:
    """Nothing has to be written."""
    assert has(theirs, ours)


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        (None, {"a": 1}),
        ({"a": True}, {"a": 1}),
        ({"a": 1}, {"a": 0}),
        ({"a": [1]}, {"a": []}),
        ([1, 2], [1]),
        ({"b": [{"c": 1}]}, {"b": [{"c": 2}]}),
        ("x", ["x"]),
    ],
)
def test_different(theirs: object, ours: object) -> None:
    """It has to be written."""
    assert not has(theirs, ours)
