"""ClickHouse's errors as its HTTP interface tells them: a code, a name, an HTTP status and one line.

Clients branch on the code and read the name out of the line, so both must stay as a server has them.
"""

import re
from enum import IntEnum
from http import HTTPStatus
from typing import Final

_CODE: Final = re.compile(r"Code: (\d+)\. (?:DB::Exception: )?")
_VERSION: Final = re.compile(r" \(version [^()]*(?:\([^()]*\))?[^()]*\)\.?")
_NAME: Final = re.compile(r"\(([A-Z][A-Z0-9_]+)\)\.?\s*$")


class Code(IntEnum):
    """The errors that are raised here, by ClickHouse's numbers (ErrorCodes.cpp); the engine raises many more."""

    BAD_ARGUMENTS = 36
    CHECKSUM_DOESNT_MATCH = 40
    NOT_IMPLEMENTED = 48
    SYNTAX_ERROR = 62
    INTO_OUTFILE_NOT_ALLOWED = 79
    UNKNOWN_SETTING = 115
    TIMEOUT_EXCEEDED = 159
    READONLY = 164
    TOO_MANY_SIMULTANEOUS_QUERIES = 202
    SOCKET_TIMEOUT = 209
    QUERY_WITH_SAME_ID_IS_ALREADY_RUNNING = 216
    CANNOT_DECOMPRESS = 271
    QUERY_WAS_CANCELLED = 394
    PATH_ACCESS_DENIED = 481
    ACCESS_DENIED = 497
    AUTHENTICATION_FAILED = 516
    UNKNOWN_EXCEPTION = 1002


#: As a server answers them (exceptionCodeToHTTPStatus.cpp); every other code is a 500.
_STATUS: Final = {
    **dict.fromkeys((192, 193, 497, 511, 512, 516), HTTPStatus.FORBIDDEN),
    **dict.fromkeys(
        (6, 8, 15, 25, 26, 27, 36, 38, 41, 44, 53, 62, 69, 72, 117, 167, 168, 299, 427, 440, 441),
        HTTPStatus.BAD_REQUEST,
    ),
    **dict.fromkeys((46, 47, 50, 56, 60, 63, 73, 78, 81, 115, 130, 336, 372), HTTPStatus.NOT_FOUND),
    223: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    Code.NOT_IMPLEMENTED: HTTPStatus.NOT_IMPLEMENTED,
    Code.TIMEOUT_EXCEEDED: HTTPStatus.REQUEST_TIMEOUT,
    # A server says 500 here, which clients take as final; 503 lets them come again, which is what this error asks for.
    Code.TOO_MANY_SIMULTANEOUS_QUERIES: HTTPStatus.SERVICE_UNAVAILABLE,
    194: HTTPStatus.UNAUTHORIZED,
}


class ClickHouseError(Exception):
    """One of ClickHouse's errors; `message` is without code and name."""

    def __init__(self, code: int, message: str, name: str = "") -> None:
        super().__init__(message)
        self.code = int(code)
        self.message = message
        self.name = code.name if isinstance(code, Code) and not name else name

    @property
    def status(self) -> HTTPStatus:
        """The HTTP status a server would answer."""
        return _STATUS.get(self.code, HTTPStatus.INTERNAL_SERVER_ERROR)

    def line(self, version: str) -> str:
        """Return the body of the answer, as clients parse it."""
        name = f" ({self.name})" if self.name else ""
        end = "" if self.message.endswith((".", "!", "?")) else "."
        return f"Code: {self.code}. DB::Exception: {self.message}{end}{name} (version {version} (embedded))\n"


def parse_engine_error(text: str) -> ClickHouseError:
    """Read what the engine raised. It repeats itself (`Code: 27. DB::Exception: Code: 27. …`); one of it is enough."""
    code: int = Code.UNKNOWN_EXCEPTION
    found = _CODE.search(text)
    while found:
        code = int(found[1])
        text = text[found.end() :]
        found = _CODE.match(text)
    text = _VERSION.sub("", text).strip()
    name = ""
    while match := _NAME.search(text):
        name = match[1]
        text = text[: match.start()].rstrip()
    return ClickHouseError(code, text or "the engine gave no reason", name)
