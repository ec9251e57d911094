"""Reading one contact to explain it: the edge of `pulssi explain`."""

from __future__ import annotations

from typing import Final, NamedTuple

from schemas.policies import Rules
from schemas.settings import Settings
from sinks.clickhouse.kept import Between, KeptRows, Span
from sinks.reconcile.audit import read_contacts
from sinks.reconcile.lives import Lives
from sinks.reconcile.story import Explanation, explain

#: Ids named where one is not found.
_ALIKE: Final = 5


class Unknown(NamedTuple):
    """No event of that contact is archived."""

    #: Whether rows of it are kept all the same.
    has_rows: bool
    #: Contacts whose ids end or begin alike, the latest first.
    alike: list[str]


def explain_contact(settings: Settings, rules: Rules, contact_id: str) -> Explanation | Unknown:
    """Read a contact and explain it. Raises KeeperAwayError and KeeperUnfitError."""
    with KeptRows(settings) as kept:
        lives = Lives(kept.progress())
        contact = next(read_contacts(kept, Between(contact_id, contact_id), Span()), None)
        if contact is None or not contact.events:
            return Unknown(contact is not None, [] if contact is not None else kept.like(contact_id, _ALIKE))
        return explain(contact, rules, lives)
