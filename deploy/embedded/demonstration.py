"""What a demonstration adds to a stack: today so far, then a simulated contact centre, live.

Today so far is made by the simulator into a file and replayed at full speed; then the simulator goes on by the clock.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

from rich.console import Console
from rich.panel import Panel

from deploy.embedded.parts import Wiring, pulssi
from deploy.embedded.supervisor import Part
from deploy.embedded.voice import Voice

#: Just after midnight there is nothing worth a back-fill.
SHORTEST_BACKFILL: Final = timedelta(minutes=1)
BACKFILL_FILE: Final = "today.ndjson"
ARROW: Final = "\u2192"


@dataclass(frozen=True)
class Demonstration:
    """Events of `rate` a second and `seed`, from the start of `now`'s day in the centre's time zone."""

    rate: float
    seed: int
    now: datetime

    def midnight(self, time_zone: str) -> datetime:
        """Return when today began, UTC."""
        local = self.now.astimezone(ZoneInfo(time_zone))
        return local.replace(hour=0, minute=0, second=0, microsecond=0).astimezone(UTC)

    def parts(self, wiring: Wiring) -> Sequence[tuple[Part, ...]]:
        """Return the steps of the back-fill, then the live simulator."""
        whole_seconds = self.now.astimezone(UTC).replace(microsecond=0)
        start = self.midnight(wiring.settings.time_zone)
        sofar = whole_seconds - start
        options = ("--rate", f"{self.rate:g}", "--seed", str(self.seed))
        live = Part(
            "simulate",
            pulssi("simulate", "--start", _stamp(whole_seconds), *options),
            ready=lambda: True,
            environment=wiring.environment,
        )
        if sofar < SHORTEST_BACKFILL:
            return [(live,)]
        file = str(wiring.folder / BACKFILL_FILE)
        span = ("--start", _stamp(start), "--for", f"{int(sofar.total_seconds())}s")
        return [
            (Part("today", pulssi("simulate", *span, *options, "--out", file), environment=wiring.environment),),
            (Part("backfill", pulssi("replay", file, "--speed", "max"), environment=wiring.environment),),
            (live,),
        ]

    def announce(self, wiring: Wiring, voice: Voice) -> None:
        """Show the wallboard's address so that nobody misses it."""
        console = Console(highlight=False)
        address = wiring.url_of("wallboard")
        with console.capture() as captured:
            console.print(
                Panel(f"[bold]Open the wallboard {ARROW} {address}[/bold]", border_style="bright_green", padding=(1, 4))
            )
        voice.say(captured.get().rstrip())
        voice.say(f"back-filling today since {self.midnight(wiring.settings.time_zone):%H:%M} UTC, then live\n")


def _stamp(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def is_fresh(folder: Path) -> bool:
    """Tell whether nothing is in the folder: a demonstration must not mix with what somebody keeps."""
    return not folder.exists() or not any(folder.iterdir())
