"""Alerts in ClickHouse: each change, and each firing as its last change left it, whatever is read or written twice."""

import asyncio
from typing import Any, Final

import pytest

from schemas.alerts import (
    ALERT_DELIVERIES,
    STATE_KEY,
    Alert,
    AttemptOutcome,
    CostlyContact,
    DelivererState,
    DeliveryAttempt,
    DeliveryRecord,
    Dimensions,
    Measurement,
    alert_id,
)
from schemas.settings import Settings
from sinks.alert_archive import change_rows, delivery_rows
from streams.alert_engine.alert_log import AlertLog
from streams.clickhouse.connection import connect
from streams.kafka.fenced_topic import FencedTopic
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


RETRY: Final[tuple[AttemptOutcome, ...]] = ("retry",)


def _delivery(name: str, *outcomes: AttemptOutcome, alert: Alert, **fields: Any) -> DeliveryRecord:  # noqa: ANN401 - as it has them
    attempts = [DeliveryAttempt(at=AT + at, outcome=each, why=f"it was {each}") for at, each in enumerate(outcomes, 1)]
    given: dict[str, Any] = {
        "webhook_id": name,
        "destination": "duty",
        "queue": alert.key,
        "sequence": alert.sequence,
        "alert_id": alert.id,
        "title": "title",
        "at": alert.at,
        "attempted": len(attempts),
        "attempts": attempts,
        "body": None,
    }
    return DeliveryRecord(**given | fields)


async def test_each_attempt_to_deliver_and_how_many_deliveries_an_alert_had(settings: Settings) -> None:
    """An attempt is a row, however often its delivery is written; the deliverer's own records are none."""
    log, topic = AlertLog(settings), FencedTopic(settings, ALERT_DELIVERIES, "hooks")
    await log.open("engine")
    await log.write([_alert(2), _alert(1, key="other")])
    await topic.open("deliverer")
    course = [
        _delivery("one", "retry", alert=_alert(2)),
        _delivery("one", "retry", "delivered", alert=_alert(2), status="delivered"),
        _delivery("two", "throttled", "permanent", alert=_alert(2), status="given_up"),
        _delivery("long", *(16 * RETRY), alert=_alert(2, id=""), attempted=40, destination="tags"),
    ]
    records = [(each.webhook_id.encode(), each.model_dump_json().encode()) for each in course]
    state = DelivererState(position=2).model_dump_json().encode()
    for each in [*records, (STATE_KEY, state)]:
        await topic.write([each])
    await topic.stop()
    await log.stop()
    for _ in range(2):
        async with sink(settings):
            asked = "SELECT webhook_id, attempt, status, error, alert_id FROM alert_deliveries ORDER BY ALL"
            rows = await _rows(settings, asked, 20)
            alerts = await _rows(settings, "SELECT alert_id, deliveries FROM alerts ORDER BY deliveries DESC", 2)
    own = alert_id("slow", AT)
    assert rows[16:] == [
        ("one", 1, "failed", "it was retry", own),
        ("one", 2, "delivered", "", own),
        ("two", 1, "failed", "it was throttled", own),
        ("two", 2, "given_up", "it was permanent", own),
    ]
    assert [row[1] for row in rows[:16]] == list(range(25, 41))
    assert alerts == [(own, 1), (alert_id("other", AT), 0)]


def test_a_record_that_is_not_readable_is_passed_over(caplog: pytest.LogCaptureFixture) -> None:
    """What a newer version may have written holds nothing up, and is named by its offset."""
    readable = _alert(2).model_dump_json().encode()
    records = [TopicRecord(at, AT, b"slow", value) for at, value in enumerate([b"{}", None, readable])]
    assert [row.version for row in change_rows(records)] == [2]
    assert "alerts: the record at offset 0" in caplog.text
    assert delivery_rows([TopicRecord(7, AT, b"id", b"{}")]) == []
    assert "alert_deliveries: the record at offset 7" in caplog.text
