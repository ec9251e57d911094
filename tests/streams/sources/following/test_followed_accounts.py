"""Which changes of the configuration have an account restarted, and which are refused or passed over."""

import asyncio
import json
from functools import partial
from pathlib import Path
from typing import Final

import pytest

from schemas.exits import EndError
from schemas.settings import Settings
from streams.configuration.environment import load_settings
from streams.sources import connections
from streams.sources.backfill.http_api import HttpApi
from streams.sources.following import puzzel_queues, service
from streams.sources.following.service import FollowedAccounts, _metrics
from tests.kafka.server import KafkaServer
from tests.streams.sources.puzzel_server import PASSWORD, PuzzelServer
from tests.until import until

_LOG_ENTRY: Final = '[[source]]\nsource = "asterisk"\naccount = "main"\ntime_zone = "UTC"\npath = "queue_log"\n'
_MAPPED: Final = '[[source]]\nsource = "mapping"\naccount = "pbx"\nmapping = "pbx.toml"\npath = "calls.ndjson"\n'
_MAPPING: Final = 'channel = { value = "call" }\ncontact = "id"\nat = "at"\n[[event]]\ntype = "contact.started"\n'


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make a configuration with two accounts that are followed."""
    (tmp_path / "sources.toml").write_text(_LOG_ENTRY + _MAPPED)
    (tmp_path / "pbx.toml").write_text(_MAPPING)
    monkeypatch.setenv("PULSSI_CONFIG", str(tmp_path))
    return tmp_path


def test_a_change_of_others_disturbs_nobody(folder: Path) -> None:
    """Words, and accounts that are not followed: mailboxes and logs are read on, without a restart."""
    followed = FollowedAccounts(Settings(), lambda _: True)
    before = list(followed.followings)
    (folder / "sources.toml").write_text(
        f'# a word\n{_LOG_ENTRY}{_MAPPED}[[source]]\nsource = "zendesk"\naccount = "a"\n'
    )
    assert [followed.look() for _ in range(3)] == [False] * 3
    assert followed.followings == before


def test_only_a_changed_account_is_restarted(folder: Path) -> None:
    """Its own entry, a file of its own, a new entry, one that is gone: no other account does."""
    followed = FollowedAccounts(Settings(), lambda _: True)
    log, mapped = followed.followings

    def now_followed(entries: str, mapping: str = _MAPPING) -> list[object]:
        (folder / "sources.toml").write_text(entries)
        (folder / "pbx.toml").write_text(mapping)
        assert [followed.look() for _ in range(3)].count(True) == 1
        return list(followed.followings)

    of_new, *others = now_followed(_LOG_ENTRY.replace("main", "second") + _LOG_ENTRY + _MAPPED)
    assert (others, of_new in {log, mapped}) == ([log, mapped], False)
    assert now_followed(_MAPPED) == [mapped]
    of_log, *others = now_followed(_LOG_ENTRY + _MAPPED)
    assert (others, of_log in {log, mapped}) == ([mapped], False)
    changed = now_followed(_LOG_ENTRY + _MAPPED, _MAPPING.replace('"id"', '"number"'))
    assert (changed[0], changed[1] in {log, mapped}) == (of_log, False)
    changed = now_followed(_LOG_ENTRY.replace("UTC", "Europe/Oslo") + _MAPPED, _MAPPING.replace('"id"', '"number"'))
    assert changed[0] not in {of_log, log}


async def test_nobody_logs_in_again_for_another_account(
    folder: Path, fresh_kafka: KafkaServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An account that is restarted logs in once more; no other account does, and the one that is gone is left alone."""
    fresh_kafka.with_topics()
    monkeypatch.setattr(service, "LOOK_EVERY_S", 0.01)
    monkeypatch.setattr(puzzel_queues, "EVERY_MS", 10)
    monkeypatch.setattr(connections, "HttpApi", partial(HttpApi, sleep=lambda _: asyncio.sleep(0)))
    monkeypatch.setenv("PUZZEL_PASSWORD", PASSWORD)
    async with PuzzelServer() as stays, PuzzelServer() as changes:

        def write(**changed: str) -> None:
            entries = {"stays": stays.entry(), "changes": changes.entry() | changed}
            (folder / "sources.toml").write_text(
                "".join(
                    f'[[source]]\nsource = "puzzel"\naccount = "{name}"\n'
                    + "".join(f"{key} = {json.dumps(value)}\n" for key, value in entry.items())
                    for name, entry in entries.items()
                )
            )

        write()
        followed = FollowedAccounts(load_settings(fresh_kafka.settings_env()), lambda _: True)
        running = asyncio.create_task(followed.run())
        try:
            await until(lambda: all(each.payloads for each in followed.followings))
            write(time_zone="Europe/Helsinki")
            await until(lambda: changes.asked.count("LogIn") == 2)
            before = len(stays.asked)
            await until(lambda: len(stays.asked) > before + 3)
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
    assert (stays.asked.count("LogIn"), changes.asked.count("LogIn")) == (1, 2)


def test_a_changed_mapping_file_is_taken_over(folder: Path) -> None:
    """As the gateway does: once two looks see the same."""
    followed = FollowedAccounts(Settings(), lambda _: True)
    (folder / "pbx.toml").write_text(_MAPPING.replace('"id"', '"number"'))
    assert [followed.look() for _ in range(3)] == [False, True, False]


def test_a_faulty_account_stops_no_other(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    """It is named once, and followed once it is mended; one that would not be followed is not the follower's."""
    (folder / "sources.toml").write_text(
        f'{_LOG_ENTRY}pseudonym_file = "key"\n{_MAPPED}'
        '[[source]]\nsource = "zendesk"\naccount = "a"\nsecret_env = ["NO"]\n'
    )
    followed = FollowedAccounts(Settings(), lambda _: True)
    assert [each.account.path for each in followed.followings] == ["mapping/pbx"]
    assert [record.getMessage() for record in caplog.records] == [
        (
            f"asterisk/main: it is not followed until this is mended: {folder}/sources.toml:6: source 1.pseudonym_file:"
            f" {folder}/key cannot be read: No such file or directory"
        )
    ]
    assert "asterisk/main: it is not followed: `pulssi check-config` says why" in str(followed.notice())
    assert 'pulssi_follow_fault{account="main",source="asterisk"} 1.0' in _metrics(followed)
    (folder / "key").write_text("k" * 32)
    assert [followed.look() for _ in range(3)] == [False, True, False]
    assert [each.account.path for each in followed.followings] == ["asterisk/main", "mapping/pbx"]


def test_only_a_faulty_account(folder: Path) -> None:
    """It waits for the mend: only without any account to follow it ends."""
    (folder / "sources.toml").write_text(f'{_LOG_ENTRY}pseudonym_file = "key"\n')
    assert FollowedAccounts(Settings(), lambda _: True).followings == []
    with pytest.raises(EndError, match="no such account"):
        FollowedAccounts(Settings(), lambda each: each.source == "mapping")


def test_a_faulty_change_is_refused_until_it_is_mended(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The log says both, once each; the accounts are followed all the while."""
    caplog.set_level("INFO")
    followed = FollowedAccounts(Settings(), lambda _: True)
    before = list(followed.followings)
    (folder / "pbx.toml").write_text("typo")
    assert [followed.look() for _ in range(4)] == [False] * 4
    assert (followed.watched.refused, followed.followings) == (True, before)
    assert caplog.text.count("mapping/pbx: its former entry stays in force until this is mended") == 1
    (folder / "pbx.toml").write_text(_MAPPING)
    assert [followed.look() for _ in range(4)] == [False] * 4
    assert (followed.watched.refused, followed.followings) == (False, before)
    assert caplog.text.count("is without a fault again") == 1
