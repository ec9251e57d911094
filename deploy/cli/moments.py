"""Durations and points in time as people write them on a command line."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

import click

_UNITS_MS: Final = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 604_800_000}
_PART: Final = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d|w)")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class Duration(click.ParamType):
    """A duration such as `30s`, `10m`, `1h30m` or `2d`, as whole milliseconds."""

    name = "duration"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Read a duration; it is longer than nothing."""
        if isinstance(value, int):
            return value
        text = str(value).strip().lower()
        parts = _PART.findall(text)
        total = round(sum(float(number) * _UNITS_MS[unit] for number, unit in parts))
        if not parts or "".join(number + unit for number, unit in parts) != text or total <= 0:
            self.fail(f"{value!r} is no duration: write it like 30s, 10m, 1h30m or 2d", param, ctx)
        return total


def milliseconds(moment: datetime) -> int:
    """Return UTC milliseconds since 1970."""
    return (moment - _EPOCH) // timedelta(milliseconds=1)


def written(at_ms: int) -> str:
    """Write UTC milliseconds as `moment` reads them."""
    return (_EPOCH + timedelta(milliseconds=at_ms)).isoformat().replace("+00:00", "Z")


def moment(text: str, zone: ZoneInfo, now: datetime, option: str = "--start") -> datetime:
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
