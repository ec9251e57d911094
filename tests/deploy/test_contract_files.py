"""The generated schemas: up to date, and agreeing with the models on every sample."""

import json
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from deploy.contract_files import ROOT, generated_files, main, outdated_files
from schemas.settings import Settings


def test_they_are_up_to_date_here() -> None:
    """What is committed is what the models say: else `make schemas` is to be run."""
    assert outdated_files() == {}


def test_what_differs_is_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Changed or missing files are named and mended; the others are left alone."""
    main(tmp_path)
    capsys.readouterr()
    (tmp_path / "schemas/json/settings.schema.json").write_text("{}")
    (tmp_path / "docs/settings.md").unlink()
    main(tmp_path)
    told = capsys.readouterr().out
    assert [line.split()[0] for line in told.splitlines()] == ["schemas/json/settings.schema.json", "docs/settings.md"]
    assert outdated_files(tmp_path) == {}


def test_nothing_else_lies_beside_the_generated_files() -> None:
    """A schema that no model makes any more is to go."""
    assert {f"schemas/json/{path.name}" for path in (ROOT / "schemas/json").iterdir()} == {
        name for name in generated_files() if name.startswith("schemas/json/")
    }


def test_every_schema_is_one() -> None:
    """By the dialect that they name."""
    for path in (ROOT / "schemas/json").iterdir():
        Draft202012Validator.check_schema(json.loads(path.read_text()))


def test_keys_that_take_a_time_are_described_so() -> None:
    """A policy or a maintenance may begin at a time of a day; a calendar's hours change with a day."""
    text = (ROOT / "docs/configuration.md").read_text()
    rows = dict(
        line.split(" | ")[:2] for line in text.splitlines() if line.startswith("| `[[") and "] valid_from`" in line
    )
    assert rows == {
        "| `[[calendar]] valid_from`": "a day",
        "| `[[policy]] valid_from`": "a day, or a time",
        "| `[[tag]] valid_from`": "a day, or a time",
        "| `[[maintenance]] valid_from`": "a day, or a time",
    }


def test_settings_schema() -> None:
    """Each setting is in it with its meaning and its default; others are not allowed."""
    schema = json.loads((ROOT / "schemas/json/settings.schema.json").read_text())
    assert schema["properties"].keys() == Settings.model_fields.keys()
    assert all(
        of["description"] and "\n" not in of["description"] and "default" in of for of in schema["properties"].values()
    )
    allows = Draft202012Validator(schema).is_valid
    assert [allows(given) for given in ({}, {"partitions": 8, "log_level": "debug"})] == [True, True]
    assert [allows(given) for given in ({"partitions": 0}, {"partition": 8})] == [False, False]
