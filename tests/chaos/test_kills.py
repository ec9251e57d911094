"""Kill -9 of each part, of all, and a power cut, while events flow: nothing acknowledged is missing, difference 0.

One round each; `make kills` does ten.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.chaos import kills
from tests.chaos.kills import VICTIMS, rounds
from tests.fixtures.stack import Stack
from tests.kafka.apache import missing

pytestmark = [pytest.mark.long, pytest.mark.apache, pytest.mark.skipif(missing() is not None, reason=str(missing()))]


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Stack, list[Any]]]:
    """Run one stack for all victims; with it the events that were acknowledged so far."""
    with Stack(tmp_path_factory.mktemp("kills") / "data") as stack:
        yield stack, []


@pytest.mark.parametrize("victim", VICTIMS)
def test_what_is_killed_comes_back_and_nothing_is_missing(stack: tuple[Stack, list[Any]], victim: str) -> None:
    """Every acknowledged event is in ClickHouse once, and no number differs from the fold of them."""
    installation, before = stack
    outcome, before[:] = rounds(installation, victim, 1, before)
    assert outcome.faults == []
    assert outcome.acknowledged > 0


def test_a_stack_that_has_ended_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever is killed next is not where the fault lies: the round says that nothing runs, with the last words."""
    monkeypatch.setattr(kills, "LASTS_S", 1)
    outcome, _ = rounds(Stack(tmp_path / "data"), "worker", 1)
    assert outcome.faults == ["the stack does not run:\n"]
