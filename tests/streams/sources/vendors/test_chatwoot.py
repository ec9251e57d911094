"""Chatwoot: order, repetition and loss of hooks change nothing in the end; a made day gives its samples."""

import hmac
import json
import random
from functools import cache
from typing import Any, Final

import pytest
from pydantic import SecretStr

from streams.sources.adapter import AccountRules, Payload
from streams.sources.registry import adapter_of
from tests.streams.sources.vendor_folds import Told, contacts_of, events_of, folded, rows_of, state_of
from tests.streams.sources.vendors.chatwoot_day import QUEUES, ConversationDay

ADAPTER: Final = adapter_of("chatwoot")
#: What both sides tell alike; `any_tag` moves with every update.
COMPARED: Final = sorted(set(ADAPTER.feeds) - {"any_tag"})


def account() -> AccountRules:
    """Give an account whose inboxes and teams are queues."""
    named = {str(number): queue for queue, number in QUEUES.items()}
    teams = {f"team/{number}": queue for queue, number in QUEUES.items()}
    return AccountRules("chatwoot", "acme", queues={**named, **teams}, pseudonym_key=SecretStr("k" * 32))


def conversations(*channels: str) -> list[ConversationDay]:
    """Write the day's contacts as conversations."""
    made = [ConversationDay(1 + number, instants) for number, (_, instants) in enumerate(contacts_of(*channels))]
    for each in made:
        each.hooks()
    return made


def test_a_made_day_gives_its_samples() -> None:
    """Each contact's samples are those of what Chatwoot can tell of it, exactly."""
    made = conversations("chat", "email")
    assert len(made) > 300
    got = folded(events_of("chatwoot", [told for each in made for told in each.hooks()], account()))
    wanted = folded(event for each in made for event in each.expected())
    assert set(got) == set(wanted)
    seen = set()
    for contact, result in wanted.items():
        rows = rows_of(result, COMPARED)
        assert rows_of(got[contact], COMPARED) == rows, contact
        seen |= {row[0] for row in rows}
    assert seen >= {"offered", "entered", "queue_wait", "first_response", "resolution", "reopened", "rated", "tagged"}
    assert "bot_contained" in seen


@cache
def course() -> list[Told]:
    """Give the hooks of one eventful conversation."""
    return max((each.hooks() for each in conversations("chat")), key=len)


def test_lost_hooks_are_mended_by_later_ones() -> None:
    """Without some hooks that show a conversation, but the last of each, the state in the end is the same."""
    chance = random.Random(5)  # noqa: S311 - no secret
    lost = 0
    for each in conversations("chat", "email")[::3]:
        hooks = each.hooks()
        shown = [place for place, told in enumerate(hooks) if not told.body["event"].startswith("message_")]
        gone = {place for place in shown[1:-1] if chance.random() < 0.5}
        (whole,) = folded(events_of("chatwoot", hooks, account())).values()
        kept = [told for place, told in enumerate(hooks) if place not in gone]
        (got,) = folded(events_of("chatwoot", kept, account())).values()
        ends = {name: state_of(whole)[name] for name in ("queue", "priority", "team", "tags", "open", "customer_id")}
        assert {name: state_of(got)[name] for name in ends} == ends, each.number
        lost += len(gone)
    assert lost > 100


NOW_MS: Final = 1_772_352_000_000


def _as_rails_writes(payload: dict[str, Any]) -> bytes:
    """Write JSON as `to_json` of Rails does: no spaces, and <, >, &, U+2028, U+2029 escaped in small letters."""
    written = json.dumps(payload, separators=(",", ":"), ensure_ascii=False)
    for mark in "<>&\u2028\u2029":
        written = written.replace(mark, f"\\u{ord(mark):04x}")
    return written.encode()


def test_the_signature_is_that_of_the_bytes_as_chatwoot_writes_them() -> None:
    """`sha256=` and the hex HMAC-SHA256 of time, full stop and body, as its lib/webhooks/trigger.rb makes it.

    Written again the body has other bytes, and another signature: only what came may be checked.
    """
    hook = ADAPTER.hook
    assert hook is not None
    payload = {"event": "message_created", "content": "<b>Ä & ö</b>\u2028", "id": 7}
    body = _as_rails_writes(payload)
    assert b"\\u003cb\\u003e" in body

    def fault(at: str, came: bytes, signed: bytes | None = None, key: str = "secret") -> str | None:
        told = at.encode() + b"." + (came if signed is None else signed)
        digest = hmac.new(key.encode(), told, "sha256").hexdigest()
        headers = {"x-chatwoot-timestamp": at, "x-chatwoot-signature": f"sha256={digest}"}
        return hook.signature.fault(Payload(came, headers), (SecretStr("secret"),), NOW_MS)

    now = str(NOW_MS // 1000)
    assert fault(now, body) is None
    assert fault(now, json.dumps(payload).encode(), signed=body) is not None
    assert fault(str(NOW_MS // 1000 - 301), body) is not None
    assert fault(now, body, key="another") is not None
    # The sample of issue 13809 leaves the time out of what it hashes.
    without = hmac.new(b"secret", body, "sha256").hexdigest()
    headers = {"x-chatwoot-timestamp": now, "x-chatwoot-signature": f"sha256={without}"}
    assert hook.signature.fault(Payload(body, headers), (SecretStr("secret"),), NOW_MS) is not None


def test_a_server_that_does_not_sign_is_told_by_its_address() -> None:
    """Before version 4.11.2 there is no signature: the address holds the secret."""
    hook = ADAPTER.hook
    assert hook is not None
    secrets = (SecretStr("secret"),)
    assert hook.signature.fault(Payload(b"{}", query={"secret": "secret"}), secrets, NOW_MS) is None
    assert hook.signature.fault(Payload(b"{}", query={"secret": "guess"}), secrets, NOW_MS) is not None
    assert hook.signature.fault(Payload(b"{}"), secrets, NOW_MS) is not None


@pytest.mark.parametrize("first", ["hook", "import"])
def test_a_bot_that_hands_over_is_told_by_both(first: str) -> None:
    """The wait begins when the bot hands over, as the hook says, or the reporting event; both make no second visit."""
    known = {"id": 42, "inbox_id": 3, "meta": {"channel": "Channel::WebWidget", "sender": {"id": 5}}}
    created = {**known, "event": "conversation_created", "status": "pending", "labels": []}
    created |= {"created_at": 1772352000, "updated_at": 1772352000.0}
    opened = {**created, "event": "conversation_status_changed", "status": "open", "updated_at": 1772352060.25}
    opened["changed_attributes"] = [{"status": {"previous_value": "pending", "current_value": "open"}}]
    row = {key: value for key, value in opened.items() if key not in {"event", "changed_attributes"}}
    user = {"id": 11, "type": "user"}
    reply = {"id": 9, "message_type": 1, "created_at": 1772352120, "sender": user}
    handoff = {"name": "conversation_bot_handoff", "event_end_time": "2026-03-01T08:01:00.260Z"}
    hooks = [
        Told("hook", created),
        Told("hook", opened),
        Told("hook", {**reply, "event": "message_created", "conversation": known}),
    ]
    imported = [
        Told("conversation", {"conversation": row, "first_message": None, "bot_first": True}),
        Told("message", {"message": reply, "conversation": known}),
        Told("reporting_event", {"event": handoff, "conversation": known}),
    ]
    alone = hooks if first == "hook" else imported
    rules = AccountRules("chatwoot", "acme", queues={"3": "web"})
    for told in (alone, [*hooks, *imported]):
        (result,) = folded(events_of("chatwoot", told, rules)).values()
        (waited,) = [each.value_ms for each in result.samples if each.sample == "first_response"]
        assert waited in {59_740, 59_750}
        assert len([each for each in result.samples if each.sample == "entered"]) == (told is not imported)
