"""`pulssi source`: lists the accounts, shows which events a payload gives, and the last payloads of an account."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from zoneinfo import ZoneInfo

import click

from deploy.cli.common import NearestChoice, echo_report, fail, json_option, running_stack_option, stack_settings
from deploy.cli.config_option import config_option
from deploy.cli.records import moment, wrapped
from schemas.configuration.source_models import SOURCES
from schemas.exits import Exit
from schemas.settings import Settings
from schemas.user_input import did_you_mean
from streams.configuration.environment import config_folder

if TYPE_CHECKING:
    from streams.sources.accounts import Account
    from streams.sources.adapter import AccountRules

#: The key of pseudonyms in a trial: they show which customers are the same, and are used for nothing else.
_TRIAL_KEY: Final = "pulssi source check: a key of no account"

source_argument: Final = click.argument("source", type=NearestChoice(SOURCES))


@click.group("source")
def source_group() -> None:
    """List the accounts of sources, and try out payloads."""


@source_group.command("list")
@config_option
@running_stack_option
@json_option
def list_accounts(data: Path | None, *, as_json: bool) -> None:
    """List the accounts with what came from each.

    Each has the address of its hook, and what is followed. The counts are those of the gateway and of the follower,
    since they were started.

    Example: pulssi source list
    """
    from deploy.cli.gateway_client import counted, followed, hook_address
    from streams.configuration.folder import read_sources
    from streams.gateway.hook_accounts import lacks_secret
    from streams.sources.following.accounts import is_followed
    from streams.sources.registry import adapter_of

    settings = stack_settings(data)
    files = read_sources(config_folder())
    faulty = files.faults_by_entry("source")
    hooked = {
        number: adapter_of(entry.source).hook is not None and not lacks_secret(entry, adapter_of(entry.source))
        for number, entry in files.sources
    }
    counts = counted(settings)
    reads = followed(settings) if any(is_followed(entry) for _, entry in files.sources) else {}
    rows = []
    for number, entry in files.sources:
        told = (counts or {}).get((entry.source, entry.account))
        read = (reads or {}).get((entry.source, entry.account))
        last = max((each.last_payload_at for each in (told, read) if each is not None), default=0)
        rows.append(
            {
                "source": entry.source,
                "account": entry.account,
                "hook": hook_address(settings, entry) if hooked[number] else None,
                "followed": is_followed(entry),
                "last_payload": last or None,
                "hooks": None if told is None else told.hooks,
                "hook_fault": told is not None and told.has_fault,
                "read": None if read is None else read._asdict(),
                "faults": [line for _, line in faulty.pop(number, ())],
            }
        )
    written = files.written_entries("sources", "source")
    for number, lines in faulty.items():  # those that are too faulty to be read
        source, account = (str(written[number].get(key, "?")) for key in ("source", "account"))
        told, read = (counts or {}).get((source, account)), (reads or {}).get((source, account))
        last = max((each.last_payload_at for each in (told, read) if each is not None), default=0)
        rows.append(
            {
                "source": source,
                "account": account,
                "hook": None,
                "followed": False,
                "last_payload": last or None,
                "hooks": None if told is None else told.hooks,
                "hook_fault": told is not None and told.has_fault,
                "read": None if read is None else read._asdict(),
                "faults": [line for _, line in lines],
            }
        )
    if as_json:
        click.echo(json.dumps({"gateway": counts is not None, "follow": reads is not None, "accounts": rows}, indent=2))
        return
    if not rows:
        click.echo(_no_accounts())
        return
    for each in rows:
        click.echo("\n".join(_account_lines(each, settings)))
    if counts is None and any(hooked.values()):
        click.echo("\nthe gateway does not answer: there are no counts of hooks")
    if reads is None:
        click.echo("\nthe follower does not answer: there are no counts of what is followed")


def _no_accounts() -> str:
    if config_folder() is None:
        return "no configuration folder is named, so there is no account: --config DIR names one"
    return "sources.toml names no account: `pulssi init` writes one to start from"


def _account_lines(of: Mapping[str, Any], settings: Settings) -> Iterator[str]:
    """Write an account, how its events come, and what came."""
    yield f"{of['source']}/{of['account']}"
    for fault in of["faults"]:
        yield from wrapped(f"faulty: {fault}")
    if of["hook"]:
        yield from wrapped(of["hook"])
    if of["followed"]:
        yield from wrapped("is followed")
    if not of["hook"] and not of["followed"] and not of["faults"]:
        yield from wrapped("takes no hooks and is not followed: `pulssi import` reads it")
    came = []
    if of["hook_fault"] and not of["faults"]:
        yield from wrapped("the gateway does not use this entry as it is: `pulssi check-config` says why")
    if of["hook"] or any((of["hooks"] or {}).values()):
        hooks = ", ".join(
            f"{number} {name.replace('_', ' ')}" for name, number in (of["hooks"] or {}).items() if number
        )
        came.append(f"hooks: {hooks or '-'}")
    if (read := of["read"]) is not None:
        fault = "; is not followed now, the log says why" if read["has_fault"] else ""
        came.append(
            f"read: {read['payloads']:,} payloads, {read['events']:,} events,"
            f" {read['dead_letters']:,} dead letters{fault}"
        )
    at = of["last_payload"]
    last = "-" if at is None else moment(at, ZoneInfo(settings.time_zone))
    if of["hook"] or of["followed"] or came:
        yield from wrapped("; ".join([f"last payload {last}", *came]))


@source_group.command("check")
@source_argument
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--form", help="The form of the payload (default: hook, or the only form that the source has).")
@click.option("--account", help="Map by this account of sources.toml (default: the only one of the source, or none).")
@config_option
@json_option
def check(source: str, file: Path, form: str | None, account: str | None, *, as_json: bool) -> None:
    """Show the events that the payload in FILE gives.

    If it gives none, show why. Nothing is sent. Exits with 1 if the payload cannot be mapped.

    Example: pulssi source check zendesk payload.json --account acme
    """
    from streams.sources.adapter import Payload, UnmappableError
    from streams.sources.checked_events import map_payload
    from streams.sources.registry import adapter_of
    from streams.times import now_ms

    adapter = adapter_of(source)
    forms = sorted(adapter.forms)
    form = form or ("hook" if "hook" in forms else forms[0] if len(forms) == 1 else None)
    if form not in forms:
        fail(f"--form: {source} has {', '.join(forms)}", Exit.UNUSABLE)
    rules = _rules(source, account)
    try:
        body = file.read_bytes()
    except OSError as error:
        fail(f"{file}: {error.strerror}", Exit.UNUSABLE)
    try:
        outcome = map_payload(adapter, form, Payload(body, received_at=now_ms()), rules)
    except UnmappableError as error:
        report: dict[str, Any] = {"unmappable": {"field": error.field, "problem": error.problem}}
        echo_report(report, [f"unmappable: {error}"], as_json=as_json)
        raise SystemExit(Exit.NO) from None
    events = [json.loads(each.value) for each in outcome.records]
    asks = [f"{each.path}?{'&'.join('='.join(pair) for pair in each.query)}".rstrip("?") for each in outcome.requests]
    report = {"events": events, "nothing": outcome.nothing or None, "requests": asks}
    echo_report(report, _lines(events, outcome.nothing, asks), as_json=as_json)


def _lines(events: list[dict[str, Any]], nothing: str, asks: list[str]) -> Iterator[str]:
    for event in events:
        of = event.get("contact_id", event.get("agent_id"))
        common = {"type", "occurred_at", "contact_id", "event_id", "source", "channel"}
        fields = (f"{name}={json.dumps(value)}" for name, value in event.items() if name not in common)
        yield "  ".join((event["occurred_at"], event["type"], str(of), *fields, f"[{event['event_id']}]"))
    if nothing:
        yield f"nothing for the numbers: {nothing}"
    for ask in asks:
        yield f"needs an answer of the vendor's API first: GET {ask}"


class _EveryVariableSet(dict[str, str]):
    """An environment in which every variable seems to be set: a trial needs no secrets, so it runs without them."""

    def get(self, name: str, default: Any = None) -> Any:  # noqa: ANN401 - as a dict has it
        del default
        return super().get(name) or _TRIAL_KEY


def _rules(source: str, account: str | None) -> AccountRules:
    """Return an account's rules; if none is named and there is not exactly one, rules without any mapping."""
    from pydantic import SecretStr

    from streams.sources.accounts import load_accounts
    from streams.sources.adapter import AccountRules

    found = load_accounts(config_folder(), _EveryVariableSet(os.environ), source)
    named = [each for each in found if account in {None, each.name}]
    if account is not None and not named:
        meant = did_you_mean(account, (each.name for each in found))
        fail(f"--account: sources.toml has no {source}/{account}{meant}", Exit.UNUSABLE)
    if len(named) == 1:
        return named[0].rules
    return AccountRules(source, "trial", pseudonym_key=SecretStr(_TRIAL_KEY))


@source_group.command("capture")
@source_argument
@click.argument("account")
@click.option("--last", type=click.IntRange(1, 50), default=50, show_default=True, help="How many to show: the newest.")
@click.option("-o", "--out", type=click.Path(dir_okay=False, path_type=Path), help="Write to this file.")
@config_option
@running_stack_option
def capture(source: str, account: str, last: int, out: Path | None, data: Path | None) -> None:
    """Show the last payloads that the gateway received.

    One JSON object a line, the newest last: headers, body, and the types of its events. They are pseudonymised: names,
    addresses, texts, numbers and tokens are replaced before a payload is kept. The account's own secret is needed to
    ask the gateway. Exits with 1 if there is no payload yet.

    Example: pulssi source capture zendesk acme --last 5 -o payloads.ndjson
    """
    from deploy.cli.gateway_client import captured

    settings = stack_settings(data)
    lines = captured(settings, _account(source, account), last)
    if not lines:
        fail(f"the gateway has got no payload of {source}/{account} since it was started", Exit.NO)
    if out is None:
        click.echo(lines.decode(), nl=False)
        return
    try:
        out.write_bytes(lines)
    except OSError as error:
        fail(f"-o {out}: {error.strerror}", Exit.UNUSABLE)
    click.echo(f"{out}: {len(lines.splitlines()):,} payloads", err=True)


def _account(source: str, name: str) -> Account:
    from streams.sources.accounts import load_accounts

    accounts = load_accounts(config_folder(), os.environ, source)
    found = next((each for each in accounts if (each.source, each.name) == (source, name)), None)
    if found is None:
        meant = did_you_mean(name, (each.name for each in accounts))
        fail(f"sources.toml has no {source}/{name}{meant}", Exit.UNUSABLE)
    if not found.secrets:
        fail(f"{source}/{name} has no secret: set `secret_env` or `secret_file`", Exit.UNUSABLE)
    return found
