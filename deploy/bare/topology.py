"""Which processes stand for the services of the Compose file, and which variables each gets.

A process gets the variables of its service, all of them and no other. Only places differ: names of containers are
addresses here, files under /run/secrets and /etc/pulssi are in folders of this machine, and a port is added, since all
listen on one machine.
"""

import shlex
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Final

from deploy.bare.compose_file import Service, read_services
from deploy.embedded.readiness_probes import http_fault
from deploy.embedded.stack_layout import LOOPBACK, OWN_PARTS, SERVERS, StackLayout, pulssi_command
from deploy.embedded.stack_layout import part_groups as usual_groups
from deploy.embedded.supervisor import PartDefinition, PartGroup

#: The services that servers of `pulssi up` stand for.
SERVERS_OF: Final[Mapping[str, str]] = {"kafka": "broker", "clickhouse": "clickhouse"}
#: Ports inside the containers.
_PORTS: Final[Mapping[str, int]] = {"kafka": 9092, "clickhouse": 8123}
MIGRATE: Final = "migrate"
DASHBOARDS: Final = "dashboards"
GRAFANA: Final = "grafana"
#: In the containers, the folder that the step `dashboards` writes, and the one that Grafana reads.
_PROVISIONING: Final = ("/var/lib/pulssi", "/etc/grafana/provisioning")
#: Long, because a new Grafana first makes its database.
GRAFANA_READY_WITHIN_S: Final = 300.0


@dataclass(frozen=True)
class GrafanaProgram:
    """A Grafana on this machine: its unpacked folder, its plugins' folder, and the port that it gets."""

    home: Path
    plugins: Path
    port: int


def adapt_secrets(layout: StackLayout, secrets: Path, bare: Path) -> None:
    """Write each secret for this machine: an address in it is that of the server here."""
    bare.mkdir(mode=0o700, exist_ok=True)
    for path in secrets.iterdir():
        if path.is_file():
            (bare / path.name).write_text(_here(layout, path.read_text(encoding="utf-8")), encoding="utf-8")


def _here(layout: StackLayout, text: str) -> str:
    for service, server in SERVERS_OF.items():
        address = layout.external.get(server, f"{LOOPBACK}:{layout.ports.get(server)}")
        text = text.replace(f"{service}:{_PORTS[service]}", address)
    return text


def environment_of(service: Service, layout: StackLayout, config: Path, secrets: Path) -> dict[str, str]:
    """Give the variables of a service as they are on this machine."""
    environment = {}
    for name, value in service.environment.items():
        place = value.replace("/run/secrets", str(secrets)).replace("/etc/pulssi", str(config))
        environment[name] = _here(layout, place)
    if "PULSSI_BIND" in environment:
        environment["PULSSI_BIND"] = layout.settings.bind
    if service.name in layout.ports:
        environment[f"PULSSI_{service.name.upper()}_PORT"] = str(layout.ports[service.name])
    return environment


def part_groups(
    layout: StackLayout,
    *,
    variables: Mapping[str, str],
    config: Path,
    secrets: Path,
    profiles: Collection[str],
    grafana: GrafanaProgram | None = None,
) -> list[PartGroup]:
    """List what runs, in the order of its start: the servers, the migration, the parts, then what waits for these."""
    services = read_services(variables)
    adapted = layout.folder / "secrets-here"
    adapt_secrets(layout, secrets, adapted)
    usual = {part.name: part for group in usual_groups(layout) for part in group}

    def told(name: str, part: PartDefinition) -> PartDefinition:
        return replace(part, environment=environment_of(services[name], layout, config, adapted))

    def of_command(name: str, fallback: PartDefinition | None = None) -> PartDefinition:
        part = fallback or PartDefinition(name, ())
        lifeline = ("--while-stdin",) if name in OWN_PARTS else ()
        return told(name, replace(part, command=pulssi_command(*services[name].command, *lifeline)))

    servers = tuple(usual[name] for name in SERVERS if name in usual)
    parts = tuple(of_command(name, usual[name]) for name in OWN_PARTS if name in usual)
    asked = [each.name for each in services.values() if each.profiles & set(profiles) and each.name not in OWN_PARTS]
    groups = [servers, (of_command(MIGRATE),), parts, tuple(_forever(of_command(name)) for name in asked)]
    if grafana is not None:
        groups += [(_dashboards(services, layout, config),), (_grafana(services, layout, adapted, grafana),)]
    return [group for group in groups if group]


def _provisioned(layout: StackLayout, text: str) -> str:
    for inside in _PROVISIONING:
        text = text.replace(inside, str(layout.folder / "grafana-provisioning"))
    return text


def _dashboards(services: Mapping[str, Service], layout: StackLayout, config: Path) -> PartDefinition:
    step = services[DASHBOARDS]
    words = [_here(layout, _provisioned(layout, word)) for word in step.command]
    return PartDefinition(
        DASHBOARDS, pulssi_command(*words), environment=environment_of(step, layout, config, layout.folder)
    )


def _grafana(
    services: Mapping[str, Service], layout: StackLayout, secrets: Path, grafana: GrafanaProgram
) -> PartDefinition:
    """Run the container's entry point; it starts this Grafana instead of the image's script."""
    service = services[GRAFANA]
    program = shlex.join([str(grafana.home / "bin" / "grafana"), "server", "-homepath", str(grafana.home)])
    *shell, script = service.entrypoint
    url = f"http://{LOOPBACK}:{grafana.port}"
    environment = dict(
        _named(name, _provisioned(layout, value.replace("/run/secrets", str(secrets))))
        for name, value in service.environment.items()
    ) | {
        "GF_PATHS_DATA": str(layout.folder / GRAFANA),
        "GF_PATHS_PLUGINS": str(grafana.plugins),
        "GF_SERVER_HTTP_ADDR": LOOPBACK,
        "GF_SERVER_HTTP_PORT": str(grafana.port),
    }
    return PartDefinition(
        GRAFANA,
        (*shell, script.replace("/run/secrets", str(secrets)).replace("/run.sh", program)),
        url,
        partial(http_fault, f"{url}/api/health"),
        environment,
        GRAFANA_READY_WITHIN_S,
    )


def _named(name: str, value: str) -> tuple[str, str]:
    """Give a setting as Grafana itself takes it: that `NAME__FILE` names a file, only the image's script knows."""
    setting = name.removesuffix("__FILE")
    return setting, value if setting == name else f"$__file{{{value}}}"


def _forever(part: PartDefinition) -> PartDefinition:
    """Make of a command a part that runs on: it is ready once it has started."""
    return replace(part, fault=lambda: None)
