"""The wallboard's process and its commands, as an operator meets them: it does not stand open, and tells no secret."""

import asyncio
import os
import sys
import termios
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Final

import aiohttp
import pytest
from argon2 import PasswordHasher

from deploy.embedded.ports import any_free
from tests.dashboards.door_site import PASSWORD, PASSWORD_HASH, TOKEN
from tests.deploy.program import run
from tests.until import until

EVERYWHERE: Final = "0.0.0.0"  # noqa: S104 - as one that listens everywhere
WITHIN_S: Final = 30


@pytest.mark.parametrize("words", [("wallboard",), ("up",), ("demo",)])
def test_it_does_not_stand_open(tmp_path: Path, words: tuple[str, ...]) -> None:
    """Code 2 and one line; a whole stack says it before it starts anything."""
    program = run(tmp_path, *words, PULSSI_BIND=EVERYWHERE)
    (line,) = program.lines
    assert program.code == 2
    assert line.startswith("pulssi: others can reach the wallboard at 0.0.0.0 and nobody has to sign in")


def test_a_wrong_secret_is_not_repeated(tmp_path: Path) -> None:
    """Only its setting is named."""
    program = run(tmp_path, "wallboard", PULSSI_WALLBOARD_TOKEN="too-short-secret")  # noqa: S106 - none
    assert (program.code, len(program.lines)) == (2, 1)
    assert "PULSSI_WALLBOARD_TOKEN" in program.text
    assert "secret" not in program.text


async def _hash_password(said: str, **environment: str) -> tuple[int, str, str]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "deploy.cli", "wallboard", "hash-password"),
        env={**os.environ, **environment},
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await asyncio.wait_for(process.communicate(said.encode()), WITHIN_S)
    return process.returncode or 0, out.decode(), err.decode()


async def test_a_password_is_hashed() -> None:
    """What is printed is the hash alone; a short one is refused, and not repeated."""
    code, out, err = await _hash_password(f"{PASSWORD}\n")
    assert (code, err) == (0, "")
    assert PasswordHasher().verify(out.strip(), PASSWORD)
    code, out, err = await _hash_password("too short\n")
    assert (code, out) == (2, "")
    assert "12 or more characters" in err
    assert "too short" not in err


async def test_a_password_is_read_without_echo() -> None:
    """From a terminal, twice."""
    parent, child = os.openpty()
    os.set_blocking(parent, False)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "deploy.cli", "wallboard", "hash-password"),
        stdin=child,
        stdout=asyncio.subprocess.PIPE,
        stderr=child,
        start_new_session=True,
    )
    os.close(child)
    shown = bytearray()

    def asked(prompt: bytes) -> bool:
        """Tell whether it asks, and echoes nothing from now on: what is typed before that is thrown away."""
        with suppress(BlockingIOError):
            shown.extend(os.read(parent, 1024))
        return prompt in shown and not termios.tcgetattr(parent)[3] & termios.ECHO

    try:
        for prompt in (b"Password:", b"confirmation:"):
            await until(partial(asked, prompt))
            os.write(parent, f"{PASSWORD}\n".encode())
        assert process.stdout is not None
        printed = (await asyncio.wait_for(process.stdout.read(), WITHIN_S)).decode().strip()
        assert await asyncio.wait_for(process.wait(), WITHIN_S) == 0
    finally:
        if process.returncode is None:
            process.kill()
        os.close(parent)
    assert PasswordHasher().verify(printed, PASSWORD)
    assert PASSWORD.encode() not in shown


async def _send(port: int, request: bytes) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request)
    assert b" 400 " in await asyncio.wait_for(reader.read(), WITHIN_S)
    writer.close()


async def test_it_is_reached_from_elsewhere_with_a_sign_in_and_logs_no_secret(tmp_path: Path) -> None:
    """At its loudest: neither the token of an address nor the password stands in anything that the process writes."""
    key = tmp_path / "key"
    key.write_text("k" * 40)
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("PULSSI_")},
        "PULSSI_KAFKA_BROKERS": f"127.0.0.1:{any_free('127.0.0.1')}",
        "PULSSI_BIND": EVERYWHERE,
        "PULSSI_LOG_LEVEL": "debug",
        "PULSSI_WALLBOARD_PORT": "0",
        "PULSSI_WALLBOARD_TOKEN": TOKEN,
        "PULSSI_WALLBOARD_PASSWORD_HASH": PASSWORD_HASH,
        "PULSSI_WALLBOARD_SESSION_KEY_FILE": str(key),
    }
    jar, written = aiohttp.CookieJar(unsafe=True), ""
    for round_number in range(2):  # the second finds the session of the first
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "deploy.cli", "wallboard"),
            env=environment,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        assert process.stdout is not None
        try:
            async with asyncio.timeout(WITHIN_S):
                while not (line := (await process.stdout.readline()).decode()).startswith("wallboard at http://"):
                    assert line, "it ended"
                    written += line
            port = line.rstrip().rstrip("/").rpartition(":")[2]
            async with aiohttp.ClientSession(f"http://127.0.0.1:{port}", cookie_jar=jar) as http:
                if not round_number:
                    async with http.get("/api/live") as answer:
                        assert answer.status == 401
                    async with http.get("/metrics", headers={"Authorization": f"Bearer {TOKEN}"}) as answer:
                        assert answer.status == 200
                    async with http.post("/login", data={"password": "a-wrong-secret"}) as answer:
                        assert answer.status == 401
                    async with http.get(f"/nothing?token={TOKEN}") as answer:
                        assert answer.status == 401
                    await _send(int(port), f"GET /?token={TOKEN} HTTP/9\r\n\r\n".encode())  # no HTTP
                    await _send(int(port), f"GET /?token={TOKEN} HTTP/1.1\r\nX Y: {TOKEN}\r\n\r\n".encode())
                    async with http.get(f"/?token={TOKEN}") as answer:
                        assert (answer.status, TOKEN in str(answer.url)) == (200, False)
                async with http.get("/api/live") as answer:
                    assert answer.status == 200
        finally:
            process.terminate()
            rest, _ = await asyncio.wait_for(process.communicate(), WITHIN_S)
        written += rest.decode()
        assert process.returncode == 0
    for secret in (TOKEN, PASSWORD_HASH, "a-wrong-secret", "kkkk"):
        assert secret not in written
    assert "failed to sign in" in written
