"""A stack on this machine that ends and starts again in its folder: no number is lost."""

import random
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final
from urllib.request import urlopen
from zoneinfo import ZoneInfo

import orjson
import pytest

from tests.chaos.verdict import differences
from tests.fixtures.stack import ENDS_WITHIN_S, Stack
from tests.oracle.batch import samples
from tests.oracle.centre import Centre
from tests.streams.flow import simulated

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
    return simulated(EVENTS, RATE, seed, began, zone=ZoneInfo(_where_it_is_noon()))


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    """Run a stack whose day began hours ago."""
    config = tmp_path / "config"
    config.mkdir()
    (config / "centre.toml").write_text(f'time_zone = "{_where_it_is_noon()}"\n')
    with Stack(tmp_path / "data", config) as stack:
        yield stack


def _live(stack: Stack, *, offered: int = 0) -> dict[str, Any]:
    """Return what the wallboard tells, once it is live and has counted so many contacts at least."""
    deadline = time.monotonic() + ENDS_WITHIN_S
    while True:
        with urlopen(f"{stack.parts['wallboard'].url}api/live", timeout=10) as answer:  # noqa: S310 - our own
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


def test_a_stack_goes_on_where_it_ended(stack: Stack) -> None:
    """Gauges and today are as before the restart; what comes then, with much of it again, adds up to the batch."""
    events = _made(seed=11)
    stack.replay(events[: EVENTS // 2], "--speed", "max")
    counted = sum(row.sample == "offered" for row in samples(events[: EVENTS // 2]))
    before, gauges = _live(stack, offered=counted), _gauges(stack)
    stack.down()
    stack.up()
    after = _live(stack)
    assert _now(after) == _now(before)
    assert _today(after) == _today(before)
    assert _gauges(stack) == gauges
    assert before["groups"][0]["now"]["open"] > 5
    assert before["groups"][0]["windows"]["today"]["offered"] > 20

    again = random.Random(7).sample(events[: EVENTS // 2], EVENTS // 8)  # noqa: S311 - nothing secret
    stack.replay([*events[EVENTS // 2 :], *again], "--shuffle", "5")
    assert differences(stack.rows, (events, Centre())) == {}
    assert "nothing differs" in stack.pulssi("reconcile")
