"""ClickHouse's errors as ClickHouse tells them over HTTP: a code, a name, an HTTP status and one line.

Clients branch on the code and read the name out of the line, so both must stay as a server has them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

_CODE: Final = re.compile(r"Code: (\d+)\. (?:DB::Exception: )?")
_VERSION: Final = re.compile(r" \(version [^()]*(?:\([^()]*\))?[^()]*\)\.?")
_NAME: Final = re.compile(r"\(([A-Z][A-Z0-9_]+)\)\.?\s*$")

#: Errors of the request's own making. The numbers are ClickHouse's (ErrorCodes.cpp).
BAD_ARGUMENTS: Final = 36
CANNOT_DECOMPRESS: Final = 271
CHECKSUM_DOESNT_MATCH: Final = 40
INTO_OUTFILE_NOT_ALLOWED: Final = 79
NOT_IMPLEMENTED: Final = 48
PATH_ACCESS_DENIED: Final = 481
QUERY_IS_TOO_LARGE: Final = 223
QUERY_WAS_CANCELLED: Final = 394
READONLY: Final = 164
SESSION_IS_LOCKED: Final = 373
SESSION_NOT_FOUND: Final = 372
SYNTAX_ERROR: Final = 62
TIMEOUT_EXCEEDED: Final = 159
TOO_MANY_SIMULTANEOUS_QUERIES: Final = 202
UNKNOWN_EXCEPTION: Final = 1002
UNKNOWN_SETTING: Final = 115
ACCESS_DENIED: Final = 497
AUTHENTICATION_FAILED: Final = 516

NAMES: Final = {
    value: name for name, value in globals().items() if name.isupper() and isinstance(value, int) and name[0] != "_"
}

#: As a server answers them (exceptionCodeToHTTPStatus.cpp); every other code is a 500.
_STATUS: Final = {
    **dict.fromkeys((192, 193, 497, 511, 512, 516), HTTPStatus.FORBIDDEN),
    **dict.fromkeys(
        (6, 8, 15, 25, 26, 27, 36, 38, 41, 44, 53, 62, 69, 72, 117, 167, 168, 223, 299, 427, 440, 441),
        HTTPStatus.BAD_REQUEST,
    ),
    **dict.fromkeys((46, 47, 50, 56, 60, 63, 73, 78, 81, 115, 130, 336, 372), HTTPStatus.NOT_FOUND),
    QUERY_IS_TOO_LARGE: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    NOT_IMPLEMENTED: HTTPStatus.NOT_IMPLEMENTED,
    TIMEOUT_EXCEEDED: HTTPStatus.REQUEST_TIMEOUT,
    # A server says 500 here, which clients take as final; 503 lets them come again, which is what this error asks for.
    TOO_MANY_SIMULTANEOUS_QUERIES: HTTPStatus.SERVICE_UNAVAILABLE,
    194: HTTPStatus.UNAUTHORIZED,
}


@dataclass
class Fault(Exception):  # noqa: N818 - ClickHouse calls it an exception, and so does its interface
    """One of ClickHouse's errors; `message` is without code and name."""

    code: int
    message: str
    name: str = ""

    def __post_init__(self) -> None:
        self.name = self.name or NAMES.get(self.code, "")
        super().__init__(self.message)

    @property
    def status(self) -> HTTPStatus:
        """The HTTP status a server would answer."""
        return _STATUS.get(self.code, HTTPStatus.INTERNAL_SERVER_ERROR)

    def line(self, version: str) -> str:
        """Return the body of the answer, as clients parse it."""
        name = f" ({self.name})" if self.name else ""
        end = "" if self.message.endswith((".", "!", "?")) else "."
        return f"Code: {self.code}. DB::Exception: {self.message}{end}{name} (version {version} (embedded))\n"


def from_engine(text: str) -> Fault:
    """Read what the engine raised. It repeats itself (`Code: 27. DB::Exception: Code: 27. …`); one of it is enough."""
    code = UNKNOWN_EXCEPTION
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
    return Fault(code, text or "the engine gave no reason", name)
