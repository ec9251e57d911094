"""The embedded broker: one node of Apache Kafka on a data folder, started, awaited and ended here, and nowhere else.

It is durable: what it has acknowledged is there after `down`, after SIGKILL and after a crash of the whole stack.
"""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from types import FrameType
from typing import Final

from deploy.embedded.kafka import archive
from deploy.embedded.kafka.jars import JarsError, Progress
from deploy.embedded.kafka.java import JavaMissingError
from deploy.embedded.kafka.node import Kafka, KafkaFailedError, Node, prepare
from deploy.embedded.lock import FolderInUseError, hold
from deploy.embedded.ports import any_free, is_free
from schemas.exits import Exit
from streams.brokers import answers

PART: Final = "broker"
#: A start takes some 5 s, one after SIGKILL 10, and several times as long on a busy machine.
READY_WITHIN_S: Final = 120.0
ENDS_WITHIN_S: Final = 25.0
#: How long a node is given to write the archive at its end.
ARCHIVED_WITHIN_S: Final = 300.0
#: The archive is made only so long after the start, so that it does not slow the first minute down.
TRAINS_AFTER_S: Final = 60.0
_ENDING: Final = (signal.SIGINT, signal.SIGTERM)


class _EndRequested(BaseException):
    """SIGTERM or Ctrl-C arrived, during the start or the run."""


def node_of(kafka: Kafka, folder: Path, host: str, port: int) -> Node:
    """Describe the node of a data folder; its log is among the stack's."""
    controller = any_free("127.0.0.1", but={port})
    return Node(kafka, folder / "kafka", folder / "logs" / "kafka.log", host, port, controller)


def start(node: Node, keep_open: tuple[int, ...] = (), *, own_session: bool = False) -> subprocess.Popen[bytes]:
    """Start a node, and return when it answers a Metadata request; raises KafkaFailedError."""
    if not is_free(node.host, node.port):
        raise KafkaFailedError(f"{node.host}:{node.port} is in use by another program: choose another port")
    process = node.start(keep_open, own_session=own_session)
    try:
        await_answer(node, process)
    except BaseException:
        stop(process)
        raise
    return process


def await_answer(node: Node, process: subprocess.Popen[bytes]) -> None:
    """Return when a started node answers; raises KafkaFailedError where it ends, or does not in time."""
    deadline = time.monotonic() + READY_WITHIN_S
    while not answers(node.advertised, wait_s=0.3):
        if process.poll() is not None:
            raise KafkaFailedError(f"Kafka ended at its start (code {process.returncode}): {node.said()}")
        if time.monotonic() > deadline:
            raise KafkaFailedError(
                f"Kafka does not answer at {node.advertised} after {READY_WITHIN_S:g} s: {node.said()}"
            )


def train(kafka: Kafka, niceness: int = 19) -> bool:
    """Make the JVM's archive by a node on a folder of its own; tells whether there is one now.

    It takes some 15 s of a processor. One process does it, others do not wait. If it fails, starts only stay slower.
    """
    if kafka.java.version < archive.SINCE:
        return False
    file = archive.file_of(kafka.java, kafka.jars)
    folder = file.with_suffix(".training")
    part = folder / file.name
    with suppress(FolderInUseError, KafkaFailedError, OSError, subprocess.TimeoutExpired), hold(file.parent, file.stem):
        if not file.is_file():
            shutil.rmtree(folder, ignore_errors=True)  # of one that was killed
            learning = replace(kafka, options=archive.to_write(part))
            node = node_of(learning, folder, "127.0.0.1", any_free("127.0.0.1"))
            process = node.start(niceness=niceness)
            try:
                await_answer(node, process)
                process.terminate()
                process.wait(ARCHIVED_WITHIN_S)
                part.replace(file)
            finally:
                process.kill()
                process.wait()
                shutil.rmtree(folder, ignore_errors=True)
            for old in archive.surplus(file):
                old.unlink(missing_ok=True)
    return file.is_file()


def stop(process: subprocess.Popen[bytes]) -> None:
    """End a node: politely, so that its next start has nothing to recover, then by SIGKILL."""
    process.terminate()
    try:
        process.wait(ENDS_WITHIN_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


@contextmanager
def running(kafka: Kafka, folder: Path, host: str, port: int) -> Iterator[tuple[subprocess.Popen[bytes], Node]]:
    """Run the folder's broker for the length of the block; port 0 asks for any free one. Yields process and node."""
    # The broker inherits the lock: if only this process is killed, the folder stays locked until the broker has ended.
    with hold(folder, PART) as lock:
        node = node_of(kafka, folder, host, port or any_free(host))
        process = start(node, keep_open=(lock,))
        try:
            yield process, node
        finally:
            stop(process)


def run(folder: Path, host: str, port: int, repository: str, progress: Progress | None = None) -> int:
    """Run the embedded broker until SIGTERM or Ctrl-C; returns the exit code. For the main thread."""

    def end(number: int, frame: FrameType | None) -> None:
        del number, frame
        for each in _ENDING:
            signal.signal(each, signal.SIG_IGN)  # from now on only SIGKILL interrupts the end
        raise _EndRequested

    for number in _ENDING:
        signal.signal(number, end)
    try:
        kafka = prepare(repository, progress)
        with running(kafka, folder, host, port) as (process, node):
            print(f"broker ready at {host}:{node.port}", flush=True)  # noqa: T201 - a command's own output
            with suppress(subprocess.TimeoutExpired):
                process.wait(TRAINS_AFTER_S)
            if process.returncode is None and not kafka.options:
                # A daemon: whoever ends this process ends the training with it.
                threading.Thread(target=train, args=(kafka,), daemon=True).start()
            code = process.wait()
            print(f"Kafka ended by itself (code {code}): {node.said()}", file=sys.stderr)  # noqa: T201 - as above
            return Exit.NO
    except _EndRequested:
        return Exit.DONE
    except (FolderInUseError, JavaMissingError, JarsError, KafkaFailedError) as error:
        print(error, file=sys.stderr)  # noqa: T201 - as above
        return Exit.UNREACHABLE
