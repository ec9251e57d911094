"""`pulssi epoch begin` as people and scripts see it where it refuses or cannot know: one line and an exit code."""

from pathlib import Path
from typing import Final
from unittest.mock import AsyncMock

import pytest
from aiokafka.errors import KafkaError
from click.testing import CliRunner

from deploy.cli import main
from schemas.exits import Exit
from schemas.journal import Head
from streams.assignment.epochs import SurveyedPartition
from streams.assignment.takeover import RefusedError

CHAT: Final = "contacts.chat"
RECREATED: Final = SurveyedPartition((CHAT, 0), Head(step=5, epoch=1), "recreated")


@pytest.mark.parametrize(
    ("found", "steps", "code", "said"),
    [
        (RefusedError(f"{CHAT}/0: why"), {}, Exit.NO, f"{CHAT}/0: why"),
        (KafkaError("gone"), {}, Exit.UNREACHABLE, "gone"),
        (TimeoutError(), {}, Exit.UNREACHABLE, "does not answer"),
        ([RECREATED._replace(refused=None)], {(0, 1): 5}, Exit.DONE, "nothing to begin"),
        ([RECREATED], {(0, 1): 3}, Exit.NO, f"{CHAT}/0: the sink has written 3 of 5 steps"),
        ([RECREATED], {(0, 1): 3, (0, 2): 0}, Exit.NO, f"{CHAT}/0: the sink has written 3 of 5 steps"),
        ([RECREATED], {(0, 1): 5, (0, 2): 0}, Exit.NO, "begin a new epoch of these 1 partitions?"),
    ],
    ids=["refused", "Kafka fails", "no answer", "nothing", "sink behind", "sink behind, claimed", "asks"],
)
def test_it_ends_with_one_line(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    found: list[SurveyedPartition] | Exception,
    steps: dict[tuple[int, int], int],
    code: int,
    said: str,
) -> None:
    """And never with a stack trace; an epoch that was claimed by a run that died does not end the comparison."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.setattr("streams.assignment.epochs.survey", AsyncMock(side_effect=[found]))
    monkeypatch.setattr("deploy.cli.epoch._written_steps", lambda *_: steps)
    monkeypatch.setattr("deploy.cli.epoch.SINK_STILL_S", 0)
    result = CliRunner().invoke(main, ["epoch", "begin", CHAT], env={"PULSSI_CONFIG": None})
    assert (result.exit_code, said in result.output) == (code, True), result.output


def test_it_waits_for_a_sink_that_writes(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A worker wrote a step a moment before it saw that its topic was recreated: the sink writes it within seconds."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.setattr("streams.assignment.epochs.survey", AsyncMock(side_effect=[[RECREATED]]))
    written = iter([3, 3, 4, 5])
    monkeypatch.setattr("deploy.cli.epoch._written_steps", lambda *_: {(0, 1): next(written)})
    monkeypatch.setattr("deploy.cli.epoch.ASK_SINK_S", 0)
    result = CliRunner().invoke(main, ["epoch", "begin", CHAT], env={"PULSSI_CONFIG": None})
    assert f"{CHAT}/0: the sink has written 3 of 5 steps: waiting for it" in result.output
    assert (next(written, None), "begin a new epoch of these 1 partitions?" in result.output) == (None, True)
