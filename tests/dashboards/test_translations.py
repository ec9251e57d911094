"""The words of the wallboard's page: every language has all of them, and what is compiled is what the files say."""

import json
import re
import shutil
from pathlib import Path

import pytest

from dashboards.wallboard.words import LANGUAGES as NAMES
from deploy.translations import LANGUAGES, WALLBOARD, faults, main, outdated, said


def test_every_language_says_everything() -> None:
    """A message without a translation, or with other placeholders, is named: else `make messages` and a translator."""
    assert faults() == []


def test_the_compiled_files_are_up_to_date() -> None:
    """What is committed is what the page says and what the PO files translate: else `make messages` is to be run."""
    assert outdated() == []


def test_what_is_missing_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A new message, a lost placeholder and an old compilation are seen; translations are kept."""
    board = tmp_path / "wallboard"
    shutil.copytree(WALLBOARD / "messages", board / "messages")
    shutil.copytree(WALLBOARD / "page", board / "page")
    (board / "page/new.js").write_text('say(node, t("A new word")); say(node, tn("{n} new", "{n} newer", 2));\n')
    finnish = board / "messages/fi.po"
    text = finnish.read_text()
    assert "raja {n}" in text
    finnish.write_text(text.replace("raja {n}", "raja"))
    assert "messages/fi.po" in outdated(board)
    assert main(board) == 1
    told = capsys.readouterr().out
    assert "fi: 'A new word' has no translation" in told
    assert "sv: '{n} new' has no translation" in told
    assert "fi: the translation of 'limit {n}' has to have these placeholders: {n}" in told
    assert outdated(board) == []
    assert "Jonossa" in finnish.read_text()


def test_the_compiled_form() -> None:
    """By the English text; with its context, and by plural forms, where it has them."""
    assert len([message for message in said(WALLBOARD) if message.id]) > 150
    for language in (*LANGUAGES, "en"):
        read = json.loads((WALLBOARD / f"page/messages/{language}.json").read_text())
        assert read["language"] == language
        assert set(read["messages"]["and {n} more"]) == {"one", "other"}
        assert read["messages"]["agents\x04free"]


def test_page_and_server_have_the_same_languages() -> None:
    """By the same names: `words.js` and `words.py`."""
    page = (WALLBOARD / "page/words.js").read_text()
    written = re.search(r"LANGUAGES = \{(.*)\};", page)
    assert written is not None
    assert dict(re.findall(r'(\w+): "([^"]+)"', written[1])) == NAMES
