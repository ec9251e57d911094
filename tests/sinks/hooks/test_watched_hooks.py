"""A changed hooks.toml, or a changed file of a secret, is in force once it stands still; a faulty one is refused."""

import logging
import os
from pathlib import Path

import pytest

from schemas.configuration.toml_files import ConfigurationError
from sinks.hooks.watched_hooks import WatchedHooks
from tests.sinks.hooks.made import KEY, OLD_KEY

ENTRY = """
[[destination]]
name = "duty"
type = "webhook"
url = "https://duty.example.com/"
secret_file = ["key"]
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Write a folder with one destination."""
    (tmp_path / "hooks.toml").write_text(ENTRY)
    (tmp_path / "key").write_text(KEY)
    return tmp_path


def test_a_key_that_is_changed_is_used(folder: Path) -> None:
    """After two looks that see the same, once."""
    watched = WatchedHooks(folder)
    assert watched.look() is None
    (folder / "key").write_text(f"{OLD_KEY}\n")
    assert watched.look() is None
    hooks = watched.look()
    assert hooks is not None
    assert [each.get_secret_value() for each in hooks.destinations[0].secrets] == [OLD_KEY]
    assert [watched.look() for _ in range(3)] == [None] * 3


def test_a_faulty_change_is_refused_and_named_once(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Without what was written; the former entry stays until it is mended."""
    caplog.set_level(logging.INFO, "sinks.hooks.watched_hooks")
    watched = WatchedHooks(folder)
    before = watched.hooks.destinations
    (folder / "hooks.toml").write_text(f'{ENTRY}\nurl_file = "missing"\nto = ["{KEY}"]\n')
    changes = [hooks for _ in range(6) if (hooks := watched.look()) is not None]
    assert [each.destinations for each in changes] == [before]
    assert watched.refused
    assert caplog.text.count("'duty': its former entry stays in force until this is mended: ") == 1
    assert watched.notice() == "destination 'duty': its former entry stays in force: the log of the deliverer says why"
    assert KEY not in caplog.text
    (folder / "hooks.toml").write_text(ENTRY.replace("duty.example", "other.example"))
    found = [hooks for _ in range(3) if (hooks := watched.look()) is not None]
    assert [each.host for each in found[0].destinations] == ["other.example.com"]
    assert not watched.refused
    assert watched.notice() is None
    assert "hooks.toml is without a fault again" in caplog.text


def test_a_file_that_cannot_be_used_at_all_changes_nothing(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    """It is refused as a whole, and named once."""
    watched = WatchedHooks(folder)
    before = watched.hooks
    (folder / "hooks.toml").write_text("[[destination]\n")
    assert [watched.look() for _ in range(6)] == [None] * 6
    assert (watched.refused, watched.hooks) == (True, before)
    assert caplog.text.count("is refused") == 1
    assert "`pulssi check-config` says why" in str(watched.notice())


def test_a_file_that_never_stands_still_is_taken_over(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Within some ten seconds where it can be used; else its faults are named once."""
    clock = [0.0]
    watched = WatchedHooks(folder, lambda: clock[0])

    def written(text: str) -> list[str]:
        found = []
        for _ in range(25):
            clock[0] += 1
            (folder / "hooks.toml").write_text(text)
            os.utime(folder / "hooks.toml", (0, clock[0]))
            hooks = watched.look()
            found += [] if hooks is None else [each.host for each in hooks.destinations]
        return found

    assert written(ENTRY.replace("duty.example", "other.example")) == ["other.example.com"]
    assert written(f"{ENTRY}\nurl_file = 'missing'\n") == ["other.example.com"]
    assert caplog.text.count("its former entry stays in force") == 1
    assert written("[[destination]\n") == []
    assert caplog.text.count("is refused") == 1
    assert written(ENTRY) == ["duty.example.com"]


def test_one_that_is_faulty_at_the_start_stops_no_other(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The secret's file is named, once; the destination is there as soon as its file is."""
    other = ENTRY.replace("duty", "other").replace('secret_file = ["key"]', 'secret_file = ["other-key"]')
    (folder / "hooks.toml").write_text(ENTRY + other)
    watched = WatchedHooks(folder)
    assert [each.name for each in watched.hooks.destinations] == ["duty"]
    assert watched.hooks.is_held("other")
    assert not watched.refused
    assert watched.notice() == "destination 'other': what is for it waits: the log of the deliverer says why"
    [line] = caplog.messages
    assert line.startswith(f"destination 'other': what is for it waits until this is mended: {folder}/hooks.toml:12: ")
    assert f"'other'.secret_file 1: {folder}/other-key cannot be read" in line
    (folder / "other-key").write_text(KEY)
    found = [hooks for _ in range(3) if (hooks := watched.look()) is not None]
    assert [[each.name for each in hooks.destinations] for hooks in found] == [["duty", "other"]]
    assert watched.notice() is None


def test_a_file_that_cannot_be_used_at_the_start_is_an_error(folder: Path) -> None:
    """Nobody knows which destinations it means."""
    (folder / "hooks.toml").write_text("[[destination]\n")
    with pytest.raises(ConfigurationError, match="is not TOML"):
        WatchedHooks(folder)
