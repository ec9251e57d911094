"""Zammad: a made day by webhooks and by import, in any order and with gaps, and the signature as Zammad makes it."""

import hmac
import json
from typing import Any, Final

from pydantic import SecretStr

from streams.sources.adapter import AccountRules, Payload
from streams.sources.registry import adapter_of
from tests.streams.sources.golden_cases import account_rules
from tests.streams.sources.vendors import made_desk
from tests.streams.sources.vendors.made_desk import Contact, folded, mapped, rows, state
from tests.streams.sources.vendors.zammad_desk import BOT, GROUPS, ZammadDesk

ACCOUNT: Final[AccountRules] = account_rules(
    "zammad",
    {
        "queues": {str(number): name for number, name in enumerate(GROUPS, 1)},
        "states": {"9": "paused_third_party"},
        "bots": [str(BOT)],
    },
)
CONTACTS: Final = made_desk.contacts(whole_seconds=False, bots=False, third_parties=True)
#: What webhooks tell, too.
LIVE: Final = ("offered", "first_response", "next_response", "nudges", "slow", "replies", "resolution", "reopened")
ALL: Final = (*LIVE, "entered", "queue_wait", "tagged", "untagged_resolved")
#: What the last webhook leaves of a contact, whichever were lost.
left: Final = state


def live_and_imported(contact: Contact) -> tuple[list[list[dict[str, Any]]], list[dict[str, Any]]]:
    """Give the events of each webhook, and those of the import."""
    desk = ZammadDesk(contact)
    hooks = [mapped("zammad", "hook", body, ACCOUNT) for body in desk.webhooks()]
    return hooks, mapped("zammad", "ticket", desk.answers(), ACCOUNT)


def test_the_made_day_has_what_it_is_for() -> None:
    """Moves, pauses of both kinds, reopenings, notes and tags occur."""
    seen = {step.type for contact in CONTACTS for step in contact.steps}
    assert len(CONTACTS) > 200
    assert {"contact.paused", "contact.unpaused", "contact.reopened", "contact.untagged", "contact.prioritised"} <= seen
    assert any(step.fields.get("for") == "third_party" for contact in CONTACTS for step in contact.steps)
    assert any(sum(step.type == "contact.queued" for step in contact.steps) > 1 for contact in CONTACTS)


def test_made_day() -> None:
    """An import gives exactly the samples of the made day; webhooks those that they can, and both together too."""
    for contact in CONTACTS:
        wanted = folded(contact.samples())
        hooks, imported = live_and_imported(contact)
        live = [event for events in hooks for event in events]
        assert rows(folded(imported), ALL) == rows(wanted, ALL), contact
        assert rows(folded(live), LIVE) == rows(wanted, LIVE), contact
        assert rows(folded([*live, *imported]), ALL) == rows(wanted, ALL), contact
        assert state(folded(imported))["open"] == state(folded(live))["open"] == state(wanted)["open"], contact


#: What Ruby on Rails' `to_json` writes instead of these characters.
_ESCAPED: Final = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"}


def as_zammad_writes(payload: Any) -> bytes:  # noqa: ANN401 - JSON
    """Write JSON as Rails does: no spaces, UTF-8, and what HTML could read escaped."""
    written = json.dumps(payload, ensure_ascii=False, separators=(",", ":"))
    return "".join(_ESCAPED.get(character, character) for character in written).encode()


def test_signature_as_zammad_makes_it() -> None:
    """`X-Hub-Signature` is `sha1=` and the hex HMAC-SHA1 of the bytes that were sent, with the webhook's token.

    After Zammad's `user_agent.rb` (`set_params`, `set_signature`): a body that was parsed and written again has
    another signature.
    """
    hook = adapter_of("zammad").hook
    assert hook is not None
    body = as_zammad_writes({"ticket": {"id": 81, "title": "Rückfrage <b> & \u2028"}, "article": None})
    signed = "sha1=" + hmac.digest(b"s3cr3t-t0k3n", body, "sha1").hex()
    keys = (SecretStr("s3cr3t-t0k3n"),)
    sent = Payload(body, {"x-hub-signature": signed, "x-zammad-delivery": "3f8c2f0a-7d0e-4b52-9f3e-2f8a4f4c2d10"})
    assert hook.signature.fault(sent, keys, 0) is None
    rewritten = json.dumps(json.loads(body)).encode()
    assert hook.signature.fault(sent._replace(body=rewritten), keys, 0) is not None
    assert hook.signature.fault(sent._replace(headers={}), keys, 0) is not None
    assert hook.signature.fault(sent._replace(headers={"x-hub-signature": signed[5:]}), keys, 0) is not None
    assert hook.signature.fault(sent, (SecretStr("another"),), 0) is not None
