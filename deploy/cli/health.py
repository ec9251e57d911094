"""`pulssi health`: whether a part of this machine makes progress, by its own word; for containers and supervisors."""

import socket
import time
from contextlib import closing
from pathlib import Path
from typing import Final

import click

from deploy.cli.common import NearestChoice, fail, running_stack_option, stack_settings
from deploy.embedded.readiness_probes import TIMEOUT_S, http_answer
from deploy.embedded.stack_layout import LOOPBACK, OWN_PARTS
from schemas.exits import Exit
from schemas.settings import Settings

#: Between two looks at a part that is waited for.
CHECK_EVERY_S: Final = 0.2
#: Addresses of the setting `bind` that mean every address of this machine.
_EVERYWHERE: Final = {"0.0.0.0": LOOPBACK, "": LOOPBACK, "::": "[::1]"}  # noqa: S104 - compared


def _host(settings: Settings) -> str:
    bound = settings.bind
    return _EVERYWHERE.get(bound) or (f"[{bound}]" if ":" in bound else bound)


def _listens(host: str, port: int) -> bool:
    """Tell it by connecting: who tried to listen would take the port from a part that starts."""
    try:
        with closing(socket.create_connection((host, port), TIMEOUT_S)):
            return True
    except OSError:
        return False


def _ask(settings: Settings, parts: tuple[str, ...], path: str) -> tuple[tuple[str, int] | None, list[str]]:
    """Return the first fault with its exit code, None if all is well, and the notices of the parts."""
    host = _host(settings)
    ports = {name: getattr(settings, f"{name}_port") for name in parts or OWN_PARTS}
    # A container runs one part: the one whose port is open.
    asked = ports if parts else {name: port for name, port in ports.items() if _listens(host.strip("[]"), port)}
    if not asked:
        at = ", ".join(f"{name} {port}" for name, port in ports.items())
        return (f"no part listens here ({at}): `pulssi status` says what an `up` runs", Exit.UNREACHABLE), []
    notices = []
    for name, port in asked.items():
        fault, notice = http_answer(f"http://{host}:{port}{path}")
        if fault is not None:
            return (f"{name}: {fault}", Exit.UNREACHABLE if "does not answer" in fault else Exit.NO), []
        if notice:
            notices.append(f"{name}: {notice}")
    return None, notices


@click.command()
@click.argument("parts", type=NearestChoice(list(OWN_PARTS)), nargs=-1, metavar="[PART]...")
@click.option("--ready", is_flag=True, help="Ask whether it is ready (/readyz) instead of whether it makes progress.")
@click.option(
    "--wait", "wait_s", type=click.FloatRange(min=0), default=0.0, metavar="SECONDS", help="How long to wait for it."
)
@running_stack_option
def health(parts: tuple[str, ...], wait_s: float, data: Path | None, *, ready: bool) -> None:
    """Ask a PART of this machine whether it is healthy.

    Without a PART, each that listens here is asked; in a container that is its own. The ports are those of the
    settings, else those of an `up` that runs here.
    A healthy part may add a fault that somebody must correct, such as a faulty account of sources.toml.
    Ends with 1 where one is not, with 3 where none answers.

    Example: pulssi health worker
    """
    deadline = time.monotonic() + wait_s
    while True:
        fault, notices = _ask(stack_settings(data), parts, "/readyz" if ready else "/healthz")
        if fault is None:
            break
        if time.monotonic() >= deadline:
            fail(*fault)
        time.sleep(CHECK_EVERY_S)
    click.echo("\n".join(["ok", *notices]))
