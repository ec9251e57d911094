"""Which accounts take hooks, what is a fault, and that changed files are taken over once they stand still."""

from pathlib import Path

import pytest

from schemas.configuration.source_models import SourceName
from schemas.configuration.toml_files import ConfigurationError
from streams.gateway.hook_accounts import WatchedAccounts, load_hook_accounts
from streams.sources import registry
from streams.sources.adapter import Adapter
from tests.streams.gateway.made import OTHER_SECRET, SOURCES, VARIABLES, adapter_of, write_sources

MAPPING = """\
channel = { value = "call" }
contact = "id"
at = "at"

[[event]]
type = "contact.started"
"""
ENTRY = '[[source]]\nsource = "{}"\naccount = "acme"\n'


def _adapter_of(source: SourceName) -> Adapter:
    """Find a made adapter, or the one of mapping files."""
    return registry.adapter_of(source) if source == "mapping" else adapter_of(source)


def load(folder: Path, text: str) -> list[str]:
    """Name the accounts of a file that take hooks."""
    write_sources(folder, text)
    return [each.path for each in load_hook_accounts(folder, VARIABLES, _adapter_of).values()]


def test_accounts_that_take_hooks(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Those whose source has any; one without a secret that is imported by its API goes without, and is named."""
    assert load(tmp_path, SOURCES) == ["zendesk/acme", "zendesk/other", "chatwoot/acme", "giosg/acme"]
    assert caplog.text == ""
    assert load(tmp_path, f'{ENTRY.format("zendesk")}url = "https://desk.example.com"\n') == []
    assert "zendesk/acme takes no hooks: it names no secret" in caplog.text
    assert load(tmp_path, "") == []


def test_an_account_that_reads_files_needs_no_secret(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A mapping file is for imports too: without a secret it goes without hooks, and the others have theirs."""
    (tmp_path / "pbx.toml").write_text(MAPPING)
    assert load(tmp_path, f'{ENTRY.format("mapping")}mapping = "pbx.toml"\n{SOURCES}') == [
        *("zendesk/acme", "zendesk/other", "chatwoot/acme", "giosg/acme")
    ]
    assert "mapping/acme takes no hooks: it names no secret" in caplog.text


def test_every_account_without_a_secret_is_named(tmp_path: Path) -> None:
    """With its line, all at once."""
    with pytest.raises(ConfigurationError) as refused:
        load(tmp_path, ENTRY.format("zendesk") + ENTRY.format("chatwoot") + ENTRY.format("giosg"))
    problems = [fault.partition("sources.toml:")[2] for fault in refused.value.faults]
    assert [problem.partition(" shows")[0] for problem in problems] == [
        "1: source 1: Zendesk",
        "4: source 2: Chatwoot",
        "7: source 3: giosg",
    ]


@pytest.fixture
def watched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> WatchedAccounts:
    """Watch a folder with accounts."""
    for name, value in VARIABLES.items():
        monkeypatch.setenv(name, value)
    write_sources(tmp_path)
    return WatchedAccounts(tmp_path, adapter_of)


def test_a_changed_secret_is_taken_over(tmp_path: Path, watched: WatchedAccounts) -> None:
    """After two looks that see the same, once."""
    assert not watched.look()
    (tmp_path / "old").write_text(OTHER_SECRET)
    assert [watched.look() for _ in range(4)] == [False, True, False, False]
    secrets = watched.accounts["zendesk", "acme"].account.secrets
    assert secrets[1].get_secret_value() == OTHER_SECRET


def test_a_faulty_change_is_refused_and_named_once(
    tmp_path: Path, watched: WatchedAccounts, caplog: pytest.LogCaptureFixture
) -> None:
    """What was in force stays until it is mended; a change that means the same is none."""
    caplog.set_level("INFO")
    before = watched.accounts
    (tmp_path / "sources.toml").write_text(ENTRY.format("zendesk"))
    assert [watched.look() for _ in range(5)] == [False] * 5
    assert (watched.refused, watched.accounts) == (True, before)
    assert caplog.text.count("is refused") == 1
    (tmp_path / "sources.toml").write_text(f"# a word\n{SOURCES}")
    assert [watched.look() for _ in range(3)] == [False] * 3
    assert (watched.refused, watched.accounts) == (False, before)
    assert caplog.text.count("sources.toml is without a fault again: hooks of 4 accounts are taken, as before") == 1
