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
from typing import Final

_PR_SET_PDEATHSIG: Final = 1
#: How long a part may take to end itself after its starter is gone.
GRACE_S: Final = 10.0
#: How long a server may take to end in order.
SERVER_ENDS_WITHIN_S: Final = 25.0
_LIBC: Final = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


def die_with_parent(by: signal.Signals = signal.SIGKILL) -> None:
    """Have the kernel signal the calling process when the thread that started it ends (Linux; elsewhere does nothing).

    Made to be called between fork and exec. SIGTERM is for a program that has something to put in order.
    """
    if _LIBC is not None:
        _LIBC.prctl(_PR_SET_PDEATHSIG, by)


def _watch() -> None:
    while os.read(0, 1024):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(GRACE_S)
    os._exit(1)


def end_with_stdin() -> None:
    """End this process, first politely, when its standard input is closed."""
    threading.Thread(target=_watch, name="lifeline", daemon=True).start()


def interrupt_once() -> None:
    """Have SIGTERM and Ctrl-C raise KeyboardInterrupt; from then on only SIGKILL interrupts the end."""

    def end(*_: object) -> None:
        for each in (signal.SIGINT, signal.SIGTERM):
            signal.signal(each, signal.SIG_IGN)
        raise KeyboardInterrupt

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, end)


def stop_server(server: subprocess.Popen[bytes]) -> None:
    """End a server: by SIGTERM, so that its next start has nothing to recover, then by SIGKILL."""
    server.terminate()
    try:
        server.wait(SERVER_ENDS_WITHIN_S)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait()
