"""`pulssi up`, `demo`, `down`, `status`: the whole of Pulssi on this machine."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path
from typing import Final

import click

from deploy.cli.common import data_option, fail, folder_option, json_option, quiet_clients
from deploy.cli.downloads import downloading
from deploy.cli.rules import config_option, configured_or_exit
from deploy.embedded import UnavailableError, state
from deploy.embedded.state import PartState, StackState, folder_for
from schemas.exits import Exit
from schemas.settings import Settings

#: The last port that leaves room for every part's.
LAST_PORT_BASE: Final = 65500
DOWN_WITHIN_S: Final = 120.0

port_base_option: Final = click.option(
    "--port-base",
    type=click.IntRange(1024, LAST_PORT_BASE),
    help="First of the ports in a row: broker, ClickHouse, worker, sink, wallboard.",
)


@click.command()
@folder_option
@config_option
@port_base_option
@click.option(
    "--detach", is_flag=True, help="Return when all is ready; logs go to the data folder's logs; `pulssi down` ends it."
)
@click.option(
    "--no-config", is_flag=True, help="Use the defaults, even if the data folder was run with a configuration before."
)
@click.option("--in-background", is_flag=True, hidden=True, help="What --detach starts.")
def up(data: Path | None, port_base: int | None, *, detach: bool, no_config: bool, in_background: bool) -> None:
    """Start the whole stack on this machine, and keep it running.

    Starts broker and ClickHouse (unless the settings name external ones) with their migrations, then worker, sink and
    wallboard. A part that dies is named and started again; one that dies repeatedly without becoming ready ends the
    stack (exit 1). Ctrl-C ends all. A folder that is in use is refused (exit 3), and so is a folder that was run with
    a configuration, where this run names none (exit 2).

    Example: pulssi up --data ./.pulssi --port-base 9400
    """
    from deploy.embedded import background, stack  # noqa: PLC0415 - a second of imports, not for `--help`
    from deploy.embedded.voice import Files, Terminal  # noqa: PLC0415 - as above

    quiet_clients()
    settings = configured_or_exit()  # rules too: else each part would say so by itself, one after the other
    folder = _usable(folder_for(data, os.environ))
    if not in_background:
        _refuse_other_rules(folder, no_config=no_config)
        _downloaded(settings)
    if not detach:
        voice = Files(folder / background.LOGS) if in_background else Terminal()
        raise SystemExit(stack.run(folder, settings, voice, port_base))
    if (running := state.read(folder)) is not None:
        fail(
            f"{folder}: process {running.pid} runs a stack there: `pulssi down --data {folder}`",
            Exit.UNREACHABLE,
        )
    if state.was_killed(folder):
        click.echo(stack.RECOVERS, err=True)
    options = () if port_base is None else ("--port-base", str(port_base))
    try:
        now = background.start(folder, options, lambda name, phase: click.echo(f"{name}: {phase}", err=True))
    except background.NotStartedError as error:
        fail(f"not started (logs: {folder / background.LOGS}):\n{error}", error.code)
    _print(now)


def _refuse_other_rules(folder: Path, *, no_config: bool) -> None:
    """End with 2 where the folder was run with a configuration, and this run names none and has no --no-config."""
    before = state.forgotten_configuration(folder)
    if before is not None and not no_config:
        fail(
            f"{folder} was run with the configuration {before}: add --config {before}, or --no-config to use the"
            " defaults from now on",
            Exit.UNUSABLE,
        )


def _downloaded(settings: Settings) -> None:
    """Download what the embedded broker needs, with a progress bar; ends with 3 where that fails."""
    if "kafka_brokers" in settings.model_fields_set:
        return
    from deploy.embedded.kafka.node import prepare  # noqa: PLC0415 - not for `--help`

    try:
        with downloading() as begin:
            prepare(settings.kafka_repository, begin)
    except UnavailableError as error:
        fail(str(error), Exit.UNREACHABLE)


def _usable(folder: Path) -> Path:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        fail(f"--data {folder}: {error.strerror}", Exit.UNUSABLE)
    if not os.access(folder, os.W_OK):
        fail(f"--data {folder}: not writable", Exit.UNUSABLE)
    return folder


@click.command()
@click.option(
    "--rate", type=click.FloatRange(min=0.1, max=1000), default=5.0, show_default=True, help="Events a second."
)
@click.option("--seed", type=click.IntRange(min=0), default=1, show_default=True, help="Same seed, same contacts.")
@click.option(
    "--data",
    type=click.Path(file_okay=False, path_type=Path),
    help="Empty folder to keep what is made (default: a temporary one, removed at the end).",
)
@config_option
@port_base_option
def demo(rate: float, seed: int, data: Path | None, port_base: int | None) -> None:
    """Show a simulated contact centre: everything on this machine, today so far, then live.

    Opens with the wallboard's address; Ctrl-C ends all of it.

    Example: pulssi demo --rate 20 --seed 7
    """
    from deploy.embedded import stack  # noqa: PLC0415 - a second of imports, not for `--help`
    from deploy.embedded.demonstration import Demonstration, is_fresh  # noqa: PLC0415 - as above
    from deploy.embedded.voice import Terminal  # noqa: PLC0415 - as above

    quiet_clients()
    settings = configured_or_exit()
    _downloaded(settings)
    shown = Demonstration(rate, seed)
    show = stack.Show(shown.parts, shown.announce)
    if data is not None:
        if not is_fresh(data):
            fail(f"--data {data}: is not empty; a demonstration takes a folder of its own", Exit.UNUSABLE)
        raise SystemExit(stack.run(_usable(data.resolve()), settings, Terminal(), port_base, show))
    with tempfile.TemporaryDirectory(prefix="pulssi-demo-") as folder:
        raise SystemExit(stack.run(Path(folder).resolve(), settings, Terminal(), port_base, show))


def _running(data: Path | None) -> StackState | None:
    return state.last_running(os.environ) if data is None else state.read(data.resolve())


@click.command()
@data_option
def down(data: Path | None) -> None:
    """End a running stack, the last started part first; exit 0 also where nothing runs.

    Example: pulssi down --data ./.pulssi
    """
    from deploy.embedded import background  # noqa: PLC0415 - not for `--help`

    running = _running(data)
    if running is None:
        click.echo("nothing runs")
        return
    if not background.end(running.folder, DOWN_WITHIN_S):
        fail(f"process {running.pid} still runs after {DOWN_WITHIN_S:g} s: see {running.folder / 'logs'}", Exit.NO)
    click.echo(f"ended: {running.folder}")


def _asked(part: PartState) -> dict[str, object]:
    """Return a part's state; one that was ready is asked whether it still is."""
    from deploy.embedded import probes  # noqa: PLC0415 - a second of imports
    from streams.addresses import Address  # noqa: PLC0415 - as above

    now: str = part.state
    fault = None
    if now == "ready" and part.url:
        if part.name == "broker":
            fault = probes.broker_fault(part.url)
        elif part.name == "clickhouse":
            fault = probes.ping_fault(Address(part.url, part.ca, verify=part.verify))
        else:
            fault = probes.http_fault(f"{part.url}readyz")
        now = "ready" if fault is None else "not ready"
    kept = part.model_dump(include={"name", "url", "pid", "restarts", "last_exit"})
    return {**kept, "state": now, "external": not part.started_here, "fault": fault}


def _print(now: StackState) -> None:
    for part in now.parts:
        click.echo(f"{part.name:<11} {part.state:<10} {part.url}")


@click.command()
@data_option
@json_option
def status(data: Path | None, *, as_json: bool) -> None:
    """Show each part, its address, and whether it is ready now; exit 1 where one is not ready, or nothing runs.

    Example: pulssi status --json
    """
    quiet_clients()
    running = _running(data)
    parts = [] if running is None else [_asked(part) for part in running.parts]
    ready = (
        running is not None and running.phase == "ready" and all(each["state"] in {"ready", "done"} for each in parts)
    )
    if as_json:
        folder = None if running is None else str(running.folder)
        click.echo(json.dumps({"ready": ready, "folder": folder, "parts": parts}, indent=2))
    elif running is None:
        click.echo("nothing runs: `pulssi up` starts a stack")
    else:
        for each in parts:
            notes = ["external"] if each["external"] else []
            notes += [str(each["fault"])] if each["fault"] else []
            notes += [f"restarts: {each['restarts']}, last: {each['last_exit']}"] if each["restarts"] else []
            click.echo(f"{each['name']:<11} {each['state']:<10} {each['url']}{'  ' if notes else ''}{', '.join(notes)}")
    raise SystemExit(Exit.DONE if ready else Exit.NO)
