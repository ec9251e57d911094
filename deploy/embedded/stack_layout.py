"""The parts of a stack on this machine: which ports they get, how they are started, when they are ready.

A server that the settings name is external: it is used, and neither started nor ended.
"""

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from deploy.embedded import official_clickhouse
from deploy.embedded.official_clickhouse import ClickHouseProgram
from deploy.embedded.ports import any_free, is_free
from deploy.embedded.readiness_probes import broker_fault, clickhouse_fault, http_fault
from deploy.embedded.supervisor import READY_WITHIN_S, PartDefinition, PartGroup
from schemas.configuration.source_models import SOURCES
from schemas.exits import Exit
from schemas.settings import Settings
from streams.clickhouse.addresses import Address, clickhouse_address
from streams.configuration.environment import config_folder
from streams.configuration.folder import read_sources
from streams.sources.following.accounts import would_be_followed

LOOPBACK: Final = "127.0.0.1"
BROKER_PORT: Final = 9092
CLICKHOUSE_PORT: Final = 8123
SERVERS: Final = ("broker", "clickhouse")
#: Parts of our own, each with its command.
OWN_PARTS: Final[Mapping[str, tuple[str, ...]]] = {
    "worker": ("worker",),
    "sink": ("sink",),
    "wallboard": ("wallboard",),
    "alerts": ("alerts", "run"),
    "hooks": ("hooks", "run"),
    "gateway": ("gateway",),
    "follow": ("follow",),
}
#: Runs only where an account of `sources.toml` takes hooks.
GATEWAY: Final = "gateway"
#: Runs only where an account of `sources.toml` names what is followed.
FOLLOW: Final = "follow"
#: Parts that may have to wait for an operator, each for some of its partitions, while all else has to run.
MAY_AWAIT_OPERATOR: Final = frozenset({"worker", "sink"})
#: In the order of their ports from `--port-base` on.
PARTS_WITH_PORTS: Final = (*SERVERS, *OWN_PARTS)
#: A little above the broker's own limit, so that the broker's own error is shown.
BROKER_READY_WITHIN_S: Final = 130.0
#: A worker that starts reads its journals before it is ready.
WORKER_READY_WITHIN_S: Final = 120.0
#: Niceness added to sink and ClickHouse, so that the wallboard stays live on a busy machine.
ARCHIVE_NICENESS: Final = 10


@dataclass(frozen=True)
class StackLayout:
    """Where each part listens, and the environment that points the other parts to it."""

    settings: Settings
    folder: Path
    ports: Mapping[str, int]
    external: Mapping[str, str]
    #: The server that runs as ClickHouse; None: the embedded engine.
    clickhouse: ClickHouseProgram | None = None
    #: A line for each part that got another port than was wanted.
    moved: tuple[str, ...] = ()

    @property
    def program(self) -> str:
        """Name what runs as ClickHouse; empty where it is external."""
        return "" if "clickhouse" in self.external else str(self.clickhouse or official_clickhouse.engine_name())

    @property
    def own_parts(self) -> tuple[str, ...]:
        """Name the parts of our own that run, in the order of their ports."""
        return tuple(name for name in OWN_PARTS if name in self.ports)

    @property
    def environment(self) -> dict[str, str]:
        """The settings that point a part, or a command, at this stack; nothing of external servers."""
        environment = {f"PULSSI_{name.upper()}_PORT": str(self.ports[name]) for name in self.own_parts}
        for name, setting in (("broker", "PULSSI_KAFKA_BROKERS"), ("clickhouse", "PULSSI_CLICKHOUSE_URL")):
            if name not in self.external:
                environment[setting] = self.url_of(name)
        return environment

    def url_of(self, name: str) -> str:
        """Return a part's address as people and `status` read it, without a password."""
        if name in self.external:
            return self.external[name]
        if name == "broker":
            return f"{LOOPBACK}:{self.ports[name]}"
        if name == "clickhouse":
            return f"http://{LOOPBACK}:{self.ports[name]}"
        host = LOOPBACK if self.settings.bind in {"0.0.0.0", "::", ""} else self.settings.bind  # noqa: S104 - compared
        return f"http://{host}:{self.ports[name]}/"


def plan_layout(settings: Settings, folder: Path, port_base: int | None, say: Callable[[str], None]) -> StackLayout:
    """Choose what runs as ClickHouse, and every port: the wanted one where it is free, else another, saying so.

    Raises UnusableError.
    """
    external, server = {}, None
    if "kafka_brokers" in settings.model_fields_set:
        external["broker"] = settings.kafka_brokers
    if "clickhouse_url" in settings.model_fields_set:
        external["clickhouse"] = clickhouse_address(settings).url
    else:
        server = official_clickhouse.choose_program(settings.clickhouse_program, folder, say)
    usual = (BROKER_PORT, CLICKHOUSE_PORT, *(getattr(settings, f"{name}_port") for name in OWN_PARTS))
    in_a_row = None if port_base is None else range(port_base, port_base + len(PARTS_WITH_PORTS))
    wanted = dict(zip(PARTS_WITH_PORTS, in_a_row or usual, strict=True))
    ports: dict[str, int] = {}
    moved: list[str] = []
    left_out = external.keys() | _without_accounts()
    for name in (name for name in PARTS_WITH_PORTS if name not in left_out):
        host = LOOPBACK if name in SERVERS else settings.bind
        port = wanted[name]
        if port == 0 or port in ports.values() or not is_free(host, port):
            ports[name] = any_free(host, but={*ports.values(), *wanted.values()})
            if port:
                moved.append(f"port {port} is busy: the {name} takes {ports[name]}")
                say(moved[-1])
        else:
            ports[name] = port
    return StackLayout(settings, folder, ports, external, server, tuple(moved))


def _without_accounts() -> set[str]:
    """Name the parts for which `sources.toml` has no account.

    A faulty entry counts as an account: its part says what is wrong, and uses it once it is corrected. Raises
    ConfigurationError if the file cannot be used at all.
    """
    files = read_sources(config_folder())
    files.faults_by_entry("source")
    entries = files.written_entries("sources", "source")
    takes_hooks = any(
        entry.get("source") not in SOURCES or entry.get("secret_env") or entry.get("secret_file") for entry in entries
    )
    return {
        *(() if takes_hooks else (GATEWAY,)),
        *(() if any(map(would_be_followed, entries)) else (FOLLOW,)),
    }


def pulssi_command(*arguments: str) -> tuple[str, ...]:
    """Return the command line of one of Pulssi's own commands.

    `-P`: a folder that happens to be named like one of ours where the user stands must not be taken for it.
    """
    return (sys.executable, "-P", "-m", "deploy.cli", *arguments)


def _asked(name: str) -> Callable[[str], str | None]:
    """Give the question whether one of our own parts has started."""
    path = "startupz" if name in MAY_AWAIT_OPERATOR else "readyz"
    return lambda url: http_fault(f"{url}{path}")


def part_groups(layout: StackLayout) -> list[PartGroup]:
    """List the groups of parts in the order of their start: servers and migrations, then the parts that need them.

    A migration waits for its server by itself, so that ClickHouse's runs while Kafka still starts.
    """

    def part(
        name: str, fault: Callable[[str], str | None], ready_within_s: float = WORKER_READY_WITHIN_S
    ) -> PartDefinition:
        is_server, url = name in SERVERS, layout.url_of(name)
        options = ["--while-stdin"]
        if is_server:
            options += ["--data", str(layout.folder), "--port", str(layout.ports[name])]
        if name == "clickhouse" and layout.clickhouse:
            options += ["--program", str(layout.clickhouse.program)]
        return PartDefinition(
            name,
            pulssi_command(*OWN_PARTS.get(name, (name,)), *options),
            url,
            partial(fault, url),
            environment={} if is_server else layout.environment,
            ready_within_s=ready_within_s,
            niceness=ARCHIVE_NICENESS if name in {"clickhouse", "sink"} else 0,
            program=layout.program if name == "clickhouse" else "",
            operator_must_act_code=None if is_server else Exit.NO,
        )

    servers = []
    if "broker" not in layout.external:
        servers.append(part("broker", broker_fault, BROKER_READY_WITHIN_S))
    if "clickhouse" not in layout.external:
        servers.append(part("clickhouse", lambda url: clickhouse_fault(Address(url)), READY_WITHIN_S))
    wait = ("--wait", f"{BROKER_READY_WITHIN_S:g}")
    steps = [
        PartDefinition(name, pulssi_command("migrate", "--only", only, *wait), environment=layout.environment)
        for name, only in (("topics", "topics"), ("schema", "clickhouse"))
    ]
    served = (part(name, _asked(name)) for name in layout.own_parts)
    return [(*servers, *steps), tuple(served)]
