"""The generated schemas: up to date, and agreeing with the models on every sample."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from deploy.contract_files import ROOT, differing, files, main
from schemas.settings import Settings


def test_check_passes_here() -> None:
    """As CI runs it."""
    subprocess.run([sys.executable, "-m", "deploy.contract_files", "--check"], cwd=ROOT, check=True)


def test_check_names_what_differs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It exits 1 and touches nothing; writing mends it."""
    assert main([], tmp_path) == 0
    assert main(["--check"], tmp_path) == 0
    changed = tmp_path / "schemas/json/settings.schema.json"
    changed.write_text("{}")
    (tmp_path / "docs/settings.md").unlink()
    capsys.readouterr()
    assert main(["--check"], tmp_path) == 1
    told = capsys.readouterr().err
    assert [line.split()[0] for line in told.splitlines()] == ["schemas/json/settings.schema.json", "docs/settings.md"]
    assert "make schemas" in told
    assert changed.read_text() == "{}"
    assert main([], tmp_path) == 0
    assert differing(tmp_path) == {}


def test_nothing_else_lies_beside_the_generated_files() -> None:
    """A schema that no model makes any more is to go."""
    assert {f"schemas/json/{path.name}" for path in (ROOT / "schemas/json").iterdir()} == {
        name for name in files() if name.startswith("schemas/json/")
    }


def test_every_schema_is_one() -> None:
    """By the dialect that they name."""
    for path in (ROOT / "schemas/json").iterdir():
        Draft202012Validator.check_schema(json.loads(path.read_text()))


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
