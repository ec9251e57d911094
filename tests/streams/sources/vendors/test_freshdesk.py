"""Freshdesk: a made day by webhooks and by import, in any order and with gaps; the body of the webhook that we ship."""

import json
import re
from pathlib import Path
from typing import Any, Final

import pytest
from pydantic import SecretStr

from streams.core.fold import FoldResult
from streams.sources.adapter import AccountRules, Payload, UnmappableError
from streams.sources.checked_events import map_payload
from streams.sources.registry import adapter_of
from streams.sources.vendors.freshdesk import HEADER, conversations_request, ticket_request
from tests.streams.sources.golden_cases import account_rules
from tests.streams.sources.vendors import made_desk
from tests.streams.sources.vendors.freshdesk_desk import GROUPS, Answers, FreshdeskDesk
from tests.streams.sources.vendors.made_desk import Contact, folded, mapped, rows, state

ACCOUNT: Final[AccountRules] = account_rules(
    "freshdesk", {"queues": {str(number): queue for queue, number in GROUPS.items()}}
)
CONTACTS: Final = made_desk.contacts(whole_seconds=True, bots=False, third_parties=True)
BOTH: Final = ("offered", "first_response", "next_response", "nudges", "slow", "replies", "resolution", "reopened")
LIVE: Final = (*BOTH, "tagged", "untagged_resolved")
#: Moves to another group after the first answer are in the activities only; they do not tell tags.
IMPORTED: Final = (*BOTH, "entered", "queue_wait")
BODY: Final = Path(__file__).resolve().parents[4] / "docs/sources/freshdesk-webhook.json"


def called(answers: Answers) -> list[dict[str, Any]]:
    """Give the events of a webhook, with the answers that the API has at that moment."""
    number = str(answers.ticket["id"])
    known = {ticket_request(number): answers.ticket, conversations_request(number, 1): answers.conversations}
    return mapped("freshdesk", "hook", {"ticket_id": number}, ACCOUNT, known)


def live_and_imported(contact: Contact) -> tuple[list[list[dict[str, Any]]], list[dict[str, Any]]]:
    """Give the events of each webhook, and those of the import."""
    desk = FreshdeskDesk(contact)
    hooks = [called(answers) for answers in desk.webhooks()]
    last = desk.answers()
    imported = mapped("freshdesk", "ticket", last._asdict(), ACCOUNT)
    known = {key: last.ticket[key] for key in ("id", "source", "created_at")}
    imported += mapped("freshdesk", "activity", {"ticket": known, "activities": desk.activities}, ACCOUNT)
    return hooks, imported


def left(result: FoldResult) -> object:
    """Give what the last webhook leaves of a contact, whichever were lost: every message, too."""
    return state(result), result.summary["replies"]


def test_made_day() -> None:
    """Webhooks and an import give exactly the samples of the made day that they can, and both together too."""
    for contact in CONTACTS:
        wanted = folded(contact.samples())
        hooks, imported = live_and_imported(contact)
        live = [event for events in hooks for event in events]
        assert rows(folded(live), LIVE) == rows(wanted, LIVE), contact
        assert rows(folded(imported), IMPORTED) == rows(wanted, IMPORTED), contact
        assert rows(folded([*live, *imported]), (*LIVE, *IMPORTED)) == rows(wanted, (*LIVE, *IMPORTED)), contact
        assert state(folded(imported)) == state(folded(live)) == state(wanted), contact


def test_the_body_that_we_ship() -> None:
    """It is JSON whatever Freshdesk puts into it, for it holds a number and no text; the adapter then asks for that."""
    written = BODY.read_text(encoding="utf-8")
    placeholders = re.findall(r"\{\{(.+?)\}\}", written)
    assert placeholders == ["ticket.id"]
    filled = written.replace("{{ticket.id}}", "4711")
    json.loads(filled)
    outcome = map_payload(adapter_of("freshdesk"), "hook", Payload(filled.encode()), ACCOUNT)
    assert outcome.requests == (ticket_request("4711"), conversations_request("4711", 1))


def test_no_signature_but_a_secret() -> None:
    """The header that is set up by hand, or a parameter of the address, holds the secret; it is kept nowhere."""
    adapter = adapter_of("freshdesk")
    assert adapter.hook is not None
    fault, keys = adapter.hook.signature.fault, (SecretStr("new"), SecretStr("old"))
    assert fault(Payload(b"{}", {HEADER.lower(): "old"}), keys, 0) is None
    assert fault(Payload(b"{}", query={"secret": "new"}), keys, 0) is None
    assert fault(Payload(b"{}", {HEADER.lower(): "guess"}, {"secret": "new"}), keys, 0) is not None
    assert fault(Payload(b"{}"), keys, 0) is not None
    assert HEADER.lower() in adapter.secret_keys


@pytest.mark.parametrize(
    ("key", "value", "reason"),
    [
        ("source", 101, "ticket.source: is '101', which is not known: name it in `channels` of the account"),
        ("status", 77, "ticket.status: is '77', a status of your own: say in `states` of the account what it is"),
    ],
)
def test_what_sources_toml_has_to_name_is_named(key: str, value: int, reason: str) -> None:
    """Whoever reads the dead letter writes just that."""
    ticket = FreshdeskDesk(CONTACTS[0]).answers()
    ticket.ticket[key] = value
    with pytest.raises(UnmappableError) as refused:
        mapped("freshdesk", "ticket", ticket._asdict(), ACCOUNT)
    assert str(refused.value) == reason
