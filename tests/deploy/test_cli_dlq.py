"""`pulssi dlq` against a real broker: bad records are listed, shown, corrected, sent again and discarded."""

import json
import os
import pty
import re
import subprocess
from pathlib import Path
from typing import Any, Final, TypeAlias

import orjson
import pytest
from click.testing import CliRunner, Result

from deploy.cli import main
from deploy.embedded.stack_layout import pulssi_command
from schemas.settings import Settings
from schemas.topics import CONTACTS, DEAD_LETTERS
from streams.sources.adapter import FULL, AccountRules, Adapter, Mapped, Payload, UnmappableError
from streams.sources.contact_events import ContactEvents
from streams.sources.vendor_values import json_object, text_at
from tests.dashboards.face_under_fire import in_a_thread
from tests.kafka.server import KafkaServer
from tests.streams.flow import chat_event, produce, read_all
from tests.streams.sources.freshdesk_ticket import NUMBER, entry, ticket_api

CHATS: Final = CONTACTS["chat"]
GOOD: Final = chat_event("contact.started", "desk:acme:1", "2026-03-02T08:00:00Z")


Letter: TypeAlias = tuple[bytes, bytes, list[tuple[str, bytes]]]


def letter(value: bytes, code: str, reason: str, *, key: str = "desk:acme:1", **about: str) -> Letter:
    """Write a letter as a worker or a gateway does."""
    origin = about or {"topic": CHATS, "partition": "0", "offset": "7"}
    told = {"code": code, "reason": reason, **origin}
    headers = [("n", b"1"), *((f"pulssi-{name}", each.encode()) for name, each in told.items())]
    return key.encode(), value, headers


@pytest.fixture
def settings(fresh_kafka: KafkaServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Settings:
    """Point the commands at a broker and a configuration with one account."""
    for name, value in fresh_kafka.settings_env().items():
        monkeypatch.setenv(name, value)
    (tmp_path / "sources.toml").write_text(
        '[[source]]\nsource = "zendesk"\naccount = "acme"\nqueues = { "7" = "billing" }\n', encoding="utf-8"
    )
    monkeypatch.setenv("PULSSI_CONFIG", str(tmp_path))
    return fresh_kafka.with_topics()


def write(settings: Settings, *letters: Letter) -> None:
    """Put letters into their topic, in order."""
    for key, value, headers in letters:
        produce(settings, [(DEAD_LETTERS, key, value)], headers=headers)


def pulssi(*words: str, text: bytes | None = None) -> Result:
    """Run a command."""
    return CliRunner().invoke(main, ["dlq", *words], input=text)


def listed(*words: str) -> list[dict[str, Any]]:
    """Give what the list has."""
    found: list[dict[str, Any]] = json.loads(pulssi("list", "--json", *words).output)
    return found


def test_a_letter_is_listed_shown_corrected_and_sent_again(settings: Settings) -> None:
    """The list tells what is wrong; a corrected body goes to its topic under its key; then the list is empty."""
    bad = orjson.dumps(GOOD | {"occurred_at": "2026-03-02T08:00:00"})
    write(settings, letter(bad, "invalid", "occurred_at: has no zone"))
    (found,) = listed()
    assert (found["code"], found["reason"]) == ("invalid", "occurred_at: has no zone")
    assert found["origin"] == f"{CHATS}/0@7"
    shown = pulssi("list").output
    assert found["id"] in shown
    assert "invalid" in shown
    assert pulssi("show", found["id"], "--body").stdout_bytes == bad
    assert "occurred_at: has no zone" in pulssi("show", found["id"]).output

    again = pulssi("replay", found["id"])
    assert again.exit_code == 1
    assert "occurred_at" in again.output
    assert read_all(settings, CHATS) == []

    corrected = orjson.dumps(GOOD)
    assert pulssi("replay", found["id"], "--body", "-", "--dry-run", text=corrected).exit_code == 0
    assert read_all(settings, CHATS) == []
    assert pulssi("replay", found["id"], "--body", "-", text=corrected).exit_code == 0
    (record,) = read_all(settings, CHATS)
    assert (record.key(), record.value()) == (b"desk:acme:1", corrected)
    assert listed() == []
    assert listed("--all")[0]["handled"]["what"] == "replayed"


def test_a_terminal_obeys_nothing_of_a_letter(settings: Settings) -> None:
    """Reason, headers and bytes are shown with what they hold spelled out; the bytes alone are as they came."""
    sent = b"From: a\n\x1b[2J\x07"
    write(settings, letter(sent, "not_json", "is \x1b[31mred", key="k\x1b[1m", source="email", account="a\x1b[2m"))
    (found,) = listed()
    shown = [pulssi("list").output, pulssi("show", found["id"]).output, pulssi("replay", found["id"]).output]
    assert not any("\x1b" in each or "\x07" in each for each in shown)
    assert "is \\x1b[31mred" in shown[0]
    assert "From: a\n\\x1b[2J\\x07" in shown[1]
    assert pulssi("show", found["id"], "--body").stdout_bytes == sent


def test_a_letter_of_a_file_names_its_line(settings: Settings) -> None:
    """Who corrects the file needs it: in the list, in the letter and as JSON."""
    write(settings, letter(b"{}", "unmappable", "id: is missing", source="mapping", account="pbx", where="calls.csv:5"))
    (found,) = listed()
    assert found["place"] == "calls.csv:5"
    assert "unmappable  mapping/pbx calls.csv:5\n" in pulssi("list").output
    assert re.search(r"place: +calls.csv:5\n", pulssi("show", found["id"]).output)


def test_a_wrong_key_is_mended_by_sending_again(settings: Settings) -> None:
    """An event goes under the key that it must have; what is cut, or no event, is not sent, and said."""
    write(
        settings,
        letter(orjson.dumps(GOOD), "wrong_key", "not its contact_id", key="other"),
        letter(b"{", "not_json", "not JSON"),
        letter(orjson.dumps(GOOD), "too_large", "too large", topic=CHATS, partition="0", offset="9", bytes="400000"),
    )
    done = pulssi("replay", "--all", "--json")
    assert done.exit_code == 1
    report = json.loads(done.output)
    assert (report["letters"], report["events"], len(report["refused"])) == (1, 1, 2)
    assert any("only its beginning" in why for why in report["refused"].values())
    (record,) = read_all(settings, CHATS)
    assert record.key() == b"desk:acme:1"
    assert len(listed()) == 2


def test_discarded_and_filtered(settings: Settings) -> None:
    """Filters choose by code and origin; what is discarded is off the list, and can still be seen."""
    write(
        settings,
        letter(b"{", "not_json", "not JSON"),
        letter(b"[]", "not_an_object", "no object", topic=CONTACTS["call"], partition="1", offset="3"),
    )
    assert pulssi("discard", "--all", "--code", "not_json").output == "discarded 1 letters\n"
    assert [each["code"] for each in listed()] == ["not_an_object"]
    assert listed("--from", CONTACTS["call"]) == listed()
    assert listed("--from", CHATS) == []
    assert listed("--since", "1h") == listed()
    assert len(listed("--all")) == 2
    assert pulssi("show", "9-99").exit_code == 1
    assert pulssi("replay").exit_code == 2


def test_a_vendors_payload_is_mapped_anew(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the account's rules as they are now; what is still unmappable stays, and an unknown account is named."""

    def by_group(payload: Payload, account: AccountRules, _answers: object) -> Mapped:
        body = json_object(payload.body)
        if text_at(body, "group") not in account.queues:
            raise UnmappableError("group", "is in no queue of sources.toml")
        made = ContactEvents(account, text_at(body, "id"), "chat", queue=account.queue_named(body["group"]))
        made.add("contact.started", "2026-03-02T08:00:00Z", "started")
        return Mapped(tuple(made.events))

    adapter = Adapter("zendesk", "Zendesk", {"hook": by_group}, {"offered": FULL})
    monkeypatch.setattr("streams.dead_letters.replay.adapter_of", lambda _source: adapter)
    about = {"source": "zendesk", "account": "acme", "form": "hook"}
    write(
        settings,
        letter(b'{"id": 5, "group": 7}', "unmappable", "group: unknown", **about),
        letter(b'{"id": 6, "group": 8}', "unmappable", "group: unknown", **about),
        letter(b"{}", "unmappable", "group: unknown", **about | {"account": "gone"}),
    )
    assert len(listed("--from", "zendesk/acme")) == 2
    assert len(listed("--from", "zendesk")) == 3
    done = pulssi("replay", "--all")
    assert done.exit_code == 1
    assert "group: is in no queue of sources.toml" in done.output
    assert "sources.toml has no account zendesk/gone" in done.output
    (record,) = read_all(settings, CHATS)
    assert orjson.loads(record.value())["queue"] == "billing"
    assert len(listed()) == 2


def test_progress_is_for_terminals(settings: Settings) -> None:
    """On one a bar shows how far it is; with --json nothing is drawn, there neither."""
    write(settings, letter(b"{}", "invalid", "x"))
    drawn = {}
    for words in ((), ("--json",)):
        ours, its = pty.openpty()
        command = pulssi_command("dlq", "replay", "--all", "--dry-run", *words)
        subprocess.run(
            command, stdout=subprocess.DEVNULL, stderr=its, env={**os.environ, "TERM": "xterm"}, check=False, timeout=60
        )
        os.write(its, b".")  # so that there is something to read
        drawn[words] = os.read(ours, 65_536)
        os.close(ours)
        os.close(its)
    assert b"replaying" in drawn[()]
    assert drawn["--json",] == b"."


def test_what_a_payload_leaves_out_is_asked_for(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Each letter has its outcome; sent letters leave the list even if the API refuses another one."""
    monkeypatch.setenv("ACME", "s3cret")
    about = {"source": "freshdesk", "account": "acme", "form": "hook"}
    with in_a_thread(ticket_api(250)) as api:
        (tmp_path / "sources.toml").write_text(entry(api), encoding="utf-8")
        write(
            settings,
            *(letter(b'{"ticket_id": "%d"}' % number, "unmappable", "away", **about) for number in (NUMBER, 7)),
        )
        good, gone = (each["id"] for each in listed())
        tried = pulssi("replay", "--all", "--dry-run")
        assert (tried.exit_code, f"{good}: would send " in tried.output) == (1, True)
        assert read_all(settings, CONTACTS["email"]) == []
        done = pulssi("replay", "--all", "--json")
    report = json.loads(done.output)
    assert (done.exit_code, list(report["sent"]), list(report["refused"])) == (1, [good], [gone])
    assert "/api/v2/tickets/7 cannot be fetched" in report["refused"][gone]
    types = [orjson.loads(record.value())["type"] for record in read_all(settings, CONTACTS["email"])]
    assert types.count("message.sent") == 251
    assert report["sent"][good] == len(types)
    assert [each["id"] for each in listed()] == [gone]
