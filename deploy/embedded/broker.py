"""The embedded broker: one node of Apache Kafka on a data folder, started, awaited and ended here, and nowhere else.

It is durable: what it has acknowledged is there after `down`, after SIGKILL and after a crash of the whole stack.
"""

from __future__ import annotations

import logging
import shutil
import subprocess
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Final

import click

from deploy.embedded import UnavailableError
from deploy.embedded.child_end import interrupt_once, stop
from deploy.embedded.kafka.node import ARCHIVES_FROM, Kafka, Node, prepare
from deploy.embedded.lock import hold
from deploy.embedded.ports import any_free, is_free
from deploy.embedded.supervisor import how
from schemas.exits import Exit
from streams.kafka.brokers import broker_answers

#: A start takes some 5 s, one after SIGKILL 10, and several times as long on a busy machine.
READY_WITHIN_S: Final = 120.0
#: How long a node is given to write the archive at its end.
ARCHIVED_WITHIN_S: Final = 300.0
#: The archive is made only so long after the start, so that it does not slow the first minute down.
TRAINS_AFTER_S: Final = 60.0
#: So many archives of other installations are kept, 65 MB each.
ARCHIVES_KEPT: Final = 3


def node_of(kafka: Kafka, folder: Path, host: str, port: int) -> Node:
    """Describe the node of a data folder; its log is among the stack's."""
    controller = any_free("127.0.0.1", but={port})
    return Node(kafka, folder / "kafka", folder / "logs" / "kafka.log", host, port, controller)


def start(node: Node, keep_open: tuple[int, ...] = ()) -> subprocess.Popen[bytes]:
    """Start a node, and return when it answers a Metadata request; raises UnavailableError."""
    if not is_free(node.host, node.port):
        raise UnavailableError(f"{node.host}:{node.port} is in use by another program: choose another port")
    process = node.start(keep_open)
    try:
        await_answer(node, process)
    except BaseException:
        stop(process)
        raise
    return process


def await_answer(node: Node, process: subprocess.Popen[bytes]) -> None:
    """Return when a started node answers; raises UnavailableError where it ends, or does not in time."""
    deadline = time.monotonic() + READY_WITHIN_S
    while not broker_answers(node.advertised, wait_s=0.3):
        if process.poll() is not None:
            raise UnavailableError(f"Kafka ended at its start (code {process.returncode}): {node.said()}")
        if time.monotonic() > deadline:
            raise UnavailableError(
                f"Kafka does not answer at {node.advertised} after {READY_WITHIN_S:g} s: {node.said()}"
            )


def train(kafka: Kafka, niceness: int = 19) -> bool:
    """Make the JVM's archive by a node on a folder of its own; tells whether there is one now.

    It takes some 15 s of a processor. One process does it, others do not wait. If it fails, starts only stay slower.
    """
    if kafka.java.version < ARCHIVES_FROM:
        return False
    file = kafka.archive
    folder = file.with_suffix(".training")
    with suppress(UnavailableError, OSError, subprocess.TimeoutExpired), hold(file.parent, file.stem):
        if not file.is_file():
            shutil.rmtree(folder, ignore_errors=True)  # of one that was killed
            unfinished = folder / file.name
            node = node_of(kafka.writing_archive(unfinished), folder, "127.0.0.1", any_free("127.0.0.1"))
            process = node.start(niceness=niceness)
            try:
                await_answer(node, process)
                process.terminate()
                process.wait(ARCHIVED_WITHIN_S)
                unfinished.replace(file)
            finally:
                process.kill()
                process.wait()
                shutil.rmtree(folder, ignore_errors=True)
            for old in surplus_archives(file):
                old.unlink(missing_ok=True)
    return file.is_file()


def surplus_archives(file: Path) -> list[Path]:
    """List archives that other installations left next to this one: all but the latest few."""
    others = [path for path in file.parent.glob("java-*.aot") if path != file]
    return sorted(others, key=lambda path: path.stat().st_mtime_ns, reverse=True)[ARCHIVES_KEPT:]


def run(folder: Path, host: str, port: int, repository: str) -> int:
    """Run the folder's broker until it ends by itself; port 0 asks for any free one. For the main thread.

    SIGTERM and Ctrl-C raise KeyboardInterrupt here. Raises UnavailableError.
    """
    interrupt_once()
    logging.getLogger("kafka").setLevel(logging.CRITICAL)  # the readiness probe fails by design at first
    kafka = prepare(repository)
    # The broker inherits the lock: if only this process is killed, the folder stays locked until the broker has ended.
    with hold(folder, "broker") as lock:
        node = node_of(kafka, folder, host, port or any_free(host))
        process = start(node, keep_open=(lock,))
        try:
            click.echo(f"broker ready at {host}:{node.port}")
            with suppress(subprocess.TimeoutExpired):
                process.wait(TRAINS_AFTER_S)
            if process.returncode is None and not kafka.options:
                # A daemon: whoever ends this process ends the training with it.
                threading.Thread(target=train, args=(kafka,), daemon=True).start()
            code = process.wait()
            click.echo(f"Kafka {how(code)}: see {node.said()}", err=True)
            return Exit.NO
        finally:
            stop(process)
