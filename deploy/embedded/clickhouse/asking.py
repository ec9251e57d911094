"""What an HTTP request says besides its text: who asks, in which session, with which settings and formats.

ClickHouse takes nearly everything as URL parameters, and what it does not know as a setting of the engine. Pure.
"""

from __future__ import annotations

import base64
import binascii
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from deploy.embedded.clickhouse import quoting, users
from deploy.embedded.clickhouse.codings import choose
from deploy.embedded.clickhouse.faults import (
    AUTHENTICATION_FAILED,
    BAD_ARGUMENTS,
    NOT_IMPLEMENTED,
    UNKNOWN_SETTING,
    Fault,
)

#: Parameters that the HTTP interface itself consumes; they are no settings of the engine.
_OWN: Final = frozenset(
    {
        "buffer_size",
        "cancel_http_readonly_queries_on_client_close",
        "client_protocol_version",
        "close_session",
        "compress",
        "database",
        "decompress",
        "default_format",
        "enable_http_compression",
        "http_headers_progress_interval_ms",
        "http_zlib_compression_level",
        "network_compression_method",
        "network_zstd_compression_level",
        "password",
        "query",
        "query_id",
        "quota_key",
        "role",
        "send_progress_in_http_headers",
        "session_check",
        "session_id",
        "session_timeout",
        "stacktrace",
        "user",
        "wait_end_of_query",
    }
)

#: A session lives a minute without requests, and at most an hour, as with a server.
SESSION_S: Final = 60.0
LONGEST_SESSION_S: Final = 3600.0


@dataclass(frozen=True)
class Asking:
    """A request, understood. Names follow the parameters of ClickHouse's HTTP interface."""

    user: users.User
    query: str
    query_id: str
    settings: Mapping[str, str]
    parameters: Mapping[str, str]
    database: str = ""
    output: str = "TabSeparated"
    session_id: str = ""
    session_timeout_s: float = SESSION_S
    session_check: bool = False
    close_session: bool = False
    compress: bool = False
    zstd_frames: bool = False
    decompress: bool = False
    content_coding: str = ""
    answer_coding: str = ""
    read_only: bool = False
    wait_end: bool = False
    protocol: int = 0


def _user_name(fields: Sequence[tuple[str, str]], headers: Mapping[str, str]) -> str:
    """Name who asks. Raises Fault where the request names several: whoever adds a name must not replace another."""
    named = [value for name, value in fields if name == "user"]
    if name := headers.get("X-ClickHouse-User"):
        named.append(name)
    scheme, _, credentials = headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "basic":
        try:
            named.append(base64.b64decode(credentials, validate=True).decode().partition(":")[0])
        except (binascii.Error, UnicodeDecodeError):
            raise Fault(BAD_ARGUMENTS, "The Authorization header is not base64 of user:password") from None
    users_named = sorted(set(filter(None, named)))
    if len(users_named) > 1:
        raise Fault(AUTHENTICATION_FAILED, f"The request names several users: {', '.join(users_named)[:80]}")
    return users_named[0] if users_named else ""


def _flag(parameters: Mapping[str, str], name: str, default: str = "0") -> bool:
    return parameters.get(name, default).lower() in {"1", "true"}


def _number(parameters: Mapping[str, str], name: str, default: float) -> float:
    value = parameters.get(name)
    if not value:
        return default
    try:
        return float(value)
    except ValueError:
        raise Fault(BAD_ARGUMENTS, f"{name} must be a number, not {value!r}") from None


def _settings(parameters: Mapping[str, str]) -> dict[str, str]:
    settings = {}
    for name, value in parameters.items():
        if name in _OWN or name.startswith("param_"):
            continue
        if not quoting.setting(name):
            raise Fault(UNKNOWN_SETTING, f"Unknown setting '{name}'")
        settings[name] = value
    return settings


def understand(method: str, fields: Sequence[tuple[str, str]], headers: Mapping[str, str]) -> Asking:
    """Read a request; `fields` are the URL's parameters.

    Raises Fault: an unknown user, a parameter that cannot be read, a form.
    """
    if headers.get("Content-Type", "").startswith("multipart/form-data"):
        raise Fault(NOT_IMPLEMENTED, "Forms and external tables are not supported: parameters go into the URL")
    parameters = dict(fields)
    user = users.find(_user_name(fields, headers))
    query_id = parameters.get("query_id") or headers.get("X-ClickHouse-Query-Id") or str(uuid.uuid4())
    compress = _flag(parameters, "compress")
    codes = _flag(parameters, "enable_http_compression", "1") and not compress
    output = parameters.get("default_format") or headers.get("X-ClickHouse-Format") or "TabSeparated"
    return Asking(
        user=user,
        query="\n".join(value for name, value in fields if name == "query"),
        query_id=query_id,
        settings=user.bounded(_settings(parameters)),
        parameters={
            quoting.name("A parameter", name[6:]): value
            for name, value in parameters.items()
            if name.startswith("param_")
        },
        database=parameters.get("database") or headers.get("X-ClickHouse-Database", ""),
        output=quoting.name("A format", output),
        session_id=parameters.get("session_id", ""),
        session_timeout_s=min(_number(parameters, "session_timeout", SESSION_S), LONGEST_SESSION_S),
        session_check=_flag(parameters, "session_check"),
        close_session=_flag(parameters, "close_session"),
        compress=compress,
        zstd_frames=parameters.get("network_compression_method", "").upper() == "ZSTD",
        decompress=_flag(parameters, "decompress"),
        content_coding=headers.get("Content-Encoding", ""),
        answer_coding=choose(headers.get("Accept-Encoding", "")) if codes else "",
        read_only=user.read_only or method != "POST",
        wait_end=_flag(parameters, "wait_end_of_query"),
        protocol=int(_number(parameters, "client_protocol_version", 0)),
    )
