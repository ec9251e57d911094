"""`pulssi init` and `check-config`, and what a part does with a configuration that it cannot use."""

import json
import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from deploy.cli import main
from schemas.configuration.file_models import FILES
from schemas.policies import DEFAULT_POLICIES, Rules, policy_for
from schemas.settings import Settings
from streams.configuration.environment import load_settings
from streams.configuration.folder import load_rules
from tests.deploy.program import run

_FAULTY = 'short_abandon = "soon"\npatience.cat = "2m"\n'


def _run(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(main, list(arguments), env={"PULSSI_CONFIG": None})
    return result.exit_code, result.output


def test_init_gives_files_that_change_nothing(tmp_path: Path) -> None:
    """As they are, they are the defaults; every topic has one, and so have the settings."""
    code, said = _run("init", str(tmp_path / "new" / "folder"))
    assert (code, f"pulssi check-config {tmp_path / 'new' / 'folder'}" in said) == (0, True)
    written = {path.name for path in (tmp_path / "new/folder").iterdir()}
    assert written == {*(f"{topic}.toml" for topic in FILES), "pulssi.toml"}
    assert load_rules(tmp_path / "new/folder") == Rules()
    assert load_settings({}, tmp_path / "new/folder") == load_settings({})
    assert _run("check-config", str(tmp_path / "new/folder"))[0] == 0


def test_what_init_shows_is_right(tmp_path: Path) -> None:
    """With every example taken in, the files are without a fault, and the default policies are as without them."""
    _run("init", str(tmp_path))
    for path in tmp_path.iterdir():
        path.write_text(re.sub(r"^#(?=[\[a-z0-9\"])", "", path.read_text(), flags=re.MULTILINE))
    (tmp_path / "oldpbx.toml").write_text(_MAPPING)  # sources.toml names it
    assert _run("check-config", str(tmp_path))[0] == 0
    rules = load_rules(tmp_path)
    for default in DEFAULT_POLICIES:
        found = policy_for(rules, "first_response", default.channel or "", "q", "normal", "", 0)
        assert found == default
    plain = Rules()
    assert (rules.patience_ms, rules.horizons_ms) == (plain.patience_ms, plain.horizons_ms)
    assert (rules.short_abandon_ms, rules.bad_record_share) == (plain.short_abandon_ms, plain.bad_record_share)
    named = set(re.findall(r"^(\w+) =", (tmp_path / "pulssi.toml").read_text(), re.MULTILINE))
    assert named == Settings.model_fields.keys() - {"time_zone"}
    assert load_settings({}, tmp_path).model_dump(exclude={"time_zone"}) == load_settings({}).model_dump(
        exclude={"time_zone"}
    )


def test_init_overwrites_nothing(tmp_path: Path) -> None:
    """Where one of the files is there already, none is written; the exit is 2."""
    (tmp_path / "queues.toml").write_text("# mine\n")
    code, said = _run("init", str(tmp_path))
    assert (code, said.count("\n")) == (2, 1)
    assert "has queues.toml already" in said
    assert [path.name for path in tmp_path.iterdir()] == ["queues.toml"]


_MAPPING = """\
channel = { value = "call" }
contact = "id"
at = "at"

[[event]]
type = "contact.started"
"""
_SOURCES = """\
[[source]]
source = "zendesk"
account = "acme"
secret_env = ["NOT_SET_HERE"]

[[source]]
source = "asterisk"
account = "main"
time_zone = "Europe/Helsinki"
path = "queue_log"

[[source]]
source = "mapping"
account = "pbx"
mapping = "pbx.toml"
"""


def test_check_config_reads_mapping_files(tmp_path: Path) -> None:
    """One that is not there, or is faulty: it is a fault, with its line."""
    (tmp_path / "sources.toml").write_text(_SOURCES)
    code, said = _run("check-config", str(tmp_path))
    assert code == 2
    assert f"{tmp_path}/sources.toml:15: source 3.mapping: {tmp_path}/pbx.toml: No such file" in said
    (tmp_path / "pbx.toml").write_text('contact = "id"\ntyp = "x"\n')
    code, said = _run("check-config", str(tmp_path))
    assert code == 2
    assert f"{tmp_path}/pbx.toml:2: typ: there is no such key" in said


@pytest.mark.parametrize("name", FILES)
def test_check_config_fails_for_every_file(tmp_path: Path, name: str) -> None:
    """Also for those that stop no part but one."""
    (tmp_path / f"{name}.toml").write_text("nonsense = 1\n")
    code, said = _run("check-config", str(tmp_path))
    assert (code, said.count("\n")) == (2, 1)
    assert f"{tmp_path}/{name}.toml:1: nonsense: there is no such key" in said


def test_check_config_names_an_account_that_the_gateway_refuses(tmp_path: Path) -> None:
    """One of a vendor that signs, without a secret and without another way to be read."""
    (tmp_path / "sources.toml").write_text('[[source]]\nsource = "zendesk"\naccount = "acme"\n')
    code, said = _run("check-config", str(tmp_path))
    assert (code, said.count("\n")) == (2, 1)
    assert f"{tmp_path}/sources.toml:1: source 1: Zendesk shows by a secret" in said


def test_check_config_notes_what_is_missing_here(tmp_path: Path) -> None:
    """A secret or a followed file may be there where the parts run: it is named, and no fault."""
    (tmp_path / "sources.toml").write_text(_SOURCES.partition('[[source]]\nsource = "mapping"')[0])
    code, said = _run("check-config", str(tmp_path))
    assert code == 0
    assert said.splitlines()[1:] == [
        (
            f"note: {tmp_path}/sources.toml:4: source 1.secret_env 1: the environment variable NOT_SET_HERE is not set:"
            " set it before the start, or name a file, which is read again without a restart"
        ),
        f"note: asterisk/main: there is no {tmp_path}/queue_log",
        "Notes are about this machine: a part that finds the same where it runs does not use the account.",
    ]
    assert "sources asterisk/main, zendesk/acme" in said
    code, said = _run("check-config", str(tmp_path), "--json")
    assert (code, len(json.loads(said)["notes"])) == (0, 2)


def test_check_config_notes_what_is_missing_beside_faults(tmp_path: Path) -> None:
    """`pulssi status` points here for both kinds."""
    (tmp_path / "sources.toml").write_text(_SOURCES)
    code, said = _run("check-config", str(tmp_path))
    assert code == 2
    assert "source 3.mapping" in said
    assert "note: " in said
    assert "NOT_SET_HERE is not set" in said
    code, said = _run("check-config", str(tmp_path), "--json")
    report = json.loads(said)
    assert (code, report["ok"], len(report["faults"]), len(report["notes"])) == (2, False, 1, 2)


def test_check_config_refuses_a_short_key_of_pseudonyms(tmp_path: Path) -> None:
    """It is a fault, not a note: the key is too short on every machine."""
    (tmp_path / "key").write_text("hunter2")
    (tmp_path / "sources.toml").write_text(
        '[[source]]\nsource = "asterisk"\naccount = "main"\ntime_zone = "UTC"\npseudonym_file = "key"\n'
    )
    code, said = _run("check-config", str(tmp_path))
    assert (code, said.count("\n")) == (2, 1)
    assert "sources.toml:5: source 1.pseudonym_file: the key has fewer than 32 characters" in said
    assert "hunter2" not in said


def test_check_config_names_faults_of_accounts_beside_others(tmp_path: Path) -> None:
    """The faults of all accounts and of the other files are printed at once."""
    (tmp_path / "centre.toml").write_text(_FAULTY)
    (tmp_path / "sources.toml").write_text(
        '[[source]]\nsource = "zendesk"\naccount = "acme"\n[[source]]\nsource = "giosg"\naccount = "A b"\n'
    )
    code, said = _run("check-config", str(tmp_path))
    assert (code, said.count("centre.toml"), said.count("sources.toml")) == (2, 2, 2)


def test_check_config_names_every_fault(tmp_path: Path) -> None:
    """Faults of settings and rules together, a line each with file and line, and the exit is 2; also as JSON."""
    (tmp_path / "centre.toml").write_text(_FAULTY)
    (tmp_path / "pulssi.toml").write_text("\npartitions = 0\n")
    code, said = _run("check-config", str(tmp_path))
    assert code == 2
    assert [line.split(": ")[0:3] for line in said.splitlines()] == [
        ["pulssi", f"partitions ({tmp_path}/pulssi.toml:2)", "must be greater than or equal to 1"],
        ["pulssi", f"{tmp_path}/centre.toml:1", "short_abandon"],
        ["pulssi", f"{tmp_path}/centre.toml:2", "patience.cat"],
    ]
    code, said = _run("check-config", "--config", str(tmp_path), "--json")
    report = json.loads(said)
    assert (code, report["ok"], len(report["faults"]), report["version"]) == (2, False, 3, None)


def test_check_config_without_a_folder() -> None:
    """The defaults hold, and it says so."""
    code, said = _run("check-config")
    assert (code, "the defaults hold" in said) == (0, True)


@pytest.mark.parametrize("part", ["worker", "wallboard", "up", "demo", "sink", "broker", "clickhouse", "migrate"])
def test_a_faulty_configuration_ends_a_part_at_once(part: str, tmp_path: Path) -> None:
    """Each fault of settings and rules on a line of its own, so that nobody meets the next one later; the exit is 2."""
    (tmp_path / "centre.toml").write_text(_FAULTY)
    (tmp_path / "pulssi.toml").write_text("partition = 4\n")
    program = run(tmp_path, part, PULSSI_CONFIG=str(tmp_path), PULSSI_DATA=str(tmp_path / "data"))
    settings, *rules = program.lines
    said = f"pulssi: partition ({tmp_path}/pulssi.toml:1): there is no such setting; did you mean partitions?"
    assert (program.code, settings) == (2, said)
    assert rules == (
        [
            f"pulssi: {tmp_path}/centre.toml:1: short_abandon: must be a duration, such as 20s, 10m, 1h30m or 2d",
            f"pulssi: {tmp_path}/centre.toml:2: patience.cat: there is no such key; did you mean chat?",
        ]
        if part in {"worker", "wallboard", "up", "demo"}
        else []
    )
