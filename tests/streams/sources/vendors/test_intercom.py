"""Intercom: a made day by webhooks and by import, in any order and with gaps, and payloads held against its OpenAPI."""

import json
from pathlib import Path
from typing import Any, Final

import jsonschema
import pytest

from streams.core.fold import FoldResult
from streams.sources.adapter import AccountRules
from streams.sources.vendors.intercom import MOST_PARTS
from tests.streams.sources.golden_cases import account_rules, golden_cases
from tests.streams.sources.vendors import made_desk
from tests.streams.sources.vendors.intercom_desk import TEAMS, IntercomDesk
from tests.streams.sources.vendors.made_desk import Contact, folded, mapped, rows, state

ACCOUNT: Final[AccountRules] = account_rules("intercom", {"queues": {team: queue for queue, team in TEAMS.items()}})
CONTACTS: Final = made_desk.contacts(whole_seconds=True, bots=True, third_parties=False)
WHOLE: Final = (
    *("offered", "entered", "queue_wait", "first_response", "next_response", "nudges", "slow", "replies"),
    *("resolution", "reopened", "rated", "bot_contained"),
)
#: A conversation that is imported tells its tags as of its last update.
LIVE: Final = (*WHOLE, "tagged", "untagged_resolved")


def live_and_imported(contact: Contact) -> tuple[list[list[dict[str, Any]]], list[dict[str, Any]]]:
    """Give the events of each webhook, and those of the import."""
    desk = IntercomDesk(contact)
    hooks = [mapped("intercom", "hook", body, ACCOUNT) for body in desk.webhooks()]
    return hooks, mapped("intercom", "conversation", desk.conversation(), ACCOUNT)


def left(result: FoldResult) -> object:
    """Give what the last webhook leaves of a contact, whichever were lost."""
    return {**state(result), "tags": None}


def test_made_day() -> None:
    """Webhooks give exactly the samples of the made day; an import all but the times of tags, and both together too."""
    for contact in CONTACTS:
        wanted = folded(contact.samples())
        hooks, imported = live_and_imported(contact)
        live = [event for events in hooks for event in events]
        assert rows(folded(live), LIVE) == rows(wanted, LIVE), contact
        assert rows(folded(imported), WHOLE) == rows(wanted, WHOLE), contact
        assert rows(folded([*live, *imported]), LIVE) == rows(wanted, LIVE), contact
        assert state(folded(imported)) == state(folded(live)) == state(wanted), contact


def test_the_made_day_has_what_it_is_for() -> None:
    """Bots, moves, pauses, reopenings, notes and ratings occur."""
    steps = [step for contact in CONTACTS for step in contact.steps]
    seen = {step.type for step in steps}
    assert {"contact.paused", "contact.unpaused", "contact.reopened", "contact.untagged", "contact.rated"} <= seen
    assert any(step.fields.get("author") == "bot" for step in steps)
    assert any(step.fields.get("public") is False for step in steps)


@pytest.mark.parametrize("extra", [0, 1])
def test_a_conversation_that_has_lost_its_start(extra: int) -> None:
    """With the API's limit of parts, or fewer than it says that it has, nothing before the first part is made up."""
    desk = IntercomDesk(CONTACTS[0])
    list(desk.webhooks())
    given = desk.conversation()
    part = {**given["conversation_parts"]["conversation_parts"][0], "part_type": "comment", "body": "<p>x</p>"}
    many = [{**part, "id": str(number)} for number in range(1, (1 if extra else MOST_PARTS) + 1)]
    given["conversation_parts"] = {"conversation_parts": many, "total_count": len(many) + extra}
    kinds = {event["type"] for event in mapped("intercom", "conversation", given, ACCOUNT)}
    assert "contact.started" not in kinds
    assert "message.sent" in kinds


SCHEMAS: Final[dict[str, Any]] = json.loads(
    Path(__file__).with_name("intercom_openapi.json").read_text(encoding="utf-8")
)


def _conversations() -> list[Any]:
    """Give the conversations of the golden cases and of some made ones."""
    found = []
    for case in golden_cases():
        if case.source == "intercom" and "unmappable" not in case.wanted:
            body = json.loads(case.payload.body)
            item = body if case.form == "conversation" else body["data"]["item"]
            if item.get("type") == "conversation" and item.get("priority") in SCHEMAS["priorities"]:
                found.append(item)
    for contact in CONTACTS[:20]:
        desk = IntercomDesk(contact)
        found += [hook["data"]["item"] for hook in desk.webhooks()]
    return found


def test_payloads_are_as_intercoms_openapi_says() -> None:
    """What our cases and our writer say that Intercom sends has the types of Intercom's own description."""
    checked = _conversations()
    assert len(checked) > 50
    for conversation in checked:
        jsonschema.validate(conversation, SCHEMAS["conversation"])
