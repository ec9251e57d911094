"""The embedded broker as a command: one a folder, ready when it answers, gone when its starter is."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.embedded.lock import FolderInUseError, hold, owner_of
from deploy.embedded.parts import pulssi
from streams.brokers import answers
from tests.deploy.program import PATIENCE_S, Program, await_gone, clean_environment, descendants


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Program]:
    """Run `pulssi broker` on any free port."""
    command = pulssi("broker", "--while-stdin", "--port", "0", "--data", str(tmp_path / "stack"))
    program = Program(command, clean_environment(tmp_path), stdin=subprocess.PIPE)
    yield program
    program.close()


def test_it_says_ready_when_it_answers(broker: Program) -> None:
    """After its line a Metadata request is answered at that address; SIGTERM ends it with 0."""
    address = broker.await_line("broker ready at ").rpartition(" ")[2]
    assert re.fullmatch(r"127\.0\.0\.1:\d+", address)
    assert answers(address)
    broker.signal(signal.SIGTERM)
    assert broker.await_end() == 0
    assert not answers(address)


def test_one_broker_a_folder(broker: Program, tmp_path: Path) -> None:
    """A second one on the folder is refused in one line, with 3."""
    broker.await_line("broker ready")
    second = Program(pulssi("broker", "--port", "0", "--data", str(tmp_path / "stack")), clean_environment(tmp_path))
    assert second.await_end() == 3
    assert len(second.lines) == 1
    assert f"process {broker.process.pid}" in second.text
    second.close()


def test_killed_it_leaves_no_process_and_no_lock(broker: Program, tmp_path: Path) -> None:
    """SIGKILL of the command ends the broker program too, and the folder is free again."""
    broker.await_line("broker ready")
    children = descendants(broker.process.pid)
    assert children
    broker.signal(signal.SIGKILL)
    broker.process.wait()
    await_gone(children)
    with hold(tmp_path / "stack", "broker", wait_s=PATIENCE_S):  # its threads take a moment longer than its process
        pass


def test_it_ends_when_its_starter_is_gone(broker: Program) -> None:
    """Its standard input closed, it ends by itself, and so does the broker program."""
    broker.await_line("broker ready")
    everything = [broker.process.pid, *descendants(broker.process.pid)]
    assert broker.process.stdin is not None
    broker.process.stdin.close()
    broker.await_end()
    await_gone(everything)


def test_a_busy_port_is_named(tmp_path: Path) -> None:
    """Somebody listens there: one line, 3."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        program = Program(pulssi("broker", "--port", port, "--data", str(tmp_path)), clean_environment(tmp_path))
        assert program.await_end() == 3
    assert f"127.0.0.1:{port} is in use" in program.text
    program.close()


def test_a_lock_is_held_once_and_leaves_no_file(tmp_path: Path) -> None:
    """While it is held its owner is known and a second hold is refused; then nothing is left."""
    with hold(tmp_path, "part"):
        assert owner_of(tmp_path, "part") == os.getpid()
        with pytest.raises(FolderInUseError, match=str(os.getpid())), hold(tmp_path, "part"):
            pass
        assert owner_of(tmp_path, "part") == os.getpid()
    assert owner_of(tmp_path, "part") is None
    assert list(tmp_path.iterdir()) == []
