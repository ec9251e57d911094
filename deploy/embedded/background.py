"""`up --detach`: starts a stack in the background, and returns when it is ready or has failed."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from deploy.embedded import state
from deploy.embedded.parts import pulssi
from deploy.embedded.state import StackState
from deploy.embedded.supervisor import LAST_LINES

POLL_S: Final = 0.1
LOGS: Final = "logs"
OWN_LOG: Final = "up.log"


class NotStartedError(RuntimeError):
    """The stack ended before it was ready; `code` is its exit code and the message its last words."""

    def __init__(self, message: str, code: int) -> None:
        super().__init__(message)
        self.code = code


def _last_words(log: Path) -> str:
    """Return the stack's own last lines: a part that failed is named there with its own."""
    return "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-LAST_LINES - 2 :])


def start(folder: Path, options: Sequence[str], on_part: Callable[[str, str], None]) -> StackState:
    """Start `pulssi up` for the folder in a session of its own; returns its state once all is ready.

    `on_part` is told each part's name and phase as it changes. Raises NotStartedError.
    """
    logs = folder / LOGS
    logs.mkdir(parents=True, exist_ok=True)
    log = logs / OWN_LOG
    with log.open("wb") as output:
        process = subprocess.Popen(  # noqa: S603 - our own command
            pulssi("up", "--in-background", "--data", str(folder), *options),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        return _await_ready(process, folder, log, on_part)
    except KeyboardInterrupt:
        process.terminate()
        process.wait()
        raise


def _await_ready(
    process: subprocess.Popen[bytes], folder: Path, log: Path, on_part: Callable[[str, str], None]
) -> StackState:
    told: dict[str, str] = {}
    while True:
        code = process.poll()
        if code is not None:
            raise NotStartedError(_last_words(log), code if code > 0 else 1)
        now = state.read(folder)
        if now is not None and now.pid == process.pid:
            for part in now.parts:
                if told.get(part.name) != part.state:
                    told[part.name] = part.state
                    on_part(part.name, part.state)
            if now.phase == "ready":
                return now
        time.sleep(POLL_S)


def end(folder: Path, within_s: float) -> bool:
    """Ask the folder's stack to end and wait for it; False where it still runs after `within_s`."""
    running = state.read(folder)
    if running is None:
        return True
    with contextlib.suppress(ProcessLookupError):
        os.kill(running.pid, signal.SIGTERM)
    deadline = time.monotonic() + within_s
    while (now := state.read(folder)) is not None and now.pid == running.pid:
        if time.monotonic() >= deadline:
            return False
        time.sleep(POLL_S)
    return True
