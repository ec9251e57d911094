"""What destinations are sent, by schemas of their documented limits: any alert, with names as hostile as they come."""

import json
import re
from collections.abc import Callable
from datetime import datetime
from email import message_from_bytes
from email.policy import default
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from deploy.contract_files import ROOT
from schemas.alerts import Alert, CostlyContact, Dimensions
from schemas.configuration.hook_models import DestinationType, Links
from schemas.hooks import BODY_BYTES_AT_MOST
from sinks.hooks.delivery import alert_delivery, tag_delivery
from sinks.hooks.messages import TaggedContact, alert_message
from sinks.hooks.presets import alertmanager, pagerduty
from sinks.hooks.wording import cut
from tests.depth import examples
from tests.sinks.hooks.alerts import FIRED, LINKS, LONG_LINKS, alert, alerts, tags
from tests.sinks.hooks.made import destination

_LINKS: Final = st.sampled_from([Links(), LINKS, LONG_LINKS])
_ROUTING_KEY: Final = "0" * 32


def _limits(path: Path) -> Draft202012Validator:
    schema = json.loads(path.read_text())
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema, format_checker=Draft202012Validator.FORMAT_CHECKER)


LIMITS: Final = {
    **{path.name.partition(".")[0]: _limits(path) for path in (Path(__file__).parent / "limits").iterdir()},
    "webhook": _limits(ROOT / "schemas/json/hook.schema.json"),
}


def _body(kind: DestinationType, about: Alert | TaggedContact, links: Links = LINKS) -> bytes:
    """Make what is sent, with all that an attempt adds."""
    url = "smtp://mail.example.com" if kind == "email" else "https://x.example.com/in"
    to = destination(url, kind=kind)
    made = alert_delivery(about, to, links) if isinstance(about, Alert) else tag_delivery(about, to, links)
    if kind == "pagerduty":
        return pagerduty.with_routing_key(made.body, _ROUTING_KEY)
    return alertmanager.with_end(made.body, FIRED) if kind == "alertmanager" else made.body


def _json(kind: DestinationType, about: Alert | TaggedContact, links: Links = LINKS) -> Any:  # noqa: ANN401 - JSON
    return json.loads(_body(kind, about, links))


_SIZES: Final[dict[DestinationType, int]] = {
    "webhook": BODY_BYTES_AT_MOST - 1,
    "slack": 40_000,
    "teams": 20_000,
    "pagerduty": 512_000,
    "alertmanager": 100_000,
}
_TAGGED: Final[tuple[DestinationType, ...]] = ("webhook", "slack", "teams")


@settings(max_examples=examples(150))
@given(about=alerts(), links=_LINKS)
def test_any_alert_is_within_the_limits(about: Alert, links: Links) -> None:
    """Of fields, lengths and size, at each destination."""
    for kind in _SIZES:
        _assert_within_limits(kind, about, links)


@settings(max_examples=examples(150))
@given(about=tags(), links=_LINKS)
def test_any_tag_is_within_the_limits(about: TaggedContact, links: Links) -> None:
    """Likewise, where tags are told."""
    for kind in _TAGGED:
        _assert_within_limits(kind, about, links)


@pytest.mark.parametrize("mark", ["<", "&", "🙂", "é", "\\"])
@pytest.mark.parametrize("kind", _SIZES)
def test_the_largest_alert_is_within_the_limits(kind: DestinationType, mark: str) -> None:
    """With names and links as long as they can be, ten contacts, and marks that are escaped or take many bytes."""
    contact = CostlyContact(contact_id=mark * 128, channel="email", queue=mark * 64, value_ms=10**12, source="desk")
    names = dict.fromkeys(("queue", "segment", "tag"), mark * 64)
    about = alert(
        contacts=[contact] * 10,
        rule=mark * 128,
        dimensions=Dimensions(channel="email", priority="urgent", contact_id=mark * 128, **names),
        acknowledged_by=mark * 300,
    )
    for length in (500, 1_100, 1_900):
        link = "https://desk.example.com/" + "x" * length
        links = Links.model_construct(dashboard=link, runbook=link, conversations={"desk": link})
        _assert_within_limits(kind, about, links)


def _assert_within_limits(kind: DestinationType, about: Alert | TaggedContact, links: Links) -> None:
    body = _body(kind, about, links)
    assert [error.message for error in LIMITS[kind].iter_errors(json.loads(body))] == []
    assert len(body) <= _SIZES[kind]


@pytest.mark.parametrize("kind", LIMITS)
def test_the_schemas_refuse_something(kind: DestinationType) -> None:
    """A body with a field that nobody knows, or without the one that says what it is."""
    body = _json(kind, alert())
    of = body[0] if isinstance(body, list) else body
    assert LIMITS[kind].is_valid(body)
    of.pop(next(iter(of)))
    assert not LIMITS[kind].is_valid(body)


def test_a_message_says_all_that_one_has_to_know() -> None:
    """What slipped and where, by how much, since when, against what, whom to call back."""
    message = alert_message(alert(), LINKS)
    assert message.title == "[FIRING] The service level slips too fast: call-20s (call, queue billing)"
    assert {line.label: line.text for line in message.lines} == {
        "Measured": "3.4 times, limit 3.0 times: 0.4 above it",
        "Missed": "18 of 30 contacts",
        "Objective": "80 % of contacts: first response within 20 s, counted as short_excluded, over 30 min and 5 min",
        "Since": "2026-03-02 08:30:00 UTC",
    }
    assert [(contact.text, contact.link) for contact in message.contacts] == [
        (
            "desk:acme:4711 (call, billing, 2 min 5 s)",
            "https://desk.example.com/a/conversations/4711?c=desk%3Aacme%3A4711",
        ),
        ("pbx:9 (call, billing, 31 s)", None),
    ]
    assert message.links == [
        ("Dashboard", "https://wallboard.example.com/?queue=billing&rule=call-20s"),
        ("Runbook", "https://wiki.example.com/burn_rate"),
    ]


@pytest.mark.parametrize(
    ("changed", "title", "lines"),
    [
        (
            {"condition": "at_risk", "kind": "contact"}
            | {
                "measured": {
                    "value": 16_000.0,
                    "limit": 15_000.0,
                    "unit": "ms",
                    "metric": "queue_wait",
                    "target_ms": 20_000,
                }
            },
            "[FIRING] A contact will miss its queue wait target soon: call-20s",
            {"Measured": "16 s of 20 s: 4 s left", "Objective": "queue wait within 20 s"},
        ),
        (
            {"condition": "attainment"}
            | {"measured": {"value": 0.62, "limit": 0.8, "unit": "share", "n": 50, "bad": 19, "objective": 0.8}},
            "[FIRING] The service level is below its objective: call-20s",
            {"Measured": "62 %, limit 80 %: 18.0 points below it", "Missed": "19 of 50 contacts", "Objective": "80 %"},
        ),
        (
            {"condition": "waiting", "reason": "reminder", "held": True}
            | {"measured": {"value": 12.0, "limit": 10.0, "unit": "count"}},
            "[STILL FIRING] Too many contacts wait: call-20s",
            {
                "Measured": "12, limit 10: 2 above it",
                "Stale": "its figures are old, so it keeps its state until new ones come",
            },
        ),
        (
            {"condition": "surge", "kind": "floor", "rule": "many faults"}
            | {
                "measured": {
                    "value": 64.0,
                    "limit": 34.4,
                    "unit": "count",
                    "window_ms": 1_800_000,
                    "expected": 16.25,
                    "weeks": 4,
                }
            },
            "[FIRING] Far more contacts than usual: many faults",
            {
                "Measured": "64, limit 34: 30 above it",
                "Usual": "16.2 contacts in the same 30 min, by the last 4 weeks",
            },
        ),
        (
            {"reason": "acknowledged", "acknowledged_by": "Aino"}
            | {"measured": {"value": 4.0, "limit": 3.0, "unit": "ratio"}},
            "[ACKNOWLEDGED] The service level slips too fast: call-20s",
            {"Measured": "4.0 times, limit 3.0 times: 1.0 above it", "Acknowledged": "by Aino"},
        ),
    ],
)
def test_each_kind_has_its_words(changed: dict[str, Any], title: str, lines: dict[str, str]) -> None:
    """Shares by points, durations by what is left, and what else there is to know."""
    made = Alert.model_validate_json(json.dumps(json.loads(alert().model_dump_json()) | changed | {"dimensions": {}}))
    message = alert_message(made, LINKS)
    assert message.title == title
    assert {line.label: line.text for line in message.lines if line.label != "Since"} == lines


def test_a_resolved_alert_says_how_long_it_lasted() -> None:
    """With both times, in the centre's zone if that is given."""
    message = alert_message(alert(state="resolved", reason="resolved", resolved_at=FIRED + 725_000), LINKS)
    assert message.title.startswith("[RESOLVED]")
    lasted = "12 min 5 s, from 2026-03-02 08:30:00 UTC until 2026-03-02 08:42:05 UTC"
    assert dict(message.lines)["Lasted"] == lasted


_SLACK_MARKS: Final = re.compile(r"<(?!https?://[^<>|\s]+\|(open|Dashboard|Runbook)>)|&(?!amp;|lt;|gt;)")


@settings(max_examples=examples(60))
@given(about=alerts(), links=_LINKS)
def test_no_name_speaks_to_slack(about: Alert, links: Links) -> None:
    """All marks are escapes, or our own links: nobody is called by a tag `<!channel>`."""
    sent = _json("slack", about, links)
    texts = [sent["text"]] + [block["text"]["text"] for block in sent["blocks"] if block["type"] == "section"]
    assert [text for text in texts if _SLACK_MARKS.search(text)] == []


def test_a_tag_that_would_call_everybody() -> None:
    """Is shown as it is written."""
    sent = _json("slack", TaggedContact("desk:1", "chat", "sales", "<!channel> & co", FIRED, "desk"))
    assert sent["text"] == "Tag &lt;!channel&gt; &amp; co: chat in sales"
    assert sent["blocks"][-1]["text"]["text"] == (
        "• desk:1 (chat, sales) <https://desk.example.com/a/conversations/1?c=desk%3A1|open>"
    )


@pytest.mark.parametrize("own", ["../../admin", "x?y=z#w", "..", ".", "//evil.example", "a b|c>d", "{queue}", "%2e%2e"])
def test_an_id_cannot_lead_a_link_elsewhere(own: str) -> None:
    """It is one segment of the path, or there is no link."""
    sent = _json("webhook", TaggedContact(f"desk:{own}", "chat", "sales", "lead", FIRED, "desk"))
    link = sent["data"]["contact"]["link"]
    if own in {".", ".."}:
        assert link is None
    else:
        path = re.fullmatch(r"https://desk\.example\.com/a/conversations/([^/?#{}<>| ]+)\?c=([^/?#{}<>| ]+)", link)
        assert path is not None


@settings(max_examples=examples(60))
@given(about=alerts())
def test_the_same_alert_has_the_same_labels(about: Alert) -> None:
    """At Alertmanager no value, count or time is a label; else each judgement would be another alert."""
    later = about.model_copy(
        update={
            "sequence": about.sequence + 1,
            "at": about.at + 1,
            "contacts": [],
            "measured": about.measured.model_copy(update={"value": about.measured.value + 1, "n": 7}),
        }
    )
    assert _json("alertmanager", about)[0]["labels"] == _json("alertmanager", later)[0]["labels"]


@settings(max_examples=examples(60))
@given(about=alerts(), at=st.integers(0, 4_000_000_000_000))
def test_alertmanager_hears_of_the_end(about: Alert, at: int) -> None:
    """What fires ends some minutes after each sending; what is resolved ended, after it began."""
    made = alert_delivery(about, destination("https://x.example.com", kind="alertmanager"), LINKS)
    (sent,) = json.loads(alertmanager.with_end(made.body, at))
    starts, ends = (datetime.fromisoformat(sent[key]).timestamp() for key in ("startsAt", "endsAt"))
    if about.resolved_at is None:
        assert ends == pytest.approx(at / 1000 + 5 * alertmanager.RESEND_EVERY_S, abs=0.002)
    else:
        assert ends > starts
        assert ends == pytest.approx(about.resolved_at / 1000, abs=0.002)


@pytest.mark.parametrize("resolved_at", [None, FIRED + 1_000])
def test_alertmanager_is_told_again_and_again(resolved_at: int | None) -> None:
    """Each minute: of what fires for ever, of an end for five minutes."""
    sent = [FIRED]
    while len(sent) < 50 and (due := alertmanager.sent_again_ms(resolved_at, sent[-1])) is not None:
        sent.append(due)
    assert {late - early for early, late in pairwise(sent)} == {60_000}
    assert len(sent) == (50 if resolved_at is None else 6)


@pytest.mark.parametrize(
    ("changed", "action"),
    [
        ({}, "trigger"),
        ({"reason": "reminder"}, "trigger"),
        ({"reason": "acknowledged"}, "acknowledge"),
        ({"state": "resolved", "reason": "resolved", "resolved_at": FIRED + 1}, "resolve"),
    ],
)
def test_pagerduty_follows_the_state(changed: dict[str, Any], action: str) -> None:
    """All of one firing have one key; the routing key is not in what is kept."""
    made = alert(**changed)
    sent = _json("pagerduty", made)
    assert (sent["event_action"], sent["dedup_key"], sent["routing_key"]) == (action, made.id, _ROUTING_KEY)
    kept = alert_delivery(made, destination("https://x.example.com", kind="pagerduty", secrets=(_ROUTING_KEY,)), LINKS)
    assert _ROUTING_KEY.encode() not in kept.body


@settings(max_examples=examples(100))
@given(about=st.one_of(alerts(), tags()), links=_LINKS)
def test_any_email_is_whole(about: Alert | TaggedContact, links: Links) -> None:
    """ASCII lines of bearable length, no header from a name, and all of an alert in one thread."""
    raw = _body("email", about, links)
    assert raw.isascii()
    assert max(map(len, raw.split(b"\r\n"))) <= 998
    assert b"\n" not in raw.replace(b"\r\n", b"")
    mail = message_from_bytes(raw, policy=default)
    allowed = {"From", "To", "Subject", "Date", "Message-ID", "In-Reply-To", "References", "Auto-Submitted"}
    structure = {"X-Auto-Response-Suppress", "MIME-Version", "Content-Type", "Content-Transfer-Encoding"}
    assert set(mail.keys()) <= allowed | structure
    assert mail["To"] == "one@example.com, two@example.com"
    if isinstance(about, Alert) and about.id:
        assert mail["References"] == f"<{about.id}@example.com>"


def test_an_email_is_read_as_it_was_meant() -> None:
    """Text, subject and contacts with their links."""
    mail = message_from_bytes(_body("email", alert()), policy=default)
    assert mail["Subject"].strip() == "[FIRING] The service level slips too fast: call-20s (call, queue billing)"
    assert mail["Date"] == "Mon, 02 Mar 2026 08:30:00 +0000"
    text = mail.get_content().replace("\r\n", "\n")
    assert "Missed: 18 of 30 contacts\n" in text
    assert "- desk:acme:4711 (call, billing, 2 min 5 s)\n  https://desk.example.com/a/conversations/4711" in text
    assert "Runbook: https://wiki.example.com/burn_rate\n" in text


def test_what_does_not_fit_is_left_out_and_counted() -> None:
    """The costliest contacts stay, whole, with their links."""
    contacts = [
        {"contact_id": f"desk:{number}" + "é" * 100, "channel": "call", "queue": "🙂" * 60} for number in range(10)
    ]
    made = alert(contacts=[each | {"value_ms": 1, "source": "desk"} for each in contacts])
    links = Links(conversations={"desk": f"https://desk.example.com/{'x' * 900}/{{queue}}"})
    data = _json("webhook", made, links)["data"]
    assert data["contacts_left_out"] == 10 - len(data["contacts"]) > 0
    assert [contact["contact_id"] for contact in data["contacts"]] == [
        contact.contact_id for contact in made.contacts[: len(data["contacts"])]
    ]


@settings(max_examples=examples(100))
@given(st.text(max_size=50), st.integers(1, 60))
def test_what_is_cut_is_as_long_as_allowed(text: str, most: int) -> None:
    """By characters of JavaScript, escapes included, and none of these cut."""
    escape: Callable[[str], str] = partial(re.sub, "<", "&lt;")
    shown = cut(text, most, escape)
    assert len(shown.encode("utf-16-le", "surrogatepass")) // 2 <= most
    if shown != escape(text):
        assert shown.endswith("…")
        assert shown.removesuffix("…") in {escape(text[:end]) for end in range(len(text))}
