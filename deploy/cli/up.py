"""`pulssi up`, `demo`, `down`, `status`: the whole of Pulssi on this machine."""

import json
import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Mapping
from contextlib import nullcontext, suppress
from functools import partial
from pathlib import Path
from typing import Final

import click

from deploy.cli.common import data_folder_option, fail, json_option, quiet_clients, running_stack_option
from deploy.cli.config_option import config_option, load_configuration
from deploy.embedded import stack_state
from deploy.embedded.stack_layout import pulssi_command
from deploy.embedded.stack_output import LOG_BYTES, FileOutput, TerminalOutput
from deploy.embedded.stack_state import PartState, StackState
from deploy.embedded.supervisor import LAST_LINES, RUNBOOK
from schemas.exits import Exit
from schemas.settings import Settings
from streams.configuration.folder import RULE_FILES

#: The last port that leaves room for every part's.
LAST_PORT_BASE: Final = 65500
POLL_S: Final = 0.1
DOWN_WITHIN_S: Final = 120.0
LOGS: Final = "logs"

port_base_option: Final = click.option(
    "--port-base",
    type=click.IntRange(1024, LAST_PORT_BASE),
    help="First of nine ports in a row: broker, ClickHouse, worker, sink, wallboard, alerts, hooks, gateway, follow"
    " (default: 9092, 8123, and those of the settings). Where one is busy, a free one is taken and named.",
)


@click.command()
@data_folder_option
@config_option
@port_base_option
@click.option(
    "--detach",
    is_flag=True,
    help="Return when all is ready, and keep it running until `pulssi down`. Each part's log is in DATA/logs.",
)
@click.option(
    "--no-config", is_flag=True, help="Use the defaults, even if the data folder was run with a configuration before."
)
@click.option("--in-background", is_flag=True, hidden=True, help="What --detach starts.")
def up(data: Path, port_base: int | None, *, detach: bool, no_config: bool, in_background: bool) -> None:
    """Start the whole stack on this machine, and keep it running.

    Starts broker and ClickHouse (unless the settings name external ones), creates or updates topics and schema, then
    starts worker, sink, wallboard, alerts and hooks, and the gateway where sources.toml has the secret of a hook.
    Ctrl-C ends all.

    A part that dies is named and started again. One that dies repeatedly without becoming ready ends the stack (exit
    1). One that says that somebody must act first stays down. A source that workers refuse stops no other.

    A data folder that is in use is refused (exit 3). So is, with exit 2, one that was run with a configuration, where
    none is named now; and one that was run with the other kind of ClickHouse (embedded engine or official program).

    Example: pulssi up --data ./.pulssi --port-base 9400
    """
    from dashboards.wallboard.sign_in import load_sign_in
    from deploy.embedded import official_clickhouse, stack

    quiet_clients()
    settings, _ = load_configuration(files=RULE_FILES)  # else each part would say so by itself, one after the other
    load_sign_in(settings)
    _check_usable(data)
    if in_background:
        raise SystemExit(stack.run(data, settings, FileOutput(data / LOGS), port_base))
    previous = stack_state.previous_configuration(data)
    if previous is not None and not no_config:
        fail(
            f"{data} was run with the configuration {previous}: add --config {previous}, or --no-config to use the"
            " defaults from now on",
            Exit.UNUSABLE,
        )
    if detach and "clickhouse_url" not in settings.model_fields_set:  # what it means: the background says it in a log
        official_clickhouse.choose_program(settings.clickhouse_program, data, partial(click.echo, err=True))
    _download(settings)
    if not detach:
        raise SystemExit(stack.run(data, settings, TerminalOutput(), port_base))
    if (running := stack_state.read(data)) is not None:
        fail(f"{data}: process {running.pid} runs a stack there: `pulssi down --data {data}`", Exit.UNREACHABLE)
    if stack_state.was_killed(data):
        click.echo(stack.RECOVERY_NOTICE, err=True)
    parts = _start_in_background(data, port_base).parts
    reports = [_part_report(part) for part in parts]
    for report in reports:
        click.echo(_part_line(report))
    click.echo(f"\n`pulssi down --data {data}` ends it; logs: {data / LOGS}")
    if stopped := [part for part in parts if part.state == "stopped"]:
        fail(f"{stopped[0].name} {stopped[0].last_exit}", Exit.NO)
    if waiting := [report for report in reports if report["fault"]]:
        fail(f"{waiting[0]['name']} is not ready: {waiting[0]['fault']}", Exit.NO)


def _start_in_background(folder: Path, port_base: int | None) -> StackState:
    """Start `pulssi up` in a session of its own; returns its state once all is ready, and tells each part's till then.

    Where the stack ends before, its last lines are shown, and its exit code is the command's.
    """
    log = folder / LOGS / "up.log"
    log.parent.mkdir(exist_ok=True)
    if log.exists() and log.stat().st_size > LOG_BYTES:
        log.replace(log.with_suffix(".log.1"))
    options = () if port_base is None else ("--port-base", str(port_base))
    with log.open("ab") as output:
        begin = output.tell()
        process = subprocess.Popen(  # noqa: S603 - our own command
            pulssi_command("up", "--in-background", "--data", str(folder), *options),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    shown: dict[str, str] = {}
    try:
        while True:
            if (code := process.poll()) is not None:
                # A part that failed is named in the stack's last lines with its own.
                said = log.read_bytes()[begin:].decode(errors="replace").splitlines()[-LAST_LINES - 2 :]
                fail("\n".join([f"not started (logs: {log.parent}):", *said]), code if code > 0 else Exit.NO)
            now = stack_state.read(folder)
            if now is not None and now.pid == process.pid:
                progress = {line: line for line in now.moved}
                progress |= {part.name: f"{part.name}: {part.state}" for part in now.parts}
                for about, line in progress.items():
                    if shown.get(about) != line:
                        shown[about] = line
                        click.echo(line, err=True)
                if now.phase == "ready":
                    return now
            time.sleep(POLL_S)
    except KeyboardInterrupt:
        process.terminate()
        process.wait()
        raise


def _download(settings: Settings) -> None:
    """Download what the embedded broker needs, with a progress bar."""
    from deploy.embedded.kafka.node import prepare

    if "kafka_brokers" not in settings.model_fields_set:
        prepare(settings.kafka_repository)


def _check_usable(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        fail(f"--data {folder}: {error.strerror}", Exit.UNUSABLE)


@click.command()
@click.option(
    "--rate", type=click.FloatRange(min=0.1, max=1000), default=5.0, show_default=True, help="Events a second."
)
@click.option("--seed", type=click.IntRange(min=0), default=1, show_default=True, help="Same seed, same contacts.")
@click.option(
    "--data",
    type=click.Path(file_okay=False, resolve_path=True, path_type=Path),
    help="Empty folder to keep what is made (default: a temporary one, removed at the end).",
)
@config_option
@port_base_option
def demo(rate: float, seed: int, data: Path | None, port_base: int | None) -> None:
    """Show a simulated contact centre on this machine.

    Starts all parts, sends the events of today so far, and continues live. Prints the wallboard's address; Ctrl-C ends
    all of it.

    Example: pulssi demo --rate 20 --seed 7
    """
    from dashboards.wallboard.sign_in import load_sign_in
    from deploy.embedded import stack
    from deploy.embedded.demonstration import demonstrate

    quiet_clients()
    settings, _ = load_configuration(files=RULE_FILES)
    load_sign_in(settings)
    _download(settings)
    if data is not None and data.exists() and any(data.iterdir()):
        fail(f"--data {data}: is not empty; a demonstration takes a folder of its own", Exit.UNUSABLE)
    with nullcontext(data) if data else tempfile.TemporaryDirectory(prefix="pulssi-demo-") as named:
        folder = Path(named).resolve()
        _check_usable(folder)
        raise SystemExit(stack.run(folder, settings, TerminalOutput(), port_base, partial(demonstrate, rate, seed)))


@click.command()
@running_stack_option
def down(data: Path | None) -> None:
    """End a running stack.

    The part that was started last ends first. Where several stacks run and none is named, none is ended (exit 2).
    Exit 0 also where nothing runs.

    Example: pulssi down --data ./.pulssi
    """
    if data is None and "PULSSI_DATA" not in os.environ and len(several := stack_state.noted()) > 1:
        fail(f"several stacks run: name one by --data: {', '.join(str(each.folder) for each in several)}", 2)
    running = stack_state.find(data)
    if running is None:
        click.echo("nothing runs")
        return
    with suppress(ProcessLookupError):
        os.kill(running.pid, signal.SIGTERM)
    deadline = time.monotonic() + DOWN_WITHIN_S
    while (now := stack_state.read(running.folder)) is not None and now.pid == running.pid:
        if time.monotonic() >= deadline:
            fail(f"process {running.pid} still runs after {DOWN_WITHIN_S:g} s: see {running.folder / LOGS}", Exit.NO)
        time.sleep(POLL_S)
    click.echo(f"ended: {running.folder}")


def _part_report(part: PartState) -> dict[str, object]:
    """Return a part's state; one that was ready is asked whether it still is."""
    from deploy.embedded import readiness_probes
    from streams.clickhouse.addresses import Address

    fault, notice = None, ""
    if part.state == "ready" and part.url:
        if part.name == "broker":
            fault = readiness_probes.broker_fault(part.url)
        elif part.name == "clickhouse":
            fault = readiness_probes.ping_fault(Address(part.url, part.ca, verify=part.verify))
        else:
            fault, notice = readiness_probes.http_answer(f"{part.url}readyz")
    kept = part.model_dump(include={"name", "url", "program", "pid", "restarts", "last_exit"})
    state = "not ready" if fault else part.state
    return {**kept, "state": state, "external": not part.started_here, "fault": fault, "notice": notice or None}


def _part_line(report: Mapping[str, object]) -> str:
    """Write a part's report for people."""
    said = report["external"] and "external", report["program"], report["fault"], report["notice"]
    notes = [str(note) for note in said if note]
    if report["state"] == "stopped":
        notes.append(f"{report['last_exit']}; {RUNBOOK}")
    elif report["restarts"]:
        notes.append(f"restarts: {report['restarts']}, last: {report['last_exit']}")
    return f"{report['name']:<11} {report['state']:<10} {report['url']}{'  ' if notes else ''}{', '.join(notes)}"


@click.command()
@running_stack_option
@json_option
def status(data: Path | None, *, as_json: bool) -> None:
    """Show each part, its address, and whether it is ready.

    Every part is asked now. A ready part may add a fault that somebody must correct, such as a refused change of
    sources.toml. Exits with 1 if a part is not ready, or nothing runs.

    Example: pulssi status --json
    """
    quiet_clients()
    running = stack_state.find(data)
    parts = [] if running is None else [_part_report(part) for part in running.parts]
    phase, folder = (None, None) if running is None else (running.phase, str(running.folder))
    ready = phase == "ready" and all(each["state"] in {"ready", "done"} for each in parts)
    if as_json:
        click.echo(json.dumps({"ready": ready, "folder": folder, "parts": parts}, indent=2))
    elif running is None:
        click.echo("nothing runs: `pulssi up` starts a stack")
    for each in () if as_json else parts:
        click.echo(_part_line(each))
    if running is not None and not as_json:
        click.echo(f"{'data':<11} {running.folder}")
    raise SystemExit(Exit.DONE if ready else Exit.NO)
