"""What an open contact costs in memory: by how much a process grows over many of them, each of ten events.

Measured in a process of its own, on a heap without holes; every id has 36 characters.
"""

from __future__ import annotations

import subprocess
import sys
from typing import Final

import click

from tests.bench.core import grown_by, in_hand_by
from tests.bench.program import ROOT
from tests.bench.report import Part, load, measured

NAME: Final = "memory"
COMMAND: Final = "make bench ARGS='--only memory'"
MEASURED_WITHIN_S: Final = 600
#: Those in hand are fewer.
TENTH: Final = 10


def run(contacts: int) -> Part:
    """Measure."""
    before = load()
    done = subprocess.run(
        [sys.executable, "-m", "tests.bench.memory", str(contacts)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=MEASURED_WITHIN_S,
        check=True,
    )
    grown, record, in_hand = map(float, done.stdout.split())
    rows = [
        ("memory of an open contact of ten events", f"{grown:,.0f} bytes, {record:,.0f} of them its record"),
        ("beside that, of each that is kept ready to go on (`contacts_in_hand`)", f"{in_hand:,.0f} bytes"),
    ]
    where = measured(before, f"growth of resident size over {contacts:,} contacts, ids of 36 characters")
    return Part(NAME, ("", "figure"), rows, [where, f"`{COMMAND}`"])


@click.command()
@click.argument("contacts", type=int)
def main(contacts: int) -> None:
    """Print the figures."""
    click.echo(" ".join(map(str, (*grown_by(contacts), in_hand_by(contacts // TENTH)))))


if __name__ == "__main__":
    main()
