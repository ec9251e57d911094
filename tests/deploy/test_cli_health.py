"""`pulssi health`: a part's own word, as a container's health check and a supervisor ask for it."""

import os
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from deploy.cli import main
from deploy.embedded import stack_state
from deploy.embedded.folder_lock import lock_folder
from deploy.embedded.ports import any_free
from deploy.embedded.stack_layout import OWN_PARTS
from deploy.embedded.stack_state import StackState
from streams.configuration.environment import load_settings
from streams.monitoring.health import Health
from tests.dashboards.face_under_fire import in_a_thread

#: What each part of the tests says of its progress and of its readiness; None: all is well.
Words = tuple[str | None, str | None] | tuple[str | None, str | None, str]


@pytest.fixture(autouse=True)
def free_ports(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give each part a port at which nothing listens."""
    taken: set[int] = set()
    for name in OWN_PARTS:
        port = any_free("127.0.0.1", but=taken)
        taken.add(port)
        monkeypatch.setenv(f"PULSSI_{name.upper()}_PORT", str(port))


@asynccontextmanager
async def _part(name: str, words: Words) -> AsyncIterator[None]:
    stuck, unready, *notice = words
    health = Health(
        ready=lambda: unready, progress=lambda: stuck, notice=lambda: notice[0] if notice else None, metrics=str
    )
    await health.start(load_settings(), name)
    yield
    await health.stop()


@pytest.fixture
def sink() -> Iterator[Callable[[Words], None]]:
    """Have the sink's server say these words."""
    running = []

    def start(words: Words) -> None:
        running.append(in_a_thread(_part("sink", words)))
        running[-1].__enter__()

    yield start
    for each in running:
        each.__exit__(None, None, None)


def _asked(*words: str) -> Result:
    return CliRunner().invoke(main, ["health", *words])


def test_what_listens_is_asked(sink: Callable[[Words], None]) -> None:
    """Without a name: the one part of a container, whichever it is; listening on every address as there."""
    sink((None, "reads its journals"))
    assert (_asked().exit_code, _asked("sink").exit_code) == (0, 0)
    starting = _asked("--ready")
    assert (starting.exit_code, "sink: 503: reads its journals" in starting.output) == (1, True)


def test_what_somebody_has_to_mend_is_told(sink: Callable[[Words], None]) -> None:
    """The exit code is 0, because a restart would not help."""
    sink((None, None, "zendesk/acme: its hooks are answered with 503"))
    for words in ((), ("--ready",)):
        told = _asked(*words)
        assert (told.exit_code, told.output) == (0, "ok\nsink: zendesk/acme: its hooks are answered with 503\n")


def test_no_progress_is_no_health(sink: Callable[[Words], None]) -> None:
    """Exit 1, with the part's own words."""
    sink(("no step for 90 s", None))
    stuck = _asked()
    assert (stuck.exit_code, stuck.output) == (1, "pulssi: sink: 503: no step for 90 s\n")


def test_the_parts_of_an_up_are_found(
    sink: Callable[[Words], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At the ports that it wrote into its folder: of that folder, or of the last `up`; a named port goes before."""
    sink((None, None, "is the one"))
    port = os.environ["PULSSI_SINK_PORT"]
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "home"))
    with lock_folder(tmp_path, stack_state.LOCK):
        environment = {"PULSSI_SINK_PORT": port}
        stack_state.write(StackState(pid=os.getpid(), folder=tmp_path, phase="ready", environment=environment))
        monkeypatch.setenv("PULSSI_SINK_PORT", str(any_free("127.0.0.1")))
        assert _asked("sink").exit_code == 3
        monkeypatch.delenv("PULSSI_SINK_PORT")
        assert _asked("--data", str(tmp_path)).output == "ok\nsink: is the one\n"
        stack_state.remember_last(tmp_path)
        assert _asked("sink").output == "ok\nsink: is the one\n"
    gone = _asked("sink", "--data", str(tmp_path))
    assert (gone.exit_code, "no stack runs in" in gone.output) == (3, True)


def test_nothing_answers() -> None:
    """Exit 3, whether a part was named or not; one line each."""
    told = _asked()
    assert (told.exit_code, len(told.output.splitlines())) == (3, 1)
    assert "pulssi: no part listens here (worker " in told.output
    assert "`pulssi status` says what an `up` runs" in told.output
    named = _asked("worker", "--wait", "0.3")
    assert (named.exit_code, len(named.output.splitlines())) == (3, 1)


@pytest.mark.parametrize("bind", ["0.0.0.0", "::", "127.0.0.1"])  # noqa: S104 - what containers bind
def test_the_address_is_the_settings(bind: str, monkeypatch: pytest.MonkeyPatch, sink: Callable[[Words], None]) -> None:
    """What listens on every address is asked on the loopback one."""
    monkeypatch.setenv("PULSSI_BIND", bind)
    sink((None, None))
    assert _asked("sink").exit_code == 0
