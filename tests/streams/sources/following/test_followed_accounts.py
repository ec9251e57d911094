"""Which changes of the configuration have the follower begin anew, and which it refuses or passes over."""

from pathlib import Path
from typing import Final

import pytest

from schemas.exits import EndError
from schemas.settings import Settings
from streams.sources.following.service import FollowedAccounts, _metrics

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
