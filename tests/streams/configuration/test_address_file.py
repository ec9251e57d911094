"""ClickHouse's address from a file: as containers are given what holds a password."""

from pathlib import Path

import pytest

from schemas.configuration.toml_files import ConfigurationError
from streams.configuration.environment import load_settings

ADDRESS = "http://pulssi:o%40pen-sesame@clickhouse:8123"


def _faults(**environment: str) -> list[str]:
    with pytest.raises(ConfigurationError) as caught:
        load_settings(environment)
    return list(caught.value.faults)


def test_the_file_stands_in_place_of_the_setting(tmp_path: Path) -> None:
    """It counts as set, so that `up` starts no ClickHouse of its own; a line's end is no part of it."""
    (tmp_path / "url").write_text(f"{ADDRESS}\n")
    settings = load_settings({"PULSSI_CLICKHOUSE_URL_FILE": str(tmp_path / "url")})
    assert settings.clickhouse_url == ADDRESS
    assert "clickhouse_url" in settings.model_fields_set


def test_from_pulssi_toml_too(tmp_path: Path) -> None:
    """As any setting."""
    (tmp_path / "url").write_text(ADDRESS)
    (tmp_path / "pulssi.toml").write_text(f'clickhouse_url_file = "{tmp_path / "url"}"\n')
    assert load_settings({"PULSSI_CONFIG": str(tmp_path)}).clickhouse_url == ADDRESS


def test_faults_name_the_setting_and_never_the_address(tmp_path: Path) -> None:
    """Both set, no file, no address in it."""
    (tmp_path / "url").write_text(ADDRESS.replace("http", "ftp"))
    name, path = "PULSSI_CLICKHOUSE_URL_FILE", str(tmp_path / "url")
    both = _faults(PULSSI_CLICKHOUSE_URL="http://127.0.0.1:8123", **{name: path})
    assert both == [f"PULSSI_CLICKHOUSE_URL and {name} are set: set only one"]
    wrong = _faults(**{name: path})
    assert wrong == [
        f"{name}: what {path} holds must look like http://host:8123 (user and password may stand before the host)"
    ]
    assert _faults(**{name: str(tmp_path / "none")}) == [
        f"{name}: {tmp_path / 'none'} cannot be read: No such file or directory"
    ]
