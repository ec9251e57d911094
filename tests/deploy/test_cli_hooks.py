"""`pulssi hooks` against a real broker: what people see of deliveries, and that another attempt can be asked for."""

import asyncio
import json
from typing import Final

import pytest
from click.testing import CliRunner, Result

from deploy.cli import main
from schemas.alerts import (
    ALERT_COMMANDS,
    ALERT_DELIVERIES,
    STATE_KEY,
    DelivererState,
    DeliveryAttempt,
    DeliveryRecord,
    Retry,
    decode_command,
)
from schemas.settings import Settings
from streams.kafka.fenced_topic import FencedTopic
from streams.kafka.topic_reader import read_newest
from tests.kafka.server import KafkaServer

#: 2026-03-02 09:00 UTC.
AT: Final = 1_772_442_000_000


@pytest.fixture
def settings(fresh_kafka: KafkaServer, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Point the commands at a broker with three deliveries."""
    for name, value in fresh_kafka.settings_env().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("PULSSI_TIME_ZONE", "Europe/Helsinki")
    settings = fresh_kafka.with_topics()
    asyncio.run(_write(settings))
    return settings


async def _write(settings: Settings, *more: DeliveryRecord) -> None:
    topic = FencedTopic(settings, ALERT_DELIVERIES, "hooks")
    await topic.open("deliverer")
    failed = DeliveryAttempt(at=AT + 1_000, outcome="permanent", why="answered 404")
    delivered = DeliveryAttempt(at=AT + 2_000, outcome="delivered", why="delivered")
    records = [
        _delivery("aa11", "duty", status="given_up", attempts=[failed], attempted=1, body="{}"),
        _delivery("aa22", "duty", status="delivered", attempts=[failed, delivered], attempted=2),
        _delivery("bb33", "sales", next_at=AT + 60_000, body="{}"),
        *more,
    ]
    pairs = [(each.webhook_id.encode(), each.model_dump_json().encode()) for each in records]
    await topic.write([*pairs, (STATE_KEY, DelivererState(position=3).model_dump_json().encode())])
    await topic.stop()


def _delivery(name: str, destination: str, **fields: object) -> DeliveryRecord:
    given = {"webhook_id": name, "destination": destination, "queue": "slow", "sequence": 1, "alert_id": "3f2a"}
    return DeliveryRecord.model_validate({**given, "title": "[FIRING] [red]", "at": AT, "body": None, **fields})


def pulssi(*words: str) -> Result:
    """Run a command."""
    return CliRunner().invoke(main, ["hooks", *words])


@pytest.mark.usefixtures("settings")
def test_the_list_has_what_was_not_delivered() -> None:
    """With the last answer; the rest where it is asked for."""
    shown = pulssi("list").output
    assert "aa11" in shown
    assert "given up" in shown
    assert "answered 404" in shown
    assert "[FIRING] [red]" in shown
    assert "2026-03-02 11:01:00+02:00" in shown
    assert "aa22" not in shown
    assert "aa22" in pulssi("list", "--all").output
    assert [each["webhook_id"] for each in json.loads(pulssi("list", "--json", "--destination", "sales").output)] == [
        "bb33"
    ]
    assert pulssi("list", "--destination", "nobody").output == "no delivery waits or was given up\n"


def test_the_list_fits_a_terminal(settings: Settings) -> None:
    """Also with the longest names and answers: 100 columns; nothing of them is left out, and `--json` is whole."""
    title = f"[FIRING] {'a queue with a long name ' * 8}: attainment 76.2 % against 80 %"
    why = f"answered 500: {'x' * 200}"
    failed = DeliveryAttempt(at=AT + 1_000, outcome="retry", why=why)
    long = _delivery("cc44" * 8, "d" * 64, next_at=AT + 60_000, title=title, attempts=[failed], attempted=16, body="{}")
    asyncio.run(_write(settings, long))
    shown = pulssi("list", "--all").output
    lines = shown.splitlines()
    assert max(map(len, lines)) <= 100
    assert "".join(title.split()) in "".join(shown.split())
    assert "".join(why.split()) in "".join(shown.split())
    assert [line for line in lines if line.startswith("cc44")] == [
        "cc44cc44cc44  waiting, 16 attempts, next 2026-03-02 11:01:00+02:00"
    ]
    listed = json.loads(pulssi("list", "--json").output)
    assert [each["title"] for each in listed if each["webhook_id"] == long.webhook_id] == [title]


@pytest.mark.usefixtures("settings")
def test_one_delivery_is_shown_with_its_attempts() -> None:
    """By the beginning of its id; one that is not there, or is not the only one, is said."""
    shown = pulssi("show", "aa2").output
    assert "2026-03-02 11:00:01+02:00  permanent: answered 404" in shown
    assert "2026-03-02 11:00:02+02:00  delivered: delivered" in shown
    assert json.loads(pulssi("show", "bb", "--json").output)["body"] == "{}"
    assert (pulssi("show", "cc").exit_code, pulssi("show", "aa").exit_code) == (1, 1)


def test_another_attempt_is_asked_for(settings: Settings) -> None:
    """As a command in the topic; what was delivered is not sent again."""
    asked = pulssi("retry", "aa1", "--by", "Maija")
    assert (asked.exit_code, "aa11: tried at once" in asked.output) == (0, True)
    assert (refused := pulssi("retry", "aa2")).exit_code == 1
    assert "was delivered" in refused.output
    (value,) = asyncio.run(read_newest(settings, ALERT_COMMANDS)).values()
    command = decode_command(value)
    assert isinstance(command, Retry)
    assert (command.webhook_id, command.by) == ("aa11", "Maija")
