"""What the commands ask of a running gateway and follower: their counts, and captured payloads."""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from prometheus_client.parser import text_string_to_metric_families

from deploy.cli.common import fail
from schemas import metric_definitions as declared
from schemas.exits import Exit

if TYPE_CHECKING:
    from schemas.configuration.source_models import SourceEntry
    from schemas.settings import Settings
    from streams.sources.accounts import Account

_TIMEOUT_S: Final = 10.0
_EVERYWHERE: Final = frozenset({"0.0.0.0", "::", ""})  # noqa: S104 - compared


class Counted(NamedTuple):
    """What the gateway counts of an account; `last_payload_at` in UTC milliseconds, 0: none came."""

    hooks: dict[str, int]
    last_payload_at: int
    #: Whether the entry as it is now is not used.
    has_fault: bool = False


class Read(NamedTuple):
    """What the follower counts of an account since its start; `last_payload_at` in UTC milliseconds, 0: none came."""

    payloads: int = 0
    events: int = 0
    dead_letters: int = 0
    last_payload_at: int = 0
    #: Whether it is not followed now.
    has_fault: bool = False


#: The gateway's metrics of an account.
_COUNTED: Final = {
    each.name for each in (declared.GATEWAY_HOOKS, declared.GATEWAY_LAST_PAYLOAD, declared.GATEWAY_FAULT)
}
#: Its metrics, and how each is kept.
_READ: Final[dict[str, tuple[str, Callable[[float], Any]]]] = {
    declared.FOLLOW_PAYLOADS.name: ("payloads", int),
    declared.FOLLOW_EVENTS.name: ("events", int),
    declared.FOLLOW_DEAD_LETTERS.name: ("dead_letters", int),
    declared.FOLLOW_LAST_PAYLOAD.name: ("last_payload_at", lambda seconds: round(seconds * 1000)),
    declared.FOLLOW_FAULT.name: ("has_fault", bool),
}


def hook_address(settings: Settings, entry: SourceEntry) -> str:
    """Write the address of an account's hook, as far as the configuration knows it."""
    base = entry.public_url or f"http://{_host(settings)}:{settings.gateway_port}"
    return f"{base}/hooks/{entry.source}/{entry.account}"


def counted(settings: Settings) -> dict[tuple[str, str], Counted] | None:
    """Ask the gateway for its counts, by source and account; None where it does not answer."""
    from streams.gateway.service import metrics_token

    token = metrics_token(settings).get_secret_value()
    answer = _get(settings, "/metrics", token)
    if answer is None or answer[0] != HTTPStatus.OK:
        return None
    found: dict[tuple[str, str], Counted] = {}
    for family in text_string_to_metric_families(answer[1].decode()):
        for sample in family.samples:
            if sample.name not in _COUNTED:
                continue
            name = sample.labels["source"], sample.labels["account"]
            before = found.get(name, Counted({}, 0))
            if sample.name == declared.GATEWAY_HOOKS.name:
                before.hooks[sample.labels["outcome"]] = int(sample.value)
                found[name] = before
            elif sample.name == declared.GATEWAY_FAULT.name:
                found[name] = before._replace(has_fault=bool(sample.value))
            else:
                found[name] = before._replace(last_payload_at=round(sample.value * 1000))
    return found


def followed(settings: Settings) -> dict[tuple[str, str], Read] | None:
    """Ask the follower for its counts, by source and account; None where it does not answer."""
    answer = _get(settings, "/metrics", "", settings.follow_port)
    if answer is None or answer[0] != HTTPStatus.OK:
        return None
    found: dict[tuple[str, str], Read] = {}
    for family in text_string_to_metric_families(answer[1].decode()):
        for sample in family.samples:
            if sample.name in _READ:
                field, kept = _READ[sample.name]
                name = sample.labels["source"], sample.labels["account"]
                found[name] = found.get(name, Read())._replace(**{field: kept(sample.value)})
    return found


def captured(settings: Settings, account: Account, last: int) -> bytes:
    """Ask the gateway for an account's last payloads; ends with 3 where it is not there, with 1 where it refuses."""
    answer = _get(settings, f"/captured/{account.path}?last={last}", account.secrets[0].get_secret_value())
    if answer is None:
        where = f"{_host(settings)}:{settings.gateway_port}"
        fail(f"the gateway does not answer at {where}: `pulssi gateway` starts it", Exit.UNREACHABLE)
    status, body = answer
    if status != HTTPStatus.OK:
        fail(f"the gateway refuses ({status}): has it the same sources.toml and secret?", Exit.NO)
    return body


def _get(settings: Settings, path: str, token: str, port: int | None = None) -> tuple[int, bytes] | None:
    """Ask for a path with a token, by default the gateway; None where nobody answers."""
    connection = HTTPConnection(_host(settings), port or settings.gateway_port, timeout=_TIMEOUT_S)
    try:
        connection.request("GET", path, headers={"Authorization": f"Bearer {token}"} if token else {})
        answer = connection.getresponse()
        return answer.status, answer.read()
    except (OSError, HTTPException):
        return None
    finally:
        connection.close()


def _host(settings: Settings) -> str:
    return "127.0.0.1" if settings.bind in _EVERYWHERE else settings.bind
