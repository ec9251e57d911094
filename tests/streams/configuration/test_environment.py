"""Settings: the environment over the file, every fault at once, each with its place, and no secret in any."""

import os
from pathlib import Path
from typing import Final

import pytest

from schemas.configuration.toml_files import ConfigurationError
from schemas.settings import FILE, Settings
from streams.configuration.environment import load_settings

PASSWORD: Final = "tuopillinen-olutta"  # noqa: S105 - what must not be seen


def faults(environment: dict[str, str], folder: Path | None = None) -> list[str]:
    """Expect settings that cannot be used; give the faults."""
    with pytest.raises(ConfigurationError) as caught:
        load_settings(environment, folder)
    assert PASSWORD not in str(caught.value)
    assert caught.value.__suppress_context__ or caught.value.__context__ is None
    assert "\n" not in str(caught.value)
    return caught.value.faults


def written(folder: Path, text: str) -> Path:
    """Write the file of settings; give its folder."""
    (folder / FILE).write_text(text, encoding="utf-8")
    return folder


def test_nothing_set_is_enough(tmp_path: Path) -> None:
    """The defaults make an empty environment work, with an empty folder and an empty file too."""
    assert (
        load_settings({})
        == load_settings({}, tmp_path)
        == load_settings({}, written(tmp_path, "# nothing yet\n"))
        == Settings()
    )
    assert load_settings({}).kafka_brokers == "127.0.0.1:9092"


def test_what_is_nearer_wins(tmp_path: Path) -> None:
    """The environment over the file, setting by setting, and a command's own folder over the one in the environment."""
    folder = written(tmp_path, 'partitions = 8\nreplication = 3\nlog_level = "debug"\n')
    settings = load_settings({"PULSSI_PARTITIONS": "16", "PULSSI_CONFIG": str(folder), "PATH": "/bin"})
    assert (settings.partitions, settings.replication, settings.log_level) == (16, 3, "debug")
    assert load_settings({"PULSSI_CONFIG": "/nowhere"}, folder).partitions == 8


def test_the_process_environment_is_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    """A part started without arguments reads its own environment."""
    for name in [name for name in os.environ if name.startswith("PULSSI_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PULSSI_APPLICATION", "north")
    assert load_settings().application == "north"


def test_names_of_other_parts_are_no_settings() -> None:
    """What commands and tests read from the environment by themselves is let be."""
    assert load_settings({"PULSSI_DATA": "/tmp", "PULSSI_KAFKA_TEST": "apache"}) == Settings()  # noqa: S108 - never used


def test_every_fault_is_told_at_once_with_its_place(tmp_path: Path) -> None:
    """Nobody mends settings one start at a time."""
    folder = written(tmp_path, '# ours\npartitions = 0\n\n"time_zone" = "Europe/Helsingfors"\nretention = 3\n')
    helsinki = "must be the name of a time zone, such as Europe/Helsinki; did you mean Europe/Helsinki?"
    assert faults(
        {
            "PULSSI_KAFKA_BROKERS": "localhost",
            "PULSSI_WORKER_PORT": "70000",
            "PULSSI_SINK_PORT": "many",
            "PULSSI_LOG_LEVEL": "loud",
        },
        folder,
    ) == [
        "PULSSI_KAFKA_BROKERS (environment): must be host:port, several separated by commas",
        "PULSSI_WORKER_PORT (environment): must be less than or equal to 65535",
        "PULSSI_SINK_PORT (environment): must be a whole number",
        "PULSSI_LOG_LEVEL (environment): must be 'debug', 'info', 'warning' or 'error'",
        f"partitions ({folder / FILE}:2): must be greater than or equal to 1",
        f"time_zone ({folder / FILE}:4): {helsinki}",
        f"retention ({folder / FILE}:5): there is no such setting; did you mean retention_days?",
    ]


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("KAFKA_BROKER", "; did you mean PULSSI_KAFKA_BROKERS?"),
        ("CLICKHOUSE_ULR", "; did you mean PULSSI_CLICKHOUSE_URL?"),
        ("TIMEZONE", "; did you mean PULSSI_TIME_ZONE?"),
        ("XYZZY", ""),
    ],
)
def test_a_misspelt_setting_gets_a_suggestion(name: str, meant: str) -> None:
    """A name that nobody reads would otherwise be silently without effect."""
    assert faults({f"PULSSI_{name}": PASSWORD}) == [f"PULSSI_{name} (environment): there is no such setting{meant}"]


FAULTY: Final = {
    "clickhouse_url": ("clickhouse://{}@host:8123", "http://{}@", "http://{}@host:port", "http://{}@[::1"),
    "kafka_brokers": ("{}@host", "host:{}", "host:0", "host:65536", "one:9092,,two:9092"),
    "clickhouse_database": ("{}; DROP", "9lives"),
    "application": ("{} ", ""),
    "time_zone": ("{}", "../../etc/passwd", "Europe", ""),
    "log_level": ("{}",),
    "bind": ("",),
    "partitions": ("{}",),
}


@pytest.mark.parametrize(
    ("setting", "value"), [(name, each.format(f"writer:{PASSWORD}")) for name, of in FAULTY.items() for each in of]
)
def test_faults_name_the_setting_and_never_the_secret(setting: str, value: str, tmp_path: Path) -> None:
    """From the environment and from the file alike, one line each."""
    (in_environment,) = faults({f"PULSSI_{setting.upper()}": value})
    assert in_environment.startswith(f"PULSSI_{setting.upper()} (environment): ")
    (in_file,) = faults({}, written(tmp_path, f"\n{setting} = '{value}'\n"))
    assert in_file.startswith(f"{setting} ({tmp_path / FILE}:2): ")


def test_the_settings_do_not_print_a_password() -> None:
    """However they come into a log."""
    settings = load_settings({"PULSSI_CLICKHOUSE_URL": f"https://writer:{PASSWORD}@clickhouse:8443"})
    assert PASSWORD not in repr(settings)
    assert PASSWORD not in str(settings)


@pytest.mark.parametrize("brokers", ["one:9092", " one:9092 , two:9093", "[::1]:9092"])
def test_brokers(brokers: str) -> None:
    """Blanks between brokers are allowed."""
    assert load_settings({"PULSSI_KAFKA_BROKERS": brokers}).kafka_brokers == brokers.strip().replace(" , ", ",")


@pytest.mark.parametrize("content", [b"partitions = = 3\n", b"\xff\xfe", b"[unfinished"])
def test_a_file_that_cannot_be_read_is_told(content: bytes, tmp_path: Path) -> None:
    """With its path and line; so is a folder that is not there, which would otherwise be all defaults."""
    assert faults({"PULSSI_CONFIG": "/no/such/folder"}) == ["PULSSI_CONFIG: there is no folder /no/such/folder"]
    (tmp_path / FILE).write_bytes(content)
    (fault,) = faults({}, tmp_path)
    assert fault.startswith(f"{tmp_path / FILE}:1: is not ")
