"""Dead letters of vendors' payloads: whole, with what is known of them, and without anybody's secret."""

import asyncio

import orjson
import pytest

from schemas.samples import SampleName
from streams.configuration.environment import load_settings
from streams.kafka.brokers import BrokerUnreachableError
from streams.kafka.topic_migration import migrate_topics
from streams.sources.adapter import Adapter, Feed, Payload, UnmappableError
from streams.sources.vendor_dead_letters import VendorDeadLetters, record_of, vendor_letter
from tests.kafka.server import KafkaServer
from tests.streams.flow import read_all

NO_FEEDS: dict[SampleName, Feed] = {}
DESK = Adapter("zendesk", "Desk", {}, NO_FEEDS, secret_keys=frozenset({"app_user_auth", "X-Desk-Key"}))
REFUSED = UnmappableError("ticket.id", "is missing")


def test_a_letter_has_the_bytes_and_says_why() -> None:
    """The body stays as it came; the headers name source, account, form, place and reason."""
    body = b'{"ticket":  {}}\n'
    letter = record_of(vendor_letter(DESK, "acme", "hook", Payload(body, {"x-delivery": "7"}), REFUSED, "tickets:3"))
    assert letter.value == body
    assert letter.key == b"zendesk/acme"
    assert dict(letter.headers) == {
        "pulssi-header-x-delivery": b"7",
        "pulssi-source": b"zendesk",
        "pulssi-account": b"acme",
        "pulssi-form": b"hook",
        "pulssi-where": b"tickets:3",
        "pulssi-code": b"unmappable",
        "pulssi-reason": b"ticket.id: is missing",
    }


@pytest.mark.parametrize(
    ("body", "kept"),
    [
        (b'{"a": [{"App_User_Auth": {"access_token": "s3cret"}}]}', b'{"a":[{"App_User_Auth":"(taken out)"}]}'),
        (b'{"app_user_auth": "s3cret"', b"(taken out)"),
        (b'{"b": "\xff"}', b'{"b": "\xff"}'),
    ],
)
def test_secrets_are_taken_out(body: bytes, kept: bytes) -> None:
    """Neither the adapter's secret keys, nor who may sign in, nor an address with a secret get into a letter."""
    headers = {"authorization": "s3cret", "x-desk-key": "s3cret", "x-hub-signature": "s3cret", "x-forwarded-for": "::1"}
    payload = Payload(body, headers, {"secret": "s3cret"}, url="https://example.com/?secret=s3cret")
    letter = record_of(vendor_letter(DESK, "acme", "hook", payload, REFUSED))
    assert letter.value == kept
    assert "s3cret" not in repr(letter)
    assert "pulssi-header-x-forwarded-for" not in dict(letter.headers)


def test_of_a_large_payload_the_beginning_is_kept() -> None:
    """What would not fit into the topic is cut, and its size is told."""
    letter = record_of(vendor_letter(DESK, "acme", "hook", Payload(b"x" * 8_000_000, {"a": "b"}), REFUSED))
    assert len(letter.value) == 256 * 1024
    assert dict(letter.headers)["pulssi-bytes"] == b"8000000"
    assert "pulssi-header-a" not in dict(letter.headers)


async def test_letters_are_in_the_topic_once_written(fresh_kafka: KafkaServer) -> None:
    """After `write` they can be read; without a broker it says so."""
    settings = load_settings(fresh_kafka.settings_env())
    await asyncio.to_thread(migrate_topics, settings, 30.0)
    bodies = [orjson.dumps({"number": number}) for number in range(50)]
    async with VendorDeadLetters(settings, "test") as letters:
        await letters.write(vendor_letter(DESK, "acme", "hook", Payload(body), REFUSED) for body in bodies)
    found = await asyncio.to_thread(read_all, settings)
    assert [message.value() for message in found] == bodies
    away = settings.model_copy(update={"kafka_brokers": "127.0.0.1:1"})
    async with VendorDeadLetters(away, "test") as letters:
        with pytest.raises(BrokerUnreachableError):
            await letters.write([vendor_letter(DESK, "acme", "hook", Payload(b"{}"), REFUSED)])
