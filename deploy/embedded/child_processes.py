"""No process outlives the one that started it, however that one ends.

Two means, since neither covers all: Linux signals a child whose parent died (also a program that is not ours); a part
of ours, on any system, watches its standard input, which the starter holds open and the kernel closes with it.
"""

import ctypes
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from deploy.embedded import UnavailableError

_PR_SET_PDEATHSIG: Final = 1
#: How long a part may take to end itself after its starter is gone.
GRACE_S: Final = 10.0
#: How long a server may take to end in order.
SERVER_ENDS_WITHIN_S: Final = 25.0
_CHECK_EVERY_S: Final = 0.1
_LIBC: Final = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


def die_with_parent(by: signal.Signals = signal.SIGKILL) -> None:
    """Have the kernel signal the calling process when the thread that started it ends (Linux; elsewhere does nothing).

    Made to be called between fork and exec. SIGTERM is for a program that has something to put in order.
    """
    if _LIBC is not None:
        _LIBC.prctl(_PR_SET_PDEATHSIG, by)


def _end_when_stdin_closes() -> None:
    while os.read(0, 1024):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(GRACE_S)
    os._exit(1)


def end_with_stdin() -> None:
    """End this process, first politely, when its standard input is closed."""
    threading.Thread(target=_end_when_stdin_closes, name="lifeline", daemon=True).start()


def interrupt_once() -> None:
    """Have SIGTERM and Ctrl-C raise KeyboardInterrupt; from then on only SIGKILL interrupts the end."""

    def end(*_: object) -> None:
        for each in (signal.SIGINT, signal.SIGTERM):
            signal.signal(each, signal.SIG_IGN)
        raise KeyboardInterrupt

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, end)


def await_ready(
    server: subprocess.Popen[bytes],
    name: str,
    fault: Callable[[], str | None],
    within_s: float,
    end_reason: Callable[[], str],
) -> None:
    """Return once a server has no fault; raises UnavailableError where it ends before, or is not ready in time."""
    deadline = time.monotonic() + within_s
    while (why := fault()) is not None:
        with suppress(subprocess.TimeoutExpired):
            code = server.wait(_CHECK_EVERY_S)
            raise UnavailableError(f"{name} ended at its start (code {code}): {end_reason()}")
        if time.monotonic() > deadline:
            raise UnavailableError(f"{name} is not ready after {within_s:g} s ({why}): {end_reason()}")


def stop_server(server: subprocess.Popen[bytes]) -> None:
    """End a server: by SIGTERM, so that its next start has nothing to recover, then by SIGKILL."""
    server.terminate()
    try:
        server.wait(SERVER_ENDS_WITHIN_S)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait()
