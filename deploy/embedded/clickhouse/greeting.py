"""The one answer that is written by hand: clickhouse-go's greeting.

Since 2.3x clickhouse-go announces `client_protocol_version` and greets with a query whose answer it reads as a Native
block of its own newest revision: block information before the block, a flag after each column's type. The engine
writes Native of revision 0 only. Told in the layout it expects that the server's revision is 0, clickhouse-go reads
revision 0 from then on, which is what it gets.
"""

from __future__ import annotations

import re
from typing import Final

_QUERY: Final = re.compile(
    r"\s*SELECT\s+displayName\(\)\s*,\s*version\(\)\s*,\s*revision\(\)\s*,\s*timezone\(\)\s*;?\s*", re.IGNORECASE
)

#: From here on a flag after each column's type says whether its serialisation is a custom one.
_CUSTOM_SERIALISATION: Final = 54454

#: Field 1: no overflows; field 2: bucket -1; end.
_BLOCK_INFORMATION: Final = b"\x01\x00\x02\xff\xff\xff\xff\x00"


def is_greeting(query: str, output: str, protocol: int) -> bool:
    """Tell whether this is clickhouse-go's greeting."""
    return protocol > 0 and output == "Native" and _QUERY.fullmatch(query) is not None


def _text(value: str) -> bytes:
    encoded = value.encode()
    length, head = len(encoded), b""
    while length >= 0x80:  # noqa: PLR2004 - a variable-length integer: seven bits a byte
        head += bytes([length & 0x7F | 0x80])
        length >>= 7
    return head + bytes([length]) + encoded


def answer(display_name: str, version: str, protocol: int) -> bytes:
    """Return the block: one row, the revision 0, in the layout of the client's revision."""
    flag = b"\x00" if protocol >= _CUSTOM_SERIALISATION else b""
    columns = (
        ("displayName()", "String", _text(display_name)),
        ("version()", "String", _text(version)),
        ("revision()", "UInt32", bytes(4)),
        ("timezone()", "String", _text("UTC")),
    )
    block = _BLOCK_INFORMATION + bytes([len(columns), 1])
    for name, kind, value in columns:
        block += _text(name) + _text(kind) + flag + value
    return block
