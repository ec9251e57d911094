"""What folding a contact anew changes, for tests that care for nothing else."""

from __future__ import annotations

from collections.abc import Iterable

from schemas.policies import Rules
from streams.core.contact import Contact, advance
from streams.core.event import Event
from streams.core.going import Change


def changed(
    channel: str, contact: Contact, arrived: Iterable[Event], rules: Rules, step: int, *, again: bool = False
) -> Change | None:
    """Fold a contact anew with what arrived; None where nothing was new."""
    outcome = advance(channel, contact, arrived, rules, step, again=again)
    return None if outcome is None else outcome.change
