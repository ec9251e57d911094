"""Which contacts get new deadlines next, after rules came into force, without waiting for their next event. Pure.

A contact's record holds its deadlines as instants, so that gauges need no rules. Where the rules are replaced, or a
`valid_from` is reached, the deadlines change: a scan of all contacts begins. It takes less than a minute, in small
steps between the batches that arrive.
"""

from collections.abc import Mapping
from typing import Final

from schemas.policies import Rules, policies_since
from streams.partition.contact_scan import ContactScan

#: Contacts in one part at least, and parts in a scan at most: there is a part a second, and a minute for all of them.
PART_AT_LEAST: Final = 1_000
PARTS_AT_MOST: Final = 40


class RuleChanges:
    """The scan of a partition's contacts, and the time whose rules their deadlines follow."""

    def __init__(self) -> None:
        #: A time at which the rules were in force that deadlines follow, UTC milliseconds.
        self.as_of = 0
        #: The version of the rules, and how many policies have come into force, when the last scan began.
        self._scanned_by: tuple[str, int] | None = None
        self._part = PART_AT_LEAST
        self._scan = ContactScan()

    def next(self, rules: Rules, now: int, contacts: Mapping[bytes, bytes]) -> list[tuple[bytes, bytes]]:
        """Give the contacts to look at next, with their records; those that change meanwhile follow `as_of` anyway."""
        now_by = rules.version, policies_since(rules, now)
        if now_by != self._scanned_by:
            self._scanned_by, self.as_of = now_by, now
            self._part = max(PART_AT_LEAST, len(contacts) // PARTS_AT_MOST + 1)
            self._scan.begin(now, contacts)
        return [(each, contacts[each]) for each in self._scan.next(self._part) if each in contacts]
