"""The embedded broker as a command: one a folder, ready when it answers, gone when its starter is."""

import os
import re
import signal
import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from deploy.embedded.folder_lock import FolderInUseError, lock_folder, lock_owner
from deploy.embedded.stack_layout import pulssi_command
from streams.kafka.brokers import broker_answers
from tests.deploy.program import PATIENCE_S, Program, await_gone, clean_environment, descendants, run


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Program]:
    """Run `pulssi broker` on any free port."""
    command = pulssi_command("broker", "--while-stdin", "--port", "0", "--data", str(tmp_path / "stack"))
    with Program(command, clean_environment(tmp_path), stdin=subprocess.PIPE) as program:
        yield program


def test_it_says_ready_when_it_answers(broker: Program, tmp_path: Path) -> None:
    """After its line a Metadata request is answered at that address; SIGTERM ends it with 0.

    A second one on the folder is refused in one line, with 3.
    """
    address = broker.await_line("broker ready at ").rpartition(" ")[2]
    assert re.fullmatch(r"127\.0\.0\.1:\d+", address)
    assert broker_answers(address)
    second = run(tmp_path, "broker", "--port", "0", "--data", str(tmp_path / "stack"))
    assert (second.code, len(second.lines)) == (3, 1)
    assert f"process {broker.process.pid}" in second.text
    broker.signal(signal.SIGTERM)
    assert broker.await_end() == 0
    assert not broker_answers(address)


def _closed(broker: Program) -> None:
    assert broker.process.stdin is not None
    broker.process.stdin.close()


@pytest.mark.parametrize(
    "end", [lambda broker: broker.signal(signal.SIGKILL), _closed], ids=["killed", "its starter is gone"]
)
def test_it_leaves_no_process_and_no_lock(broker: Program, tmp_path: Path, end: Callable[[Program], None]) -> None:
    """SIGKILL of the command, or the end of its standard input, ends the JVM too, and the folder is free again."""
    broker.await_line("broker ready")
    children = descendants(broker.process.pid)
    assert children
    end(broker)
    broker.await_end()
    await_gone(children)
    with lock_folder(
        tmp_path / "stack", "broker", wait_s=PATIENCE_S
    ):  # its threads take a moment longer than its process
        pass


def test_a_busy_port_is_named(tmp_path: Path) -> None:
    """Somebody listens there: one line, 3."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        program = run(tmp_path, "broker", "--port", port, "--data", str(tmp_path))
    assert (program.code, len(program.lines)) == (3, 1)
    assert f"127.0.0.1:{port} is in use" in program.text


def test_a_lock_is_held_once_and_leaves_no_file(tmp_path: Path) -> None:
    """While it is held its owner is known and a second hold is refused; then nothing is left."""
    with lock_folder(tmp_path, "part"):
        for _ in range(2):
            assert lock_owner(tmp_path, "part") == os.getpid()
            with pytest.raises(FolderInUseError, match=str(os.getpid())), lock_folder(tmp_path, "part"):
                pass
    assert lock_owner(tmp_path, "part") is None
    assert list(tmp_path.iterdir()) == []
