"""The one settings object: from the environment (`PULSSI_…`) and `pulssi.toml`, every fault reported at once.

Environment variables win over the file. A secret (a URL with a password) is never printed: faults name the setting, not
its value.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Final, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from schemas.configuration.toml_files import ConfigurationError, line_of, problem_of, read_toml
from schemas.written import zone_name

PREFIX: Final = "PULSSI_"
FILE: Final = "pulssi.toml"

#: What the setting `clickhouse_program` may be besides a path.
CLICKHOUSE_AUTO: Final = "auto"
CLICKHOUSE_EMBEDDED: Final = "embedded"

_LAST_PORT: Final = 65_535
_HOST_NAME: Final = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_.-]{0,252}[A-Za-z0-9_.])?")

#: What a setting with a pattern must look like, in words.
_NAMES: Final = {
    "clickhouse_database": "must be 1 to 64 letters, digits and underscores, and not begin with a digit",
    "application": "must be 1 to 64 small letters, digits, dots, dashes and underscores, and begin with no mark",
}

#: Names that other parts of Pulssi read from the environment; they are no settings of this object.
RESERVED: Final = frozenset({"config", "data", "kafka_test"})


def _http_url(value: str) -> str:
    try:
        parts = urlsplit(value)
        usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
        usable = usable and not parts.query and not parts.fragment
    except ValueError:  # a port that is no number, brackets that do not close
        usable = False
    if not usable:
        raise ValueError("must look like http://host:8123 (user and password may stand before the host)")
    return value


def _program(value: str) -> str:
    if value not in {CLICKHOUSE_AUTO, CLICKHOUSE_EMBEDDED} and not os.access(value, os.X_OK):
        raise ValueError("must be `auto`, `embedded`, or the path of a program")
    return value


def _file(value: str) -> str:
    if value and not Path(value).is_file():
        raise ValueError("must be the path of a file that is there")
    return value


def _repository(value: str) -> str:
    parts = urlsplit(value)
    if value != "central" and not (parts.scheme in {"http", "https", "file"} and (parts.hostname or parts.path)):
        raise ValueError("must be `central`, or the address of a Maven repository (http, https or file)")
    return value


def _brokers(value: str) -> str:
    brokers = [broker.strip() for broker in value.split(",")]
    for broker in brokers:
        host, _, port = broker.rpartition(":")
        if "/" in broker:
            raise ValueError("must be host:port without a scheme: connections are plain, without TLS and SASL")
        if not host or not port.isdecimal() or not 0 < int(port) <= _LAST_PORT:
            raise ValueError("must be host:port, several separated by commas")
    return ",".join(brokers)


def _host_names(value: str) -> str:
    names = [name.strip() for name in value.split(",")] if value.strip() else []
    if not all(_HOST_NAME.fullmatch(name) for name in names):
        raise ValueError("must be host names without ports, separated by commas")
    return ",".join(names)


_Port = Annotated[int, Field(ge=0, le=65535)]


class Settings(BaseModel):
    """Everything a part of Pulssi is told from outside. Times end in their unit."""

    # A setting's docstring is its description. What may hold a password is left out of the `repr`.
    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    kafka_brokers: Annotated[str, AfterValidator(_brokers)] = "127.0.0.1:9092"
    """The Kafka brokers, as host:port, several separated by commas. Connections are plain: TLS and SASL are not
    supported."""
    kafka_repository: Annotated[str, AfterValidator(_repository), Field(repr=False)] = "central"
    """Where the embedded broker's jars are downloaded from, once: the address of a Maven repository, such as a mirror
    (may contain user and password); `central`: Maven Central."""
    clickhouse_url: Annotated[str, AfterValidator(_http_url), Field(repr=False)] = "http://127.0.0.1:8123"
    """ClickHouse's HTTP interface; user and password may stand before the host, percent-encoded. `https://` speaks TLS
    (port 8443 where none is named)."""
    clickhouse_ca: Annotated[str, AfterValidator(_file)] = ""
    """A PEM file with the authorities that may have signed ClickHouse's certificate; empty: the system's own."""
    clickhouse_verify: bool = True
    """Whether ClickHouse's certificate is checked. With `false`, anyone on the network path can read and change
    everything."""
    clickhouse_database: Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,63}$")] = "pulssi"
    """The ClickHouse database that holds everything."""
    clickhouse_program: Annotated[str, AfterValidator(_program)] = CLICKHOUSE_AUTO
    """What `pulssi up` runs as ClickHouse where `clickhouse_url` is not set: the path of an official `clickhouse`
    program, release 25.8 or newer; `embedded`: the engine that comes with Pulssi; `auto`: the program where one is on
    the PATH, else the engine. Each keeps a database of its own in the data folder."""
    application: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")] = "pulssi"
    """Names the consumer group and the transactions: one value for all workers of one installation."""
    partitions: Annotated[int, Field(ge=1, le=1024)] = 4
    """Partitions of each topic when it is created."""
    replication: Annotated[int, Field(ge=1, le=7)] = 1
    """Copies of each topic when it is created. From 3 on, a write needs two, and any one may fail."""
    contacts_in_hand: Annotated[int, Field(ge=0, le=10_000_000)] = 16_000
    """How many contacts a worker process keeps unpacked, those with the latest events first: about 7 KB each (16000:
    112 MB), beside the 1.5 KB of every open contact. As many as are under way at a time are enough; 0: none, and each
    event unpacks its contact again."""
    retention_days: Annotated[int, Field(ge=1, le=3650)] = 7
    """How long the event topics keep records."""
    time_zone: Annotated[str, AfterValidator(zone_name)] = "UTC"
    """The centre's time zone, as in `Europe/Helsinki`: where today begins; also in `centre.toml`."""
    worker_port: _Port = 6066
    """The worker's health and metrics; 0: any free port."""
    sink_port: _Port = 6067
    """The sink's health and metrics; 0: any free port."""
    wallboard_port: _Port = 8080
    """The wallboard's page; 0: any free port."""
    bind: Annotated[str, Field(min_length=1)] = "127.0.0.1"
    """The address that the parts' own servers listen on."""
    allowed_hosts: Annotated[str, AfterValidator(_host_names)] = ""
    """Names under which the parts' own servers and the embedded ClickHouse are reached, separated by commas, besides
    `localhost`, the name in `bind` and every IP address. A request for another name gets 421: a page of another site
    could otherwise read what is shown here, through a name of its own."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """The lowest level of messages that are logged."""


def config_folder(environment: Mapping[str, str] | None = None) -> Path | None:
    """Give the configuration folder that the environment names; None where it names none."""
    named = (os.environ if environment is None else environment).get(f"{PREFIX}CONFIG")
    return Path(named) if named else None


def load(environment: Mapping[str, str] | None = None, folder: Path | None = None) -> Settings:
    """Read the settings from the environment over `pulssi.toml` in `folder` (default: `PULSSI_CONFIG`).

    Raises ConfigurationError with every fault at once, each naming the setting and where it was set.
    """
    environment = os.environ if environment is None else environment
    folder = folder or config_folder(environment)
    if folder is not None and not folder.is_dir():
        raise ConfigurationError([f"{PREFIX}CONFIG: there is no folder {folder}"])
    path = (folder or Path()) / FILE
    text, in_file = ("", {}) if folder is None else read_toml(path)
    named = {name.removeprefix(PREFIX).lower(): value for name, value in environment.items() if name.startswith(PREFIX)}
    in_environment = {name: value for name, value in named.items() if name not in RESERVED}
    # Each place is judged by itself, so that a fault in the file shows though the environment overrides it.
    faults = [
        *(f"{PREFIX}{name.upper()} (environment): {problem}" for name, problem in _faults(in_environment)),
        *(f"{name} ({path}:{line_of(text, (name,))}): {problem}" for name, problem in _faults(in_file)),
    ]
    if faults:
        raise ConfigurationError(faults)
    return Settings.model_validate({**_of_the_centre(folder), **in_file, **in_environment})


def _faults(given: Mapping[str, object]) -> list[tuple[str, str]]:
    """List each faulty setting with its problem, without what was set."""
    try:
        Settings.model_validate(dict(given))
    except ValidationError as error:
        return [
            (
                setting := str(fault["loc"][0]),
                _NAMES[setting]
                if fault["type"] == "string_pattern_mismatch"
                else problem_of(fault, Settings.model_fields, "setting"),
            )
            for fault in error.errors(include_input=False, include_url=False)
        ]
    return []


def _of_the_centre(folder: Path | None) -> dict[str, object]:
    """Take the time zone from `centre.toml`, so that all parts have the same one; its faults are told elsewhere."""
    try:
        named = None if folder is None else read_toml(folder / "centre.toml")[1].get("time_zone")
        return {"time_zone": zone_name(named)} if isinstance(named, str) else {}
    except ValueError:  # a file that cannot be read, a zone that is none
        return {}
