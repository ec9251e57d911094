"""The embedded broker: one node of Apache Kafka on a data folder, started, awaited and ended here, and nowhere else.

It is durable: what it has acknowledged is there after `down`, after SIGKILL and after a crash of the whole stack.
"""

import logging
import shutil
import subprocess
import threading
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Final

import click

from deploy.embedded import UnavailableError
from deploy.embedded.child_processes import await_ready, interrupt_once, stop_server
from deploy.embedded.folder_lock import lock_folder
from deploy.embedded.kafka.node import AOT_CACHE_FROM_JAVA, Kafka, Node, prepare
from deploy.embedded.ports import any_free, check_free
from deploy.embedded.readiness_probes import broker_fault
from deploy.embedded.supervisor import exit_description
from schemas.exits import Exit

#: A start takes some 5 s, one after SIGKILL 10, and several times as long on a busy machine.
READY_WITHIN_S: Final = 120.0
#: How long a node is given to write the AOT cache at its end.
AOT_CACHE_WITHIN_S: Final = 300.0
#: The AOT cache is made only so long after the start, so that it does not slow the first minute down.
AOT_CACHE_AFTER_S: Final = 60.0
#: So many AOT caches of other installations are kept, 65 MB each.
AOT_CACHES_KEPT: Final = 3


def node_of(kafka: Kafka, folder: Path, host: str, port: int) -> Node:
    """Describe the node of a data folder; its log is among the stack's."""
    controller = any_free("127.0.0.1", but={port})
    return Node(kafka, folder / "kafka", folder / "logs" / "kafka.log", host, port, controller)


def start(node: Node, keep_open: tuple[int, ...] = ()) -> subprocess.Popen[bytes]:
    """Start a node, and return when it answers a Metadata request; raises UnavailableError."""
    check_free(node.host, node.port)
    process = node.start(keep_open)
    try:
        await_answer(node, process)
    except BaseException:
        stop_server(process)
        raise
    return process


def await_answer(node: Node, process: subprocess.Popen[bytes]) -> None:
    """Return when a started node answers; raises UnavailableError where it ends, or does not in time."""
    await_ready(process, "Kafka", partial(broker_fault, node.advertised), READY_WITHIN_S, node.end_reason)


def make_aot_cache(kafka: Kafka, niceness: int = 19) -> bool:
    """Make the JVM's AOT cache by a node on a folder of its own; tells whether there is one now.

    It takes some 15 s of a processor. One process does it, others do not wait. If it fails, starts only stay slower.
    """
    if kafka.java.version < AOT_CACHE_FROM_JAVA:
        return False
    file = kafka.aot_cache
    folder = file.with_suffix(".training")
    with suppress(UnavailableError, OSError, subprocess.TimeoutExpired), lock_folder(file.parent, file.stem):
        if not file.is_file():
            shutil.rmtree(folder, ignore_errors=True)  # of one that was killed
            unfinished = folder / file.name
            node = node_of(kafka.writing_aot_cache(unfinished), folder, "127.0.0.1", any_free("127.0.0.1"))
            process = node.start(niceness=niceness)
            try:
                await_answer(node, process)
                process.terminate()
                process.wait(AOT_CACHE_WITHIN_S)
                unfinished.replace(file)
            finally:
                process.kill()
                process.wait()
                shutil.rmtree(folder, ignore_errors=True)
            for old in surplus_aot_caches(file):
                old.unlink(missing_ok=True)
    return file.is_file()


def surplus_aot_caches(file: Path) -> list[Path]:
    """List AOT caches that other installations left next to this one: all but the latest few."""
    others = [path for path in file.parent.glob("java-*.aot") if path != file]
    return sorted(others, key=lambda path: path.stat().st_mtime_ns, reverse=True)[AOT_CACHES_KEPT:]


def run(folder: Path, host: str, port: int, repository: str) -> int:
    """Run the folder's broker until it ends by itself; port 0 asks for any free one. For the main thread.

    SIGTERM and Ctrl-C raise KeyboardInterrupt here. Raises UnavailableError.
    """
    interrupt_once()
    logging.getLogger("kafka").setLevel(logging.CRITICAL)  # the readiness probe fails by design at first
    kafka = prepare(repository)
    # The broker inherits the lock: if only this process is killed, the folder stays locked until the broker has ended.
    with lock_folder(folder, "broker") as lock:
        node = node_of(kafka, folder, host, port or any_free(host))
        process = start(node, keep_open=(lock,))
        try:
            click.echo(f"broker ready at {host}:{node.port}")
            with suppress(subprocess.TimeoutExpired):
                process.wait(AOT_CACHE_AFTER_S)
            if process.returncode is None and not kafka.options:
                # A daemon: whoever ends this process ends that node with it.
                threading.Thread(target=make_aot_cache, args=(kafka,), daemon=True).start()
            code = process.wait()
            click.echo(f"Kafka {exit_description(code)}: see {node.end_reason()}", err=True)
            return Exit.NO
        finally:
            stop_server(process)
