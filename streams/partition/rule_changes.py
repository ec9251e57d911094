"""Which open contacts to check against rules that came into force, without waiting for their next event. Pure.

A contact's record holds its deadlines as instants, so that gauges need no rules. Where the rules are replaced, or a
`valid_from` is reached, the deadlines change: a round through all contacts begins. It takes less than a minute, in
small steps between the batches that arrive.
"""

from collections.abc import Mapping
from typing import Final

from schemas.policies import Rules, policies_since
from streams.partition.contact_scan import ContactScan

#: Contacts looked at in one go at least, and in how many goes all of them: there is one a second, and a minute for all.
HELD_AT_ONCE: Final = 1_000
GOES: Final = 40


class RuleChanges:
    """The round through a partition's contacts, and the time whose rules they are held against."""

    def __init__(self) -> None:
        #: A time at which the rules were in force that contacts are held against, UTC milliseconds.
        self.as_of = 0
        self._by: tuple[str, int] | None = None
        self._at_once = HELD_AT_ONCE
        self._round = ContactScan()

    def next(self, rules: Rules, now: int, contacts: Mapping[bytes, bytes]) -> list[tuple[bytes, bytes]]:
        """Give the contacts to look at next, with their records; those that change meanwhile follow `as_of` anyway."""
        by = rules.version, policies_since(rules, now)
        if by != self._by:
            self._by, self.as_of = by, now
            self._at_once = max(HELD_AT_ONCE, len(contacts) // GOES + 1)
            self._round.begin(now, contacts)
        return [(each, contacts[each]) for each in self._round.next(self._at_once) if each in contacts]
