"""`pulssi follow email` and `pulssi import email` as production runs them: real mailboxes, a real broker, and kills."""

import random
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, NamedTuple

import orjson
import pytest
from kafka import KafkaConsumer, TopicPartition

from deploy.embedded.stack_layout import pulssi_command
from schemas.topics import SOURCE_POSITIONS
from tests.deploy.program import PATIENCE_S, Program, clean_environment, run
from tests.fixtures.tls import Certificate
from tests.kafka.server import KafkaServer
from tests.streams.sources.consumed import await_records, consumed
from tests.streams.sources.mail.dovecot import PASSWORD, USER, Dovecot, dovecot
from tests.streams.sources.mail.made_mail import AGENT, CUSTOMER, MadeMail, alive, samples, written
from tests.streams.sources.mail.test_maildir import Delivery

__all__ = ["dovecot"]

_MAILBOX: Final = """
[[source]]
source = "email"
account = "acme"
queue = "support"
pseudonym_env = "PSEUDONYM_KEY"
agent_domains = ["acme.example"]
mailboxes = ["support@acme.example"]
"""
_SECRETS: Final = {"PSEUDONYM_KEY": "k" * 32, "MAIL_PASSWORD": PASSWORD}


class Place(NamedTuple):
    """Where mail is delivered, and what `sources.toml` and the environment say of it."""

    put: Callable[..., object]
    keys: str
    environment: dict[str, str]


@pytest.fixture
def broker(fresh_kafka: KafkaServer) -> KafkaServer:
    """Return a broker with the topics, and nothing in them."""
    fresh_kafka.with_topics()
    return fresh_kafka


def configured(folder: Path, keys: str) -> Path:
    """Write a configuration with one mailbox."""
    config = folder / "config"
    config.mkdir()
    (config / "sources.toml").write_text(f"{_MAILBOX}{keys}\n", encoding="utf-8")
    return config


def case(number: int, at_s: int) -> tuple[MadeMail, MadeMail]:
    """Write a customer's mail and the answer to it, a minute later, which names only that mail."""
    subject = f"Case {number}"
    first = written(number=f"{number}.0", subject=subject, at_s=at_s)
    answer = written(
        AGENT, to=CUSTOMER, subject=f"Re: {subject}", number=f"{number}.1", answers=[f"{number}.0"], at_s=at_s + 60,
        sent=True,
    )  # fmt: skip
    return first, answer


def events(broker: KafkaServer, at_least: int) -> list[dict[str, Any]]:
    """Read all events."""
    return [orjson.loads(record.value) for record in consumed(broker.bootstrap, at_least, or_more=True)]


def await_position(broker: KafkaServer) -> None:
    """Return once a follower has kept its first position."""
    place = TopicPartition(SOURCE_POSITIONS, 0)
    consumer = KafkaConsumer(bootstrap_servers=broker.bootstrap, enable_auto_commit=False)
    try:
        deadline = time.monotonic() + PATIENCE_S
        while not consumer.end_offsets([place])[place]:
            assert time.monotonic() < deadline, "no position is kept"
    finally:
        consumer.close()


def responses(told: list[dict[str, Any]]) -> list[int | None]:
    """Return the first responses."""
    return [each.value_ms for found in samples(told).values() for each in found if each.sample == "first_response"]


@pytest.fixture(params=["Maildir", "IMAP"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """Have mail in a Maildir, or on a server."""
    if request.param == "Maildir":
        delivery = Delivery(tmp_path)
        return Place(delivery.put, f'path = "{delivery.path}"', {})
    server: Dovecot = request.getfixturevalue("dovecot")
    keys = f'url_imap = "{server.url}"\nuser = "{USER}"\npassword_env = "MAIL_PASSWORD"'
    return Place(server.put, keys, {"SSL_CERT_FILE": str(server.certificate.chain)})


def test_killed_at_any_moment_no_mail_is_lost(broker: KafkaServer, place: Place, tmp_path: Path) -> None:
    """Killed again and again while mails are delivered: each is there, and counts once; an import adds nothing."""
    chance = random.Random(3)  # noqa: S311 - a test's disorder
    config = configured(tmp_path, place.keys)
    secrets = {**_SECRETS, **place.environment, **broker.settings_env()}
    environment = clean_environment(tmp_path, PULSSI_FOLLOW_PORT="0", **secrets)
    command = pulssi_command("follow", "email", "--config", str(config))
    cases, now_s = 0, int(time.time())

    def deliver(count: int) -> None:
        nonlocal cases
        mails = [mail for number in range(cases, cases + count) for mail in case(number, now_s + number)]
        chance.shuffle(mails)
        place.put(*mails)
        cases += count

    with Program(command, environment) as program:
        await_position(broker)
        program.signal(signal.SIGKILL)
        program.await_end()
    deliver(60)
    for _ in range(4):
        with Program(command, environment) as program:
            program.await_line("is followed")
            deliver(chance.randrange(1, 60))
            await_records(broker.bootstrap, 4 * cases - chance.randrange(1, 100))
            deliver(chance.randrange(1, 60))
            program.signal(signal.SIGKILL)
            program.await_end()
        deliver(chance.randrange(1, 20))
    with Program(command, environment) as program:
        told = events(broker, 4 * cases)
        while len(responses(told)) < cases:  # some are there twice: a count tells nothing
            program.check()
            told = events(broker, len(told))
    assert responses(told) == [60_000] * cases
    assert len(alive(told)) == cases
    done = run(tmp_path, "import", "email", "--config", str(config), **secrets)
    assert done.code == 0, done.text
    again = events(broker, len(told) + 4 * cases)
    assert samples(again) == samples(told)
    words = b"".join(orjson.dumps(each) for each in again)
    assert not any(word in words for word in (b"customer.example", b"acme.example", b"Case", b"ann@", b"Jane"))


def test_an_imap_server(broker: KafkaServer, dovecot: Dovecot, certificate: Certificate, tmp_path: Path) -> None:
    """Mails on a server come as they are delivered, those of the past by an import."""
    now_s = int(time.time())
    first, answer = case(1, now_s - 86_400)
    dovecot.put(first, answer)
    config = configured(tmp_path, f'url_imap = "{dovecot.url}"\nuser = "{USER}"\npassword_env = "MAIL_PASSWORD"')
    environment = clean_environment(
        tmp_path, PULSSI_FOLLOW_PORT="0", SSL_CERT_FILE=str(certificate.chain), **_SECRETS, **broker.settings_env()
    )
    with Program(pulssi_command("follow", "email", "acme", "--config", str(config)), environment) as program:
        await_position(broker)
        dovecot.put(*case(2, now_s))
        await_records(broker.bootstrap, 4)
        program.signal(signal.SIGTERM)
        assert program.await_end() == 0, program.text
    assert responses(events(broker, 4)) == [60_000]
    done = run(tmp_path, "import", "email", "--config", str(config), **environment)
    assert done.code == 0, done.text
    assert responses(events(broker, 12)) == [60_000, 60_000]


def test_what_is_missing_is_said(tmp_path: Path) -> None:
    """Without a key for pseudonyms, or a mailbox, the configuration is refused."""
    config = configured(tmp_path, "")
    done = run(tmp_path, "check-config", "--config", str(config), **_SECRETS)
    assert done.code == 2
    assert "needs `url_imap` or `path`" in done.text
