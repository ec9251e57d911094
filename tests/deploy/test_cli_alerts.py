"""`pulssi alerts` against a real broker: what people see of alerts, and what they say reaches the engine's topic."""

import asyncio
import json
from typing import Final

import pytest
from aiokafka import AIOKafkaProducer
from click.testing import CliRunner, Result

from deploy.cli import main
from schemas.alerts import (
    ALERT_COMMANDS,
    ALERTS,
    Acknowledge,
    Alert,
    Change,
    CostlyContact,
    Dimensions,
    Measurement,
    alert_id,
    decode_command,
)
from schemas.settings import Settings
from streams.alert_engine.alert_log import AlertLog
from streams.kafka.topic_reader import read_newest
from tests.kafka.server import KafkaServer

#: 2026-03-02 09:00 UTC.
AT: Final = 1_772_442_000_000
SLOW: Final = alert_id("slow", AT)


@pytest.fixture
def settings(fresh_kafka: KafkaServer, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Point the commands at a broker with Pulssi's topics and nothing in them."""
    for name, value in fresh_kafka.settings_env().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("PULSSI_TIME_ZONE", "Europe/Helsinki")
    return fresh_kafka.with_topics()


def pulssi(*words: str) -> Result:
    """Run a command."""
    return CliRunner().invoke(main, ["alerts", *words])


def _written(settings: Settings, *alerts: Alert) -> None:
    async def write() -> None:
        log = AlertLog(settings)
        await log.open("engine")
        await log.write(alerts)
        await log.stop()

    asyncio.run(write())


def _slow() -> Alert:
    return Alert(
        key="slow",
        id=SLOW,
        sequence=2,
        kind="objective",
        condition="attainment",
        rule="call-20s",
        severity="critical",
        dimensions=Dimensions(channel="call", queue="sales"),
        state="firing",
        reason="first",
        at=AT,
        pending_since=AT - 60_000,
        fired_at=AT,
        measured=Measurement(
            value=0.5, limit=0.8, unit="share", n=20, bad=10, objective=0.8, formula="short_excluded", target_ms=20_000
        ),
        contacts=[CostlyContact(contact_id="pbx:main:17", channel="call", queue="sales", value_ms=95_000)],
        history=[
            Change(at=AT - 60_000, state="pending", reason="first"),
            Change(at=AT, state="firing", reason="first"),
        ],
    )


def test_what_fires_is_listed_and_shown(settings: Settings) -> None:
    """The list has what fires, where and by how much, in the centre's time; `show` has contacts and history."""
    pending = _slow().model_copy(update={"key": "other", "id": "", "state": "pending", "rule": "chat-60s"})
    _written(settings, _slow(), pending)
    listed = pulssi("list").output
    assert all(part in listed for part in (SLOW, "call-20s", "queue sales", "2026-03-02 11:00:00+02:00", "50.0%"))
    assert "chat-60s" not in listed
    assert max(map(len, listed.splitlines())) <= 100
    assert "chat-60s" in pulssi("list", "--all").output
    assert [each["id"] for each in json.loads(pulssi("list", "--json").output)] == [SLOW]
    shown = pulssi("show", SLOW[:6]).output
    assert all(
        part in shown for part in ("50.0% against 80.0%", "short_excluded", "pbx:main:17", "1:35 min", "pending")
    )


def test_when_an_alert_was_resolved_is_told(settings: Settings) -> None:
    """By the time at which it was, and when it began; one that was over before it fired says so."""
    over = {"state": "resolved", "resolved_at": AT + 90_000}
    never = {**over, "key": "other", "id": "", "fired_at": None}
    _written(settings, _slow().model_copy(update=over), _slow().model_copy(update=never))
    listed = pulssi("list", "--all").output
    assert "    resolved 2026-03-02 11:01:30+02:00; fired 2026-03-02 11:00:00+02:00\n" in listed
    assert "    resolved 2026-03-02 11:01:30+02:00, before it fired; began 2026-03-02 10:59:00+02:00\n" in listed
    assert max(map(len, listed.splitlines())) <= 100
    assert "resolved 2026-03-02 11:01:30+02:00; fired 2026" in pulssi("show", SLOW[:6]).output


def test_an_acknowledgement_is_written_under_a_name(settings: Settings) -> None:
    """`ack` of an alert that fires writes who looks after it; of any other it is refused."""
    resolved = _slow().model_copy(update={"key": "over", "id": alert_id("over", AT), "state": "resolved"})
    _written(settings, _slow(), resolved)
    assert pulssi("ack", SLOW, "--by", "Maija").output == f"{SLOW}: acknowledged by Maija\n"
    (value,) = asyncio.run(read_newest(settings, ALERT_COMMANDS)).values()
    command = decode_command(value)
    assert isinstance(command, Acknowledge)
    assert (command.alert_id, command.by) == (SLOW, "Maija")
    for unknown, why in ((resolved.id, "was resolved"), ("none", "there is no alert none")):
        refused = pulssi("ack", unknown)
        assert (refused.exit_code, why in refused.output) == (1, True)


@pytest.mark.usefixtures("settings")
def test_a_silence_begins_is_listed_and_ends() -> None:
    """A silence is listed with what it keeps quiet until it is ended; one that is too long is refused."""
    assert "no silence" in pulssi("silence").output
    name = pulssi("silence", "--queue", "sales", "--for", "2h", "--by", "Maija", "--comment", "tests").output.split(
        ":"
    )[0]
    listed = pulssi("silence").output
    assert all(part in listed for part in (name, "queue sales", "by Maija: tests", "every rule"))
    assert "ended by Pekka" in pulssi("silence", "--end", name, "--by", "Pekka").output
    assert name not in pulssi("silence").output
    assert pulssi("silence", "--end", name).exit_code == 1
    assert pulssi("silence", "--for", "91d").exit_code == 2


@pytest.mark.usefixtures("settings")
def test_without_alerts_it_says_so() -> None:
    """Nothing fires: one line, and no empty table."""
    assert pulssi("list").output == "no alert fires\n"


def test_names_are_shown_as_they_are(settings: Settings) -> None:
    """A rule's name that looks like markup is shown, and not obeyed."""
    _written(settings, _slow().model_copy(update={"rule": "[red]vip[/red]"}))
    assert "[red]vip[/red]: attainment" in pulssi("list").output


async def _foreign(settings: Settings) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=settings.kafka_brokers)
    await producer.start()
    await producer.send_and_wait(ALERTS, b"{}", b"other", partition=0)
    await producer.stop()


def test_a_record_of_another_version_is_named(settings: Settings) -> None:
    """One line and exit code 1, and no stack trace."""
    asyncio.run(_foreign(settings))
    refused = pulssi("list")
    assert (refused.exit_code, refused.output.count("\n")) == (1, 1)
    assert "the topic alerts has a record that this version cannot read" in refused.output
