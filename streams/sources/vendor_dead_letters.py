"""Dead letters of payloads that could not be mapped, written to the topic of dead letters.

A payload was in no topic before, so its letter names source, account and form; the letter of a record names topic,
partition and offset. Secrets, and headers that name an address, are removed first; the body may still name people.
"""

from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any, Final, NamedTuple, Self

import orjson
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from schemas.settings import Settings
from schemas.topics import DEAD_LETTERS
from streams.journal.writer import BATCH_BYTES, CUT_BYTES, LETTER_BYTES
from streams.kafka.brokers import BrokerUnreachableError
from streams.sources.adapter import Adapter, Payload, UnmappableError

#: The code of a payload that its adapter cannot map.
UNMAPPABLE: Final = "unmappable"
#: Headers of a payload are kept under their own names behind this.
KEPT_HEADER: Final = "pulssi-header-"
#: In the place of what is taken out.
TAKEN_OUT: Final = "(taken out)"
#: Headers that name a person's address, or that anybody could sign in with.
_NEVER_KEPT: Final = frozenset(
    {"authorization", "cookie", "forwarded", "proxy-authorization", "x-forwarded-for", "x-real-ip"}
)
#: Words in the name of a header whose value may be a secret.
_SECRET_WORDS: Final = ("secret", "token", "password", "api-key", "apikey", "signature")
_HEADER_CHARACTERS: Final = 1000


class VendorDeadLetter(NamedTuple):
    """A payload that is kept, and why."""

    source: str
    account: str
    form: str
    payload: Payload
    #: In one line, with the field; no value of it.
    reason: str
    code: str = UNMAPPABLE
    #: Where it stands, such as "queue_log:1204"; empty for a hook.
    where: str = ""


class LetterRecord(NamedTuple):
    """The letter as Kafka gets it."""

    key: bytes
    value: bytes
    headers: tuple[tuple[str, bytes], ...]


def vendor_letter(
    adapter: Adapter, account: str, form: str, payload: Payload, error: UnmappableError, where: str = ""
) -> VendorDeadLetter:
    """Make the letter of a payload that an adapter cannot map."""
    return VendorDeadLetter(adapter.name, account, form, without_secrets(adapter, payload), str(error), where=where)


def without_secrets(adapter: Adapter, payload: Payload) -> Payload:
    """Take out of a payload what must not be kept: the adapter's secret keys, and headers that are or may be secrets.

    The address and its parameters are left out as a whole, for they may hold the secret. A body without secrets stays
    as it came, to the byte; one that is no JSON and has one of the secret keys in it is left out.
    """
    secret = {key.lower() for key in adapter.secret_keys}
    headers = {
        name: value[:_HEADER_CHARACTERS]
        for name, value in payload.headers.items()
        if name.lower() not in _NEVER_KEPT | secret and not any(word in name.lower() for word in _SECRET_WORDS)
    }
    return payload._replace(body=_body_without(secret, payload.body), headers=headers, query={}, url="")


def _body_without(secret: set[str], body: bytes) -> bytes:
    lowered = body.lower()
    if not any(key.encode() in lowered for key in secret):
        return body
    try:
        return orjson.dumps(_value_without(secret, orjson.loads(body)))
    except (orjson.JSONDecodeError, orjson.JSONEncodeError, RecursionError):
        return TAKEN_OUT.encode()


def _value_without(secret: set[str], value: Any) -> Any:  # noqa: ANN401 - JSON
    if isinstance(value, Mapping):
        return {
            key: TAKEN_OUT if key.lower() in secret else _value_without(secret, each) for key, each in value.items()
        }
    if isinstance(value, list):
        return [_value_without(secret, each) for each in value]
    return value


def record_of(letter: VendorDeadLetter) -> LetterRecord:
    """Write a letter as a record; of a payload that does not fit, its beginning (`pulssi-bytes`: the whole size)."""
    body = letter.payload.body
    headers = [
        (f"{KEPT_HEADER}{name}", value.encode("utf-8", "replace")) for name, value in letter.payload.headers.items()
    ]
    if len(body) + sum(len(name) + len(value) for name, value in headers) > LETTER_BYTES:
        headers = [("pulssi-bytes", b"%d" % len(body))]
        body = body[:CUT_BYTES]
    told = {
        "source": letter.source,
        "account": letter.account,
        "form": letter.form,
        "where": letter.where,
        "code": letter.code,
        "reason": letter.reason,
        "line": str(letter.payload.line or ""),
        "received-at": str(letter.payload.received_at or ""),
    }
    headers += [(f"pulssi-{name}", value.encode("utf-8", "replace")) for name, value in told.items() if value]
    return LetterRecord(f"{letter.source}/{letter.account}".encode(), body, tuple(headers))


class VendorDeadLetters:
    """Writes letters; connects with the first, for there may never be one. `async with` ends the connection."""

    def __init__(self, settings: Settings, client: str) -> None:
        self._settings = settings
        self._client = f"{settings.application}-{client}"
        self._producer: Any = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        producer, self._producer = self._producer, None
        if producer is not None:
            with suppress(KafkaError):
                await producer.stop()

    async def write(self, letters: Iterable[VendorDeadLetter]) -> None:
        """Write letters, and return once Kafka has acknowledged all of them. Raises BrokerUnreachableError."""
        records = [record_of(letter) for letter in letters]
        if not records:
            return
        try:
            producer = await self._connected()
            acknowledged = [
                await producer.send(DEAD_LETTERS, key=each.key, value=each.value, headers=list(each.headers))
                for each in records
            ]
            for each in acknowledged:
                await each
        except (KafkaError, OSError):
            await self.__aexit__()
            raise BrokerUnreachableError(self._settings.kafka_brokers, 0) from None

    async def _connected(self) -> Any:  # noqa: ANN401 - aiokafka carries no types
        if self._producer is None:
            producer = AIOKafkaProducer(
                bootstrap_servers=self._settings.kafka_brokers,
                client_id=self._client,
                acks="all",
                enable_idempotence=True,
                max_batch_size=BATCH_BYTES,
                max_request_size=BATCH_BYTES + 1024 * 1024,
            )
            await producer.start()
            self._producer = producer
        return self._producer
