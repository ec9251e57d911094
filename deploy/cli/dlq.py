"""`pulssi dlq`: shows dead letters with their reasons, sends them again, or takes them off the list."""

from __future__ import annotations

import asyncio
import getpass
import json
import os
import re
import time
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import AsyncExitStack
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from zoneinfo import ZoneInfo

import click

from deploy.cli.common import exit_if_unreachable, fail, json_option, running_stack_option, stack_settings
from deploy.cli.records import moment, print_fields
from deploy.cli.sending import ProgressMeter
from deploy.cli.time_arguments import parse_duration
from schemas.configuration.source_models import SOURCES
from schemas.exits import Exit
from schemas.printable import LINES, printable
from schemas.topics import SOURCES as TOPICS
from schemas.user_input import did_you_mean
from streams.times import now_ms

if TYPE_CHECKING:
    from schemas.settings import Settings
    from streams.dead_letters.letter import Letter
    from streams.dead_letters.letter_topic import Handled
    from streams.sources.event_producer import EventProducer

#: Letters that the list shows of each kind, the newest last.
_SHOWN: Final = 20
#: How often a replay waits until Kafka has stored all sent records, and then marks their letters.
_SETTLE_EVERY_S: Final = 5.0


@click.group("dlq")
def dlq_group() -> None:
    """List, show, replay or discard dead letters.

    A dead letter is a record that is no valid event, or a payload that cannot be mapped. It waits 30 days (or
    retention_days, if that is longer) in the topic contacts.dlq. Its id is its partition and offset there, such as
    2-1041.
    """


def _filters(command: Callable[..., None]) -> Callable[..., None]:
    options = (
        click.option("--code", help="Only those with this code, such as invalid, wrong_key or unmappable."),
        click.option(
            "--from", "origin", help="Only those from this topic or account, such as contacts.chat or zendesk/acme."
        ),
        click.option("--since", metavar="DURATION", help="Only those of the last 30m, 12h, 2d, …"),
    )
    for option in reversed(options):
        command = option(command)
    return command


@dlq_group.command("list")
@_filters
@click.option("--all", "also_handled", is_flag=True, help="Also those that were replayed or discarded.")
@click.option(
    "--limit", type=click.IntRange(1), default=_SHOWN, show_default=True, help="How many to show: the newest."
)
@running_stack_option
@json_option
def list_letters(
    code: str | None,
    origin: str | None,
    since: str | None,
    limit: int,
    data: Path | None,
    *,
    also_handled: bool,
    as_json: bool,
) -> None:
    """List the dead letters that wait, and count them by what is wrong.

    A dead letter waits until somebody replays or discards it. Exits with 0 whether or not there are any, with 3 if
    Kafka does not answer.

    Example: pulssi dlq list --since 2h
    """
    settings = stack_settings(data)
    found, handled = _read(settings, code, origin, since)
    if not also_handled:
        found = [letter for letter in found if letter.id not in handled]
    if as_json:
        click.echo(json.dumps([_described(each, handled) for each in found[-limit:]], indent=2, ensure_ascii=False))
        return
    if not found:
        click.echo("there is no dead letter" if also_handled else "no dead letter waits")
        return
    zone = ZoneInfo(settings.time_zone)
    for letter in found[-limit:]:
        done = handled.get(letter.id)
        mark = f"  {done.what} by {done.by}" if done else ""
        origin = f"{letter.origin} {letter.place}".rstrip()
        click.echo(f"{letter.id:<10}  {moment(letter.at, zone)}  {printable(f'{letter.code}  {origin}{mark}')}")
        click.echo(f"    {printable(letter.reason)}")
    click.echo("")
    for (why, where), count in Counter((each.code, each.origin.partition("@")[0]) for each in found).most_common():
        click.echo(printable(f"{count:>8,}  {why:<14}  {where}"))
    click.echo(f"{len(found):>8,}  in all; `pulssi dlq show ID` shows one")


@dlq_group.command("show")
@click.argument("letter_id", metavar="ID")
@click.option(
    "--body", "body_only", is_flag=True, help="Print only the bytes, to write them to a file and correct them."
)
@running_stack_option
@json_option
def show(letter_id: str, data: Path | None, *, body_only: bool, as_json: bool) -> None:
    """Show one dead letter: its reason, origin and content.

    The content may name people. Control characters are written as escapes. Exits with 1 if there is no such letter.

    Example: pulssi dlq show 2-1041 --body > letter.json
    """
    settings = stack_settings(data)
    found, handled = _read(settings)
    (letter,) = _chosen(found, [letter_id])
    if body_only:
        click.get_binary_stream("stdout").write(letter.value)
        return
    if as_json:
        content = {"headers": _texts(letter), "body": letter.value.decode("utf-8", "replace")}
        click.echo(json.dumps(_described(letter, handled) | content, indent=2, ensure_ascii=False))
        return
    done, zone = handled.get(letter.id), ZoneInfo(settings.time_zone)
    fields = {
        "letter": letter.id,
        "written": moment(letter.at, zone),
        "what": f"{letter.code}: {letter.reason}",
        "from": letter.origin,
        "place": letter.place or None,
        "form": letter.about.get("form"),
        "key": None if letter.key is None else letter.key.decode("utf-8", "replace"),
        "handled": done and f"{done.what} by {done.by}, {moment(done.at, zone)}",
        "size": f"{len(letter.value):,} bytes{', cut' if letter.is_cut else ''}",
    }
    print_fields({name: value if value is None else printable(value) for name, value in fields.items()})
    for name, value in _texts(letter).items():
        click.echo(printable(f"  {name}: {value}"))
    click.echo(f"\n{printable(letter.value.decode('utf-8', 'replace'), but=LINES)}")


@dlq_group.command(
    "replay",
    epilog="""\b
Examples:
  pulssi dlq replay --all --from zendesk/acme
  pulssi dlq show 2-1041 --body > letter.json     (and correct it)
  pulssi dlq replay 2-1041 --body letter.json
""",
)
@click.argument("ids", nargs=-1, metavar="[ID]…")
@click.option("--all", "everything", is_flag=True, help="All that nobody has dealt with, by the filters below.")
@_filters
@click.option(
    "--body",
    "corrected",
    type=click.File("rb"),
    metavar="FILE",
    help="Send the content of this file in place of the letter's own; `-`: standard input.",
)
@click.option("--dry-run", is_flag=True, help="Say what would be sent, and send nothing.")
@running_stack_option
@json_option
def replay(
    ids: tuple[str, ...],
    code: str | None,
    origin: str | None,
    since: str | None,
    corrected: Any,  # noqa: ANN401 - click's own file
    data: Path | None,
    *,
    everything: bool,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Send dead letters again, after what was wrong is corrected.

    An event goes to the topic of its channel, under the key that it must have. A vendor's payload is mapped again, by
    the adapter and sources.toml as they are now; for what it leaves out the vendor's API is asked, at most
    requests_per_minute times a minute, also with --dry-run. A letter that would be a dead letter again is reported and
    not sent. Sending one twice does no harm: an event counts once. A stopped replay continues when it is run again.
    On a terminal a bar shows how far it is; --json prints only the report. Exits with 1 if any could not be sent.
    """
    if bool(ids) == everything:
        fail("name the letters, or say --all", Exit.UNUSABLE)
    if corrected is not None and len(ids) != 1:
        fail("--body is for one letter", Exit.UNUSABLE)
    settings = stack_settings(data)
    from streams.sources.event_producer import ProduceError

    with ProgressMeter("replaying", 1.0, quiet=as_json) as meter:
        meter.show(None, "reading the dead letters")
        found, handled = _read(settings, code, origin, since)
        letters = [each for each in found if each.id not in handled] if everything else _chosen(found, ids)
        if corrected is not None:
            letters = [_with_body(letters[0], corrected.read())]
        with exit_if_unreachable(settings, lambda: "; run the command again to continue"):
            try:
                outcomes = asyncio.run(_replay(settings, letters, meter, dry_run=dry_run))
            except ProduceError as error:
                fail(str(error), Exit.NO)
    sent, refused = outcomes.sent, outcomes.refused
    if as_json:
        report = {"letters": len(sent), "events": sum(sent.values()), "sent": sent, "refused": refused}
        click.echo(json.dumps(report | {"dry_run": dry_run}, indent=2, ensure_ascii=False))
    else:
        verb = "would send" if dry_run else "sent"
        for name, number in islice(sent.items(), _SHOWN):
            click.echo(f"{name}: {verb} {number:,} events")
        for name, why in islice(refused.items(), _SHOWN):
            click.echo(printable(f"{name}: not sent: {why}"), err=True)
        if left := max(0, len(sent) - _SHOWN) + max(0, len(refused) - _SHOWN):
            click.echo(f"and {left:,} more: --json lists all", err=True)
        click.echo(f"{verb} {sum(sent.values()):,} events of {len(sent):,} letters; {len(refused):,} were refused")
    raise SystemExit(Exit.NO if refused else Exit.DONE)


@dlq_group.command("discard")
@click.argument("ids", nargs=-1, metavar="[ID]…")
@click.option("--all", "everything", is_flag=True, help="All that nobody has dealt with, by the filters below.")
@_filters
@running_stack_option
def discard(
    ids: tuple[str, ...],
    code: str | None,
    origin: str | None,
    since: str | None,
    data: Path | None,
    *,
    everything: bool,
) -> None:
    """Take dead letters off the list that are not worth sending.

    They stay in the topic as long as the others. `pulssi dlq list --all` shows them, and they can still be replayed.

    Example: pulssi dlq discard --all --code not_json
    """
    if bool(ids) == everything:
        fail("name the letters, or say --all", Exit.UNUSABLE)
    settings = stack_settings(data)
    found, handled = _read(settings, code, origin, since)
    letters = [each for each in found if each.id not in handled] if everything else _chosen(found, ids)
    from streams.dead_letters.letter_topic import mark

    with exit_if_unreachable(settings):
        asyncio.run(mark(settings, letters, "discarded", _who()))
    click.echo(f"discarded {len(letters):,} letters")


def _who() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # no such user on this system, as in some containers
        return "unknown"


def _read(
    settings: Settings, code: str | None = None, origin: str | None = None, since: str | None = None
) -> tuple[list[Letter], dict[str, Handled]]:
    """Read the letters that the filters let through, in the order of their times, and what was done about any."""
    from streams.dead_letters.letter_topic import letters, read_handled

    begin = None if since is None else now_ms() - parse_duration(since)
    known = (*SOURCES, *TOPICS)
    if origin is not None and (name := re.split("[/@]", origin)[0]) not in known:
        fail(f"--from: there is no source or topic {name}{did_you_mean(name, known)}", Exit.UNUSABLE)

    async def read() -> tuple[list[Letter], dict[str, Handled]]:
        handled = await read_handled(settings)
        found = [
            letter
            async for letter in letters(settings, begin)
            if code in {None, letter.code} and (origin is None or _is_from(letter, origin))
        ]
        return sorted(found, key=lambda letter: letter.at), handled

    with exit_if_unreachable(settings):
        return asyncio.run(read())


def _is_from(letter: Letter, origin: str) -> bool:
    return letter.origin == origin or letter.origin.startswith((f"{origin}/", f"{origin}@"))


def _chosen(found: Iterable[Letter], ids: Iterable[str]) -> list[Letter]:
    known = {letter.id: letter for letter in found}
    missing = [each for each in ids if each not in known]
    if missing:
        fail(f"there is no dead letter {missing[0]}: list them with `pulssi dlq list --all`", Exit.NO)
    return [known[each] for each in dict.fromkeys(ids)]


def _with_body(letter: Letter, body: bytes) -> Letter:
    """Put another body in a letter's place; it is whole then, whatever was kept of the former one."""
    about = {name: value for name, value in letter.about.items() if name != "bytes"}
    return letter._replace(value=body, about=about)


class _Outcomes:
    """The outcome of each letter: how many events were sent, or why it was refused."""

    def __init__(self) -> None:
        self.sent: dict[str, int] = {}
        self.refused: dict[str, str] = {}


async def _replay(settings: Settings, letters: list[Letter], meter: ProgressMeter, *, dry_run: bool) -> _Outcomes:
    """Map and send letters one after the other, and mark the sent ones every few seconds and at the end.

    So a replay that is stopped and run again continues with the rest. Raises the errors of Kafka's clients.
    """
    from streams.configuration.environment import config_folder
    from streams.dead_letters.letter_topic import mark
    from streams.dead_letters.replay import NotReplayableError, Replays
    from streams.sources.accounts import read_accounts
    from streams.sources.event_producer import EventProducer

    outcomes, settled_at = _Outcomes(), time.monotonic()
    unmarked: list[Letter] = []
    producer: EventProducer | None = None

    async def settle() -> None:
        nonlocal settled_at
        if producer is not None and unmarked:
            await producer.flush()
            await mark(settings, unmarked, "replayed", _who())
            unmarked.clear()
        settled_at = time.monotonic()

    async with AsyncExitStack() as stack:
        replays = await stack.enter_async_context(
            Replays(lambda: read_accounts(config_folder(), os.environ), meter.say)
        )
        for number, letter in enumerate(letters):
            if meter.is_due() or number == 0:
                meter.show(number / len(letters), f"{number:,} of {len(letters):,}, {len(outcomes.refused):,} refused")
            try:
                records = await replays.records_of(letter)
            except NotReplayableError as error:
                outcomes.refused[letter.id] = str(error)
                continue
            if not dry_run:
                if producer is None:
                    producer = await stack.enter_async_context(EventProducer(settings, meter.say, client="dlq"))
                await producer.send_all(records)
                unmarked.append(letter)
                if time.monotonic() - settled_at > _SETTLE_EVERY_S:
                    await settle()
            outcomes.sent[letter.id] = len(records)
        await settle()
    return outcomes


def _described(letter: Letter, handled: dict[str, Handled]) -> dict[str, object]:
    done = handled.get(letter.id)
    return {
        "id": letter.id,
        "at": letter.at,
        "code": letter.code,
        "reason": letter.reason,
        "origin": letter.origin,
        "place": letter.place or None,
        "bytes": len(letter.value),
        "handled": done and done._asdict(),
    }


def _texts(letter: Letter) -> dict[str, str]:
    own = {name: content.decode("utf-8", "replace") for name, content in letter.headers}
    return {**own, **letter.vendor_headers}
