"""The process: one owner a folder, nothing lost to kill -9 or a restart, an end in bounded time."""

import asyncio
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

import aiohttp
import pytest
from tenacity import AsyncRetrying, retry_if_result, stop_after_delay, wait_fixed

from deploy.embedded.folder_lock import lock_path
from tests.deploy.program import run
from tests.fixtures.clickhouse import END_S, ClickHouseServer

Start = Callable[[Path], ClickHouseServer]

#: Runs for minutes unless it is cancelled.
ENDLESS: Final = "SELECT count() FROM numbers(1000000000000) WHERE sin(number) > 2"


async def ask(session: aiohttp.ClientSession, server: ClickHouseServer, data: str | bytes, **parameters: str) -> str:
    """Post a statement or rows; returns the answer."""
    async with session.post(server.url, params=parameters, data=data) as response:
        answer = await response.text()
        assert response.status == 200, answer
        return answer


async def running(session: aiohttp.ClientSession, server: ClickHouseServer, query_id: str) -> bool:
    """Tell whether the engine works at the query."""
    asked = "SELECT count() FROM system.processes WHERE Settings['log_comment'] = {id:String}"
    return await ask(session, server, asked, param_id=query_id) == "1\n"


async def until(session: aiohttp.ClientSession, server: ClickHouseServer, query_id: str, *, runs: bool) -> None:
    """Ask until the engine has begun, or ended, the query."""
    asking = AsyncRetrying(
        wait=wait_fixed(0.02), stop=stop_after_delay(END_S), retry=retry_if_result(lambda seen: seen is not runs)
    )
    await asking(running, session, server, query_id)


@pytest.mark.parametrize(
    ("folder", "port", "code", "words"),
    [
        ("server's", 0, 3, "run by process {pid} already"),
        ("new", None, 3, "127.0.0.1:{port}: Address already in use; choose another --port"),
        ("is it?", 0, 2, "choose another --data"),
        ("R&D", 0, 2, "choose another --data"),
        ("file/data", 0, 2, "choose another --data"),
    ],
)
def test_what_it_cannot_serve_is_told_in_one_line(
    folder: str,
    port: int | None,
    code: int,
    words: str,
    clickhouse_server: ClickHouseServer,
    tmp_path: Path,
) -> None:
    """A folder with an owner, a taken port, a path that the engine cannot name, a file: what it is, and what to do."""
    (tmp_path / "file").write_text("in the way")
    path = clickhouse_server.folder if folder == "server's" else tmp_path / folder
    taken = clickhouse_server.port if port is None else port
    ended = run(tmp_path, "clickhouse", "--data", str(path), "--port", str(taken))
    assert (ended.code, len(ended.lines)) == (code, 1)
    assert words.format(pid=clickhouse_server.pid, port=clickhouse_server.port) in ended.text
    assert path == clickhouse_server.folder or not lock_path(path, "clickhouse").exists()
    with clickhouse_server.client() as client:
        assert client.command("SELECT 1") == 1


def test_everything_is_there_after_a_restart(clickhouse_process: Start, tmp_path: Path) -> None:
    """Databases, tables, views, materialized views, functions and rows; also in `default`."""
    folder = tmp_path / "data"
    for start in range(2):
        server = clickhouse_process(folder)
        with server.client() as client:
            if start == 0:
                for statement in (
                    "CREATE DATABASE pulssi",
                    "CREATE TABLE pulssi.t (id UInt64) ENGINE = ReplacingMergeTree ORDER BY id",
                    "CREATE TABLE pulssi.copy (id UInt64) ENGINE = MergeTree ORDER BY id",
                    "CREATE MATERIALIZED VIEW pulssi.copies TO pulssi.copy AS SELECT id FROM pulssi.t",
                    "CREATE FUNCTION plus_one AS (x) -> x + 1",
                    "CREATE VIEW pulssi.v AS SELECT plus_one(id) AS id FROM pulssi.t FINAL",
                    "CREATE OR REPLACE TABLE default.d (id UInt64) ENGINE = MergeTree ORDER BY id",
                ):
                    client.command(statement)
            client.insert("pulssi.t", [[1], [start + 10]])
            client.insert("default.d", [[start]])
            assert client.command("SELECT sum(id) FROM pulssi.v") == 2 + sum(at + 11 for at in range(start + 1))
            assert client.command("SELECT count() FROM pulssi.copy") == 2 * (start + 1)
            assert client.command("SELECT count() FROM default.d") == start + 1
        assert server.end() == 0
        assert not lock_path(folder, "clickhouse").exists()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_ends_it_though_queries_run(
    clickhouse_process: Start, tmp_path: Path, number: signal.Signals
) -> None:
    """Exit code 0 within seconds; the query is cancelled, the lock is gone."""
    server = clickhouse_process(tmp_path / "data")
    async with aiohttp.ClientSession() as session:
        query = asyncio.create_task(session.post(server.url, params={"query_id": "endless"}, data=ENDLESS))
        await until(session, server, "endless", runs=True)
        assert await asyncio.to_thread(server.end, number) == 0
        with suppress(aiohttp.ClientError):
            (await query).release()
    assert server.complaints == ""
    assert not lock_path(tmp_path / "data", "clickhouse").exists()


async def test_kill_9_loses_no_acknowledged_insert(clickhouse_process: Start, tmp_path: Path) -> None:
    """Whatever was answered with 200 is there after the restart; what was under way is there whole or not at all."""
    server = clickhouse_process(tmp_path / "data")
    acknowledged: list[int] = []

    async def insert(session: aiohttp.ClientSession, who: int) -> None:
        for batch in range(who, 1_000_000, 4):
            rows = b"".join(b"%d,%d\n" % (batch, at) for at in range(500))
            await ask(session, server, rows, query="INSERT INTO kept FORMAT CSV")
            acknowledged.append(batch)
            if len(acknowledged) == 40:
                server.end(signal.SIGKILL)

    async with aiohttp.ClientSession() as session:
        table = "CREATE TABLE kept (batch UInt64, at UInt64) ENGINE = MergeTree ORDER BY batch"
        await ask(session, server, table)
        ended = await asyncio.gather(*(insert(session, who) for who in range(4)), return_exceptions=True)
    assert all(isinstance(error, aiohttp.ClientError) for error in ended), ended
    server = clickhouse_process(tmp_path / "data")
    with server.client() as client:
        rows = client.query("SELECT batch, count() FROM kept GROUP BY batch").result_rows
    kept = {int(batch): int(number) for batch, number in rows}
    assert set(acknowledged) <= set(kept)
    assert set(kept.values()) == {500}


async def test_a_slow_query_holds_up_nobody(clickhouse_server: ClickHouseServer) -> None:
    """While some run without end, others are answered, and inserts go in."""
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        names = [f"slow {at}" for at in range(3)]
        slow = [
            asyncio.create_task(session.post(clickhouse_server.url, params={"query_id": name}, data=ENDLESS))
            for name in names
        ]
        for name in names:
            await until(session, clickhouse_server, name, runs=True)
        async with asyncio.timeout(20):
            for _ in range(20):
                assert await ask(session, clickhouse_server, "SELECT 1") == "1\n"
            async with session.get(f"{clickhouse_server.url}/ping") as response:
                assert await response.text() == "Ok.\n"
        for query in slow:
            query.cancel()
        for name in names:
            await until(session, clickhouse_server, name, runs=False)


async def test_a_client_that_goes_away_ends_its_query(clickhouse_server: ClickHouseServer) -> None:
    """Before the first row, and in the middle of an answer that it does not read."""
    async with aiohttp.ClientSession() as session:
        query = asyncio.create_task(
            session.post(clickhouse_server.url, params={"query_id": "gone before"}, data=ENDLESS)
        )
        await until(session, clickhouse_server, "gone before", runs=True)
        query.cancel()
        await until(session, clickhouse_server, "gone before", runs=False)
        response = await session.post(
            clickhouse_server.url,
            params={"query_id": "gone amid"},
            data="SELECT number, toString(number) FROM numbers(1000000000)",
        )
        await response.content.readany()
        assert await running(session, clickhouse_server, "gone amid")
        response.close()
        await until(session, clickhouse_server, "gone amid", runs=False)
    assert "Traceback" not in clickhouse_server.complaints


async def test_a_client_that_goes_away_amid_an_insert_inserts_nothing(clickhouse_server: ClickHouseServer) -> None:
    """Half a body is no insert; the next one works."""
    sent = asyncio.Event()

    async def rows() -> AsyncIterator[bytes]:
        for at in range(50_000):
            yield b"%d\n" % at
        sent.set()
        await asyncio.sleep(END_S)

    async with aiohttp.ClientSession() as session:
        table = "CREATE OR REPLACE TABLE default.half (id UInt64) ENGINE = MergeTree ORDER BY id"
        await ask(session, clickhouse_server, table)
        parameters = {"query": "INSERT INTO default.half FORMAT CSV", "query_id": "half"}
        insert = asyncio.create_task(session.post(clickhouse_server.url, params=parameters, data=rows()))
        await sent.wait()
        insert.cancel()
        await until(session, clickhouse_server, "half", runs=False)
        await ask(session, clickhouse_server, b"1\n2\n", query="INSERT INTO default.half FORMAT CSV")
        assert await ask(session, clickhouse_server, "SELECT count() FROM default.half") == "2\n"


#: What is sent, and the status of the answer.
STRANGE: Final = (
    (b"GET /ping HTTP/1.1\r\nHost: localhost\r\nExpect: \x80\r\n", b"200"),
    (b"GET /ping HTTP/1.1\r\nHost: localhost\r\nExpect: SECRET\r\n", b"200"),
    (b"GET /?query=SECRET HTTP/1.1\r\nHost: localhost\r\nX SECRET: 1\r\n", b"400"),
    (b"SECRET \x00\r\n", b"400"),
    (b"GET /?query=SELECT+1 HTTP/1.1\r\nHost: localhost\r\nOrigin: http://[\r\n", b"403"),
    (b"GET /?query=SELECT+1&max_query_size=" + b"9" * 5_000 + b" HTTP/1.1\r\nHost: localhost\r\n", b"400"),
)


async def test_what_strangers_send_is_refused_and_not_logged(clickhouse_process: Start, tmp_path: Path) -> None:
    """A statement or a password may stand in it, and nothing of the server has failed."""
    server = clickhouse_process(tmp_path / "data")
    answered = []
    for sent, _ in STRANGE:
        reader, writer = await asyncio.open_connection(server.host, server.port)
        writer.write(sent + b"Connection: close\r\n\r\n")
        async with asyncio.timeout(END_S):
            answered.append((sent, (await reader.read()).split()[1]))
        writer.close()
    server.end()
    assert (tuple(answered), server.complaints) == (STRANGE, "")
