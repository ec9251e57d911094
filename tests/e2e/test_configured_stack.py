"""A configured centre through everything: business time and policies in ClickHouse are those of the batch, also after
the configuration has changed under way.
"""  # noqa: D205 - one sentence

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import orjson
import pytest

from streams.sources.simulator import Plan, simulate
from tests import centres
from tests.fixtures.stack import ENDS_WITHIN_S, Stack
from tests.oracle.batch import samples
from tests.oracle.centre import Centre

EVENTS: Final = 6_000
#: 2026-03-02, a Monday, at 09:00 UTC: 11:00 in Helsinki.
MONDAY_MORNING: Final = 1_772_442_000_000

FILES: Final = centres.files("stack")


@pytest.fixture(scope="module")
def configured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Stack, Path]]:
    """Run a stack with a configuration folder."""
    folder = tmp_path_factory.mktemp("configured")
    (folder / "config").mkdir()
    for name, text in FILES.items():
        (folder / "config" / f"{name}.toml").write_text(text)
    stack = Stack(folder / "data")
    stack.pulssi("up", "--detach", "--config", str(folder / "config"))
    yield stack, folder / "config"
    stack.pulssi("down")


def _replayed(stack: Stack, file: Path, seed: int) -> list[dict[str, Any]]:
    lines = [each.value for each in itertools.islice(simulate(Plan(MONDAY_MORNING, rate=8.0, seed=seed)), EVENTS)]
    file.write_bytes(b"\n".join(lines) + b"\n")
    stack.pulssi("replay", str(file), "--speed", "max")
    stack.pulssi("drain", "--timeout", "120")
    return [orjson.loads(line) for line in lines]


def _counted(events: list[dict[str, Any]], centre: Centre) -> dict[tuple[str, ...], tuple[int, ...]]:
    counted: dict[tuple[str, ...], tuple[int, ...]] = {}
    for row in samples(events, centre):
        key = row.sample, row.channel, row.queue, row.policy
        business = row.business_ms or 0
        own = (1, row.value_ms or 0, row.business_ms is not None, business, row.within is True, row.in_hours is True)
        counted[key] = tuple(a + int(b) for a, b in zip(counted.get(key, (0,) * len(own)), own, strict=True))
    return counted


def _in_clickhouse(stack: Stack) -> dict[tuple[str, ...], tuple[int, ...]]:
    rows = stack.rows(
        "SELECT sample, channel, queue, policy, count(), sum(ifNull(value_ms, 0)), count(business_ms),"
        " sum(ifNull(business_ms, 0)), countIf(within), countIf(in_hours) FROM samples GROUP BY ALL"
    )
    return {tuple(row[:4]): tuple(row[4:]) for row in rows}


def _await_in_log(stack: Stack, words: str) -> None:
    """Wait until the worker has logged something."""
    deadline = time.monotonic() + ENDS_WITHIN_S
    while not any(words in path.read_text() for path in (stack.folder / "logs").glob("worker*")):
        assert time.monotonic() < deadline, f"the worker never said: {words}"
        time.sleep(0.2)


def test_business_time_and_policies_equal_the_batch(configured: tuple[Stack, Path], tmp_path: Path) -> None:
    """Samples by the files; then a faulty change is refused, a sound one holds for what comes, what was stays."""
    stack, config = configured
    first = _replayed(stack, tmp_path / "first.ndjson", seed=3)
    expected = _counted(first, Centre(FILES))
    assert _in_clickhouse(stack) == expected
    assert any(counted[3] < counted[1] for counted in expected.values()), "no duration fell into a break"
    panes = stack.rows("SELECT sum(business_sum_ms), sum(arraySum(mapValues(business_hist))) FROM panes")
    assert tuple(panes[0]) == (sum(of[3] for of in expected.values()), sum(of[2] for of in expected.values()))

    (config / "policies.toml").write_text(FILES["policies"].replace('"25s"', '"25 parsecs"'))
    _await_in_log(stack, "policies.toml:9: policy 'all'.target: must be a duration")
    changed = {**FILES, "policies": FILES["policies"].replace("30s", "50s")}
    (config / "policies.toml").write_text(changed["policies"])
    _await_in_log(stack, "is in force")
    second = _replayed(stack, tmp_path / "second.ndjson", seed=4)
    for key, counted in _counted(second, Centre(changed)).items():
        expected[key] = tuple(a + b for a, b in zip(expected.get(key, (0,) * len(counted)), counted, strict=True))
    assert _in_clickhouse(stack) == expected
    assert "nothing differs" in stack.pulssi("reconcile")
