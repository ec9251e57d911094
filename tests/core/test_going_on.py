"""What a contact that goes on must not take: whatever tells more of what was before than of what comes."""

from __future__ import annotations

from schemas.policies import Rules
from streams.core.contact import EMPTY, advance
from streams.core.fold import fold
from tests.core.story import events

RULES = Rules()


def test_a_second_beginning_may_name_the_first_queue() -> None:
    """A contact is offered to the first queue that is ever named, also where a second `contact.started` names it."""
    told = events(
        "chat", "0 started direction=outbound\n10 customer\n20 started direction=outbound queue=a event_id=again"
    )
    outcome = advance("chat", EMPTY, told[:2], RULES, 1)
    assert outcome is not None
    assert outcome.going is not None
    assert [row.queue for row in outcome.change.issued if row.sample == "offered"] == ["unassigned"]
    assert [row.queue for row in fold("chat", told, RULES).rows if row.sample == "offered"] == ["a"]
    assert outcome.going.follow(told[2:], RULES, 2) is None
