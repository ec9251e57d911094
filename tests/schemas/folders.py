"""Configuration folders for tests: one that says much, and what is wrong with others."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pytest

from schemas.configuration.reading import ConfigurationError
from schemas.configuration.rules import load_rules

WHOLE: Final = {
    "centre": """
        time_zone = "Europe/Helsinki"
        calendar = "office"
        short_abandon = "7s"
        bad_record_share = 0.25
        patience = { chat = "90s" }
        [horizons]
        email = "14d"
    """,
    "calendars": """
        [[calendar]]
        name = "office"
        holidays = "FI"
        closed = [2026-12-31, "2026-11-02"]
        [calendar.week]
        weekdays = ["08:00-12:00", "13:00-17:00"]
        friday = ["8:00-14:00"]
        [calendar.extra]
        2026-12-24 = ["08:00-10:00"]

        [[calendar]]
        name = "night"
        time_zone = "Europe/Stockholm"
        week.every_day = ["22:00-06:00"]
        week.weekend = []

        [[calendar]]
        name = "office"
        valid_from = 2027-01-01
        week.weekdays = ["09:00-15:00"]
    """,
    "queues": """
        [[queue]]
        name = "Nordic night"
        calendar = "night"
        time_zone = "Europe/Stockholm"
    """,
    "policies": """
        [[policy]]
        name = "vip"
        metric = "first_response"
        segment = "vip"
        target = "30m"
        calendar = "office"
        objective = 0.95
        warning = "10m"
        window = "1h"
        minimum_volume = 20
        formula = "offered"

        [[policy]]
        name = "chat"
        metric = "first_response"
        channel = "chat"
        target = "1m"

        [[policy]]
        name = "vip"
        metric = "first_response"
        segment = "vip"
        target = "20m"
        valid_from = 2026-04-01

        [[policy]]
        name = "campaign"
        metric = "resolution"
        target = "2d"
        clock = "calendar"
        valid_from = 2026-05-01T08:00:00Z
        valid_until = 2026-06-01
    """,
    "taxonomy": """
        [[tag]]
        name = "Refund"
        aliases = ["money back"]

        [[tag]]
        name = "delivery"
        aliases = ["Shipping"]
        valid_from = 2026-04-01
    """,
}


def folder(at: Path, files: dict[str, str]) -> Path:
    """Write files into a folder."""
    for name, text in files.items():
        (at / f"{name}.toml").write_text(text)
    return at


def faults(at: Path, files: dict[str, str]) -> list[str]:
    """Load a folder that cannot be used; without the folder's own path."""
    with pytest.raises(ConfigurationError) as raised:
        load_rules(folder(at, files))
    return [fault.removeprefix(f"{at}/") for fault in raised.value.faults]
