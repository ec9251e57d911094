"""`pulssi import` as people and scripts see it: files of a vendor into a real broker, all of it, whatever ends it."""

import asyncio
import json
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import orjson
import pytest

from deploy.embedded.stack_layout import pulssi_command
from streams.configuration.environment import load_settings
from streams.sources.source_positions import SourcePositions, position_key
from tests.deploy.program import Program, clean_environment, run
from tests.kafka.server import KafkaServer
from tests.streams.flow import read_all
from tests.streams.sources.consumed import await_records, consumed

BEGIN: Final = 1_772_352_000


@pytest.fixture
def broker(fresh_kafka: KafkaServer) -> KafkaServer:
    """Return a broker with the topics, and nothing in them."""
    fresh_kafka.with_topics()
    return fresh_kafka


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """Write a configuration with one exchange."""
    folder = tmp_path / "config"
    folder.mkdir()
    (folder / "sources.toml").write_text(
        '[[source]]\nsource = "asterisk"\naccount = "main"\ntime_zone = "UTC"\n', encoding="utf-8"
    )
    return folder


def calls(count: int) -> Iterator[str]:
    """Write the rows of so many calls: three each, four events."""
    for number in range(count):
        at, call = BEGIN + number // 4, f"{BEGIN}.{number}"
        yield f"{at}|{call}|support|NONE|ENTERQUEUE||0401234567|1\n"
        yield f"{at + 5}|{call}|support|SIP/{100 + number % 50}|CONNECT|5|{BEGIN}.9|2\n"
        yield f"{at + 65}|{call}|support|SIP/{100 + number % 50}|COMPLETECALLER|5|60|1\n"


def ids(bootstrap: str, at_least: int) -> set[tuple[str, str]]:
    """Read all events; give each contact's ids, once."""
    found = (orjson.loads(record.value) for record in consumed(bootstrap, at_least, or_more=True))
    return {(event["contact_id"], event["event_id"]) for event in found}


def test_a_log_is_imported_once(broker: KafkaServer, config: Path, tmp_path: Path) -> None:
    """Every row's events are there; a second run reads what came since, and says so; JSON has the figures."""
    file = tmp_path / "queue_log"
    file.write_text("".join(calls(300)), encoding="utf-8")
    words = "import", "asterisk", str(file), "--form", "queue_log", "--config", str(config)
    first = run(tmp_path, *words, **broker.settings_env())
    assert first.code == 0, first.text
    assert first.lines[-1].startswith("asterisk/main: read 900 payloads in ")
    assert "1,200 events" in first.lines[-1]
    assert len(consumed(broker.bootstrap, 1_200)) == 1_200
    with file.open("a", encoding="utf-8") as log:
        log.write(f"{BEGIN + 900}|NONE|NONE|NONE|QUEUESTART|\n")
    second = run(tmp_path, *words, "--json", **broker.settings_env())
    assert second.code == 0, second.text
    report = json.loads(second.text[second.text.index("{") :])
    assert {name: report[name] for name in ("payloads", "events", "nothing", "dead_letters", "finished")} == {
        "payloads": 1,
        "events": 0,
        "nothing": 1,
        "dead_letters": 0,
        "finished": True,
    }
    again = run(tmp_path, *words, "--again", **broker.settings_env())
    assert "read 901 payloads" in again.lines[-1]
    assert len(ids(broker.bootstrap, 2_400)) == 1_200


def test_after_a_kill_it_goes_on(broker: KafkaServer, config: Path, tmp_path: Path) -> None:
    """Killed in the middle and started again, as often as it takes: every event is there, none but those."""
    file = tmp_path / "queue_log"
    file.write_text("".join(calls(8_000)), encoding="utf-8")
    words = pulssi_command("import", "asterisk", "main", str(file), "--form", "queue_log", "--config", str(config))
    environment = clean_environment(tmp_path, **broker.settings_env())
    for stage in (2_000, 9_000):
        with Program(words, environment) as program:
            await_records(broker.bootstrap, stage)
            program.signal(signal.SIGKILL)
            program.await_end()
    done = run(tmp_path, *words[words.index("import") :], **broker.settings_env())
    assert done.code == 0, done.text
    wanted = len(ids(broker.bootstrap, 32_000))
    assert wanted == 32_000
    settings = load_settings(broker.settings_env())
    key = position_key("asterisk", "main", f"file:queue_log:{file.resolve()}")
    kept = asyncio.run(SourcePositions(settings, "test").read(key))
    assert kept is not None
    assert (kept.finished, kept.position["line"], kept.position["offset"]) == (True, 24_000, file.stat().st_size)


def test_asked_to_end_it_says_how_to_go_on(broker: KafkaServer, config: Path, tmp_path: Path) -> None:
    """On SIGTERM it writes its position and ends with 1; the next run reads the rest alone."""
    file = tmp_path / "queue_log"
    file.write_text("".join(calls(20_000)), encoding="utf-8")
    words = pulssi_command("import", "asterisk", str(file), "--form", "queue_log", "--config", str(config))
    environment = clean_environment(tmp_path, **broker.settings_env())
    with Program(words, environment) as program:
        await_records(broker.bootstrap, 1_000)
        program.signal(signal.SIGTERM)
        assert program.await_end() == 1, program.text
    assert "run the command again to continue" in program.lines[-1]
    read = int(program.lines[-2].split(" payloads")[0].rsplit(" ", 1)[1].replace(",", ""))
    rest = run(tmp_path, *words[words.index("import") :], **broker.settings_env())
    assert rest.code == 0, rest.text
    assert "going on where an earlier import ended" in rest.text
    assert f"read {60_000 - read:,} payloads" in rest.lines[-1]
    assert len(ids(broker.bootstrap, 80_000)) == 80_000


def test_what_cannot_be_mapped_is_kept_and_told(broker: KafkaServer, config: Path, tmp_path: Path) -> None:
    """Bad rows are dead letters with their place; the others count; the end is 1."""
    file = tmp_path / "queue_log"
    file.write_text(f"{''.join(calls(5))}garbage\n{BEGIN}|NONE|support|NONE|ENTERQUEUE||1|1\n", encoding="utf-8")
    words = "import", "asterisk", str(file), "--form", "queue_log", "--config", str(config)
    done = run(tmp_path, *words, **broker.settings_env())
    assert done.code == 1
    assert "2 could not be mapped" in done.lines[-1]
    assert "queue_log:16: is no row of a queue_log" in done.lines[-1]
    assert len(consumed(broker.bootstrap, 20)) == 20
    letters = read_all(load_settings(broker.settings_env()))
    assert [letter.value() for letter in letters] == [b"garbage", b"%d|NONE|support|NONE|ENTERQUEUE||1|1" % BEGIN]
    assert dict(letters[1].headers()) == {
        "pulssi-source": b"asterisk",
        "pulssi-account": b"main",
        "pulssi-form": b"queue_log",
        "pulssi-where": b"queue_log:17",
        "pulssi-line": b"17",
        "pulssi-code": b"unmappable",
        "pulssi-reason": b"callid: of ENTERQUEUE is no call's",
    }


def test_a_file_of_something_else_is_refused(broker: KafkaServer, config: Path, tmp_path: Path) -> None:
    """Where most of the beginning cannot be mapped nothing is kept of it, neither letters nor a position."""
    file = tmp_path / "messages"
    file.write_text("Asterisk started\n" * 500, encoding="utf-8")
    words = "import", "asterisk", str(file), "--form", "queue_log", "--config", str(config)
    done = run(tmp_path, *words, **broker.settings_env())
    assert done.code == 1
    assert "wrong source or --form; the first: messages:1" in done.lines[-1]
    assert read_all(load_settings(broker.settings_env())) == []


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["asterisk", "other", "x"], "name the account of asterisk: main"),
        (["zendesk"], "no account of zendesk"),
        (["asterisk", "main"], "asterisk has no API to import from"),
        (["asterisk", "main", "/nowhere", "--form", "queue_log"], "/nowhere: No such file"),
        (["asterisk", "main", "sources.toml"], "--form queue_log|realtime"),
        (["asterisk", "main", "sources.toml", "--form", "hook"], "no form hook"),
        (["asterisk", "main", "sources.toml", "--form", "realtime", "--from", "now"], "a file is read whole"),
    ],
)
def test_what_cannot_be_meant_ends_with_2(config: Path, tmp_path: Path, words: list[str], said: str) -> None:
    """Each such command says in a line what is wrong, without a broker."""
    named = [str(config / word) if word == "sources.toml" else word for word in words]
    done = run(tmp_path, "import", *named, "--config", str(config))
    assert (done.code, len(done.lines)) == (2, 1)
    assert said in done.text
