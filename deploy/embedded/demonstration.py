"""What a demonstration adds to a stack: a simulated contact centre, today so far at once and then live."""

from rich.console import Console
from rich.panel import Panel

from deploy.embedded.stack_layout import StackLayout, pulssi_command
from deploy.embedded.stack_output import TerminalOutput
from deploy.embedded.supervisor import PartDefinition, PartGroup


def demonstrate(rate: float, seed: int, layout: StackLayout, output: TerminalOutput) -> list[PartGroup]:
    """Show the wallboard's address so that nobody misses it, and return the simulator of `rate` events a second.

    It is one run from midnight on, in the centre's time zone, so that contacts go over from what was into what is.
    """
    console = Console(highlight=False)
    address = f"[bold]Open the wallboard → {layout.url_of('wallboard')}[/bold]"
    with console.capture() as captured:
        console.print(Panel(address, border_style="bright_green", padding=(1, 4)))
    output.say(captured.get().rstrip())
    output.say("today so far comes in at once, then the day goes on live")
    command = pulssi_command("simulate", "--start", "midnight", "--rate", f"{rate:g}", "--seed", str(seed))
    return [(PartDefinition("simulate", command, fault=lambda: None, environment=layout.environment),)]
