"""Every command of `pulssi` loads: each is imported only when it is asked for, so nothing else would see a fault."""

import pytest
from click.testing import CliRunner

from deploy.cli import COMMANDS, main


@pytest.mark.parametrize("command", sorted(COMMANDS))
def test_a_command_explains_itself(command: str) -> None:
    """Its module is importable, and its help has an example."""
    answer = CliRunner().invoke(main, [command, "--help"], prog_name="pulssi")
    assert answer.exit_code == 0, answer.exception
    assert f"pulssi {command}" in answer.output


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        (("gatway",), "gateway"),
        (("import", "zendsk"), "zendesk"),
        (("follow", "asterix"), "asterisk"),
        (("source", "check", "chatwood", "x.json"), "chatwoot"),
        (("source", "capture", "twillio", "acme"), "twilio"),
        (("health", "gatway"), "gateway"),
        (("dlq", "list", "--from", "fresdesk/acme"), "freshdesk"),
        (("dlq", "replay", "--all", "--from", "contacts.chats"), "contacts.chat"),
    ],
)
def test_a_misspelt_name_is_answered_with_the_one_that_is_meant(words: tuple[str, ...], meant: str) -> None:
    """For a command, a source, a part or a topic; the command does not run."""
    answer = CliRunner().invoke(main, words)
    assert (answer.exit_code, f"; did you mean {meant}?" in answer.output) == (2, True), answer.output


def test_the_list_names_each() -> None:
    """As `pulssi --help` shows it."""
    answer = CliRunner().invoke(main, ["--help"])
    assert answer.exit_code == 0, answer.exception
    assert [name for name in COMMANDS if f"  {name} " not in answer.output] == []
