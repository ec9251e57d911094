"""What all adapters share: values of vendors' JSON, signatures, pseudonyms, accounts with their secrets."""

import base64
import hmac
import json
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

import pytest
from pydantic import SecretStr

from schemas.configuration.toml_files import ConfigurationError
from streams.decoding.decoder import decode
from streams.sources import vendor_values as values
from streams.sources.accounts import load_accounts, read_accounts
from streams.sources.adapter import AccountRules, Payload, UnmappableError
from streams.sources.checked_events import map_payload, record_of
from streams.sources.contact_events import ContactEvents
from streams.sources.pseudonyms import pseudonym
from streams.sources.registry import adapter_of
from streams.sources.signatures import HmacOfBody, SharedSecret, SignedOrShared, TimestampedHmac
from tests.streams.sources.golden_cases import golden_cases

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


def test_a_vendor_whose_older_versions_do_not_sign() -> None:
    """Without a signature the address must hold the secret; a wrong signature is not mended by it."""
    either = SignedOrShared(TimestampedHmac("X-Sig", "X-At", "."), SharedSecret())
    at = str(NOW_MS // 1000)
    right = hmac.digest(b"new", f"{at}.{{}}".encode(), "sha256").hex()
    assert either.fault(Payload(b"{}", {"x-sig": right, "x-at": at}), KEYS, NOW_MS) is None
    assert either.fault(Payload(b"{}", query={"secret": "new"}), KEYS, NOW_MS) is None
    assert either.fault(Payload(b"{}", {"x-sig": "00", "x-at": at}, {"secret": "new"}), KEYS, NOW_MS) is not None
    assert either.fault(Payload(b"{}"), KEYS, NOW_MS) is not None


def test_all_tags_of_a_contact() -> None:
    """More tags than an event holds are put on by further events; none at all is stated too."""
    made = ContactEvents(AccountRules("zendesk", "acme"), "7", "email")
    made.add_all_tags("2026-03-01T08:00:00Z", [f"t{number:02}" for number in range(40)], "tags", seq=5)
    made.add_all_tags("2026-03-02T08:00:00Z", [" ", ""], "tags", seq=5)
    assert [(event["seq"], len(event["tags"]), event.get("replace")) for event in made.events] == [
        (5, 32, True),
        (6, 8, None),
        (5, 0, True),
    ]
    assert len({event["event_id"] for event in made.events}) == 3


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


def test_events_of_types_that_only_the_vendor_has() -> None:
    """A type of the vendor's own is archived; any other that the contract does not have is a fault."""
    made = ContactEvents(AccountRules("intercom", "acme"), "7", "chat")
    made.add("intercom.custom", "2026-03-01T08:00:00Z", "part", 1)
    made.add("contact.queud", "2026-03-01T08:00:00Z", "part", 2)
    assert record_of(made.events[0]).topic == "contacts.chat"
    with pytest.raises(UnmappableError):
        record_of(made.events[1])


def test_accounts(tmp_path: Path) -> None:
    """Accounts come with their secrets; what lacks one is named with its line, and nothing secret is shown."""
    (tmp_path / "sources.toml").write_text(
        '[[source]]\nsource = "zendesk"\naccount = "acme"\nsecret_env = ["ZD"]\nqueues = { "7" = "billing" }\n'
        'pseudonym_file = "key"\n',
        encoding="utf-8",
    )
    (tmp_path / "key").write_text(f"{'pseudonyms' * 4}\n", encoding="utf-8")
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
        (
            f"{tmp_path}/sources.toml:4: source 1.secret_env 1: the environment variable ZD is not set: set it before"
            " the start, or name a file, which is read again without a restart"
        )
    ]


_PUZZEL: Final = 'source = "puzzel"\naccount = "a"\ntime_zone = "UTC"\n'
_SIGNS_IN: Final = 'customer_key = "1"\nuser = "u"\npassword_env = "P"\n'
_EXCHANGE: Final = 'source = "asterisk"\naccount = "a"\ntime_zone = "UTC"\n'


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ('source = "zendesk"\naccount = "a"\npath = "x"', "zendesk takes no `path`"),
        ('source = "asterisk"\naccount = "a"', "asterisk needs `time_zone`"),
        ('source = "zammad"\naccount = "a"\nstates = { "8" = "waiting" }', "states.8"),
        ('source = "giosg"\naccount = "a"\nstates = { "8" = "open" }', "giosg takes no `states`"),
        ('source = "email"\naccount = "a"\npseudonym_env = "K"', "email needs `url_imap` or `path`"),
        ('source = "email"\naccount = "a"\npath = "x"', "email needs `pseudonym_env` or `pseudonym_file`"),
        ('source = "zendsk"\naccount = "a"', "or 'zendesk'; did you mean zendesk?"),
        ('source = "zammad"\naccount = "a"\nstates = { "8" = "resolvd" }', "; did you mean resolved?"),
        ('source = "zendesk"\naccount = "A b"', "account"),
        ('source = "zendesk"\naccount = "a"\nurl = "https://a:b@example.com"', "without a password"),
        (f'{_EXCHANGE}table = "queue_log; DROP"\ndatabase_env = "D"', "table"),
        (f'{_EXCHANGE}table = "queue_log"', "`table` also needs `database_env` or `database_file`"),
        (f'{_EXCHANGE}path = "x"\ndatabase_env = "D"', "has path and database_env: make an account for each"),
        (f'{_EXCHANGE}database_env = "D"\ndatabase_file = "d"', "has database_env and database_file: set only one"),
        (f"{_PUZZEL}{_SIGNS_IN}", "`customer_key` also needs `channel`"),
        (f'{_PUZZEL}customer_key = "1"\nchannel = "call"', "`customer_key` also needs `user`"),
        (f'{_PUZZEL}customer_key = "1"\nuser = "u"\nchannel = "call"', "also needs `password_env` or `password_file`"),
        (f'{_PUZZEL}user = "u"', "`user` also needs `customer_key`"),
        (f'{_PUZZEL}{_SIGNS_IN}channel = "call"\nevery = "4s"', "must be from 5s to 5m"),
        (f'{_PUZZEL}{_SIGNS_IN}channel = "call"\nevery = "6m"', "must be from 5s to 5m"),
        (f'{_PUZZEL}customer_key = "1/2"', "customer_key"),
        (f'{_PUZZEL}{_SIGNS_IN}channel = "call"\ndatabase_env = "D"', "has customer_key and database_env: make an"),
    ],
)
def test_faulty_accounts(tmp_path: Path, text: str, fault: str) -> None:
    """What an entry may not say is told in words, by its line."""
    (tmp_path / "sources.toml").write_text(f"[[source]]\n{text}\n", encoding="utf-8")
    with pytest.raises(ConfigurationError) as refused:
        load_accounts(tmp_path, {})
    assert any(fault in each for each in refused.value.faults)


@pytest.mark.parametrize("key", ["pseudonym_env", "pseudonym_file"])
def test_a_short_key_of_pseudonyms_is_refused(tmp_path: Path, key: str) -> None:
    """With how to make one, and without the key; it is no secret that is merely missing here."""
    value = '"KEY"' if key == "pseudonym_env" else '"key"'
    text = f'[[source]]\nsource = "zendesk"\naccount = "a"\n{key} = {value}\n'
    (tmp_path / "sources.toml").write_text(text, encoding="utf-8")
    for length in (31, 32):
        (tmp_path / "key").write_text("k" * length, encoding="utf-8")
        read = read_accounts(tmp_path, {"KEY": "k" * length})
        assert [each.path for each in read.sound] == (["zendesk/a"] if length == 32 else [])
        assert [fault.partition(f"source 1.{key}: ")[2] for each in read.faulty for fault in each.faults] == (
            [] if length == 32 else ["the key has fewer than 32 characters: make one with `openssl rand -hex 32`"]
        )
        assert not any(each.missing for each in read.faulty)


def test_accounts_of_one_source(tmp_path: Path) -> None:
    """Who wants those of one source is not stopped by others; an entry of a misspelt source may be one of them."""
    faulty = '[[source]]\nsource = "giosg"\naccount = "b"\nsecret_env = ["NONE"]\n'
    (tmp_path / "sources.toml").write_text(f'{faulty}[[source]]\nsource = "zendesk"\naccount = "a"\n', encoding="utf-8")
    assert [each.path for each in load_accounts(tmp_path, {}, "zendesk")] == ["zendesk/a"]
    with pytest.raises(ConfigurationError, match="NONE is not set"):
        load_accounts(tmp_path, {}, "giosg")
    (tmp_path / "sources.toml").write_text('[[source]]\nsource = "zendsk"\naccount = "a"\n', encoding="utf-8")
    with pytest.raises(ConfigurationError, match="source 1"):
        load_accounts(tmp_path, {}, "zendesk")


@pytest.mark.parametrize(("body", "wanted"), [(b'{"a":1}', [{"a": 1}]), (b'[{"a":1},{}]', [{"a": 1}, {}])])
def test_one_or_many(body: bytes, wanted: list[dict[str, Any]]) -> None:
    """What comes alone and what comes in a batch are both lists of objects."""
    assert values.json_objects(body) == wanted


@pytest.mark.parametrize("body", [b"", b"[]", b"[1]", b'"a"', b"null", b"[[{}]]"])
def test_neither_one_nor_many(body: bytes) -> None:
    """A body without an object, or with anything beside objects, is refused."""
    with pytest.raises(UnmappableError):
        values.json_objects(body)


@pytest.mark.parametrize("native", ["é" * 40, "é" * 125, "\u0958" * 60, "\ufb2c" * 50, "x" * 300])
def test_two_writings_of_an_id_are_one_contact(native: str) -> None:
    """Composed or not, and cut or not: the contact is the same, and its key is its id."""
    found = set()
    for form in ("NFC", "NFD"):
        made = ContactEvents(AccountRules("asterisk", "acme"), unicodedata.normalize(form, native), "call")
        made.add("contact.started", "2026-03-01T08:00:00Z", "started", native)
        record = record_of(made.events[0])
        decode(record.topic, record.key, record.value)
        found.add(record.key)
    assert len(found) == 1


@pytest.mark.parametrize("source", ["freshdesk", "intercom", "puzzel", "zendesk", "chatwoot", "zammad"])
def test_no_number_and_no_length_of_tags_costs_a_contact_its_events(source: str) -> None:
    """A tag that is too long is cut, and what does not fit into one event goes into the next, in every golden case."""
    tried = 0
    for case in golden_cases():
        if case.source != source or not {"events"} & case.wanted.keys():
            continue
        for body, count in _with_many_tags(case.payload.body, objects=source == "intercom"):
            outcome = map_payload(adapter_of(case.source), case.form, case.payload._replace(body=body), case.account)
            told = {tag for each in outcome.records for tag in json.loads(each.value).get("tags", [])}
            made = {tag for tag in told if tag[:3].isdecimal()}
            tried += bool(made)
            assert len(made) in {0, count}
            assert all(len(tag) <= 128 for tag in told)
    assert tried


def _with_many_tags(body: bytes, *, objects: bool) -> Iterator[tuple[bytes, int]]:
    """Give a payload with many tags in the place of each list of them, or with a long one in the place of one."""
    try:
        whole = json.loads(body)
    except ValueError:
        return
    names = [f"{number:03} {'x' * 300}" for number in range(70)]
    for holder, key in list(_tags_in(whole)):
        kept = holder[key]
        if isinstance(kept, list):
            holder[key] = [{"id": name[:3], "name": name} if objects else name for name in names]
            yield json.dumps(whole).encode(), len(names)
        else:
            holder[key] = names[0]
            yield json.dumps(whole).encode(), 1
        holder[key] = kept


def _tags_in(within: Any) -> Iterator[tuple[dict[str, Any], str]]:  # noqa: ANN401 - JSON
    for each in within if isinstance(within, list) else [within]:
        if not isinstance(each, dict):
            continue
        for key, value in each.items():
            is_row = each.get("attribute") == "tag" and key == f"value_{'to' if each['type'] == 'added' else 'from'}"
            if is_row or (key in {"tags", "labels", "added_tags", "removed_tags"} and isinstance(value, list)):
                yield each, key
            yield from _tags_in(value)
