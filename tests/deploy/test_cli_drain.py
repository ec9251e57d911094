"""`pulssi drain`: what it says of partitions that are behind."""

import pytest
from click.testing import CliRunner

from deploy.cli import drain, main
from schemas.settings import Settings
from sinks.lag import Lag


def test_parked_events_are_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else a partition would be behind although ClickHouse has all that was produced."""

    async def lags(_: Settings, _timeout_s: float) -> list[Lag]:
        return [Lag("contacts.call", 2, 9069, 9069, 184), Lag("contacts.call", 3, 12, 7)]

    monkeypatch.setattr(drain, "_wait_until_drained", lags)
    told = CliRunner().invoke(main, ["drain"])
    assert told.exit_code == 1
    assert told.output.splitlines()[:2] == [
        "contacts.call/2: 184 behind (produced 9069, in ClickHouse 9069; 184 parked: the worker's log says why)",
        "contacts.call/3: 5 behind (produced 12, in ClickHouse 7)",
    ]
