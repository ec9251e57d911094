"""`pulssi alerts test`: the same lines from a file and from the archive, exit codes, and input that cannot be used."""

import json
from pathlib import Path
from typing import Final

import orjson
import pytest
from click.testing import CliRunner, Result

from deploy.cli import main
from schemas.settings import Settings
from sinks.event_rows import event_rows
from sinks.store_protocol import Batch
from streams.sources.recordings import route
from streams.times import rfc3339
from tests.oracle.contacts import milliseconds as ms
from tests.sinks.rows import write
from tests.streams.records import Record

T0: Final = ms("2026-06-02T09:00:00Z")
WHERE: Final = "channel call, queue sales, priority normal, contact pbx:1"
LINES: Final = [
    f"2026-06-02 12:00:16+03:00  firing            warning   call-20s: at_risk  {WHERE}  15.001 s against 20 s",
    f"2026-06-02 12:00:21+03:00  firing (changed)  critical  call-20s: breached  {WHERE}  20.001 s against 20 s",
    f"2026-06-02 12:00:26+03:00  resolved          critical  call-20s: breached  {WHERE}  20.001 s against 20 s",
    "1 alert would have fired",
]


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PULSSI_TIME_ZONE", "Europe/Helsinki")


def _pulssi(*words: str) -> Result:
    return CliRunner().invoke(main, ["alerts", "test", *words])


def _call(kind: str, after_ms: int, **fields: object) -> bytes:
    own = {"type": kind, "contact_id": "pbx:1", "channel": "call", "source": "pbx", "queue": "sales", "event_id": kind}
    return orjson.dumps({**own, "occurred_at": rfc3339(T0 + after_ms), **fields})


def _events(answered_ms: int) -> list[bytes]:
    return [
        _call("contact.started", 0),
        _call("contact.queued", 0),
        _call("contact.connected", answered_ms, agent_id="a1"),
        _call("contact.disconnected", answered_ms + 1),
        _call("contact.rated", answered_ms + 2, score=4, scale_max=5, survey_id="s"),
    ]


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    """Write a call that waits for 25.5 seconds, the end first: the order of lines does not matter."""
    path = tmp_path / "day.ndjson"
    path.write_bytes(b"\n".join(reversed(_events(25_500))))
    return path


def test_a_recording(recording: Path) -> None:
    """A line for each change; 1 says that an alert fires."""
    told = _pulssi(str(recording))
    assert told.exit_code == 1, told.output
    assert told.stdout.splitlines() == LINES
    as_json = json.loads(_pulssi(str(recording), "--json").stdout)
    assert [(each["state"], each["reason"]) for each in as_json] == [
        ("firing", "first"),
        ("firing", "changed"),
        ("resolved", "resolved"),
    ]
    later = _pulssi(str(recording), "--at", "2026-06-02T12:00:20", "--for", "3s")
    assert later.stdout.splitlines() == [LINES[1].replace("firing (changed) ", "firing           "), LINES[3]]


def test_a_quiet_recording(recording: Path) -> None:
    """0 says that nothing fires."""
    recording.write_bytes(b"\n".join(_events(5_000)))
    told = _pulssi(str(recording))
    assert (told.exit_code, told.stdout) == (0, "0 alerts would have fired\n")


def test_the_archive_gives_the_same(database: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """The events of a time, as ClickHouse has them, also those of agents, and each twice."""
    monkeypatch.setenv("PULSSI_CLICKHOUSE_URL", database.clickhouse_url)
    monkeypatch.setenv("PULSSI_CLICKHOUSE_DATABASE", database.clickhouse_database)
    agent = {"type": "agent.status", "agent_id": "a1", "status": "available", "groups": ["sales"], "source": "pbx"}
    values = [*_events(25_500), orjson.dumps({**agent, "event_id": "a", "occurred_at": rfc3339(T0)})]
    routed = [route(value) for value in values]
    records = [Record(n, each.key, each.value, each.topic) for n, each in enumerate(routed)]
    write(database, Batch(events=[*event_rows(records, 1), *event_rows(records, 2)]))
    told = _pulssi("--at", "2026-06-02T12:00:00", "--for", "30s")
    assert told.exit_code == 1, told.output
    assert told.stdout.splitlines() == LINES


def test_input_that_cannot_be_used(tmp_path: Path, recording: Path) -> None:
    """One line that says what is wrong, and 2."""
    nothing = tmp_path / "nothing.ndjson"
    nothing.write_text("not json\n")
    folder = tmp_path / "config"
    folder.mkdir()
    (folder / "alerts.toml").write_text("[[floor]]\nname = 'x'\ncondition = 'surge'\nwindow = '5m'\n")
    for words, says in (
        (("missing.ndjson",), "missing.ndjson: No such file or directory"),
        ((str(nothing),), "no line is an event with a time"),
        ((), "name a FILE, or say by --at and --for which time of the archive is meant"),
        (("--for", "1h"), "--for needs --at"),
        ((str(recording), "--at", "noon"), "'noon' is no point in time"),
        ((str(recording), "--config", str(folder)), "the window of a surge lasts 15m to 4h"),
    ):
        told = _pulssi(*words)
        assert told.exit_code == 2, words
        assert says in told.output


def test_what_is_left_out_is_said(recording: Path, tmp_path: Path) -> None:
    """Lines that are no events, events that are bad records, and surges, for which the weeks before are missing."""
    bad = (
        b'{"type": "contact.started", "contact_id": "pbx:2", "channel": "call", "occurred_at": "2026-06-02T09:00:00Z"}'
    )
    recording.write_bytes(b"\n".join([*_events(5_000), b"not json", bad]))
    folder = tmp_path / "config"
    folder.mkdir()
    (folder / "alerts.toml").write_text("[[floor]]\nname = 'x'\ncondition = 'surge'\n")
    told = _pulssi(str(recording), "--config", str(folder))
    assert told.exit_code == 0, told.output
    for says in ("day.ndjson:6: left out: not JSON", "1 of the events are bad records", "surges are not judged"):
        assert says in told.output
