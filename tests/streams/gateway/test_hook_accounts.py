"""Which accounts take hooks, what is a fault, and that changed files are taken over once they stand still."""

from pathlib import Path

import pytest

from schemas.configuration.source_models import SourceName
from schemas.configuration.toml_files import ConfigurationError
from streams.gateway.hook_accounts import HookAccounts
from streams.sources import registry
from streams.sources.accounts import read_accounts
from streams.sources.adapter import Adapter
from tests.streams.gateway.made import OTHER_SECRET, SECRET, SOURCES, VARIABLES, adapter_of, write_sources

MAPPING = """\
channel = { value = "call" }
contact = "id"
at = "at"

[[event]]
type = "contact.started"
"""
ENTRY = '[[source]]\nsource = "{}"\naccount = "acme"\n'
#: Without a secret and another way to be read, without its secret on this machine, and with one that takes no hooks.
FAULTY = (
    '[[source]]\nsource = "zendesk"\naccount = "bare"\n'
    '[[source]]\nsource = "chatwoot"\naccount = "unset"\nsecret_env = ["NONE"]\n'
    '[[source]]\nsource = "asterisk"\naccount = "nowhere"\n'
)


def _adapter_of(source: SourceName) -> Adapter:
    """Find a made adapter, or the one of mapping files."""
    return registry.adapter_of(source) if source == "mapping" else adapter_of(source)


def hooked(folder: Path, text: str) -> HookAccounts:
    """Load the accounts of a file."""
    write_sources(folder, text)
    return HookAccounts(folder, _adapter_of, VARIABLES)


def load(folder: Path, text: str) -> list[str]:
    """Name the accounts of a file that take hooks."""
    return [each.path for each in hooked(folder, text).accounts.values()]


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


def test_a_faulty_account_stops_no_other(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Each is named once, in a line with file, account, key and remedy; but for one that would take no hooks."""
    found = hooked(tmp_path, f"{SOURCES}{FAULTY}")
    assert [each.path for each in found.accounts.values()] == [
        *("zendesk/acme", "zendesk/other", "chatwoot/acme", "giosg/acme")
    ]
    assert [each.path for each in found.faulty] == ["zendesk/bare", "chatwoot/unset"]
    assert [record.getMessage() for record in caplog.records] == [
        (
            f"zendesk/bare: its hooks are answered with 503 until this is mended: {tmp_path}/sources.toml:23: source 6:"
            " Zendesk shows by a secret that a hook is its own: set `secret_env` or `secret_file`"
        ),
        (
            f"chatwoot/unset: its hooks are answered with 503 until this is mended: {tmp_path}/sources.toml:29: source"
            " 7.secret_env 1: the environment variable NONE is not set: set it before the start, or name a file, which"
            " is read again without a restart"
        ),
    ]
    assert not found.watched.refused
    assert found.watched.notice() == (
        "zendesk/bare: its hooks are answered with 503; chatwoot/unset: its hooks are answered with 503:"
        " `pulssi check-config` says why"
    )


@pytest.mark.parametrize("other", ['url = "https://desk.example.com"', 'secret_env = ["ACME"]'])
def test_a_faulty_account_that_takes_no_hooks(tmp_path: Path, other: str) -> None:
    """One that could only be imported, but for its fault, is not the gateway's."""
    found = hooked(tmp_path, f'{ENTRY.format("zendesk")}{other}\ntoken_env = "NONE"\n')
    assert [each.path for each in found.faulty] == ([] if "url" in other else ["zendesk/acme"])


@pytest.mark.parametrize(
    ("entry", "may_be"),
    [
        ('source = "zendsk"\naccount = "acme"', {"zendesk/acme", "chatwoot/acme"}),
        ('source = "zendesk"', {"zendesk/acme", "zendesk/other"}),
        ('source = "zendesk"\naccount = "A b"', {"zendesk/acme", "zendesk/other"}),
        ("", {"zendesk/acme", "zendesk/other", "chatwoot/acme"}),
    ],
)
def test_an_entry_that_does_not_say_which_it_is(tmp_path: Path, entry: str, may_be: set[str]) -> None:
    """It may be meant for any account that fits what it says."""
    (faulty,) = hooked(tmp_path, f"[[source]]\n{entry}\n").faulty
    known = [("zendesk", "acme"), ("zendesk", "other"), ("chatwoot", "acme")]
    assert {"/".join(each) for each in known if faulty.may_be(*each)} == may_be


@pytest.mark.parametrize(
    ("entry", "key"),
    [
        ('source = "zendesk"\naccount = "bad"\nsecret_file = ["a\\u0000b"]', "secret_file"),
        ('source = "zendesk"\naccount = "bad"\nsecret_env = ["ACME"]\ntoken_file = "a\\u0000b"', "token_file"),
        ('source = "email"\naccount = "bad"\nurl_imap = "imaps://[::1"', "url_imap"),
        ('source = "email"\naccount = "bad"\nurl_imap = "imaps://localhost:x"', "url_imap"),
    ],
)
def test_what_can_be_no_path_and_no_address_is_a_fault_of_its_account(tmp_path: Path, entry: str, key: str) -> None:
    """It ends no process: the other accounts take their hooks, and the fault has its line."""
    write_sources(tmp_path, f"{SOURCES}[[source]]\n{entry}\n")
    read = read_accounts(tmp_path, VARIABLES)
    assert len(read.sound) == SOURCES.count("[[source]]")
    assert f".{key}" in "".join(read.faulty[0].faults)


def test_every_fault_of_an_account_is_named_at_once(tmp_path: Path) -> None:
    """A missing secret is reported with the other faults; a misspelt account is named as it is written."""
    entry = '[[source]]\nsource = "zendesk"\naccount = "acme"\nsecret_env = ["NONE"]\nqueu = "x"\n'
    (faulty,) = hooked(tmp_path, entry).faulty
    assert (faulty.path, len(faulty.faults), len(faulty.missing)) == ("zendesk/acme", 2, 1)
    (faulty,) = hooked(tmp_path, entry.replace("acme", "A\\u0007b")).faulty
    assert (faulty.path, faulty.name) == ("zendesk/A\\x07b", None)


def test_two_entries_of_one_account_are_both_faulty(tmp_path: Path) -> None:
    """Nobody knows which of them is meant."""
    found = hooked(tmp_path, f'{SOURCES}{ENTRY.format("zendesk")}secret_env = ["OTHER"]\n')
    assert "zendesk/acme" not in {each.path for each in found.accounts.values()}
    assert [each.path for each in found.faulty] == ["zendesk/acme"] * 2


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("[[source]\n", "is not TOML"),
        pytest.param(f"a = {'[' * 100_000}", "is not TOML: is nested too deeply", id="deep"),
        pytest.param(f"a = {'9' * 10_000}", "is not TOML: a number is too long", id="long"),
        ('[[sorce]]\nsource = "zendesk"\n', "there is no such key; did you mean source"),
        ('source = "zendesk"\n', "must be a list"),
    ],
)
def test_a_file_that_names_no_accounts_is_refused(tmp_path: Path, text: str, fault: str) -> None:
    """Nobody knows which accounts it means."""
    with pytest.raises(ConfigurationError, match=fault):
        hooked(tmp_path, text)


@pytest.fixture
def watched(tmp_path: Path) -> HookAccounts:
    """Watch a folder with accounts."""
    return hooked(tmp_path, SOURCES)


def test_a_changed_secret_is_taken_over(tmp_path: Path, watched: HookAccounts) -> None:
    """After two looks that see the same, once."""
    assert not watched.look()
    (tmp_path / "old").write_text(OTHER_SECRET)
    assert [watched.look() for _ in range(4)] == [False, True, False, False]
    secrets = watched.accounts["zendesk", "acme"].account.secrets
    assert secrets[1].get_secret_value() == OTHER_SECRET


def test_a_missing_secret_is_taken_over_once_it_is_there(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Its file alone changes; nothing is started again."""
    caplog.set_level("INFO")
    found = hooked(tmp_path, f'{SOURCES}{ENTRY.format("zendesk").replace("acme", "third")}secret_file = ["third"]\n')
    assert [each.path for each in found.faulty] == ["zendesk/third"]
    (tmp_path / "third").write_text(SECRET)
    assert [found.look() for _ in range(3)] == [False, True, False]
    assert found.accounts["zendesk", "third"].account.secrets[0].get_secret_value() == SECRET
    assert (found.faulty, found.watched.notice()) == ((), None)
    assert "zendesk/third is mended" in caplog.text
    assert "sources.toml is without a fault again" in caplog.text


def test_an_account_whose_change_is_faulty_keeps_its_former_entry(
    tmp_path: Path, watched: HookAccounts, caplog: pytest.LogCaptureFixture
) -> None:
    """The changes of others are used; the fault is named once, until it is mended."""
    caplog.set_level("INFO")
    before = watched.accounts["zendesk", "acme"]
    faulty = SOURCES.replace('secret_env = ["ACME"]\nsecret_file = ["old"]\n', "", 1).replace('["OTHER"]', '["ACME"]')
    (tmp_path / "sources.toml").write_text(faulty)
    assert [watched.look() for _ in range(5)] == [False, True, False, False, False]
    assert watched.accounts["zendesk", "acme"] == before
    assert watched.accounts["zendesk", "other"].account.secrets[0].get_secret_value() == SECRET
    assert watched.watched.refused
    assert watched.watched.notice() == "zendesk/acme: its change is refused: `pulssi check-config` says why"
    assert caplog.text.count("zendesk/acme: its former entry stays in force until this is mended") == 1
    (tmp_path / "sources.toml").write_text(SOURCES)
    assert [watched.look() for _ in range(3)] == [False, True, False]
    assert (watched.watched.refused, watched.faulty) == (False, ())


def test_a_misspelt_source_keeps_its_former_entry(tmp_path: Path, watched: HookAccounts) -> None:
    """An entry whose account is no longer known stops none of the accounts that it may be."""
    before = watched.accounts
    (tmp_path / "sources.toml").write_text(SOURCES.replace('source = "zendesk"', 'source = "zendsk"', 1))
    assert [watched.look() for _ in range(2)] == [False, True]
    assert watched.accounts == before
    assert watched.watched.refused


def test_a_file_that_is_unusable_changes_nothing(
    tmp_path: Path, watched: HookAccounts, caplog: pytest.LogCaptureFixture
) -> None:
    """What was in force stays until it is mended; a change that means the same is none."""
    caplog.set_level("INFO")
    before = watched.accounts
    (tmp_path / "sources.toml").write_text("[[source]\n")
    assert [watched.look() for _ in range(5)] == [False] * 5
    assert (watched.watched.refused, watched.accounts) == (True, before)
    assert watched.watched.notice() == "sources.toml has changed and is refused: `pulssi check-config` says why"
    assert caplog.text.count("is refused") == 1
    (tmp_path / "sources.toml").write_text(f"# a word\n{SOURCES}")
    assert [watched.look() for _ in range(3)] == [False] * 3
    assert (watched.watched.refused, watched.accounts) == (False, before)
    assert caplog.text.count("sources.toml is without a fault again") == 1


@pytest.mark.parametrize("is_gone", [True, False])
def test_a_file_that_is_gone_or_empty_changes_nothing(
    tmp_path: Path, watched: HookAccounts, caplog: pytest.LogCaptureFixture, *, is_gone: bool
) -> None:
    """A full disk or a remounted folder can leave such a file: no vendor gets an answer that makes it give up."""
    caplog.set_level("INFO")
    before, file = watched.accounts, tmp_path / "sources.toml"
    file.unlink() if is_gone else file.write_text("\n")
    assert [watched.look() for _ in range(5)] == [False] * 5
    assert (watched.watched.refused, watched.accounts) == (True, before)
    assert watched.watched.notice() == "sources.toml is gone or empty: what it said stays in force"
    assert caplog.text.count("is gone or empty") == 1
    file.write_text(SOURCES)
    assert [watched.look() for _ in range(3)] == [False] * 3
    assert (watched.watched.refused, watched.watched.notice(), watched.accounts) == (False, None, before)
    file.write_text("# no accounts\n")
    assert [watched.look() for _ in range(2)] == [False, True]
    assert watched.accounts == {}
