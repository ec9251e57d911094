"""`pulssi status`: what a part that is ready says somebody has to mend."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from click.testing import CliRunner

from deploy.cli import main, up
from deploy.embedded import stack_state
from deploy.embedded.stack_state import PartState, StackState
from schemas.settings import Settings
from streams.monitoring.health import Health
from tests.dashboards.face_under_fire import in_a_thread

REFUSED = "sources.toml has changed and is refused: `pulssi check-config` says why"


@asynccontextmanager
async def _gateway() -> AsyncIterator[str]:
    health = Health(ready=lambda: None, progress=lambda: None, notice=lambda: REFUSED, metrics=str)
    yield f"http://127.0.0.1:{await health.start(Settings(gateway_port=0), 'gateway')}/"
    await health.stop()


def test_a_refused_change_is_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The part is ready, because it runs as before; its line says which change is not in force."""
    with in_a_thread(_gateway()) as url:
        part = PartState(name="gateway", state="ready", url=url, started_here=True)
        running = StackState(pid=1, folder=tmp_path, phase="ready", parts=(part,))
        monkeypatch.setattr(stack_state, "find", lambda _: running)
        told, as_json = CliRunner().invoke(main, ["status"]), CliRunner().invoke(main, ["status", "--json"])
    assert told.exit_code == as_json.exit_code == 0
    assert told.output.splitlines()[0] == f"gateway     ready      {url}  {REFUSED}"
    (shown,) = json.loads(as_json.output)["parts"]
    assert (shown["state"], shown["notice"], shown["fault"]) == ("ready", REFUSED, None)


def test_a_start_in_the_background_shows_it_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the parts say is in their logs: else whoever started them would think that all is well."""
    monkeypatch.setenv("PULSSI_CLICKHOUSE_PROGRAM", "embedded")
    monkeypatch.setattr(up, "_download", lambda _: None)
    with in_a_thread(_gateway()) as url:
        part = PartState(name="gateway", state="ready", url=url, started_here=True)
        running = StackState(pid=1, folder=tmp_path, phase="ready", parts=(part,))
        monkeypatch.setattr(up, "_start_in_background", lambda *_: running)
        started = CliRunner().invoke(main, ["up", "--detach", "--data", str(tmp_path)])
    assert started.exit_code == 0, started.output
    assert f"gateway     ready      {url}  {REFUSED}" in started.output.splitlines()
