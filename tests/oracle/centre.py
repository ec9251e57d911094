"""What a centre is configured to, read from its files as plain tables: policies, calendars, taxonomy, thresholds.

Nothing is computed ahead: a policy in force is looked for each time, and business time is counted minute by minute on
the clock on the wall. Times in UTC milliseconds.
"""

import re
import tomllib
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import cache
from typing import Any, Final
from zoneinfo import ZoneInfo

import holidays

MINUTE: Final = 60_000
UNITS: Final = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
DAYS: Final = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")

#: Within 20 s, 60 s, 24 h; no files are needed for these.
DEFAULT_POLICIES: Final = [
    {"name": name, "metric": "first_response", "channel": channel, "target": target}
    for name, channel, target in (
        ("call-20s", "call", "20s"),
        ("chat-60s", "chat", "60s"),
        ("email-24h", "email", "24h"),
    )
]
DEFAULT_HORIZONS: Final = {"call": "1d", "chat": "2d", "email": "30d"}
DEFAULT_PATIENCE: Final = {"call": "120s", "chat": "120s", "email": "24h"}

Table = dict[str, Any]


def ms(duration: str) -> int:
    """Read a duration of one unit or several."""
    return sum(int(number) * UNITS[unit] for number, unit in re.findall(r"(\d+)(ms|s|m|h|d)", duration))


def canonical(tag: str) -> str:
    """Return a tag as it counts but for the taxonomy: trimmed, NFKC-casefolded."""
    folded = unicodedata.normalize("NFKC", tag.strip()).casefold()
    return unicodedata.normalize("NFKC", folded)


@dataclass(frozen=True)
class Centre:
    """The configuration: the text of each file by its name without ending; none means the defaults."""

    files: Mapping[str, str] = field(default_factory=dict)

    def __hash__(self) -> int:
        """Hash by identity: caches are a test's own."""
        return id(self)

    @cache  # noqa: B019 - a test has few of them
    def table(self, name: str) -> Table:
        """Read a file."""
        return tomllib.loads(self.files.get(name, ""))

    @property
    def zone(self) -> str:
        """The centre's time zone."""
        return str(self.table("centre").get("time_zone", "UTC"))

    def patience(self, channel: str) -> int:
        """Tell from when on a response is slow."""
        given: Table = self.table("centre").get("patience", {})
        return ms(given.get(channel, DEFAULT_PATIENCE[channel]))

    def horizon(self, channel: str) -> int:
        """Tell after how long without an event a contact is stale."""
        given: Table = self.table("centre").get("horizons", {})
        return ms(given.get(channel, DEFAULT_HORIZONS[channel]))

    @property
    def short_abandon(self) -> int:
        """Tell below what an abandonment is short."""
        return ms(self.table("centre").get("short_abandon", "5s"))

    def _since(self, entry: Table, key: str, otherwise: float) -> float:
        given = entry.get(key)
        if given is None:
            return otherwise
        if not isinstance(given, datetime):
            given = datetime(given.year, given.month, given.day)  # noqa: DTZ001 - its zone follows
        if given.tzinfo is None:
            given = given.replace(tzinfo=ZoneInfo(self.zone))
        return given.timestamp() * 1000

    def _in_force(self, entries: list[Table], at: int) -> list[Table]:
        """Keep of each name the entry that began last before a time, unless it has ended; in order of the names."""
        names = list(dict.fromkeys(entry["name"] for entry in entries))
        found = []
        for name in names:
            begun = [one for one in entries if one["name"] == name and self._since(one, "valid_from", -1) <= at]
            newest = max(begun, key=lambda one: self._since(one, "valid_from", -1), default=None)
            if newest is not None and at < self._since(newest, "valid_until", float("inf")):
                found.append(newest)
        return found

    def policy(self, metric: str, at: int, **conditions: str) -> Table | None:
        """Find the first policy in force at a time whose metric and conditions hold."""
        for one in self._in_force(self.table("policies").get("policy", DEFAULT_POLICIES), at):
            if one["metric"] == metric and all(one.get(key, value) == value for key, value in conditions.items()):
                return one
        return None

    def tag(self, tag: str, at: int) -> tuple[str, bool]:
        """Name a tag by the taxonomy in force at a time, and tell whether it is known."""
        entries = [{**one, "name": canonical(one["name"])} for one in self.table("taxonomy").get("tag", [])]
        known = self._in_force(entries, at)
        name = canonical(tag)
        for one in known:
            if name in {canonical(alias) for alias in one.get("aliases", [])}:
                name = one["name"]
                break
        return name, not known or name in {one["name"] for one in known}

    def calendar_of(self, queue: str, policy: Table | None) -> str | None:
        """Name the calendar of a sample."""
        if policy is not None and "calendar" in policy:
            return str(policy["calendar"])
        of_queue = [one.get("calendar") for one in self.table("queues").get("queue", []) if one["name"] == queue]
        return next((name for name in of_queue if name is not None), self.table("centre").get("calendar"))

    def is_open(self, calendar: str, at: int) -> bool:
        """Tell whether a calendar is open at an instant: nothing begins or ends within a minute."""
        return self._open_in_minute(calendar, at // MINUTE)

    def business_ms(self, calendar: str, begin: int, end: int) -> int:
        """Count the open milliseconds between two instants."""
        total = 0
        for minute in range(begin // MINUTE, end // MINUTE + 1):
            if self._open_in_minute(calendar, minute):
                total += max(0, min(end, (minute + 1) * MINUTE) - max(begin, minute * MINUTE))
        return total

    @cache  # noqa: B019 - as above
    def _open_in_minute(self, calendar: str, minute: int) -> bool:
        entries = [one for one in self.table("calendars")["calendar"] if one["name"] == calendar]
        entries.sort(key=lambda one: str(one.get("valid_from", "")))
        for place, one in enumerate(entries):
            zone = ZoneInfo(one.get("time_zone", self.zone))
            shown = datetime.fromtimestamp(minute * 60, UTC).astimezone(zone)
            for back in (0, 1):
                day = shown.date() - timedelta(days=back)
                begun = place == 0 or str(day) >= str(one["valid_from"])
                over = place + 1 < len(entries) and str(day) >= str(entries[place + 1]["valid_from"])
                at = back * 1440 + shown.hour * 60 + shown.minute
                if begun and not over and any(begin <= at < end for begin, end in _spans(one, day)):
                    return True
        return False


def _spans(calendar: Table, day: date) -> list[tuple[int, int]]:
    """Give a day's spans in minutes after its midnight."""
    given = calendar.get("extra", {}).get(str(day))
    if given is None:
        shut = str(day) in {str(each) for each in calendar.get("closed", [])}
        if shut or ("holidays" in calendar and day in holidays.country_holidays(calendar["holidays"])):
            return []
        week: Table = calendar.get("week", {})
        part = "weekdays" if day.weekday() < DAYS.index("saturday") else "weekend"
        given = week.get(DAYS[day.weekday()], week.get(part, week.get("every_day", [])))
    found = []
    for text in given:
        begin, end = (int(clock[:2]) * 60 + int(clock[3:]) for clock in text.split("-"))
        found.append((begin, end if end > begin else end + 1440))
    return found


#: Nothing is configured.
DEFAULTS: Final = Centre()
