"""Contacts that steps worked on of late, kept as they were left: the next event goes on from there.

Only a saving. A contact is taken from here only while its record is the very one that it wrote; whatever else changed
that record (a journal that was read, an eviction, a contact of the same id in another partition), it is read from the
record again.
"""

from __future__ import annotations

from typing import Final

from streams.core.going import Going

#: Contacts at most where nothing else is said.
AT_MOST: Final = 10_000


class InHand:
    """Two generations: what was not used while the younger one filled up is forgotten."""

    def __init__(self, at_most: int = AT_MOST) -> None:
        self._of_one = at_most // 2
        self._young: dict[bytes, tuple[bytes, Going]] = {}
        self._old: dict[bytes, tuple[bytes, Going]] = {}

    def take(self, contact_id: bytes, value: bytes) -> Going | None:
        """Give a contact whose record is this one; None where it is not here."""
        left = self._young.get(contact_id) or self._old.pop(contact_id, None)
        return left[1] if left is not None and left[0] is value else None

    def keep(self, contact_id: bytes, value: bytes, going: Going) -> None:
        """Keep a contact beside the record that it wrote."""
        if len(self._young) >= self._of_one and contact_id not in self._young:
            self._old, self._young = self._young, {}
        self._young[contact_id] = value, going

    def renew(self, contact_id: bytes, before: bytes, value: bytes) -> None:
        """Keep a contact, if it is here, beside another record that says the same of its events."""
        left = self.take(contact_id, before)
        if left is not None:
            self.keep(contact_id, value, left)
