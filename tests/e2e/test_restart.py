"""A stack on this machine that ends and starts again in its folder: no number is lost."""

from __future__ import annotations

import itertools
import random
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final
from urllib.request import urlopen
from zoneinfo import ZoneInfo

import orjson
import pytest

from streams.sources.simulator import Plan, simulate
from tests.deploy.program import ports_in_a_row
from tests.fixtures.stack import ENDS_WITHIN_S, Stack
from tests.oracle.batch import added_up, samples, tag_counts

pytestmark = pytest.mark.long

EVENTS: Final = 4_000
RATE: Final = 1.5
#: Long enough ago for the whole run to be over by now.
AGO: Final = timedelta(seconds=EVENTS / RATE + 600)
#: What the wallboard says of now that does not change by itself as time passes.
LASTING: Final = ("waiting", "oldest_waiting_since", "awaiting_reply", "oldest_awaiting_since", "open", "handling")

Event = dict[str, Any]


def _where_it_is_noon() -> str:
    """Name a time zone in which the last hour or so is of today, and busy."""
    return f"Etc/GMT{datetime.now(UTC).hour - 12:+d}"


def _made(seed: int) -> list[Event]:
    """Simulate the last hour or so, of which many contacts are open still; none of it is in the future."""
    began = int((datetime.now(UTC) - AGO).timestamp() * 1000)
    plan = Plan(began, RATE, seed, zone=ZoneInfo(_where_it_is_noon()))
    return [orjson.loads(each.value) for each in itertools.islice(simulate(plan), EVENTS)]


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[tuple[Stack, Callable[[], None]]]:
    """Give a stack whose day began hours ago, and how to start it."""
    config = tmp_path / "config"
    config.mkdir()
    (config / "centre.toml").write_text(f'time_zone = "{_where_it_is_noon()}"\n')
    stack = Stack(tmp_path / "data")
    ports = ("--port-base", str(ports_in_a_row()))  # other stacks may start on this machine now

    def up() -> None:
        stack.pulssi("up", "--detach", "--config", str(config), *ports)

    yield stack, up
    stack.pulssi("down")


def _replay(stack: Stack, events: Sequence[Event], *words: str) -> None:
    file = stack.folder.parent / "events.ndjson"
    file.write_bytes(b"".join(orjson.dumps(event) + b"\n" for event in events))
    stack.pulssi("replay", str(file), *words)


def _live(stack: Stack, *, offered: int = 0) -> dict[str, Any]:
    """Return what the wallboard tells, once it is live and has counted so many contacts at least."""
    deadline = time.monotonic() + ENDS_WITHIN_S
    while True:
        with urlopen(f"{stack.urls['wallboard']}api/live", timeout=10) as answer:  # noqa: S310 - our own
            said: dict[str, Any] = orjson.loads(answer.read())
        if said["state"] == "live" and not said["behind"] and _offered(said) >= offered:
            return said
        assert time.monotonic() < deadline, f"the wallboard is {said['state']}: {said['reason']}"
        time.sleep(0.1)


def _offered(said: dict[str, Any]) -> int:
    total: int = said["groups"][0]["windows"]["today"]["offered"]
    return total


def _now(said: dict[str, Any]) -> dict[tuple[str, str], Any]:
    return {
        (group["channel"], group["queue"]): {name: group["now"][name] for name in LASTING} for group in said["groups"]
    }


def _today(said: dict[str, Any]) -> dict[tuple[str, str], Any]:
    live = {"service_level_live", "service_levels"}  # with what is beyond its target now, which changes by itself
    return {
        (group["channel"], group["queue"]): {k: v for k, v in group["windows"]["today"].items() if k not in live}
        for group in said["groups"]
    }


def _gauges(stack: Stack) -> set[tuple[Any, ...]]:
    columns = "channel, queue, waiting, oldest_waiting_since, awaiting_reply, oldest_awaiting_since, open, handling"
    return {tuple(row) for row in stack.rows(f"SELECT {columns} FROM gauges")}  # noqa: S608 - our own names


def _assert_as_batch(stack: Stack, events: Sequence[Event]) -> None:
    """Counts and sums of samples, panes and tag panes are those of the batch, and the archive holds each event once."""
    counted = "countIf(within IS NOT NULL), countIf(within), countIf(short), countIf(satisfied), sum(ifNull(value, 0))"
    rows = stack.rows(
        f"SELECT sample, channel, queue, count(), sum(ifNull(value_ms, 0)), {counted} FROM samples GROUP BY ALL"  # noqa: S608 - as above
    )
    panes = stack.rows(
        "SELECT sample, channel, queue, sum(n), sum(sum_ms), sum(n_target), sum(n_within), sum(n_short),"
        " sum(n_satisfied), sum(sum_value) FROM panes GROUP BY ALL"
    )
    tags = stack.rows("SELECT tag, channel, queue, sum(n) FROM tag_panes GROUP BY ALL")
    expected = {key: tuple(value) for key, value in added_up(samples(events)).items()}
    assert {tuple(row[:3]): tuple(row[3:]) for row in rows} == expected
    assert {tuple(row[:3]): tuple(row[3:]) for row in panes if any(row[3:])} == expected
    assert {tuple(row[:3]): row[3] for row in tags if row[3]} == tag_counts(events)
    assert stack.rows("SELECT count() FROM events")[0][0] == len(events)
    assert "nothing differs" in stack.pulssi("reconcile")


def test_a_stack_goes_on_where_it_ended(stack: tuple[Stack, Callable[[], None]]) -> None:
    """Gauges and today are as before the restart; what comes then, with much of it again, adds up to the batch."""
    here, up = stack
    events = _made(seed=11)
    up()
    _replay(here, events[: EVENTS // 2], "--speed", "max")
    here.pulssi("drain", "--timeout", "120")
    counted = sum(one.n for key, one in added_up(samples(events[: EVENTS // 2])).items() if key[0] == "offered")
    before, gauges = _live(here, offered=counted), _gauges(here)
    here.pulssi("down")
    up()
    after = _live(here)
    assert _now(after) == _now(before)
    assert _today(after) == _today(before)
    assert _gauges(here) == gauges
    assert before["groups"][0]["now"]["open"] > 5
    assert before["groups"][0]["windows"]["today"]["offered"] > 20

    again = random.Random(7).sample(events[: EVENTS // 2], EVENTS // 8)  # noqa: S311 - nothing secret
    _replay(here, [*events[EVENTS // 2 :], *again], "--shuffle", "5")
    here.pulssi("drain", "--timeout", "120")
    _assert_as_batch(here, events)
