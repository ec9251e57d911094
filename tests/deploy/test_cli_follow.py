"""`pulssi follow` as production runs it: a log and a real broker, with kills and rotations at any moment."""

import os
import random
import shutil
import signal
from collections import Counter
from pathlib import Path
from typing import Final

import orjson
import pytest

from deploy.embedded.stack_layout import plan_layout, pulssi_command
from streams.configuration.environment import load_settings
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


def configured(folder: Path, log: Path) -> Path:
    """Write a configuration with one exchange whose log is followed."""
    config = folder / "config"
    config.mkdir(exist_ok=True)
    (config / "sources.toml").write_text(
        f'[[source]]\nsource = "asterisk"\naccount = "main"\ntime_zone = "UTC"\npath = "{log}"\n', encoding="utf-8"
    )
    return config


class Calls:
    """Writes callers who give up, each a row of one event."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.written = 0
        self._rotated = 0

    def append(self, count: int) -> None:
        """Write so many rows, each by itself."""
        with self.path.open("ab", buffering=0) as log:
            for number in range(self.written, self.written + count):
                log.write(b"%d|%d.%d|support|NONE|ABANDON|1|1|9\n" % (BEGIN + number // 10, BEGIN, number))
        self.written += count

    def rotate(self, *, by_copy: bool) -> None:
        """Rotate the log."""
        self._rotated += 1
        to = self.path.with_name(f"{self.path.name}.{self._rotated}")
        if by_copy:
            shutil.copyfile(self.path, to)
            os.truncate(self.path, 0)
        else:
            self.path.rename(to)


def contacts(broker: KafkaServer, at_least: int) -> Counter[str]:
    """Read all events; count them by contact."""
    found = consumed(broker.bootstrap, at_least, or_more=True)
    return Counter(orjson.loads(record.value)["contact_id"] for record in found)


def test_each_row_once_while_it_lives(broker: KafkaServer, tmp_path: Path) -> None:
    """Rows come as they are written, through both kinds of rotation, each once; SIGTERM is a clean end."""
    calls = Calls(tmp_path / "queue_log")
    calls.append(50)
    config = configured(tmp_path, calls.path)
    environment = clean_environment(tmp_path, PULSSI_FOLLOW_PORT="0", **broker.settings_env())
    command = pulssi_command("follow", "asterisk", "main", "--config", str(config))
    with Program(command, environment) as program:
        for by_copy in (False, True, False):
            await_records(broker.bootstrap, calls.written)
            calls.append(20)
            calls.rotate(by_copy=by_copy)
            calls.append(20)
        await_records(broker.bootstrap, calls.written)
        program.signal(signal.SIGTERM)
        assert program.await_end() == 0, program.text
    with Program(command, environment) as program:  # it goes on behind what it had
        program.await_line("is followed")
        calls.append(1)
        await_records(broker.bootstrap, calls.written)
    assert contacts(broker, calls.written) == {f"asterisk:main:{BEGIN}.{n}": 1 for n in range(calls.written)}


def test_killed_at_any_moment_no_row_is_lost(broker: KafkaServer, tmp_path: Path) -> None:
    """Killed again and again while rows are written and the log is rotated: every row is there, none of its own."""
    chance = random.Random(7)  # noqa: S311 - a test's disorder
    calls = Calls(tmp_path / "queue_log")
    calls.append(300)
    config = configured(tmp_path, calls.path)
    environment = clean_environment(tmp_path, PULSSI_FOLLOW_PORT="0", **broker.settings_env())
    command = pulssi_command("follow", "asterisk", "--config", str(config))
    for _ in range(5):
        with Program(command, environment) as program:
            program.await_line("is followed")
            calls.append(chance.randrange(1, 2_000))
            await_records(broker.bootstrap, calls.written - chance.randrange(1, 400))
            calls.append(chance.randrange(1, 300))
            program.signal(signal.SIGKILL)
            program.await_end()
        calls.rotate(by_copy=chance.random() < 0.5)
        calls.append(chance.randrange(1, 300))
    with Program(command, environment) as program:
        found = contacts(broker, calls.written)
        while f"asterisk:main:{BEGIN}.{calls.written - 1}" not in found:  # some are there twice: a count tells nothing
            program.check()
            found = contacts(broker, sum(found.values()))
    missing = {f"asterisk:main:{BEGIN}.{number}" for number in range(calls.written)} - set(found)
    assert not missing
    assert len(found) == calls.written


def test_bad_rows_and_a_changed_configuration(broker: KafkaServer, tmp_path: Path) -> None:
    """A bad row is a dead letter, and the next one counts; a changed sources.toml is used without a restart."""
    calls = Calls(tmp_path / "queue_log")
    calls.path.write_bytes(b"garbage\n")
    config = configured(tmp_path, tmp_path / "nowhere")
    environment = clean_environment(tmp_path, PULSSI_FOLLOW_PORT="0", **broker.settings_env())
    with Program(pulssi_command("follow", "--config", str(config)), environment) as program:
        program.await_line("asterisk/main is not followed now")
        assert "nowhere: No such file" in program.text
        configured(tmp_path, calls.path)
        calls.append(5)
        await_records(broker.bootstrap, 5)
        program.await_line("dead letters: queue_log:1: is no row")
        assert [letter.value() for letter in read_all(load_settings(broker.settings_env()))] == [b"garbage"]


def test_without_such_an_account_it_ends(tmp_path: Path) -> None:
    """Where there is nothing to follow it says so, and `up` does not run it."""
    config = tmp_path / "config"
    config.mkdir()
    (config / "sources.toml").write_text(
        '[[source]]\nsource = "asterisk"\naccount = "main"\ntime_zone = "UTC"\n', encoding="utf-8"
    )
    done = run(tmp_path, "follow", "asterisk", "--config", str(config), PULSSI_FOLLOW_PORT="0")
    assert (done.code, len(done.lines)) == (1, 1)
    assert "no such account that can be followed" in done.text


def test_a_secret_that_is_missing_is_waited_for(broker: KafkaServer, tmp_path: Path) -> None:
    """The other log is read meanwhile; once the secret is there its account is followed, without a restart."""
    calls, others = Calls(tmp_path / "queue_log"), Calls(tmp_path / "other_log")
    config = configured(tmp_path, calls.path)
    written = (config / "sources.toml").read_text(encoding="utf-8")
    other = written.replace('"main"', '"other"').replace("queue_log", "other_log")
    (config / "sources.toml").write_text(f'{written}{other}pseudonym_file = "key"\n', encoding="utf-8")
    calls.append(3)
    others.append(4)
    environment = clean_environment(tmp_path, PULSSI_FOLLOW_PORT="0", **broker.settings_env())
    with Program(pulssi_command("follow", "--config", str(config)), environment) as program:
        program.await_line("asterisk/other: it is not followed until this is mended")
        await_records(broker.bootstrap, 3)
        (config / "key").write_text("k" * 32, encoding="utf-8")
        await_records(broker.bootstrap, 7)
    assert "sources.toml:11: source 2.pseudonym_file" in program.text


@pytest.mark.parametrize(
    ("path", "runs"), [("", False), ('path = "queue_log"\n', True), ('path = "queue_log"\nqueues = 1\n', True)]
)
def test_up_runs_it_where_there_is_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str, *, runs: bool
) -> None:
    """An account with a path makes it a part of the stack, with a port of its own."""
    (tmp_path / "sources.toml").write_text(
        f'[[source]]\nsource = "asterisk"\naccount = "main"\ntime_zone = "UTC"\n{path}', encoding="utf-8"
    )
    monkeypatch.setenv("PULSSI_CONFIG", str(tmp_path))
    settings = load_settings({"PULSSI_KAFKA_BROKERS": "127.0.0.1:1", "PULSSI_CLICKHOUSE_URL": "http://127.0.0.1:1"})
    layout = plan_layout(settings, tmp_path, None, pytest.fail)
    assert ("follow" in layout.ports) == runs
    assert ("PULSSI_FOLLOW_PORT" in layout.environment) == runs
