"""What all adapters share: values of vendors' JSON, signatures, pseudonyms, accounts with their secrets."""

import base64
import hmac
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from pydantic import SecretStr

from schemas.configuration.toml_files import ConfigurationError
from streams.sources import vendor_values as values
from streams.sources.accounts import load_accounts
from streams.sources.adapter import AccountRules, Payload, UnmappableError
from streams.sources.contact_events import ContactEvents
from streams.sources.pseudonyms import pseudonym
from streams.sources.signatures import HmacOfBody, SharedSecret, TimestampedHmac

HELSINKI = ZoneInfo("Europe/Helsinki")


@pytest.mark.parametrize(
    ("written", "zone", "wanted"),
    [
        ("2026-03-01T08:00:00.123456789Z", None, "2026-03-01T08:00:00.123Z"),
        ("2026-03-01 08:00:00 UTC", None, "2026-03-01T08:00:00.000Z"),
        ("2026-03-01T08:00:00+0200", None, "2026-03-01T06:00:00.000Z"),
        ("2026-03-01T08:00:00.5", HELSINKI, "2026-03-01T06:00:00.500Z"),
        (1_772_352_000, None, "2026-03-01T08:00:00.000Z"),
        (1_772_352_000_250, None, "2026-03-01T08:00:00.250Z"),
        (1_772_352_000.25, None, "2026-03-01T08:00:00.250Z"),
        ("1772352000", None, "2026-03-01T08:00:00.000Z"),
    ],
)
def test_times(written: object, zone: ZoneInfo | None, wanted: str) -> None:
    """A time is read as vendors write it, and cut to milliseconds of UTC."""
    assert values.time_at({"at": written}, "at", zone) == wanted


@pytest.mark.parametrize(
    "written", [None, "", "yesterday", "2026-03-01T08:00:00", True, [], {}, -5, 1e300, "2026-13-01T00:00:00Z"]
)
def test_no_times(written: object) -> None:
    """What is no time, or has no zone where none is known, is refused with the field's name."""
    with pytest.raises(UnmappableError) as refused:
        values.time_at({"at": written}, "at")
    assert refused.value.field == "at"


@pytest.mark.parametrize("found", [[], {}, True, 1.5])
def test_text_of_another_type(found: Any) -> None:  # noqa: ANN401 - any JSON
    """Text and whole numbers are text; nothing else is."""
    with pytest.raises(UnmappableError):
        values.text_at({"a": {"b": found}}, "a.b")
    assert values.text_at({"a": {"b": 12}}, "a.b") == "12"


NOW_MS = 1_772_352_000_000
KEYS = (SecretStr("new"), SecretStr("old"))


@pytest.mark.parametrize("key", ["new", "old"])
def test_signatures_of_both_keys_are_right(key: str) -> None:
    """While a secret is changed, both are accepted; the body is signed as it came."""
    body = b'{"a": 1 }'
    digest = hmac.digest(key.encode(), body, "sha1")
    plain = HmacOfBody("X-Hub-Signature", "sha1", "sha1=")
    assert plain.fault(Payload(body, {"x-hub-signature": f"sha1={digest.hex()}"}), KEYS, NOW_MS) is None
    timed = TimestampedHmac("X-Sig", "X-At", ".", "sha256=")
    at = str(NOW_MS // 1000 - 299)
    digest = hmac.digest(key.encode(), f"{at}.".encode() + body, "sha256")
    assert timed.fault(Payload(body, {"x-sig": f"sha256={digest.hex()}", "x-at": at}), KEYS, NOW_MS) is None
    assert SharedSecret().fault(Payload(body, query={"secret": key}), KEYS, NOW_MS) is None


def test_wrong_missing_and_old_signatures() -> None:
    """Each fault is told without what was sent."""
    body = b"{}"
    at = "2026-03-01T07:00:00.000000000Z"
    old = base64.b64encode(hmac.digest(b"new", at.encode() + body, "sha256")).decode()
    timed = TimestampedHmac("X-Sig", "X-At", encoding="base64")
    faults = [
        timed.fault(Payload(body, {}), KEYS, NOW_MS),
        timed.fault(Payload(body, {"x-sig": old, "x-at": at}), KEYS, NOW_MS),
        timed.fault(Payload(b"{} ", {"x-sig": old, "x-at": at}), KEYS, NOW_MS),
        timed.fault(Payload(body, {"x-sig": "\udcff", "x-at": "\udcff"}), KEYS, NOW_MS),
        SharedSecret().fault(Payload(body, query={"secret": "guess"}), KEYS, NOW_MS),
        SharedSecret().fault(Payload(body), KEYS, NOW_MS),
        HmacOfBody("X", "sha256").fault(Payload(body, {"x": "00"}), (), NOW_MS),
    ]
    assert all(faults)
    assert not any(word in str(fault) for fault in faults for word in (old, "guess"))


def test_pseudonyms() -> None:
    """A pseudonym is the same for the same address, another with another key, and names nobody."""
    key = SecretStr("k" * 32)
    assert pseudonym(key, " Anna@Example.com") == pseudonym(key, "anna@example.com") != ""
    assert pseudonym(SecretStr("o" * 32), "anna@example.com") != pseudonym(key, "anna@example.com")
    assert pseudonym(SecretStr(""), "anna@example.com") == pseudonym(key, " ") == ""


def test_events_leave_out_what_is_empty() -> None:
    """Ids are made of the vendor's own, and long ones end in a hash."""
    made = ContactEvents(AccountRules("zendesk", "acme"), "7", "email", queue="billing", team="")
    made.add("contact.paused", "2026-03-01T08:00:00Z", "audit", 17, for_="customer", agent_id=None)
    made.add("contact.resolved", "2026-03-01T08:00:00Z", "x" * 300, seq=2)
    assert made.events[0] == {
        "event_id": "audit:17",
        "type": "contact.paused",
        "occurred_at": "2026-03-01T08:00:00Z",
        "contact_id": "zendesk:acme:7",
        "channel": "email",
        "source": "zendesk",
        "queue": "billing",
        "for": "customer",
    }
    assert len(made.events[1]["event_id"]) == 128
    assert made.events[1]["seq"] == 2


def test_accounts(tmp_path: Path) -> None:
    """Accounts come with their secrets; what lacks one is named with its line, and nothing secret is shown."""
    (tmp_path / "sources.toml").write_text(
        '[[source]]\nsource = "zendesk"\naccount = "acme"\nsecret_env = ["ZD"]\nqueues = { "7" = "billing" }\n'
        'pseudonym_file = "key"\n',
        encoding="utf-8",
    )
    (tmp_path / "key").write_text("pseudonyms\n", encoding="utf-8")
    (account,) = load_accounts(tmp_path, {"ZD": "s3cret"})
    assert account.path == "zendesk/acme"
    assert account.secrets[0].get_secret_value() == "s3cret"
    assert account.rules.queue_named(7, "Billing team") == "billing"
    assert account.rules.queue_named(8, "Support") == "Support"
    assert "s3cret" not in repr(account)
    assert "pseudonyms" not in repr(account)
    with pytest.raises(ConfigurationError) as refused:
        load_accounts(tmp_path, {})
    assert refused.value.faults == [
        f"{tmp_path}/sources.toml:4: source 1.secret_env 1: the environment variable ZD is not set"
    ]


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ('source = "zendesk"\naccount = "a"\npath = "x"', "zendesk takes no `path`"),
        ('source = "asterisk"\naccount = "a"', "asterisk needs `time_zone`"),
        ('source = "email"\naccount = "a"\npseudonym_env = "K"', "email needs `url_imap` or `path`"),
        ('source = "email"\naccount = "a"\npath = "x"', "email needs `pseudonym_env` or `pseudonym_file`"),
        ('source = "zendsk"\naccount = "a"', "source"),
        ('source = "zendesk"\naccount = "A b"', "account"),
        ('source = "zendesk"\naccount = "a"\nurl = "https://a:b@example.com"', "without a password"),
    ],
)
def test_faulty_accounts(tmp_path: Path, text: str, fault: str) -> None:
    """What an entry may not say is told in words, by its line."""
    (tmp_path / "sources.toml").write_text(f"[[source]]\n{text}\n", encoding="utf-8")
    with pytest.raises(ConfigurationError) as refused:
        load_accounts(tmp_path, {})
    assert fault in refused.value.faults[0]
