"""What `pulssi_reader` can do to the embedded ClickHouse and through it: read one database, whatever it sends.

Every request here is made to break out. There is a file that nobody may read, a folder that nobody may write, a
database that is not the reader's, and a server that nobody may call; after each request all of it is as it was.
"""

import gzip
import http.client
import socket
import tomllib
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from urllib.parse import urlencode

import pytest
from clickhouse_connect.driver.client import Client
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.depth import examples
from tests.fixtures.clickhouse import ClickHouseServer

#: Stands in what the reader must not see, and nowhere else.
SECRET: Final = f"canary{uuid.uuid4().hex}"
EXAMPLES: Final = 300
ANSWER_S: Final = 30

#: Everything of every database but the engine's own, as text.
_STATE: Final = """
SELECT database, name, engine, total_rows, create_table_query FROM system.tables
WHERE database NOT IN ('system', 'information_schema', 'INFORMATION_SCHEMA') ORDER BY ALL
"""


@dataclass
class Request:
    """What is sent besides the reader's name."""

    statement: str = ""
    parameters: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    method: str = "POST"


class Target:
    """A server with something to lose."""

    def __init__(self, server: ClickHouseServer, owner: Client, folder: Path) -> None:
        self.server = server
        self.owner = owner
        self.database = f"pulssi_target_{uuid.uuid4().hex[:8]}"
        self.other = f"other_{uuid.uuid4().hex[:8]}"
        self.secret = folder / "secret.txt"
        self.secret.write_text(f"{SECRET}\n")
        (folder / "secret.proto").write_text(f'syntax = "proto3"; message M {{ int32 {SECRET} = 1; }}')
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.listener.setblocking(False)
        for name in (self.database, self.other):
            owner.command(f"CREATE DATABASE {name}")
            owner.command(f"CREATE TABLE {name}.t (id UInt64, name String) ENGINE = MergeTree ORDER BY id")
        owner.insert("t", [[1, "mine"]], database=self.database)
        owner.insert("t", [[1, SECRET]], database=self.other)
        self.before = self.state()

    def state(self) -> object:
        """Say what there is: tables, rows, and the files of the folder."""
        files = sorted((str(path), path.read_bytes()) for path in self.secret.parent.rglob("*") if path.is_file())
        return files, self.owner.query(_STATE).result_rows

    def filled(self, text: str) -> str:
        """Put this target's names into a text."""
        port = str(self.listener.getsockname()[1])
        for word, name in (
            ("$FILE", str(self.secret)),
            ("$DIR", str(self.secret.parent)),
            ("$DB", self.database),
            ("$OTHER", self.other),
            ("$PORT", port),
        ):
            text = text.replace(word, name)
        return text

    def send(self, request: Request) -> tuple[int, str]:
        """Send it as the reader; returns status and answer."""
        parameters = {
            "user": "pulssi_reader",
            **{self.filled(k): self.filled(v) for k, v in request.parameters.items()},
        }
        headers = {"X-ClickHouse-User": "pulssi_reader", **request.headers}
        statement = self.filled(request.statement)
        body: bytes = statement.encode(errors="surrogatepass")
        connection = http.client.HTTPConnection(self.server.host, self.server.port, timeout=ANSWER_S)
        try:
            connection.request(
                request.method, f"/?{urlencode(parameters, errors='surrogatepass')}", body=body, headers=headers
            )
            response = connection.getresponse()
            return response.status, response.read().decode(errors="replace")
        finally:
            connection.close()

    def assert_whole(self, answer: str) -> None:
        """Nothing was shown, changed or called."""
        assert SECRET not in answer
        assert self.state() == self.before
        with pytest.raises(BlockingIOError):
            self.listener.accept()


@pytest.fixture(scope="module")
def target(clickhouse_server: ClickHouseServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    """Give one target for all requests: none of them may do it any harm."""
    with clickhouse_server.client() as owner:
        target = Target(clickhouse_server, owner, tmp_path_factory.mktemp("mine"))
        yield target
        for name in (target.database, target.other):
            owner.command(f"DROP DATABASE {name}")
        target.listener.close()


#: Each class of a way out that was found, or that a server closes; all must be refused.
WAYS_OUT: Final = {
    way: Request(**fields)
    for way, fields in tomllib.loads(Path(__file__).with_name("ways_out.toml").read_text("utf-8")).items()
}


@pytest.mark.parametrize("way", WAYS_OUT)
def test_no_way_out(way: str, target: Target) -> None:
    """Each is refused, and everything is as it was."""
    status, answer = target.send(WAYS_OUT[way])
    harmless = way == "the value of a setting"
    assert (status == 200) == harmless, answer[:300]
    target.assert_whole(answer)


@pytest.mark.parametrize(
    ("request_", "answer"),
    [
        (Request("SELECT name FROM $DB.t"), "mine\n"),
        (Request("SELECT name FROM t", {"database": "$DB"}), "mine\n"),
        (
            Request(
                "SELECT {c:Identifier} FROM {t:Identifier}", {"param_c": "name", "param_t": "t", "database": "$DB"}
            ),
            "mine\n",
        ),
        (Request("WITH 1 AS a SELECT a + {b:UInt8}", {"param_b": "2"}), "3\n"),
        (Request("SELECT name FROM system.tables WHERE database = '$DB'"), "t\n"),
        (Request("SELECT count() > 1000 FROM system.functions"), "1\n"),
        (Request("SELECT initiated FROM (SELECT 'system' AS initiated) WHERE initiated = 'system'"), "system\n"),
        (Request("EXPLAIN SYNTAX SELECT 1"), "SELECT 1\\nFROM system.one\n"),
        (Request("SELECT getSetting('max_threads')", {"max_threads": "3", "session_id": "mine"}), "3\n"),
        (Request("SELECT getSetting('max_execution_time')", {"max_execution_time": "3600"}), "60\n"),
        (Request("SELECT 1", {"readonly": "1"}), "1\n"),
    ],
)
def test_what_a_reader_is_there_for(request_: Request, answer: str, target: Target) -> None:
    """All of this stays possible."""
    assert target.send(request_) == (200, answer)


def test_a_readers_typing_error_is_explained(target: Target) -> None:
    """As anyone's."""
    status, answer = target.send(Request("SELECT 1 FORM system.one WHERE"))
    assert (status, "Syntax error" in answer, "failed at position" in answer) == (400, True, True)


def test_a_small_body_that_unpacks_without_end_is_refused(target: Target) -> None:
    """A statement is read up to its bound, not unpacked whole before it is measured."""
    packed = gzip.compress(b"SELECT 1 " + b" " * (1 << 28))
    connection = http.client.HTTPConnection(target.server.host, target.server.port, timeout=ANSWER_S)
    connection.request("POST", "/?user=pulssi_reader", body=packed, headers={"Content-Encoding": "gzip"})
    assert "Max query size exceeded" in connection.getresponse().read().decode()
    connection.close()


# A grammar of mischief: pieces of the above in any order and place.
_PLAIN: Final = r"""
SELECT FROM WHERE ( ) , ; ' " ` -- /* */ $a$ 1 * = := \ { } : + . # ! @ SET ROLE pulssi_writer default ALL EXECUTE AS
USE system processes PROCESSLIST users SETTINGS readonly = 0 profile 'default' dialect 'kusto' FORMAT Template Values
CSV Null INTO OUTFILE FROM INFILE UNION WITH INSERT VALUES DROP TABLE CREATE TEMPORARY ALTER GRANT REVOKE SYSTEM KILL
QUERY BACKUP ATTACH DETACH EXPLAIN DESCRIBE SHOW EXISTS CHECK OPTIMIZE RENAME EXCHANGE UNDROP PARALLEL BEGIN COMMIT
file eval url remote s3 executable input merge view numbers(3) format loop dictionary Python cluster $DB.t $OTHER.t
'$FILE' '$DIR/written' 'http://127.0.0.1:$PORT/' (1,'x') arrayMap( APPLY( {f:Identifier} {f:String} fi\x6ce system.one
format_template_row='$FILE' format_schema='$DIR/secret:M' currentUser()
"""
_WORDS: Final = (
    *_PLAIN.split(),
    *("\\x00", "\u2018", "\u2019", "\u00a0", "\n", "\x00", "a Int8", "x ->", "'fi' || 'le'"),
    *("; DROP TABLE $DB.t", "SELECT file('$FILE')", "LIMIT 1"),
)
_TEXT: Final = st.one_of(
    st.lists(st.sampled_from(_WORDS), max_size=12).map(" ".join),
    st.lists(st.sampled_from(_WORDS), max_size=6).map("".join),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=20),
)
_STATEMENT: Final = st.one_of(
    _TEXT,
    st.tuples(st.sampled_from(tuple(request.statement for request in WAYS_OUT.values())), _TEXT).map(" ".join),
    st.tuples(st.just("SELECT"), _TEXT, st.just("FROM"), _TEXT).map(" ".join),
    _TEXT.map("SELECT 1 SETTINGS {}".format),
)
_KNOWN: Final = """
param_f param_x query query_id database default_format session_id session_check close_session role quota_key
readonly profile dialect max_execution_time max_memory_usage format_schema format_template_row compress
output_format_schema allow_experimental_eval_table_function log_comment
decompress enable_http_compression wait_end_of_query client_protocol_version max_query_size stacktrace
"""
_NAMES: Final = st.one_of(st.sampled_from(_KNOWN.split()), _TEXT.map("param_{}".format), _TEXT)
_VALUES: Final = st.one_of(
    _TEXT,
    st.sampled_from(("1", "0", "file", "default", "pulssi_writer", "$OTHER", "system", "Values", "Template", "Native")),
    st.tuples(st.just("a Int8"), _TEXT).map(" ".join),
)
_HEADERS: Final = st.dictionaries(
    st.sampled_from(("X-ClickHouse-Database", "X-ClickHouse-Format", "X-ClickHouse-Query-Id", "X-ClickHouse-Key")),
    st.text("abc;'`\"$\\ =()1", max_size=10).map(str.strip),
    max_size=2,
)
_REQUESTS: Final = st.builds(
    Request,
    statement=_STATEMENT,
    parameters=st.dictionaries(_NAMES, _VALUES, max_size=4).map(
        lambda given: {name: value for name, value in given.items() if name != "user"}
    ),
    headers=_HEADERS,
    method=st.sampled_from(("POST", "POST", "POST", "GET")),
)


@settings(max_examples=examples(EXAMPLES), derandomize=True, suppress_health_check=list(HealthCheck))
@given(request=_REQUESTS)
def test_nothing_that_is_sent_gets_out(target: Target, request: Request) -> None:
    """Any statement, parameters and headers: an answer or an error, and everything is as it was."""
    status, answer = target.send(request)
    assert status in {200, 400, 403, 404, 408, 413, 500, 501, 503}, answer
    assert "Traceback" not in answer
    target.assert_whole(answer)
    assert target.server.process.poll() is None


def test_the_owner_still_writes(target: Target) -> None:
    """The server outlived all of it, and what withholds things from the reader withholds them from nobody else."""
    target.owner.insert("t", [[2, "more"]], database=target.database)
    assert target.send(Request("SELECT name FROM $DB.t ORDER BY id"))[1] == "mine\nmore\n"
