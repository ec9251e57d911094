"""What a demonstration adds to a stack: a simulated contact centre, today so far at once and then live."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.panel import Panel

from deploy.embedded.output import TerminalOutput
from deploy.embedded.parts import Wiring, pulssi
from deploy.embedded.supervisor import Part

ARROW: Final = "\u2192"


@dataclass(frozen=True)
class Demonstration:
    """Events of `rate` a second on average, from the start of today in the centre's time zone on."""

    rate: float
    seed: int

    def parts(self, wiring: Wiring) -> Sequence[tuple[Part, ...]]:
        """Return the simulator: one run from midnight on, so that contacts go over from what was into what is."""
        command = pulssi("simulate", "--start", "midnight", "--rate", f"{self.rate:g}", "--seed", str(self.seed))
        return [(Part("simulate", command, fault=lambda: None, environment=wiring.environment),)]

    def announce(self, wiring: Wiring, voice: TerminalOutput) -> None:
        """Show the wallboard's address so that nobody misses it."""
        console = Console(highlight=False)
        address = wiring.url_of("wallboard")
        with console.capture() as captured:
            console.print(
                Panel(f"[bold]Open the wallboard {ARROW} {address}[/bold]", border_style="bright_green", padding=(1, 4))
            )
        voice.say(captured.get().rstrip())
        voice.say("today so far comes in at once, then the day goes on live")


def is_fresh(folder: Path) -> bool:
    """Tell whether nothing is in the folder: a demonstration must not mix with what somebody keeps."""
    return not folder.exists() or not any(folder.iterdir())
