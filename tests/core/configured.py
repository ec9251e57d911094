"""A centre with much configured: hours with breaks, a queue in another zone, policies on business time, and changes on
days and at times that the contacts of these tests live through.
"""  # noqa: D205 - one sentence

from __future__ import annotations

import random
from pathlib import Path
from typing import Final

from schemas.configuration.rules import load_rules
from schemas.policies import Rules
from tests.oracle.centre import Centre

#: Contacts begin at 10:00 in Helsinki, on Monday, 2 March, or on the day before clocks are put forward there, and live
#: for 25 hours; in New York it is 3:00 then.
FILES: Final = {
    "centre": """
        time_zone = "Europe/Helsinki"
        calendar = "office"
        short_abandon = "40s"
        patience = { chat = "80s", email = "1h" }
    """,
    "calendars": """
        [[calendar]]
        name = "office"
        holidays = "FI"
        week.weekdays = ["08:00-10:01", "10:02-17:00"]
        week.weekend = ["22:00-04:30", "09:59-10:02"]

        [[calendar]]
        name = "office"
        valid_from = 2026-03-03
        week.every_day = ["03:30-04:30", "09:59-10:02", "22:00-03:15"]

        [[calendar]]
        name = "shop"
        time_zone = "America/New_York"
        closed = ["2026-03-03"]
        week.every_day = ["03:00-03:01", "03:03-12:00"]
        extra.2026-03-28 = ["23:00-03:01"]

        [[calendar]]
        name = "never"
    """,
    "queues": """
        [[queue]]
        name = "red"
        calendar = "shop"
    """,
    "policies": """
        [[policy]]
        name = "urgent"
        metric = "first_response"
        priority = "urgent"
        target = "50s"
        clock = "calendar"

        [[policy]]
        name = "chat"
        metric = "first_response"
        channel = "chat"
        target = "29s"
        calendar = "shop"

        [[policy]]
        name = "call"
        metric = "first_response"
        channel = "call"
        target = "90s"
        calendar = "never"
        clock = "time"
        valid_until = 2026-03-20

        [[policy]]
        name = "vip"
        metric = "first_response"
        segment = "vip"
        target = "1m"

        [[policy]]
        name = "next"
        metric = "next_response"
        queue = "blue"
        target = "1m"
        clock = "calendar"

        [[policy]]
        name = "visits"
        metric = "queue_wait"
        queue = "blue"
        target = "5s"

        [[policy]]
        name = "visits by the shop's hours"
        metric = "queue_wait"
        channel = "call"
        target = "20s"
        clock = "calendar"

        [[policy]]
        name = "without pauses"
        metric = "resolution"
        channel = "chat"
        target = "1m"
        pauses = "stop"

        [[policy]]
        name = "in hours, without pauses"
        metric = "resolution"
        channel = "email"
        target = "1m"
        calendar = "office"
        pauses = "stop"

        [[policy]]
        name = "all"
        metric = "resolution"
        target = "2m30s"
        calendar = "office"

        [[policy]]
        name = "chat"
        metric = "first_response"
        channel = "chat"
        target = "1m"
        valid_from = 2026-03-02T10:01:00+02:00
    """,
    "taxonomy": """
        [[tag]]
        name = "Fire"
        aliases = ["ﬁn"]

        [[tag]]
        name = "fire"
        aliases = ["ICE"]
        valid_from = 2026-03-02T08:01:00Z

        [[tag]]
        name = "ice "
        valid_from = 2026-02-01
        valid_until = 2026-03-02T08:01:00Z
    """,
}

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
