"""Runs a stack whose broker is real and whose other parts are stand-ins. Usage: … FOLDER PORT_BASE [SINK'S KIND].

There is a ClickHouse only where the settings name a program.
"""

import sys
from dataclasses import replace
from pathlib import Path

from deploy.cli.common import fail, quiet_clients
from deploy.embedded import stack
from deploy.embedded.stack_layout import StackLayout, part_groups
from deploy.embedded.stack_output import TerminalOutput
from deploy.embedded.supervisor import PartGroup
from schemas.exits import EndError
from streams.configuration.environment import load_settings


def main(folder: str, port_base: str, kind: str = "") -> int:
    """Run it as `pulssi up` does."""

    def parts(layout: StackLayout) -> list[PartGroup]:
        servers, served = part_groups(layout)
        standins = []
        for part in served:
            command = (sys.executable, "-m", "tests.deploy.standin", str(layout.ports[part.name]))
            standins.append(replace(part, command=(*command, kind if part.name == "sink" else "")))
        wanted = ("broker", "clickhouse") if layout.clickhouse else ("broker",)
        return [tuple(part for part in servers if part.name in wanted), tuple(standins)]

    quiet_clients()
    try:
        return stack.run(Path(folder), load_settings(), TerminalOutput(), int(port_base), parts=parts)
    except EndError as error:
        fail(str(error), error.code)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
