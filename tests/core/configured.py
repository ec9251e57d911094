"""A centre with much configured: hours with breaks, a queue in another zone, policies on business time, and changes on
days and at times that the contacts of these tests live through.
"""  # noqa: D205 - one sentence

import random
from pathlib import Path
from typing import Final

from schemas.policies import Rules
from streams.configuration.folder import load_rules
from tests import centres
from tests.oracle.centre import Centre

#: Contacts begin at 10:00 in Helsinki, on Monday, 2 March, or on the day before clocks are put forward there, and live
#: for 25 hours; in New York it is 3:00 then.
FILES: Final = centres.files("configured")

CENTRE: Final = Centre(FILES)


#: What a drawn policy may say besides its name, metric and target.
_WORDS: Final = (
    *('channel = "chat"', 'channel = "call"', 'queue = "red"', 'queue = "blue"', 'priority = "urgent"'),
    *('segment = "vip"', 'clock = "calendar"', 'calendar = "office"', 'calendar = "shop"', 'calendar = "never"'),
    *('pauses = "stop"', 'pauses = "stop"', 'warning = "2s"', "valid_from = 2026-03-02T08:01:00Z"),
    *("valid_from = 2026-03-28T08:02:00Z", "valid_until = 2026-03-29"),
)
_METRICS: Final = ("first_response", "next_response", "queue_wait", "resolution")


def drawn(seed: int) -> dict[str, str]:
    """Draw a centre's policies at random; all else is as above."""
    chance = random.Random(seed)  # noqa: S311 - what a test tries
    entries = []
    for number in range(8):
        metric = chance.choice(_METRICS) if number else "first_response"
        target = chance.choice(["3s", "21s", "1m", "3m", "1h", "1d"])
        words = {word.split()[0]: word for word in chance.sample(_WORDS, k=chance.randint(0, 4))}
        if metric != "resolution":
            words.pop("pauses", None)
        entries.append(
            "\n".join([f'name = "p{number}"', f'metric = "{metric}"', f'target = "{target}"', *words.values()])
        )
    entries.append('name = "p0"\nmetric = "first_response"\ntarget = "4s"\nvalid_from = 2026-03-02T08:00:30Z')
    return {**FILES, "policies": "".join(f"\n[[policy]]\n{entry}\n" for entry in entries)}


def rules(folder: Path, files: dict[str, str] = FILES) -> Rules:
    """Write the files and load them as a worker does."""
    for name, text in files.items():
        (folder / f"{name}.toml").write_text(text, encoding="utf-8")
    return load_rules(folder)
