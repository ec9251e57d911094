"""`pulssi follow asterisk` of a realtime table as production runs it: a real database, a real broker, and kills."""

import random
import signal
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, Final

import orjson
import pytest

from deploy.embedded.stack_layout import pulssi_command
from tests.deploy.program import Program, clean_environment, run
from tests.fixtures.tls import Certificate
from tests.kafka.server import KafkaServer
from tests.streams.sources.consumed import await_records, consumed
from tests.streams.sources.database_servers import PASSWORD, DatabaseServer, address, execute, running

_BEGIN: Final = 1_772_352_000
_COLUMNS: Final = "time, callid, queuename, agent, event, data1, data2, data3"
_TEXTS: Final = ", ".join(f"{name} varchar(40)" for name in _COLUMNS.split(", ")[1:])
_TABLE: Final = {
    "mysql": f"CREATE TABLE queue_log (id BIGINT AUTO_INCREMENT PRIMARY KEY, time datetime, {_TEXTS})",
    "postgresql": f"CREATE TABLE queue_log (id BIGSERIAL PRIMARY KEY, time timestamp, {_TEXTS})",
}


@pytest.fixture(params=["MariaDb", "PostgreSql"])
def server(request: pytest.FixtureRequest, certificate: Certificate) -> Iterator[DatabaseServer]:
    """Run a server with an empty table."""
    with running(request.param, certificate) as started:
        execute(started, _TABLE[started.scheme])
        yield started


class Calls:
    """Writes callers who give up, each a row of one event; several connections commit in any order."""

    def __init__(self, server: DatabaseServer, chance: random.Random) -> None:
        self._server = server
        self._chance = chance
        self.written = 0

    def append(self, count: int) -> None:
        """Write so many rows by four transactions at once, and roll one of ten rows back."""
        connections = [self._server.connect() for _ in range(4)]
        cursors = [connection.cursor() for connection in connections]
        for _ in range(count):
            cursor = self._chance.choice(cursors)
            cursor.execute("SAVEPOINT point")
            cursor.execute(self._insert())
            if self._chance.random() < 0.1:
                cursor.execute("ROLLBACK TO SAVEPOINT point")
            else:
                self.written += 1
        self._chance.shuffle(connections)
        for connection in connections:
            with closing(connection):
                connection.commit()

    def _insert(self) -> str:
        values = f"'2026-03-01 08:00:00', '{_BEGIN}.{self.written}', 'support', 'NONE', 'ABANDON', '1', '1', '9'"
        return f"INSERT INTO queue_log ({_COLUMNS}) VALUES ({values})"  # noqa: S608


def events(broker: KafkaServer, at_least: int) -> dict[tuple[str, str], dict[str, Any]]:
    """Read all events, each once."""
    found = [orjson.loads(each.value) for each in consumed(broker.bootstrap, at_least, or_more=True)]
    return {(event["contact_id"], event["event_id"]): event for event in found}


@pytest.mark.long
def test_killed_at_any_moment_no_row_is_lost(fresh_kafka: KafkaServer, server: DatabaseServer, tmp_path: Path) -> None:
    """Killed again and again while rows are committed in any order: each row is there once; an import adds nothing."""
    fresh_kafka.with_topics()
    chance = random.Random(11)  # noqa: S311 - a test's disorder
    calls = Calls(server, chance)
    calls.append(300)
    config = tmp_path / "config"
    config.mkdir()
    keys = 'source = "asterisk"\naccount = "main"\ntime_zone = "UTC"\ndatabase_env = "ASTERISK_DATABASE"\n'
    (config / "sources.toml").write_text(f"[[source]]\n{keys}", encoding="utf-8")
    secrets = {"ASTERISK_DATABASE": address(server).get_secret_value(), **fresh_kafka.settings_env()}
    environment = clean_environment(tmp_path, PULSSI_FOLLOW_PORT="0", **secrets)
    command = pulssi_command("follow", "asterisk", "--config", str(config))
    said = ""
    for _ in range(2):
        with Program(command, environment) as program:
            program.await_line("is followed")
            calls.append(chance.randrange(1, 400))
            await_records(fresh_kafka.bootstrap, calls.written - chance.randrange(1, 200))
            calls.append(chance.randrange(1, 200))
            program.signal(signal.SIGKILL)
            program.await_end()
            said += program.text
        calls.append(chance.randrange(1, 100))
    with Program(command, environment) as program:
        found = events(fresh_kafka, calls.written)
        while len(found) < calls.written:  # some are there twice: a count tells nothing
            program.check()
            found = events(fresh_kafka, len(found))
        program.signal(signal.SIGTERM)
        assert program.await_end() == 0, program.text
        said += program.text
    assert {contact for contact, _ in found} == {f"asterisk:main:{_BEGIN}.{number}" for number in range(calls.written)}
    assert len(found) == calls.written
    assert not any(word in said for word in (PASSWORD, "p%3A"))
    exported = tmp_path / "queue_log.ndjson"
    exported.write_bytes(b"".join(_exported(server)))
    done = run(tmp_path, "import", "asterisk", "main", str(exported), "--form", "realtime", "--config", str(config), **secrets)  # noqa: E501  # fmt: skip
    assert done.code == 0, done.text
    assert events(fresh_kafka, 2 * calls.written) == found


def _exported(server: DatabaseServer) -> Iterator[bytes]:
    """Export the table as an operator does."""
    with closing(server.connect()) as connection, closing(connection.cursor()) as cursor:
        cursor.execute("SELECT * FROM queue_log ORDER BY time")
        names = [column[0] for column in cursor.description]
        for row in cursor.fetchall():
            yield orjson.dumps({**dict(zip(names, row, strict=True)), "time": row[1].isoformat(" ")}) + b"\n"
