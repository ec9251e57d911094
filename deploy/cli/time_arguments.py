"""Durations and points in time as people write them on a command line."""

from contextlib import suppress
from datetime import datetime
from zoneinfo import ZoneInfo

import click

from schemas.user_input import duration_ms


def parse_duration(text: str) -> int:
    """Read a duration such as `30s`, `10m`, `1h30m` or `2d`, longer than nothing, as whole milliseconds."""
    with suppress(ValueError):
        if (total := duration_ms(text)) > 0:
            return total
    raise click.BadParameter(f"{text!r} is no duration: write it like 30s, 10m, 1h30m or 2d")


def parse_moment(text: str, zone: ZoneInfo, now: datetime, option: str = "--start") -> datetime:
    """Read `now`, `midnight` (the last one in `zone`), or RFC 3339; without a zone it is meant in `zone`.

    Raises click.BadParameter.
    """
    if text == "now":
        return now.replace(microsecond=0)
    if text == "midnight":
        return now.astimezone(zone).replace(hour=0, minute=0, second=0, microsecond=0)
    try:
        read = datetime.fromisoformat(text)
    except ValueError:
        raise click.BadParameter(
            f"{text!r} is no point in time: write it like 2026-03-02T08:00:00+02:00, `midnight` or `now`",
            param_hint=f"'{option}'",
        ) from None
    return read if read.tzinfo is not None else read.replace(tzinfo=zone)
