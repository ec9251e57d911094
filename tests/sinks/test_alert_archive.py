"""Alerts in ClickHouse: each change, and each firing as its last change left it, whatever is read or written twice."""

import asyncio
from typing import Any, Final

import pytest

from schemas.alerts import Alert, CostlyContact, Dimensions, Measurement, alert_id
from schemas.settings import Settings
from sinks.alert_archive import change_rows
from streams.alert_engine.alert_log import AlertLog
from streams.clickhouse.connection import connect
from streams.kafka.topic_reader import TopicRecord
from tests.sinks.running_sink import WITHIN_S, sink

AT: Final = 1_772_442_000_000


def _alert(sequence: int, key: str = "slow", **fields: Any) -> Alert:  # noqa: ANN401 - as Alert has them
    given: dict[str, Any] = {
        "key": key,
        "id": alert_id(key, AT),
        "sequence": sequence,
        "kind": "objective",
        "condition": "attainment",
        "rule": "call-20s",
        "severity": "critical",
        "dimensions": Dimensions(channel="call", queue="sales"),
        "state": "firing",
        "reason": "first",
        "at": AT + sequence,
        "pending_since": AT,
        "fired_at": AT,
        "measured": Measurement(value=0.5, limit=0.8, unit="share", objective=0.8, formula="short_excluded"),
        "contacts": [CostlyContact(contact_id="pbx:1", channel="call", queue="sales", value_ms=9)],
    }
    return Alert(**given | fields)


COURSE: Final = (
    _alert(1, id="", state="pending", fired_at=None),
    _alert(2),
    _alert(3, reason="acknowledged", acknowledged_by="Maija", acknowledged_at=AT + 3),
    _alert(4, reason="resolved", state="resolved", resolved_at=AT + 4, acknowledged_by="Maija", acknowledged_at=AT + 3),
)


async def _rows(settings: Settings, question: str, number: int) -> list[Any]:
    """Ask until there are so many rows."""
    async with asyncio.timeout(WITHIN_S):
        while True:
            with connect(settings) as client:
                rows = list(client.query(question).result_rows)
            if len(rows) >= number:
                return rows
            await asyncio.sleep(0.05)


async def test_who_acknowledged_what_and_how_it_ended(settings: Settings) -> None:
    """The sink writes each change once, also when a second sink reads the topic again; pending ones are not there."""
    log = AlertLog(settings)
    await log.open("engine")
    await log.write(COURSE)
    for more in ((), (_alert(1, key="other"),)):
        async with sink(settings):
            await log.write(more)
            changes = await _rows(
                settings,
                "SELECT sequence, reason, acknowledged_by FROM alert_changes WHERE policy != '' ORDER BY ALL",
                3 + len(more),
            )
            assert changes[-3:] == [(2, "first", ""), (3, "acknowledged", "Maija"), (4, "resolved", "Maija")]
    await log.stop()
    found = await _rows(
        settings,
        "SELECT state, policy, dimensions, value, objective, changes, contacts FROM alerts ORDER BY changes DESC",
        2,
    )
    where = {"channel": "call", "queue": "sales"}
    assert found[0] == ("resolved", "call-20s", where, 0.5, 0.8, 3, ["pbx:1"])
    assert found[1][0] == "firing"


def test_a_record_that_is_not_readable_is_passed_over(caplog: pytest.LogCaptureFixture) -> None:
    """What a newer version may have written holds nothing up, and is named by its offset."""
    readable = _alert(2).model_dump_json().encode()
    records = [TopicRecord(at, AT, b"slow", value) for at, value in enumerate([b"{}", None, readable])]
    assert [row.version for row in change_rows(records)] == [2]
    assert "offset 0" in caplog.text
