"""The schema on two real servers with a Keeper: nothing is on one alone, and what is written is read on the other.

Needs an official ClickHouse program on the PATH; the embedded engine has no port for other replicas.
"""

import os
import subprocess
from collections.abc import Iterator
from contextlib import closing, suppress
from functools import partial
from pathlib import Path
from string import Template
from typing import Final

import clickhouse_connect
import pytest
from clickhouse_connect.driver.exceptions import DatabaseError

from deploy.embedded.child_processes import await_ready, stop_server
from deploy.embedded.official_clickhouse import READY_WITHIN_S, USERS, ClickHouseProgram, choose_program
from deploy.embedded.readiness_probes import ping_fault
from schemas.settings import Settings
from sinks.clickhouse.migrations import migrate
from sinks.clickhouse.store import ClickHouseStore
from sinks.rows import Progress
from sinks.store_protocol import Batch, StoreError
from streams.clickhouse.addresses import Address
from streams.clickhouse.connection import connect
from streams.configuration.environment import load_settings
from tests.deploy.program import ports_in_a_row
from tests.sinks.rows import pane
from tests.until import until

NUMBERS: Final = (0, 1)
#: Ports of each server, from the first one on; Keeper's two are behind those of both.
HTTP, TCP, INTERSERVER = range(3)
OF_ONE: Final = 3
WITHIN_S: Final = 90.0
PASSWORD: Final = "geheim"  # noqa: S105 - invented

_CONFIG: Final = """<clickhouse>
<logger><level>information</level><log>$folder/log</log><errorlog>$folder/log.err</errorlog></logger>
<listen_host>127.0.0.1</listen_host><interserver_http_host>127.0.0.1</interserver_http_host>
<http_port>$http</http_port><tcp_port>$tcp</tcp_port><interserver_http_port>$interserver</interserver_http_port>
<path>$folder/data/</path><tmp_path>$folder/tmp/</tmp_path><user_files_path>$folder/files/</user_files_path>
<timezone>UTC</timezone>
<user_directories>
    <users_xml><path>$users</path></users_xml><local_directory><path>$folder/access/</path></local_directory>
</user_directories>
<macros><shard>1</shard><replica>server-$number</replica></macros>
<remote_servers><floor><shard><internal_replication>true</internal_replication>$replicas</shard></floor></remote_servers>
<zookeeper><node><host>127.0.0.1</host><port>$keeper</port></node></zookeeper>
<distributed_ddl><path>/clickhouse/task_queue/ddl</path></distributed_ddl>
$keeper_server
</clickhouse>"""
_KEEPER: Final = """<keeper_server>
<tcp_port>$keeper</tcp_port><server_id>1</server_id>
<log_storage_path>$folder/keeper/log</log_storage_path><snapshot_storage_path>$folder/keeper/snapshots</snapshot_storage_path>
<raft_configuration><server><id>1</id><hostname>127.0.0.1</hostname><port>$raft</port></server></raft_configuration>
</keeper_server>"""


class Replicas:
    """Two servers, the first of which has the Keeper too."""

    def __init__(self, server: ClickHouseProgram, folder: Path) -> None:
        self._program = server.program
        self._processes: dict[int, subprocess.Popen[bytes]] = {}
        self._folders = [folder / f"server-{number}" for number in NUMBERS]
        self._base = ports_in_a_row()
        replicas = "".join(
            f"<replica><host>127.0.0.1</host><port>{self._port(number, TCP)}</port></replica>" for number in NUMBERS
        )
        for number, own in enumerate(self._folders):
            own.mkdir()
            values = {
                "folder": str(own),
                "users": str(USERS),
                "number": str(number),
                "replicas": replicas,
                **{name: str(self._port(number, place)) for place, name in enumerate(("http", "tcp", "interserver"))},
                "keeper": str(self._port(len(NUMBERS), 0)),
                "raft": str(self._port(len(NUMBERS), 1)),
            }
            values["keeper_server"] = Template(_KEEPER).substitute(values) if number == 0 else ""
            (own / "config.xml").write_text(Template(_CONFIG).substitute(values))

    def _port(self, number: int, place: int) -> int:
        return self._base + number * OF_ONE + place

    def url(self, number: int) -> str:
        """Return a server's address."""
        return f"http://127.0.0.1:{self._port(number, HTTP)}"

    def start(self, number: int) -> None:
        """Start a server, and wait until it answers."""
        own = self._folders[number]
        words = [str(self._program), *(() if self._program.name == "clickhouse-server" else ("server",))]
        process = self._processes[number] = subprocess.Popen(
            [*words, f"--config-file={own / 'config.xml'}"],
            cwd=own,
            env={**os.environ, "CLICKHOUSE_WATCHDOG_ENABLE": "0"},
            stdin=subprocess.DEVNULL,
        )
        fault = partial(ping_fault, Address(self.url(number)))
        await_ready(process, "ClickHouse", fault, READY_WITHIN_S, lambda: (own / "log.err").read_text()[-2000:])

    def stop(self, number: int) -> None:
        """End a server."""
        stop_server(self._processes.pop(number))

    def close(self) -> None:
        """End those that run, the Keeper last."""
        for number in sorted(self._processes, reverse=True):
            self.stop(number)

    def settings(self, number: int, **more: str) -> Settings:
        """Return the settings of a part that asks a server."""
        return load_settings({"PULSSI_CLICKHOUSE_URL": self.url(number), "PULSSI_CLICKHOUSE_CLUSTER": "floor", **more})


@pytest.fixture
def replicas(tmp_path: Path) -> Iterator[Replicas]:
    """Run two servers; skipped where there is no program that can be used."""
    server = choose_program("auto", tmp_path / "nothing", lambda _: None)
    if server is None:
        pytest.skip("no official ClickHouse on the PATH that can be used")
    with closing(Replicas(server, tmp_path)) as made:
        for number in NUMBERS:
            made.start(number)
        yield made


def _progress(at: int) -> Progress:
    return Progress("contacts.chat", 0, 1, at, at, 0, at, at)


@pytest.mark.long
@pytest.mark.official
async def test_two_replicas(replicas: Replicas, tmp_path: Path) -> None:
    """Tables, users and rows are on both; without a quorum the sink waits; a reader is held to its limits."""
    (tmp_path / "password").write_text(f"{PASSWORD}\n")
    passwords = {"PULSSI_CLICKHOUSE_READER_PASSWORD_FILE": str(tmp_path / "password")}
    assert migrate(replicas.settings(0, **passwords))[0] == "0001_events"
    assert migrate(replicas.settings(1)) == []
    made = []
    for number in NUMBERS:
        with connect(replicas.settings(number)) as client:
            tables = client.query("SELECT name, engine FROM system.tables WHERE database = 'pulssi' ORDER BY name")
            users = {str(name) for (name,) in client.query("SHOW USERS").result_rows}
            made.append(tables.result_rows)
            assert users >= {"pulssi_writer", "pulssi_reader", "pulssi_grafana"}
    assert made[0] == made[1]
    assert {engine for _, engine in made[0] if "MergeTree" in engine} == {"ReplicatedReplacingMergeTree"}
    first, second = (ClickHouseStore(replicas.settings(number)) for number in NUMBERS)
    with closing(first), closing(second):
        first.write(Batch(panes=[pane(version=1)], progress=[_progress(1)]))
        assert second.progress() == [_progress(1)]
        second.write(Batch(panes=[pane(version=1)], progress=[_progress(1)]))
        replicas.stop(1)
        with pytest.raises(StoreError, match="does not answer"):
            first.write(Batch(panes=[pane(version=2, n=2)], progress=[_progress(2)]))
        replicas.start(1)

        def written() -> bool:
            with suppress(StoreError):
                first.write(Batch(panes=[pane(version=2, n=2)], progress=[_progress(2)]))
                return second.progress() == [_progress(2)]
            return False

        await until(written, WITHIN_S)
    for number in NUMBERS:
        port = int(replicas.url(number).rpartition(":")[2])
        reader = clickhouse_connect.get_client(
            host="127.0.0.1", port=port, username="pulssi_reader", password=PASSWORD, database="pulssi"
        )
        with closing(reader):
            assert reader.query("SELECT n FROM panes").result_rows == [(2,)]
            assert reader.query("SELECT getSetting('readonly'), getSetting('max_rows_to_read')").result_rows == [
                (2, 2_000_000_000)
            ]
            with pytest.raises(DatabaseError, match="452"):
                reader.query("SELECT 1", settings={"max_rows_to_read": 0})
            with pytest.raises(DatabaseError, match=r"164|497"):
                reader.command("TRUNCATE TABLE panes_rows")
