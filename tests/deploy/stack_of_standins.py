"""Runs a stack whose broker is real and whose other parts are stand-ins. Usage: … FOLDER PORT_BASE [SINK'S KIND]."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path

from deploy.cli.common import quiet_clients
from deploy.embedded import stack
from deploy.embedded.parts import BEHIND_THE_LIVE, Wiring, parts_of
from deploy.embedded.probes import http_fault
from deploy.embedded.supervisor import Part
from deploy.embedded.voice import Terminal
from schemas.settings import load


def main() -> int:
    """Run it as `pulssi up` does."""
    folder, port_base, *kind = sys.argv[1:]

    def parts(wiring: Wiring) -> list[tuple[Part, ...]]:
        broker = next(part for part in parts_of(wiring)[0] if part.name == "broker")
        standins = []
        for name in ("worker", "sink", "wallboard"):
            command = (sys.executable, "-m", "tests.deploy.standin", str(wiring.ports[name]))
            url = wiring.url_of(name)
            options = tuple(kind) if name == "sink" else ()
            niceness = BEHIND_THE_LIVE if name == "sink" else 0
            fault = partial(http_fault, f"{url}readyz")
            standins.append(Part(name, (*command, *options), url, fault=fault, niceness=niceness))
        return [(broker,), tuple(standins)]

    quiet_clients()
    return stack.run(Path(folder), load(), Terminal(), int(port_base) or None, parts=parts)


if __name__ == "__main__":
    sys.exit(main())
