"""The one answer that is written by hand: clickhouse-go's greeting.

Since 2.3x clickhouse-go announces `client_protocol_version` and greets with a query whose answer it reads as a Native
block of its own newest revision: block information before the block, a flag after each column's type. The engine
writes Native of revision 0 only. Told in the layout it expects that the server's revision is 0, clickhouse-go reads
revision 0 from then on, which is what it gets.
"""

from typing import Final

#: The greeting, as the engine formats it.
QUERY: Final = "SELECT displayName(), version(), revision(), timezone()"

#: Field 1: no overflows; field 2: bucket -1; end.
_BLOCK_INFORMATION: Final = b"\x01\x00\x02\xff\xff\xff\xff\x00"


def _text(value: str) -> bytes:
    return bytes([len(value.encode())]) + value.encode()


def answer(display_name: str, version: str) -> bytes:
    """Return the block: one row, the revision 0, no column in a serialisation of its own."""
    columns = (
        ("displayName()", "String", _text(display_name)),
        ("version()", "String", _text(version)),
        ("revision()", "UInt32", bytes(4)),
        ("timezone()", "String", _text("UTC")),
    )
    block = _BLOCK_INFORMATION + bytes([len(columns), 1])
    for name, kind, value in columns:
        block += _text(name) + _text(kind) + b"\x00" + value
    return block
