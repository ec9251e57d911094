"""`pulssi simulate`: a believable contact centre, to Kafka as time passes or to a file at once."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

import click

from deploy.cli.common import fail, running_stack_option, stack_settings
from deploy.cli.sending import Pace, ProgressMeter, broker_wait_option, send_events
from deploy.cli.time_arguments import parse_duration, parse_moment
from schemas.exits import Exit
from schemas.settings import Settings
from streams.sources import recording_files, simulator
from streams.sources.recordings import RoutedEvent
from streams.sources.simulator import Plan, SimulatedEvent
from streams.times import at, milliseconds, now_ms

#: Behind by more than this, a live run says so, at most so often.
_BEHIND_S: Final = 5.0
_SAY_EVERY_S: Final = 30.0
#: A back-fill of so many events gets a line of its own when it is done.
_WORTH_TELLING: Final = 1000


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
@click.option(
    "--for",
    "lasts_ms",
    type=parse_duration,
    metavar="DURATION",
    help="Length, like 30s, 10m, 24h; without it: until Ctrl-C.",
)
@click.option(
    "--start",
    default="now",
    show_default=True,
    help="Time of the first event: RFC 3339 (without a zone: the centre's own time), `midnight` or `now`. "
    "What lies in the past is sent at once.",
)
@click.option(
    "--seed",
    type=click.IntRange(min=0, max=10**9),
    default=1,
    show_default=True,
    help="Same seed, start, rate and length: same bytes.",
)
@click.option("--out", help="Write to this file instead (.ndjson, or .gz, .zst; `-`: standard output), all at once.")
@broker_wait_option
@running_stack_option
def simulate(
    rate: float, lasts_ms: int | None, start: str, seed: int, out: str | None, give_up_s: float, data: Path | None
) -> None:
    """Send the events of a simulated contact centre to Kafka.

    Calls, chats and e-mails of a believable day, with queues, bots, transfers, holds, customers who give up, shifts, a
    surge with a topic of its own: what Pulssi shows before your own events flow. The day is the centre's:
    PULSSI_TIME_ZONE.
    """
    settings = stack_settings(data)
    zone = ZoneInfo(settings.time_zone)
    plan = Plan(milliseconds(parse_moment(start, zone, datetime.now(UTC))), rate, seed, lasts_ms, zone)
    meter = ProgressMeter("simulating", lasts_ms)
    if out is None:
        _to_kafka(settings, plan, give_up_s, meter)
    elif lasts_ms is None:
        fail("--out needs a length: add --for, such as --for 24h", Exit.UNUSABLE)
    else:
        began = time.monotonic()
        try:
            with meter:
                count = recording_files.write(out, (event.value for event in _events(plan, meter)))
        except OSError as error:
            fail(f"--out {out}: {error.strerror or error}", Exit.UNUSABLE)
        seconds = time.monotonic() - began
        click.echo(f"wrote {count:,} events to {out} in {seconds:.1f} s", err=out == recording_files.STANDARD)


def _to_kafka(settings: Settings, plan: Plan, give_up_s: float, meter: ProgressMeter) -> None:
    from streams.sources.event_producer import EventProducer

    def summary() -> str:
        start = at(plan.start_ms).isoformat().replace("+00:00", "Z")
        again = f"the same command with --start {start} continues: events that are sent twice count once"
        return f"{producer.sent.total():,} events are acknowledged; {again}"

    producer = EventProducer(settings, meter.say, give_up_s=give_up_s, client="simulate")
    events = _reporting_delays(_events(plan, meter), meter)
    click.echo(send_events(producer, meter, events, Pace(begins=(plan.start_ms, plan.start_ms)), summary))


def _events(plan: Plan, meter: ProgressMeter) -> Iterator[SimulatedEvent]:
    """Yield the run's events, and move the bar."""
    for count, event in enumerate(simulator.simulate(plan)):
        if meter.is_due():
            clock = datetime.fromtimestamp(event.at / 1000, plan.zone)
            meter.show(event.at - plan.start_ms, f"{count:,} events, {clock:%a %H:%M:%S}")
        yield event


def _reporting_delays(events: Iterator[SimulatedEvent], meter: ProgressMeter) -> Iterator[RoutedEvent]:
    """Pass events on; say when what is past is done, and when what is live comes late."""
    caught_up, told_at = False, 0.0
    for count, event in enumerate(events):
        behind_s = (now_ms() - event.at) / 1000
        if behind_s < 0 and not caught_up:
            caught_up = True
            if count > _WORTH_TELLING:
                meter.say(f"live: {count:,} events so far, then as time passes (Ctrl-C ends it)")
        if caught_up and behind_s > _BEHIND_S and time.monotonic() - told_at > _SAY_EVERY_S:
            told_at = time.monotonic()
            meter.say(f"behind by {behind_s:.0f} s: this machine or the broker cannot keep up; a lower --rate can")
        yield RoutedEvent(event.topic, event.key, event.value, event.at)
