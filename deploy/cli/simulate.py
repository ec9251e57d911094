"""`pulssi simulate`: a believable contact centre, to Kafka as time passes or to a file at once."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo

import click

from deploy.cli.common import data_option, fail, stack_settings
from deploy.cli.feeding import Meter, feed, summary, wait_option
from deploy.cli.moments import Duration, moment
from schemas.exits import Exit
from schemas.settings import Settings
from streams.moments import at, milliseconds, now_ms
from streams.sources import recorded, simulator
from streams.sources.pacing import Pace, wait
from streams.sources.simulator import Emitted, Plan

if TYPE_CHECKING:
    from streams.sources.producing import EventProducer

#: Between two looks at whether somebody wants an end, and for the producer to work, while all is overdue.
_YIELD_EVERY: Final = 500
#: Behind by more than this, a live run says so, at most so often.
_BEHIND_S: Final = 5.0
_SAY_EVERY_S: Final = 30.0
_LARGEST_SEED: Final = 10**9
#: A back-fill of so many events gets a line of its own when it is done.
_WORTH_TELLING: Final = 1000


def _clock(at_ms: int, zone: ZoneInfo) -> str:
    return f"{datetime.fromtimestamp(at_ms / 1000, UTC).astimezone(zone):%a %H:%M:%S}"


@click.command(
    name="simulate",
    epilog="""\b
Examples:
  pulssi simulate                                   an event a second or so, from now on, until Ctrl-C
  pulssi simulate --start midnight --rate 20        today so far at once, then live
  pulssi simulate --for 10m --rate 500 --seed 7     ten busy minutes, live
  pulssi simulate --start 2026-03-02T00:00:00+02:00 --for 24h --out monday.ndjson.zst
""",
)
@click.option(
    "--rate",
    type=click.FloatRange(min=0.01, max=1_000_000),
    default=1.0,
    show_default=True,
    help="Events a second on average: over the run, or over a week where it has no end; "
    "agents' states at the start come on top. The number of agents follows.",
)
@click.option("--for", "lasts_ms", type=Duration(), help="Length, like 30s, 10m, 24h; without it: until Ctrl-C.")
@click.option(
    "--start",
    default="now",
    show_default=True,
    help="Time of the first event: RFC 3339 (without a zone: the centre's own time), `midnight` or `now`. "
    "What lies in the past is sent at once.",
)
@click.option(
    "--seed",
    type=click.IntRange(min=0, max=_LARGEST_SEED),
    default=1,
    show_default=True,
    help="Same seed, start, rate and length: same bytes.",
)
@click.option("--out", help="Write to this file instead (.ndjson, or .gz, .zst; `-`: standard output), all at once.")
@wait_option
@data_option
def simulate(
    rate: float, lasts_ms: int | None, start: str, seed: int, out: str | None, give_up_s: float, data: Path | None
) -> None:
    """Play a contact centre: calls, chats and e-mails of a believable day, as events.

    Queues, bots, transfers, holds, customers who give up, shifts, a surge with a topic of its own: what Pulssi shows
    before your own events flow. The day is the centre's: PULSSI_TIME_ZONE.
    """
    settings = stack_settings(data)
    zone = ZoneInfo(settings.time_zone)
    began = moment(start, zone, datetime.now(UTC))
    plan = Plan(milliseconds(began), rate, seed, lasts_ms, zone)
    if out is None:
        _to_kafka(settings, plan, give_up_s)
    elif lasts_ms is None:
        fail("--out needs a length: add --for, such as --for 24h", Exit.UNUSABLE)
    else:
        _to_file(plan, lasts_ms, out)


def _to_file(plan: Plan, lasts_ms: int, out: str) -> None:
    began = time.monotonic()
    with Meter("simulating", lasts_ms) as meter:

        def contents() -> Iterator[bytes]:
            for count, event in enumerate(simulator.simulate(plan)):
                if meter.due():
                    meter.show(event.at - plan.start_ms, f"{count:,} events, {_clock(event.at, plan.zone)}")
                yield event.value

        try:
            count = recorded.write(out, contents())
        except OSError as error:
            fail(f"--out {out}: {error.strerror or error}", Exit.UNUSABLE)
    seconds = time.monotonic() - began
    click.echo(f"wrote {count:,} events to {out} in {seconds:.1f} s", err=out == recorded.STANDARD)


def _to_kafka(settings: Settings, plan: Plan, give_up_s: float) -> None:
    meter = Meter("simulating", plan.lasts_ms)

    async def go(producer: EventProducer, stop: asyncio.Event) -> None:
        await _live(plan, producer, stop, meter)

    def how_far(producer: EventProducer) -> str:
        start = at(plan.start_ms).isoformat().replace("+00:00", "Z")
        again = f"the same command with --start {start} continues: events that are sent twice count once"
        return f"{producer.sent.total():,} events are acknowledged; {again}"

    click.echo(summary(feed(settings, "simulate", meter, give_up_s, go, how_far)))


async def _live(plan: Plan, producer: EventProducer, stop: asyncio.Event, meter: Meter) -> None:
    """Send each event when its time has come; what is past goes out as fast as it can."""
    caught_up = False
    told_at = 0.0
    pace = Pace(now_ms, plan.start_ms, plan.start_ms)
    for count, event in enumerate(simulator.simulate(plan)):
        ahead_s = pace.ahead_s(event.at)
        if ahead_s > 0:
            if not caught_up:
                caught_up = True
                if count > _WORTH_TELLING:
                    meter.say(f"live: {count:,} events so far, then as time passes (Ctrl-C ends it)")
            await wait(ahead_s, stop)
        elif count % _YIELD_EVERY == 0:
            await asyncio.sleep(0)
            told_at = _tell_where_behind(meter, -ahead_s, told_at, caught_up=caught_up)
        if stop.is_set():
            return
        await producer.send(event.topic, event.key, event.value)
        if meter.due():
            meter.show(event.at - plan.start_ms, _note(producer, event, plan.zone))


def _note(producer: EventProducer, event: Emitted, zone: ZoneInfo) -> str:
    return f"{sum(producer.sent.values()):,} events, {_clock(event.at, zone)}"


def _tell_where_behind(meter: Meter, behind_s: float, told_at: float, *, caught_up: bool) -> float:
    now = time.monotonic()
    if not caught_up or behind_s < _BEHIND_S or now - told_at < _SAY_EVERY_S:
        return told_at
    meter.say(f"behind by {behind_s:.0f} s: this machine or the broker cannot keep up; a lower --rate can")
    return now
