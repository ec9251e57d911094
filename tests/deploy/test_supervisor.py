"""Looking after parts, in this process: what a part that cannot be kept running leads to."""

import asyncio
import os
import signal
import time
from pathlib import Path

import pytest

from deploy.embedded.supervisor import PartDefinition, PartDiedError, StopRequested, Supervisor, exit_description
from tests.deploy.program import PATIENCE_S, is_running


@pytest.mark.parametrize("gone", ["program", "question"])
async def test_a_part_that_cannot_be_started_again_ends_the_stack(tmp_path: Path, gone: str) -> None:
    """It dies, and its program is not there any more, or asking whether it is ready fails: the reason is named."""
    program, asked = tmp_path / "part", tmp_path / "asked"
    program.write_text("#!/bin/sh\nexec sleep 600\n")
    program.chmod(0o755)
    asked.touch()

    def fault() -> str | None:
        return asked.read_text() or None

    supervisor = Supervisor(lambda *_: None, lambda _: None)
    try:
        await supervisor.start(PartDefinition("worker", (str(program),), fault=fault))
        (tmp_path / {"program": "part", "question": "asked"}[gone]).unlink()
        pid = supervisor.states()[0].pid
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        with pytest.raises(PartDiedError, match="worker cannot be kept running: FileNotFoundError"):
            await asyncio.wait_for(supervisor.wait_for_end(), PATIENCE_S)
    finally:
        await supervisor.end_all()


async def test_a_part_that_is_being_ended_is_not_left(tmp_path: Path) -> None:
    """It was not ready in time, and ignores SIGTERM: the stack's end waits for it, and kills it if asked twice."""
    trapped, being_ended = tmp_path / "trapped", asyncio.Event()

    def changed() -> None:
        if supervisor.states()[0].state == "ending":
            being_ended.set()

    def fault() -> str | None:
        while not trapped.exists():
            time.sleep(0.05)
        return "no"

    supervisor = Supervisor(lambda *_: None, lambda _: None, changed)
    stubborn = ("sh", "-c", f"trap '' TERM; touch {trapped}; sleep 600")
    starting = asyncio.create_task(supervisor.start(PartDefinition("sink", stubborn, fault=fault, ready_within_s=0)))
    await asyncio.wait_for(being_ended.wait(), PATIENCE_S)
    pid = supervisor.states()[0].pid
    assert pid is not None
    supervisor.request_stop()
    with pytest.raises(StopRequested):
        await starting
    ending = asyncio.create_task(supervisor.end_all())
    await asyncio.wait([ending], timeout=0.2)
    assert not ending.done()
    supervisor.request_stop()
    await asyncio.wait_for(ending, PATIENCE_S)
    assert not is_running(pid)


async def test_a_part_is_started_again_with_its_last_words(tmp_path: Path) -> None:
    """Why it ended is its own last line of that run; one that says nothing, or is killed, ends without a reason."""
    said: list[str] = []
    third = asyncio.Event()

    def say(text: str) -> None:
        said.append(text)
        if len(said) == 3:
            third.set()

    supervisor = Supervisor(lambda *_: None, say)
    runs = f"cd {tmp_path}; mkdir 1 2>&- && echo no space && exit 1; mkdir 2 2>&- && exit 1; echo fine; kill -9 $$"
    starting = asyncio.create_task(supervisor.start(PartDefinition("broker", ("sh", "-c", runs), fault=lambda: "no")))
    try:
        await asyncio.wait_for(third.wait(), PATIENCE_S)
    finally:
        starting.cancel()
        await supervisor.end_all()
    assert said[:3] == [
        "broker ended with code 1: started again (1): no space",
        "broker ended with code 1: started again (2)",
        "broker was killed by SIGKILL: started again (3)",
    ]


def test_a_signal_without_a_name_is_told_by_its_number() -> None:
    """A real-time signal has no name: its number is reported."""
    assert exit_description(-40) == "was killed by signal 40"
