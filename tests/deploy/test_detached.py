"""A stack in the background: what the terminal shows of it, and what stays in its log."""

import os
import re
import signal
import sys
from pathlib import Path
from typing import Final

import pytest

from deploy.cli import up
from deploy.embedded.stack_output import LOG_BYTES, FileOutput

MOVED: Final = "port 9400 is busy: the broker takes 9405"
FAILS: Final = "print('this run'); raise SystemExit(3)"
RUNS: Final = f"""
import os, pathlib, signal, sys
from deploy.embedded import folder_lock, stack_state
folder = pathlib.Path(sys.argv[1])
with folder_lock.lock_folder(folder, stack_state.LOCK):
    stack_state.write(stack_state.StackState(pid=os.getpid(), folder=folder, phase="ready", moved=("{MOVED}",)))
    signal.pause()
"""


@pytest.mark.parametrize("size", [0, LOG_BYTES], ids=["short", "long"])
def test_its_log_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], size: int
) -> None:
    """The last run's lines stay, in another file where they are many; a failed start shows its own."""
    log = tmp_path / "logs" / "up.log"
    log.parent.mkdir()
    before = "the last run\n" + "x" * size
    log.write_text(before, encoding="utf-8")
    monkeypatch.setattr(up, "pulssi_command", lambda *_: (sys.executable, "-c", FAILS))
    with pytest.raises(SystemExit) as ended:
        up._start_in_background(tmp_path, None)  # noqa: SLF001 - `--detach` once all is checked
    told = capsys.readouterr().err
    assert (ended.value.code, "this run" in told, "the last run" in told) == (3, True, False)
    files = sorted(log.parent.iterdir(), reverse=True)
    assert [file.name for file in files] == (["up.log.1", "up.log"] if size else ["up.log"])
    assert "".join(file.read_text(encoding="utf-8") for file in files) == f"{before}this run\n"


def test_a_moved_port_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """On the terminal, where whoever named the ports looks."""
    monkeypatch.setattr(up, "pulssi_command", lambda *_: (sys.executable, "-c", RUNS, str(tmp_path)))
    os.kill(up._start_in_background(tmp_path, 9400).pid, signal.SIGTERM)  # noqa: SLF001 - as above
    assert MOVED in capsys.readouterr().err


def test_each_line_has_a_time(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The stack's own and the parts', but for those that have one."""
    output = FileOutput(tmp_path)
    output.say("broker ended with code 1")
    output.line("broker", "broker ready")
    output.line("broker", "2026-11-29 15:40:29,123 INFO deploy: here")
    stamp = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} "
    assert re.fullmatch(f"{stamp}broker ended with code 1\n", capsys.readouterr().out)
    written = (tmp_path / "broker.log").read_text(encoding="utf-8")
    assert re.fullmatch(f"{stamp}broker ready\n2026-11-29 15:40:29,123 INFO deploy: here\n", written)
