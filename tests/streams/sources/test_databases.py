"""Databases that are none, that hang, or whose address is none: no other account suffers, and no secret is told."""

import asyncio
import threading
from contextlib import suppress
from typing import Any, Final

import pytest
from pydantic import SecretStr

from schemas.exits import EndError
from streams.sources import read_only_database, sql_server
from streams.sources.database_rows import DatabaseAwayError
from streams.sources.read_only_database import ReadOnlyDatabase
from tests.until import until

#: What answers where no database is, or another one: a web server, a greeting that is none, and one that breaks off.
_ANSWERS: Final = (
    *(b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\x06\x00\x00\x00\x0a5.5.5\x00", b"\x02\x00\x00\x00\x0a\xb4"),
    *(b"N+\x00\x00\x00\x04", b"NR\x00\x00\x00\x05\x00", b"NE\x00\x00\x00\x06\xa9\x00", b"\xff" * 80, b""),
    *(b"SSH-2.0-OpenSSH_9.2\r\n", bytes(range(256))),
)


@pytest.mark.parametrize("answer", _ANSWERS)
@pytest.mark.parametrize("kind", ["mysql", "postgresql", "mssql"])
async def test_what_answers_and_is_no_database(kind: str, answer: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """Is a database that is away: no follower of another account ends."""
    monkeypatch.setattr(read_only_database, "_ANSWER_TIMEOUT_S", 1)
    monkeypatch.setattr(sql_server, "_CONNECT_TIMEOUT_S", 1.0)

    async def answering(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(answer)
        with suppress(ConnectionError):
            await writer.drain()
            await reader.read(4096)
        writer.close()

    made: Any
    asked: tuple[Any, ...]
    listening = await asyncio.start_server(answering, "127.0.0.1", 0)
    async with listening:
        told = SecretStr(f"{kind}://u:s3cret@127.0.0.1:{listening.sockets[0].getsockname()[1]}/asterisk")
        if kind == "mssql":
            made, asked = sql_server.SqlServer(told), ("call_events", 0, 1)
        else:
            made, asked = ReadOnlyDatabase(told), ("SELECT 1",)
        async with made as database:
            with pytest.raises(DatabaseAwayError, match=r"the database at 127\.0\.0\.1 does not answer") as away:
                await database.rows(*asked)
    assert "s3cret" not in str(away.value)


@pytest.mark.parametrize("kind", ["mysql", "postgresql", "mssql"])
async def test_databases_that_hang_hold_up_nobody(kind: str) -> None:
    """However many there are: threads are left for others, and nobody waits for theirs at the end."""

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    async def ask(told: SecretStr) -> None:
        if kind == "mssql":
            async with sql_server.SqlServer(told) as database:
                await database.rows("call_events", 0, 1)
        async with ReadOnlyDatabase(told) as other:
            await other.rows("SELECT 1")

    listening = await asyncio.start_server(silent, "127.0.0.1", 0)
    told = SecretStr(f"{kind}://u:p@127.0.0.1:{listening.sockets[0].getsockname()[1]}/asterisk")
    asking = [asyncio.create_task(ask(told)) for _ in range(40)]  # more than asyncio has threads
    await until(lambda: sum(thread.name == "own" for thread in threading.enumerate()) >= 40)
    assert await asyncio.wait_for(asyncio.to_thread(lambda: "done"), 5) == "done"
    for each in asking:
        each.cancel()
    await asyncio.wait_for(asyncio.gather(*asking, return_exceptions=True), 5)
    assert all(thread.daemon for thread in threading.enumerate() if thread.name == "own")
    listening.close()


@pytest.mark.parametrize(
    "told",
    [
        *("", "sqlite://u:s3cret@h/d", "mysql://u:s3cret@h", "mysql://h/d", "mysql://u:s3cret@h:x/d"),
        *("postgresql://u:s3cret@h/d?sslmode=disable", "postgresql://u:s3cret@h/d?tls=no"),
        # A bracket or a sign that stands for several in the password, and TLS that is asked for and would not be had.
        *("mysql://u:s3cret[@h/d", "mysql://u:s3cret℀@h/d"),
        *("mysql://u:s3cret@h/d?tls", "mysql://u:s3cret@h/d?tls=", "mysql://u:s3cret@h/d#?tls=verify"),
    ],
)
def test_addresses_of_databases(told: str) -> None:
    """An address that is none is told in one line, without what it holds."""
    with pytest.raises(EndError) as refused:
        ReadOnlyDatabase(SecretStr(told))
    assert "s3cret" not in str(refused.value)
