"""Sources that the gateway's tests invent, under names that `sources.toml` takes; and how their vendors sign.

`zendesk` signs time and body, `chatwoot` the body, `giosg` sends its secret, `asterisk` has no hook. Their payloads are
`{"kind", "id", "at"}`; `kind` says what is to come of one.
"""

import base64
import hmac
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import orjson

from schemas.configuration.source_models import SourceName
from streams.sources import registry
from streams.sources.adapter import AccountRules, Adapter, Hook, Mapped, Payload, Request, UnmappableError
from streams.sources.contact_events import ContactEvents
from streams.sources.signatures import HmacOfBody, SharedSecret, TimestampedHmac
from streams.sources.vendor_values import json_object, text_at, time_at

SECRET: Final = "s3cret-of-acme-0123456789"  # noqa: S105 - none in earnest
OLD_SECRET: Final = "0ld-of-acme-0123456789"  # noqa: S105 - as above
OTHER_SECRET: Final = "s3cret-of-other-0123456789"  # noqa: S105 - as above
AT: Final = "2026-03-01T08:00:00Z"
NOW: Final = 1_772_352_000


def map_hook(payload: Payload, account: AccountRules, answers: Mapping[Request, Any]) -> Mapped:
    """Map a payload by its `kind`."""
    given = json_object(payload.body)
    kind, native = text_at(given, "kind"), text_at(given, "id")
    if kind == "typing":
        return Mapped(nothing="typing: somebody types")
    if kind == "bug":
        raise KeyError(given["text"])
    made = ContactEvents(account, native, "chat", queue=account.queue_named(given.get("group", "general")))
    at = time_at(given, "at")
    if kind == "invalid":
        made.add("contact.rated", at, "rated", native, score="much")
    elif kind == "look":
        wanted = Request(f"/tickets/{native}", (("include", "group"),))
        if wanted not in answers:
            return Mapped(requests=(wanted,))
        made.add("contact.prioritised", at, "looked", native, priority=text_at(answers[wanted], "priority"))
    elif kind == "created":
        made.add("contact.started", at, "created", native)
        made.add("contact.queued", at, "queued", native)
    elif kind == "message":
        made.add("message.sent", at, "message", native, text_at(given, "message"), author="customer")
    else:
        raise UnmappableError("kind", "is none that is known")
    return Mapped(tuple(made.events))


ZENDESK: Final = Adapter(
    "zendesk",
    "Zendesk",
    {"hook": map_hook},
    {},
    Hook(TimestampedHmac("X-Sig", "X-At", encoding="base64"), timeout_s=12, delivery_header="x-delivery"),
    secret_keys=frozenset({"access_token"}),
)
CHATWOOT: Final = ZENDESK._replace(
    name="chatwoot", title="Chatwoot", hook=Hook(HmacOfBody("X-Hub", "sha256", "sha256="), timeout_s=5, status=204)
)
GIOSG: Final = ZENDESK._replace(name="giosg", title="giosg", hook=Hook(SharedSecret(), timeout_s=5))
ASTERISK: Final = ZENDESK._replace(name="asterisk", title="Asterisk", hook=None)
_ADAPTERS: Final[dict[SourceName, Adapter]] = {
    "zendesk": ZENDESK,
    "chatwoot": CHATWOOT,
    "giosg": GIOSG,
    "asterisk": ASTERISK,
}

SOURCES: Final = """\
[[source]]
source = "zendesk"
account = "acme"
secret_env = ["ACME"]
secret_file = ["old"]
queues = { "7" = "billing" }
[[source]]
source = "zendesk"
account = "other"
secret_env = ["OTHER"]
[[source]]
source = "chatwoot"
account = "acme"
secret_env = ["ACME"]
[[source]]
source = "giosg"
account = "acme"
secret_env = ["ACME"]
[[source]]
source = "asterisk"
account = "main"
time_zone = "Europe/Helsinki"
"""
VARIABLES: Final[dict[str, str]] = {"ACME": SECRET, "OTHER": OTHER_SECRET}


def adapter_of(source: SourceName) -> Adapter:
    """Find a made adapter, or the source's own."""
    return _ADAPTERS.get(source) or registry.adapter_of(source)


def write_sources(folder: Path, text: str = SOURCES) -> None:
    """Write a configuration folder."""
    (folder / "sources.toml").write_text(text)
    (folder / "old").write_text(OLD_SECRET)


def body(kind: str = "created", native: object = 1, **more: object) -> bytes:
    """Write a payload."""
    return orjson.dumps({"kind": kind, "id": str(native), "at": AT, **more})


def zendesk(sent: bytes, at: float, secret: str = SECRET) -> dict[str, str]:
    """Sign a payload with its time, as of seconds since 1970."""
    written = str(int(at))
    digest = hmac.digest(secret.encode(), written.encode() + sent, "sha256")
    return {"X-At": written, "X-Sig": base64.b64encode(digest).decode()}


def chatwoot(sent: bytes, secret: str = SECRET) -> dict[str, str]:
    """Sign a payload without its time."""
    return {"X-Hub": f"sha256={hmac.digest(secret.encode(), sent, 'sha256').hex()}"}
