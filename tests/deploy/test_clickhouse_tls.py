"""ClickHouse by TLS: every part speaks it where the URL says https, and says clearly why where it cannot.

A real TLS server stands in front of the embedded ClickHouse. What a part sends in clear would never get an answer.
"""

import asyncio
import base64
from collections.abc import Callable
from pathlib import Path

import pytest

from deploy.embedded.readiness_probes import clickhouse_fault, ping_fault
from deploy.embedded.stack_layout import pulssi_command
from schemas.settings import Settings
from sinks.clickhouse.migrations import migrate
from sinks.clickhouse.store import ClickHouseStore
from sinks.clickhouse.stored_rows import StoredRows
from sinks.store_protocol import StoreError
from streams.clickhouse.addresses import Address, clickhouse_address, connection_fault
from streams.clickhouse.archive import ArchiveUnavailableError, ClickHouseArchive
from streams.configuration.environment import load_settings
from tests.deploy.program import Program, clean_environment
from tests.fixtures.clickhouse import ClickHouseServer
from tests.fixtures.tls import Certificate, Gate

#: With marks that a URL must write in percent.
LOGIN = "pulssi_writer:p@ss:/w%rd"
ENCODED = "pulssi_writer:p%40ss%3A%2Fw%25rd"
DATABASE = "by_tls"


def told(url: str, **settings: str) -> Settings:
    """Read settings that name a ClickHouse."""
    return load_settings({"PULSSI_CLICKHOUSE_URL": url, "PULSSI_CLICKHOUSE_DATABASE": DATABASE, **settings})


@pytest.fixture
def gate(clickhouse_server: ClickHouseServer, tls_gate: Callable[[str, int], Gate]) -> Gate:
    """TLS in front of the shared ClickHouse."""
    return tls_gate(clickhouse_server.host, clickhouse_server.port)


@pytest.fixture
def by_tls(gate: Gate, certificate: Certificate) -> Settings:
    """Settings that name the gate and the authority of its certificate; the schema is there."""
    settings = told(f"https://{ENCODED}@localhost:{gate.port}", PULSSI_CLICKHOUSE_CA=str(certificate.chain))
    migrate(settings)
    return settings


def keep(settings: Settings) -> object:
    """Ask as the sink does."""
    store = ClickHouseStore(settings)
    try:
        return store.progress()
    finally:
        store.close()


def read_back(settings: Settings) -> object:
    """Ask as `reconcile` and `explain` do."""
    with StoredRows(settings) as kept:
        return kept.progress()


def look_up(settings: Settings) -> object:
    """Ask as a worker does."""
    return asyncio.run(ClickHouseArchive(settings).last_step_in_sink("contacts.chat", 0, 1))


#: Each part that connects, and what it raises where none answers.
PARTS = [keep, read_back, look_up, migrate]


@pytest.mark.parametrize("ask", PARTS)
def test_every_part_connects(ask: Callable[[Settings], object], by_tls: Settings, gate: Gate) -> None:
    """By TLS, with the credentials as they were before they were percent-encoded, and only inside TLS."""
    gate.sent.clear()
    ask(by_tls)
    login = base64.b64encode(LOGIN.encode())
    assert gate.sent.count(b"Authorization: Basic " + login) == gate.sent.count(b" HTTP/1.1\r\n") > 0


def test_probes_connect(by_tls: Settings, gate: Gate) -> None:
    """What `up`, `status` and `migrate --wait` ask."""
    gate.sent.clear()
    assert clickhouse_fault(clickhouse_address(by_tls)) is None
    assert ping_fault(clickhouse_address(by_tls)) is None
    assert gate.sent.count(b" HTTP/1.1\r\n") == 2


def test_a_command_connects(by_tls: Settings, gate: Gate, tmp_path: Path) -> None:
    """By the same settings, from the environment."""
    gate.sent.clear()
    environment = clean_environment(
        tmp_path,
        PULSSI_CLICKHOUSE_URL=by_tls.clickhouse_url,
        PULSSI_CLICKHOUSE_DATABASE=DATABASE,
        PULSSI_CLICKHOUSE_CA=by_tls.clickhouse_ca,
    )
    program = Program(pulssi_command("query", "SELECT count() FROM events"), environment)
    try:
        assert program.await_end() == 0, program.text
        assert gate.sent
    finally:
        program.close()


def faults(settings: Settings) -> list[str]:
    """Tell what each part says where it cannot connect."""
    said = []
    for ask, kind in ((keep, StoreError), (read_back, StoreError), (look_up, ArchiveUnavailableError)):
        with pytest.raises(kind) as caught:
            ask(settings)
        said.append(str(caught.value))
    said.append(str(clickhouse_fault(clickhouse_address(settings))))
    return said


def assert_each(said: list[str], words: str) -> None:
    """Each says it in one line, without the password."""
    for line in said:
        assert words in line
        assert not any(hidden in line for hidden in ("\n", "p@ss", "p%40ss"))


def test_a_certificate_that_is_not_trusted(gate: Gate, certificate: Certificate, tmp_path: Path) -> None:
    """Of an unknown authority, of another name, or no authority in the file: it is said, and nothing was sent."""
    empty = tmp_path / "ca.pem"
    empty.write_text("nothing\n")
    url = f"https://{ENCODED}@localhost:{gate.port}"
    assert_each(faults(told(url)), "its certificate is refused (self-signed certificate): clickhouse_ca names the file")
    other_name = told(url.replace("localhost", "127.0.0.1"), PULSSI_CLICKHOUSE_CA=str(certificate.chain))
    assert_each(faults(other_name), "its certificate is refused (IP address mismatch")
    no_authority = told(url, PULSSI_CLICKHOUSE_CA=str(empty))
    assert_each(faults(no_authority), "clickhouse_ca names a file without a certificate")
    assert not gate.sent


def test_a_certificate_may_be_left_unchecked(gate: Gate, by_tls: Settings) -> None:
    """Where the settings say so, in so many words."""
    settings = told(f"https://{ENCODED}@127.0.0.1:{gate.port}", PULSSI_CLICKHOUSE_VERIFY="false")
    assert settings.clickhouse_database == by_tls.clickhouse_database
    assert keep(settings) == []
    assert clickhouse_fault(clickhouse_address(settings)) is None


def test_a_plain_port_told_as_https(clickhouse_server: ClickHouseServer) -> None:
    """It fails, and says which of both is to be changed; nothing is sent in clear."""
    said = faults(told(f"https://{ENCODED}@{clickhouse_server.host}:{clickhouse_server.port}"))
    assert_each(said, "it does not speak TLS on this port: http:// in the URL, or the port of https (8443)")


def test_a_tls_port_told_as_http(gate: Gate) -> None:
    """The other way round. A server that just hangs up is all that a client sees of some."""
    said = faults(told(f"http://{ENCODED}@localhost:{gate.port}"))
    assert_each(said, "it speaks TLS on this port" if "speaks" in said[0] else "a TLS port needs https:// in the URL")


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (OSError("HTTPConnectionPool(…): Read timed out. (read timeout=120)"), "no answer within 120 s"),
        (OSError("Connection to h timed out. (connect timeout=2.5)"), "no answer within 2.5 s"),
        (TimeoutError("timed out"), "no answer in time"),
        (ConnectionRefusedError(111, "Connection refused"), "Connection refused"),
        (OSError("whatever"), None),
    ],
)
def test_an_answer_that_does_not_come_in_time(error: OSError, said: str | None) -> None:
    """The error says how long it waited, and leaves out the client's own sentence."""
    assert connection_fault(error) == said


@pytest.mark.parametrize(
    ("url", "shown", "port", "secure"),
    [
        ("http://host", "host:8123", 8123, False),
        ("https://host", "host:8443", 8443, True),
        ("http://host:443", "host:443", 443, False),
        ("http://u:p@[::1]:1/path/", "[::1]:1", 1, False),
    ],
)
def test_an_address(url: str, shown: str, port: int, *, secure: bool) -> None:
    """The scheme decides about TLS, not the port; people see host and port."""
    server = Address(url)
    assert (str(server), server.port, server.secure) == (shown, port, secure)


@pytest.mark.parametrize("url", ["tcp://host", "host:8123", "http://", "http://u:secret@host?database=x", "http://h#x"])
def test_no_address(url: str) -> None:
    """What is no address of an HTTP server, or would be left unread, is refused without its credentials."""
    with pytest.raises(ValueError, match="must look like") as caught:
        Address(url)
    assert "secret" not in str(caught.value)
