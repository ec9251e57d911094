"""A stack's own beginning and end, in this process."""

import sys
from pathlib import Path
from typing import Final

import pytest

from deploy.embedded import stack
from deploy.embedded.folder_lock import lock_owner
from deploy.embedded.stack_output import TerminalOutput
from deploy.embedded.supervisor import PartDefinition
from schemas.exits import Exit
from streams.configuration.environment import load_settings

#: Ends at once, and leaves a process of another group that has its lock for a second more, as a killed JVM has.
_LEAVES_ONE: Final = """
import os, sys, time
from pathlib import Path
from deploy.embedded.folder_lock import lock_folder
with lock_folder(Path(sys.argv[1]), "broker"):
    if os.fork():
        os._exit(7)
    os.setsid()
    os.closerange(0, 3)
    time.sleep(1)
    os._exit(0)
"""


def test_the_end_waits_for_what_a_killed_part_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The folder is free once the stack has ended, so that the next one starts at once."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    folder = tmp_path / "stack"
    broker = PartDefinition("broker", (sys.executable, "-c", _LEAVES_ONE, str(folder)))
    settings = load_settings({"PULSSI_CLICKHOUSE_PROGRAM": "embedded"})
    code = stack.run(folder, settings, TerminalOutput(), parts=lambda _: [(broker,)])
    assert (code, lock_owner(folder, "broker")) == (Exit.NO, None)
