"""What an HTTP request says besides its text: who asks, with which settings, parameters and formats.

ClickHouse takes nearly everything as URL parameters, and what its HTTP interface does not know as a setting of the
engine. Whoever can reach the port can use it: passwords are not looked at, so it listens on 127.0.0.1. What
`pulssi_reader` asks runs under the engine's role and profile of that name (users.xml).
"""

import re
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from aiohttp import BasicAuth

from deploy.embedded.clickhouse.compression import FRAMES, choose_coding
from deploy.embedded.clickhouse.errors import ClickHouseError, Code

READER: Final = "pulssi_reader"
#: What `readonly` says to a reader, and to what is no POST: no writes, but a query may choose its settings.
READ_ONLY: Final = "2"
USERS: Final = ("default", "pulssi_writer", READER)

#: What a reader's request may lower but not raise (seconds, bytes, rows), as the constraints in users.xml.
READER_LIMITS: Final = {
    "max_execution_time": 60,
    "max_memory_usage": 2_000_000_000,
    "max_temporary_data_on_disk_size_for_query": 4_000_000_000,
    "max_result_rows": 10_000_000,
    "max_result_bytes": 1_000_000_000,
}

#: ClickHouse's default for `max_query_size`; and what a statement may take of the memory whatever that says. Bytes.
MAX_QUERY_BYTES: Final = 262_144
MAX_TEXT_BYTES: Final = 16 << 20
#: Of a whole number: of 64 bits.
_DIGITS_AT_MOST: Final = 20

NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,255}")
#: Settings of the engine's own kinds have dots in their names.
_SETTING: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z_][A-Za-z0-9_]*)*")

#: Parameters of the HTTP interface; the rest are settings of the engine. No session is kept, so what names one says
#: nothing here: a statement that would need it is refused.
_HTTP_PARAMETERS: Final = frozenset(
    (
        *("buffer_size", "client_protocol_version", "close_session", "compress", "database", "decompress"),
        *("default_format", "log_comment", "max_query_size", "password", "query", "query_id", "quota_key", "readonly"),
        *("role", "session_check", "session_id", "session_timeout", "stacktrace", "user", "wait_end_of_query"),
    )
)


@dataclass(frozen=True)
class QueryRequest:
    """A request, understood. `settings` has the parameters of the statement too, as ClickHouse's SET takes them."""

    reader: bool
    #: ClickHouse's setting: 0 all is allowed, 1 reading, 2 reading and choosing settings.
    readonly: str
    query: str
    query_id: str
    settings: Mapping[str, str]
    database: str
    format: str
    #: What the answer is compressed by; see `compressed`.
    coding: str
    content_encoding: str
    #: The body is in ClickHouse's frames.
    body_is_framed: bool
    max_query_bytes: int
    #: The answer is sent only once it is whole, so that an error has its own status.
    buffered: bool
    protocol_version: int


def _user_name(fields: Sequence[tuple[str, str]], headers: Mapping[str, str]) -> str:
    """Name who asks. Raises AUTHENTICATION_FAILED where the request names several, or one that there is not."""
    named = [value for name, value in fields if name == "user"]
    named.append(headers.get("X-ClickHouse-User", ""))
    if (authorization := headers.get("Authorization", "")).lower().startswith("basic "):
        try:
            named.append(BasicAuth.decode(authorization, "utf-8").login)
        except ValueError:
            raise ClickHouseError(Code.BAD_ARGUMENTS, "The Authorization header is no user:password") from None
    users = sorted(set(filter(None, named))) or ["default"]
    if len(users) > 1:
        # Whoever adds a name must not replace another.
        message = f"The request names several users: {', '.join(users)[:80]}"
        raise ClickHouseError(Code.AUTHENTICATION_FAILED, message)
    if users[0] not in USERS:
        raise ClickHouseError(
            Code.AUTHENTICATION_FAILED,
            f"{users[0]}: Authentication failed: password is incorrect, or there is no user with such name"
            f" (the embedded ClickHouse has {', '.join(USERS)})",
        )
    return users[0]


def _settings(parameters: Mapping[str, str], *, reader: bool) -> dict[str, str]:
    """Return what SET is to be told; a reader's within its bounds, where 0 means unbounded, and so is bounded too."""
    settings = {name: value for name, value in parameters.items() if name not in _HTTP_PARAMETERS}
    for name in settings:
        if not _SETTING.fullmatch(name):
            raise ClickHouseError(Code.UNKNOWN_SETTING, f"Unknown setting '{name}'")
    if reader:
        for name, most in READER_LIMITS.items():
            value = settings.get(name, "")
            given = float(value) if value.replace(".", "", 1).isdecimal() else 0.0
            settings[name] = value if 0 < given <= most else str(most)
    return settings


def _whole_number(parameters: Mapping[str, str], name: str, default: int) -> int:
    value = parameters.get(name) or str(default)
    if not value.isdecimal() or len(value) > _DIGITS_AT_MOST:
        raise ClickHouseError(Code.BAD_ARGUMENTS, f"{name} must be a whole number, not {value[:60]!r}")
    return int(value)


def parse_request(method: str, fields: Sequence[tuple[str, str]], headers: Mapping[str, str]) -> QueryRequest:
    """Read a request; `fields` are the URL's parameters, and those of a form.

    Raises ClickHouseError: an unknown user, a parameter that cannot be read.
    """
    parameters = dict(fields)
    reader = _user_name(fields, headers) == READER
    output = parameters.get("default_format") or headers.get("X-ClickHouse-Format") or "TabSeparated"
    if not NAME.fullmatch(output):
        raise ClickHouseError(Code.BAD_ARGUMENTS, f"A format must be a name, not {output[:60]!r}")
    readonly = parameters.get("readonly", "0")
    framed_answer = parameters.get("compress", "0") in {"1", "true"}
    return QueryRequest(
        reader=reader,
        readonly=readonly if readonly != "0" or method == "POST" else READ_ONLY,
        query="\n".join(value for name, value in fields if name == "query"),
        query_id=parameters.get("query_id") or headers.get("X-ClickHouse-Query-Id") or str(uuid.uuid4()),
        settings=_settings(parameters, reader=reader),
        database=parameters.get("database") or headers.get("X-ClickHouse-Database", ""),
        format=output,
        coding=FRAMES if framed_answer else choose_coding(headers.get("Accept-Encoding", "")),
        content_encoding=headers.get("Content-Encoding", "").strip().lower(),
        body_is_framed=parameters.get("decompress", "0") in {"1", "true"},
        max_query_bytes=min(_whole_number(parameters, "max_query_size", MAX_QUERY_BYTES), MAX_TEXT_BYTES),
        buffered=parameters.get("wait_end_of_query", "0") in {"1", "true"},
        protocol_version=_whole_number(parameters, "client_protocol_version", 0),
    )
