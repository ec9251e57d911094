"""Looking after parts, in this process: what a part that cannot be started again leads to."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

import pytest

from deploy.embedded.supervisor import Part, PartDiedError, Supervisor
from tests.deploy.program import PATIENCE_S


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
        await supervisor.start(Part("worker", (str(program),), fault=fault))
        (tmp_path / {"program": "part", "question": "asked"}[gone]).unlink()
        pid = supervisor.states()[0].pid
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        with pytest.raises(PartDiedError, match="worker cannot be kept running: FileNotFoundError"):
            await asyncio.wait_for(supervisor.until_end(), PATIENCE_S)
    finally:
        await supervisor.end_all()
