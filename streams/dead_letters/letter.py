"""One dead letter, as its headers describe it.

There are two kinds. A worker's letter is a record of a source topic; a vendor's is a payload that no adapter could map,
written by the gateway, a follower or an import.
"""

from collections.abc import Mapping
from typing import Final, NamedTuple

from streams.sources.vendor_dead_letters import KEPT_HEADER

#: Headers of Pulssi's own begin so; others are the record's, or the vendor's.
PREFIX: Final = "pulssi-"
#: Of a record that is too large for a letter: its size. The letter has the beginning.
CUT: Final = "bytes"
#: Of a vendor's payload: its own headers, behind the prefix.
_VENDOR_HEADER: Final = KEPT_HEADER.removeprefix(PREFIX)


class Letter(NamedTuple):
    """A dead letter, and its place in the topic."""

    partition: int
    offset: int
    #: When it was written: UTC milliseconds.
    at: int
    key: bytes | None
    value: bytes
    #: Pulssi's own headers, by their names without the prefix; below, all other headers.
    about: Mapping[str, str]
    headers: tuple[tuple[str, bytes], ...]

    @property
    def id(self) -> str:
        """How commands name it."""
        return f"{self.partition}-{self.offset}"

    @property
    def code(self) -> str:
        """What is wrong, in a word."""
        return self.about.get("code", "unknown")

    @property
    def reason(self) -> str:
        """What is wrong, for people."""
        return self.about.get("reason", "no reason is given")

    @property
    def origin(self) -> str:
        """Where it comes from: a source topic's partition and offset, or an account."""
        if "source" in self.about:
            return f"{self.about['source']}/{self.about.get('account', '?')}"
        return f"{self.about.get('topic', '?')}/{self.about.get('partition', '?')}@{self.about.get('offset', '?')}"

    @property
    def place(self) -> str:
        """Where it stood in what was read, such as `calls.csv:5`; empty of a hook or a record."""
        return self.about.get("where", "")

    @property
    def vendor_headers(self) -> Mapping[str, str]:
        """The headers that a vendor's payload came with, by their names in small letters."""
        return {
            name.removeprefix(_VENDOR_HEADER).lower(): value
            for name, value in self.about.items()
            if name.startswith(_VENDOR_HEADER)
        }

    def number(self, name: str, otherwise: int = 0) -> int:
        """Return a whole number of Pulssi's own headers."""
        written = self.about.get(name, "")
        return int(written) if written.isascii() and written.isdecimal() else otherwise

    @property
    def is_cut(self) -> bool:
        """Whether only the beginning of the record is here."""
        return CUT in self.about


def letter_of(
    partition: int, offset: int, at: int, key: bytes | None, value: bytes | None, headers: tuple[tuple[str, bytes], ...]
) -> Letter:
    """Make a letter of its record."""
    about = {
        name.removeprefix(PREFIX): content.decode("utf-8", "replace")
        for name, content in headers
        if name.startswith(PREFIX)
    }
    others = tuple(each for each in headers if not each[0].startswith(PREFIX))
    return Letter(partition, offset, at, key, value or b"", about, others)
