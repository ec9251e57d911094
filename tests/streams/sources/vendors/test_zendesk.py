"""Zendesk: order, repetition and loss of hooks change nothing in the end; a made day gives its samples."""

import base64
import hmac
import random
from functools import cache
from typing import Any, Final

import pytest
from pydantic import SecretStr

from streams.sources.adapter import AccountRules, Payload
from streams.sources.registry import adapter_of
from streams.sources.vendors.zendesk import via
from tests.streams.sources.vendor_folds import Told, contacts_of, events_of, folded, rows_of, state_of
from tests.streams.sources.vendors.zendesk_day import GROUPS, TicketDay, group_of

ADAPTER: Final = adapter_of("zendesk")
#: What both sides tell alike; `any_tag` moves with every update, and ratings are not in hooks.
COMPARED: Final = sorted(set(ADAPTER.feeds) - {"any_tag", "rated"})


def account() -> AccountRules:
    """Give an account that names its groups."""
    return AccountRules(
        "zendesk",
        "acme",
        queues={number: queue for queue, number in GROUPS.items()},
        bots=frozenset({"850"}),
        former_agents=frozenset({"0"}),
        pseudonym_key=SecretStr("k" * 32),
    )


def tickets(*channels: str) -> list[TicketDay]:
    """Write the day's contacts as tickets."""
    made = [
        TicketDay(1000 + number, contact, instants) for number, (contact, instants) in enumerate(contacts_of(*channels))
    ]
    for ticket in made:
        for event in ticket.expected("x"):
            if "queue" in event:
                group_of(event["queue"])
    return made


@pytest.mark.parametrize("channel", ["email", "chat"])
def test_a_made_day_gives_its_samples(channel: str) -> None:
    """Each contact's samples are those of what Zendesk can tell of it, exactly; discarded ones have none."""
    made = tickets(channel)
    assert len(made) > 100
    got = folded(events_of("zendesk", [told for ticket in made for told in ticket.hooks()], account()))
    wanted = folded(event for ticket in made for event in ticket.expected(f"zendesk:acme:{ticket.number}"))
    assert set(got) == set(wanted)
    seen = set()
    for contact, result in wanted.items():
        rows = rows_of(result, COMPARED)
        assert rows_of(got[contact], COMPARED) == rows, contact
        seen |= {row[0] for row in rows}
    assert seen >= {"offered", "entered", "queue_wait", "first_response", "resolution", "reopened", "tagged", "replies"}


def test_the_import_gives_what_the_hooks_give_and_counts_nothing_twice() -> None:
    """Audits alone, hooks alone, and both in any order: the same samples, and the same contact in the end."""
    made = tickets("email")
    hooks = events_of("zendesk", [told for ticket in made for told in ticket.hooks()], account())
    audits = events_of("zendesk", [told for ticket in made for told in ticket.audits()], account())
    both = [*hooks, *audits]
    random.Random(3).shuffle(both)  # noqa: S311 - no secret
    live, imported, united = folded(hooks), folded(audits), folded(both)
    assert set(live) == set(imported) == set(united)
    for contact, result in live.items():
        assert rows_of(imported[contact], COMPARED) == rows_of(result, COMPARED)
        assert rows_of(united[contact], COMPARED) == rows_of(result, COMPARED)
        ends = {**state_of(united[contact]), "tags": []} if result.summary["discarded"] else state_of(united[contact])
        assert ends == state_of(result)


def test_the_ids_of_both_are_the_same_facts() -> None:
    """An event that hooks and audits share under one id is the same event, to the last field."""
    made = tickets("email")
    hooks = events_of("zendesk", [told for ticket in made for told in ticket.hooks()], account())
    audits = events_of("zendesk", [told for ticket in made for told in ticket.audits()], account())
    by_id = {(event["contact_id"], event["event_id"]): event for event in hooks}
    shared = [event for event in audits if (event["contact_id"], event["event_id"]) in by_id]
    assert all(by_id[event["contact_id"], event["event_id"]] == event for event in shared)
    kinds = {event["type"] for event in shared}
    assert kinds >= {"contact.started", "message.sent", "contact.queued", "contact.resolved", "contact.tagged"}


@cache
def course() -> list[Told]:
    """Give the hooks of one eventful ticket."""
    return max((list(ticket.hooks()) for ticket in tickets("email")), key=len)


@pytest.mark.parametrize("channel", ["email", "chat"])
def test_lost_hooks_are_mended_by_later_ones(channel: str) -> None:
    """Without some hooks that only tell a change, but the last of each ticket, the state in the end is the same."""
    chance = random.Random(5)  # noqa: S311 - no secret
    facts = ("ticket.created", "comment_added", "message_added", "spam", "merged", "soft_deleted")
    lost = 0
    for ticket in tickets(channel):
        hooks = list(ticket.hooks())
        changes = [place for place, told in enumerate(hooks) if not told.body["type"].endswith(facts)]
        last = max((place for place, told in enumerate(hooks) if "status" in told.body["detail"]), default=-1)
        gone = {place for place in changes if place != last and chance.random() < 0.5}
        (whole,) = folded(events_of("zendesk", hooks, account())).values()
        kept = [told for place, told in enumerate(hooks) if place not in gone]
        (got,) = folded(events_of("zendesk", kept, account())).values()
        ends = {name: state_of(whole)[name] for name in ("queue", "priority", "tags", "open", "discarded")}
        assert {name: state_of(got)[name] for name in ends} == ends, ticket.number
        lost += len(gone)
    assert lost > 100


def _told(name: str, at: str, event: dict[str, Any], **detail: Any) -> Told:  # noqa: ANN401 - JSON
    known: dict[str, Any] = {
        "id": "7",
        "created_at": "2026-03-01T08:00:00Z",
        "requester_id": "501",
        "submitter_id": "501",
        "via": {"channel": "mail"},
        "group_id": "7001",
        "tags": [],
        "priority": None,
        "status": "OPEN",
        "updated_at": at,
    }
    return Told(
        "hook",
        {"detail": {**known, **detail}, "event": event, "time": at, "type": f"zen:event-type:ticket.{name}", "id": "x"},
    )


def _comment(number: int, staff: str, *, public: bool = True) -> dict[str, Any]:
    author = {"id": staff or "501", "is_staff": bool(staff)}
    return {"comment": {"id": str(number), "is_public": public, "author": author}}


def test_a_private_note_does_not_stop_the_clock_and_a_published_one_does() -> None:
    """A note is no reply; made public by an audit later, it is one from then on; made private, it is none again."""
    begin = [
        _told("created", "2026-03-01T08:00:00Z", {}),
        _told("comment_added", "2026-03-01T08:00:00Z", _comment(1, "")),
        _told("comment_added", "2026-03-01T08:10:00Z", _comment(2, "801", public=False)),
    ]
    ticket = {"id": 7, "via": {"channel": "email"}, "created_at": "2026-03-01T08:00:00Z", "requester_id": 501}

    def privacy(at: str, *, public: bool) -> Told:
        change = {"id": 9, "type": "CommentPrivacyChange", "comment_id": 2, "public": public}
        audit = {"id": 1, "ticket_id": 7, "created_at": at, "author_id": 802, "events": [change]}
        return Told(
            "audit", {"audit": audit, "ticket": ticket, "users": {"801": "agent"}, "comment_authors": {"2": 801}}
        )

    def first_responses(*told: Told) -> list[int | None]:
        (result,) = folded(events_of("zendesk", told, account())).values()
        return [sample.value_ms for sample in result.samples if sample.sample == "first_response"]

    assert first_responses(*begin) == []
    assert first_responses(*begin, privacy("2026-03-01T09:00:00Z", public=True)) == [3_600_000]
    public = _told("comment_added", "2026-03-01T08:20:00Z", _comment(3, "801"))
    assert first_responses(*begin, public) == [1_200_000]
    withdrawn = _told("comment_made_private", "2026-03-01T08:30:00Z", {"comment": {"id": "3"}})
    assert first_responses(*begin, public, withdrawn) == []


def test_a_ticket_passed_on_with_a_reply_waits_in_its_new_group() -> None:
    """The reply that goes with it is the former group's, and the wait in the new one begins then."""
    told = [
        _told("created", "2026-03-01T08:00:00Z", {}),
        _told("group_assignment_changed", "2026-03-01T08:10:00Z", {"current": "7002"}, group_id="7002"),
        _told("comment_added", "2026-03-01T08:10:00Z", _comment(2, "801"), group_id="7002"),
        _told("comment_added", "2026-03-01T08:30:00Z", _comment(3, "802"), group_id="7002"),
    ]
    rules = AccountRules("zendesk", "acme", queues={"7001": "first", "7002": "second"})
    (result,) = folded(events_of("zendesk", told, rules)).values()
    waits = [(each.queue, each.value_ms, each.outcome) for each in result.samples if each.sample == "queue_wait"]
    assert waits == [("first", 600_000, "answered"), ("second", 1_200_000, "answered")]
    assert [(each.queue, each.value_ms) for each in result.samples if each.sample == "first_response"] == [
        ("first", 600_000)
    ]


def test_a_ticket_taken_back_counts_again() -> None:
    """Deleted it counts nowhere; restored it has its samples."""
    begin = [_told("created", "2026-03-01T08:00:00Z", {})]
    gone = _told("soft_deleted", "2026-03-01T09:00:00Z", {}, status="DELETED")
    back = _told("undeleted", "2026-03-01T10:00:00Z", {})
    (deleted,) = folded(events_of("zendesk", [*begin, gone], account())).values()
    (restored,) = folded(events_of("zendesk", [back, *begin, gone], account())).values()
    assert deleted.samples == []
    assert [sample.sample for sample in restored.samples if sample.sample == "offered"] == ["offered"]


NOW_MS: Final = 1_772_352_000_000


@pytest.mark.parametrize("body", [b'{"type":"zen:event-type:ticket.created"}', b""])
def test_the_signature_is_that_of_time_and_body(body: bytes) -> None:
    """base64(HMAC-SHA256(secret, time + body)), nothing between, an empty body too; an old time is refused."""
    hook = ADAPTER.hook
    assert hook is not None

    def fault(at: str, signed: bytes, key: str = "secret") -> str | None:
        digest = hmac.digest(key.encode(), at.encode() + signed, "sha256")
        headers = {
            "x-zendesk-webhook-signature": base64.b64encode(digest).decode(),
            "x-zendesk-webhook-signature-timestamp": at,
        }
        return hook.signature.fault(Payload(body, headers), (SecretStr("secret"),), NOW_MS)

    assert fault("2026-03-01T08:00:00Z", body) is None
    assert fault("2026-03-01T07:56:00Z", body) is None
    assert fault("2026-03-01T07:54:00Z", body) is not None
    assert fault("2026-03-01T08:00:00Z", body + b" ") is not None
    assert fault("2026-03-01T08:00:00Z", body, "another") is not None


@pytest.mark.parametrize(
    ("hook", "api"),
    [
        *(("web_service", "api"), ("mail", "email"), ("web_form", "web"), ("text_message", "sms")),
        *(("helpcenter", "help_center"), ("phone_call_inbound", "voice"), ("chat_transcript", "chat")),
    ],
)
def test_a_via_that_an_account_names_has_one_channel_whoever_tells_it(hook: str, api: str) -> None:
    """Hooks and the API name a via differently: where `channels` or `left_out` has one name, it goes for both."""
    for named in (hook, api):
        for channel in ("chat", "email", "call"):
            rules = account()._replace(channels={named: channel})
            assert [via.channel_of(told, "via", rules) for told in (hook, api)] == [channel, channel]
        assert all(via.left_out(told, account()._replace(left_out=frozenset({named}))) for told in (hook, api))
