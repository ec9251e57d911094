"""All cases at once through everything, in any order and with redelivery: each row, and reconcile finds nothing."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from typing import Any

import pytest

from tests.cases.told import CONFIG, NAMES, differences, events_of, expected_of
from tests.fixtures.stack import Stack

#: What expected rows name, and what is needed to tell a row from another.
_COLUMNS = (
    *("sample", "contact_id", "queue", "agent_id", "tag", "outcome", "value_ms", "value", "active_ms", "instance"),
    *("policy", "target_ms", "within", "short", "satisfied", "partial", "caused_by"),
)


@pytest.fixture(scope="module")
def replayed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Replay every case into one stack with their configuration."""
    folder = tmp_path_factory.mktemp("cases")
    shutil.copytree(CONFIG, folder / "config")
    lines = [json.dumps(event) for name in NAMES for event in events_of(name)]
    (folder / "events.ndjson").write_text("\n".join(lines) + "\n", encoding="utf-8")
    stack = Stack(folder / "data")
    stack.pulssi("up", "--detach", "--config", str(folder / "config"))
    stack.pulssi("replay", str(folder / "events.ndjson"), "--speed", "max", "--shuffle", "11", "--duplicate", "0.3")
    stack.pulssi("drain", "--timeout", "120")
    yield stack
    stack.pulssi("down")


def test_every_row_is_in_clickhouse(replayed: Stack) -> None:
    """The view `samples` has each expected row and no other."""
    columns = ", ".join(f"`{name}`" for name in _COLUMNS)
    found = replayed.rows(f"SELECT toUnixTimestamp64Milli(at) AS at, {columns} FROM samples")  # noqa: S608 - our own names
    rows: list[dict[str, Any]] = [dict(zip(("at", *_COLUMNS), row, strict=True)) for row in found]
    assert differences(rows, [row for name in NAMES for row in expected_of(name)]) == []


def test_nothing_differs_from_the_archive(replayed: Stack) -> None:
    """Folding the archive again gives what the stream wrote."""
    assert "nothing differs" in replayed.pulssi("reconcile")
