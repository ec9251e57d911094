"""The one settings object: from the environment (`PULSSI_…`) and `pulssi.toml`, every fault reported at once.

Environment variables win over the file. A secret (a URL with a password) is never printed: faults name the setting, not
its value.
"""

from __future__ import annotations

import difflib
import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Final, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

PREFIX: Final = "PULSSI_"
FILE: Final = "pulssi.toml"

#: Names that other parts of Pulssi read from the environment; they are no settings of this object.
RESERVED: Final = frozenset({"config", "data", "kafka_test"})


class SettingsError(ValueError):
    """Settings that cannot be used; `faults` holds one line for each."""

    def __init__(self, faults: list[str]) -> None:
        super().__init__("; ".join(faults))
        self.faults = faults


def _http_url(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError("must look like http://host:8123 (user and password may stand before the host)")
    return value


def _brokers(value: str) -> str:
    for broker in value.split(","):
        host, _, port = broker.strip().rpartition(":")
        if not host or not port.isdigit():
            raise ValueError("must be host:port, several separated by commas")
    return ",".join(broker.strip() for broker in value.split(","))


class Settings(BaseModel):
    """Everything a part of Pulssi is told from outside. Times end in their unit."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kafka_brokers: Annotated[str, AfterValidator(_brokers)] = "127.0.0.1:9092"
    kafka_kind: Literal["apache", "embedded"] = Field(
        default="apache",
        description="`embedded`: the broker of `pulssi up`, which has no transactions and is used by one worker only.",
    )
    clickhouse_url: Annotated[str, AfterValidator(_http_url)] = "http://127.0.0.1:8123"
    clickhouse_database: str = Field(default="pulssi", pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,63}$")
    application: str = Field(
        default="pulssi",
        pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$",
        description="Names the consumer group and the transactions: one value for all workers of one installation.",
    )
    partitions: int = Field(default=4, ge=1, le=1024, description="Partitions of each topic, when they are made.")
    replication: int = Field(default=1, ge=1, le=7, description="Copies of each topic, when they are made.")
    retention_days: int = Field(default=7, ge=1, le=3650, description="How long the event topics keep records.")
    time_zone: str = Field(
        default="UTC", description="The centre's time zone, as in `Europe/Helsinki`: where today begins."
    )
    worker_port: int = Field(
        default=6066, ge=0, le=65535, description="The worker's health and metrics; 0: any free port."
    )
    sink_port: int = Field(default=6067, ge=0, le=65535, description="The sink's health and metrics; 0: any free port.")
    wallboard_port: int = Field(default=8080, ge=0, le=65535, description="The wallboard's page; 0: any free port.")
    bind: str = Field(default="127.0.0.1", description="The address that the parts' own servers listen on.")
    log_level: Literal["debug", "info", "warning", "error"] = "info"


def _from_environment(environment: Mapping[str, str]) -> dict[str, str]:
    return {
        name.removeprefix(PREFIX).lower(): value
        for name, value in environment.items()
        if name.startswith(PREFIX) and name.removeprefix(PREFIX).lower() not in RESERVED
    }


def _fault(location: str, origin: str, problem: str) -> str:
    name = f"{PREFIX}{location.upper()}" if origin == "environment" else location
    if problem.startswith("Extra inputs"):
        near = difflib.get_close_matches(location, Settings.model_fields, n=1)
        meant = f"; did you mean {near[0]}?" if near else ""
        return f"{name} ({origin}): there is no such setting{meant}"
    return f"{name} ({origin}): {problem.removeprefix('Value error, ')}"


def load(environment: Mapping[str, str] | None = None, folder: Path | None = None) -> Settings:
    """Read the settings from the environment over `pulssi.toml` in `folder` (default: `PULSSI_CONFIG`).

    Raises SettingsError with every fault at once, each naming the setting and where it was set.
    """
    environment = os.environ if environment is None else environment
    if folder is None and environment.get(f"{PREFIX}CONFIG"):
        folder = Path(environment[f"{PREFIX}CONFIG"])
    in_file: dict[str, object] = {}
    if folder is not None and (path := folder / FILE).is_file():
        try:
            in_file = tomllib.loads(path.read_text(encoding="utf-8"))
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise SettingsError([f"{path}: not readable as TOML: {error}"]) from None
    in_environment = _from_environment(environment)
    try:
        return Settings.model_validate({**in_file, **in_environment})
    except ValidationError as error:
        faults = []
        for fault in error.errors(include_input=False, include_url=False):
            location = ".".join(str(part) for part in fault["loc"])
            origin = "environment" if location in in_environment else str((folder or Path()) / FILE)
            faults.append(_fault(location, origin, fault["msg"]))
        raise SettingsError(faults) from None
