"""Reads a mail's header: the fields as text, the ids and addresses in them; whatever the bytes, within limits.

The header alone says all that the numbers need: no body is read. Mail comes from anybody, so nothing here trusts a
field: what cannot be read is as if it were not there, and long ones are cut before they are parsed.
"""

import re
from collections.abc import Iterable, Iterator
from email.errors import HeaderParseError, MessageError
from email.policy import default
from email.utils import getaddresses
from typing import Final

#: Longer headers are cut here.
HEADER_BYTES: Final = 256 * 1024
#: Of a field; long threads have long References, and big mailings have long To.
FIELD_BYTES: Final = 20_000
#: Fields of one name that are looked at.
_FIELDS: Final = 50
_SUBJECT_CHARACTERS: Final = 1_000
_ADDRESSES: Final = 500

#: A field with the lines that continue it; whatever is no field is passed over.
_FIELD: Final = re.compile(rb"^([!-9;-~]{1,200}):([^\r\n]*(?:\r?\n[ \t][^\r\n]*)*)", re.MULTILINE)
_END: Final = re.compile(rb"\r?\n\r?\n")
_ID: Final = re.compile(r"<([^<>\s]{1,998})>")
_BARE_ID: Final = re.compile(r"[^<>\s,;]{1,900}@[^<>\s,;]{1,98}")
_ADDRESS: Final = re.compile(r"[^\s<>(),;:\"@]{1,128}@[^\s<>(),;:\"@]{1,255}")
_FOLDS: Final = re.compile(r"\r?\n|\r")
#: What the standard library's parser of fields raises for bytes that nobody thought of.
_UNREADABLE: Final = (
    *(AttributeError, HeaderParseError, IndexError, KeyError, LookupError, MessageError, RecursionError),
    *(TypeError, UnicodeError, ValueError),
)


def header_bytes(mail: bytes) -> bytes:
    """Return a mail's header without its body; what is given may be a header alone."""
    begun = mail[:HEADER_BYTES].lstrip(b"\r\n")
    end = _END.search(begun)
    return begun if end is None else begun[: end.start()]


class MailHeader:
    """The fields of a header by name; values are unfolded, and decoded only where it is said."""

    def __init__(self, header: bytes) -> None:
        self._fields: dict[str, list[str]] = {}
        for field in _FIELD.finditer(header):
            values = self._fields.setdefault(field[1].decode("ascii").lower(), [])
            if len(values) < _FIELDS:
                values.append(_FOLDS.sub("", _text(field[2][:FIELD_BYTES])).strip())

    def __bool__(self) -> bool:
        return bool(self._fields)

    def all(self, name: str) -> list[str]:
        """Return the values of all fields of a name, as they came."""
        return self._fields.get(name, [])

    def first(self, name: str) -> str:
        """Return the value of the topmost field of a name; empty where there is none."""
        return next(iter(self.all(name)), "")

    def word(self, name: str) -> str:
        """Return the first word of a field in small letters, without parameters and comments."""
        return re.split(r"[\s;,(]", self.first(name).casefold(), maxsplit=1)[0]

    def ids(self, name: str) -> list[str]:
        """Return the ids of messages in the fields of a name; those without brackets too, as some programs write."""
        found: list[str] = []
        for value in self.all(name):
            found += _ID.findall(value) or _BARE_ID.findall(value)
        return found

    def addresses(self, *names: str) -> list[str]:
        """Return the addresses in the fields of these names, in small letters; groups and names are left out."""
        return list(_addresses(value for name in names for value in self.all(name)))

    def subject(self) -> str:
        """Return the subject, decoded."""
        written = self.first("subject")[:_SUBJECT_CHARACTERS]
        try:
            decoded = str(default.header_factory("subject", written))
        except _UNREADABLE:
            decoded = written
        # What an encoded word holds may be no text.
        return decoded.encode("utf-8", "replace").decode("utf-8")


def _text(raw: bytes) -> str:
    """Decode a field: plain bytes are UTF-8 (RFC 6532), or what old programs write."""
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return raw.decode("latin-1")


def _addresses(values: Iterable[str]) -> Iterator[str]:
    for value in values:
        try:
            parsed = [address for _, address in getaddresses([value])]
        except _UNREADABLE:
            parsed = []
        found = [address for each in parsed if (address := each.strip()) and _ADDRESS.fullmatch(address)]
        for address in (found or _ADDRESS.findall(value))[:_ADDRESSES]:
            yield address.casefold()
