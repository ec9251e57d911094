"""Dead letters of payloads that could not be mapped, written to the topic of dead letters.

A payload was in no topic before, so its letter names source, account and form; the letter of a record names topic,
partition and offset. Secrets, and headers that name an address, are removed first; the body may still name people.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final, NamedTuple

import orjson

from schemas.settings import Settings
from schemas.topics import DEAD_LETTERS
from streams.journal.writer import BATCH_BYTES, CUT_BYTES, LETTER_BYTES
from streams.kafka.occasional_writer import OccasionalWriter, WrittenRecord
from streams.sources.adapter import Adapter, Payload, UnmappableError

#: The code of a payload that its adapter cannot map.
UNMAPPABLE: Final = "unmappable"
#: Headers of a payload are kept under their own names behind this.
KEPT_HEADER: Final = "pulssi-header-"
#: In the place of what is taken out.
TAKEN_OUT: Final = "(taken out)"
#: Headers that anybody could sign in with.
_NEVER_KEPT: Final = frozenset({"authorization", "cookie", "proxy-authorization", "referer"})
#: Words in the name of a header that proxies add: whose address it came from, and to which, with its parameters.
_ADDRESS_WORDS: Final = (
    *("forwarded", "client-ip", "connecting-ip", "real-ip", "remote-addr", "external-address"),
    *("original-url", "original-uri", "original-path", "request-uri", "rewrite-url"),
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
        if name.lower() not in _NEVER_KEPT | secret
        and not any(word in name.lower() for word in (*_SECRET_WORDS, *_ADDRESS_WORDS))
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


class VendorDeadLetters(OccasionalWriter):
    """Writes letters."""

    def __init__(self, settings: Settings, client: str) -> None:
        super().__init__(settings, client, batch_bytes=BATCH_BYTES)

    async def write(self, letters: Iterable[VendorDeadLetter]) -> None:
        """Write letters, and return once Kafka has acknowledged all of them. Raises BrokerUnreachableError."""
        records = [WrittenRecord(DEAD_LETTERS, *record_of(letter)) for letter in letters]
        if records:
            await self.write_records(records)
