"""From configuration files to rules: what refers to what, what holds from when on, and the version of it all."""

from __future__ import annotations

import difflib
import hashlib
import json
from collections.abc import Iterable, Mapping
from datetime import date, datetime, time
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, NamedTuple, TypeVar
from zoneinfo import ZoneInfo

from schemas.calendars import Calendar, Hours
from schemas.configuration.files import CalendarEntry, PerChannel, PolicyEntry, TagEntry
from schemas.configuration.reading import ConfigurationError, Fault, Files, Placed, Texts
from schemas.policies import Policies, Policy, Rules, Taxonomy
from schemas.tags import normal, taxonomy

_VERSION_BYTES: Final = 6

#: A warning is due when this part of the target is left, unless a policy says otherwise.
_WARNING_PART: Final = 4

_Value = TypeVar("_Value", Calendar, Policies)
_Dated = TypeVar("_Dated", bound=PolicyEntry | TagEntry)


def load_rules(folder: Path | None, time_zone: str | None = None) -> Rules:
    """Read a folder's rules; without a folder, or an empty one, the defaults.

    `time_zone` is the centre's where it is set elsewhere. Raises ConfigurationError with every fault at once.
    """
    texts = Texts(folder)
    files = texts.files()
    build = _Build(files, time_zone or files.centre.time_zone or Rules().time_zone)
    rules = build.rules()
    faults = [*texts.unreadable, *texts.said([*texts.faults(), *build.faults])]
    if faults:
        raise ConfigurationError(faults)
    return rules


@lru_cache(maxsize=1_024)
def _once(value: _Value) -> _Value:
    """Give the same object for the same value: what stays as it was over a change is found again without comparing."""
    return value


class _Period(NamedTuple):
    """From when to when an entry holds, in UTC milliseconds; None: without a bound."""

    since: int | None
    until: int | None


class _Build:
    """Makes the rules, and notes what cannot be made; after a fault the rules are of no use."""

    def __init__(self, files: Files, time_zone: str) -> None:
        self._files = files
        self._time_zone = time_zone
        self.faults: list[Fault] = []
        self._calendars = self._named_calendars()

    def rules(self) -> Rules:
        """Make the rules."""
        centre, default = self._files.centre, Rules()
        self._dangling()
        queue_calendars, queue_zones = self._queues()
        policies, policies_from = self._policies(default.policies)
        known, known_from = self._taxonomy()
        rules = Rules(
            policies=policies,
            patience_ms=_per_channel(centre.patience, default.patience_ms),
            short_abandon_ms=default.short_abandon_ms if centre.short_abandon is None else centre.short_abandon,
            taxonomy=known,
            policies_from=policies_from,
            taxonomy_from=known_from,
            calendar=self._calendars.get(centre.calendar or ""),
            queue_calendars=queue_calendars,
            time_zone=self._time_zone,
            queue_zones=queue_zones,
            horizons_ms=_per_channel(centre.horizons, default.horizons_ms),
            bad_record_share=centre.bad_record_share or default.bad_record_share,
        )
        return rules if rules == default else rules._replace(version=_version(rules))

    def _wrong(self, topic: str, path: tuple[str | int, ...], problem: str) -> None:
        self.faults.append(Fault(topic, path, problem))

    # Calendars and queues.

    def _named_calendars(self) -> dict[str, Calendar]:
        entries: dict[str, list[CalendarEntry]] = {}
        for place, entry in self._files.calendars:
            same = entries.setdefault(entry.name, [])
            if any(other.valid_from == entry.valid_from for other in same):
                self._wrong("calendars", ("calendar", place), "is there twice; give one another `valid_from`")
            same.append(entry)
        return {name: _once(self._joined(name, same)) for name, same in entries.items()}

    def _joined(self, name: str, entries: list[CalendarEntry]) -> Calendar:
        """Put a calendar's entries in order; the earliest holds from ever, so that old contacts have hours too."""
        ordered = sorted(entries, key=lambda entry: entry.valid_from or "")
        return Calendar(
            name,
            tuple(self._hours(entry, entry.valid_from or "" if number else "") for number, entry in enumerate(ordered)),
        )

    def _hours(self, entry: CalendarEntry, valid_from: str) -> Hours:
        country, _, part = (entry.holidays or "").partition("-")
        return Hours(
            entry.time_zone or self._time_zone,
            entry.week.spans(),
            frozenset(entry.closed),
            tuple(sorted(entry.extra.items())),
            country,
            part,
            valid_from,
        )

    def _dangling(self) -> None:
        """Note who refers to a calendar that is not there."""
        known = self._files.calendar_names
        for topic, path, name in self._files.references:
            if name not in known:
                near = difflib.get_close_matches(name, known, n=1)
                meant = f"; did you mean {near[0]!r}?" if near else ""
                self._wrong(topic, path, f"there is no calendar {name!r} in calendars.toml{meant}")

    def _queues(self) -> tuple[Mapping[str, Calendar], Mapping[str, str]]:
        calendars: dict[str, Calendar] = {}
        zones: dict[str, str] = {}
        seen: set[str] = set()
        for place, entry in self._files.queues:
            if entry.name in seen:
                self._wrong("queues", ("queue", place), "is there twice; make one of both")
            seen.add(entry.name)
            calendar = self._calendars.get(entry.calendar or "")
            if calendar is not None:
                calendars[entry.name] = calendar
            if entry.time_zone is not None:
                zones[entry.name] = entry.time_zone
        return MappingProxyType(calendars), MappingProxyType(zones)

    # Policies and taxonomy: what holds from when on.

    def _policies(self, default: Policies) -> tuple[Policies, tuple[tuple[int, Policies], ...]]:
        if self._files.policies is None:
            return default, ()
        periods = self._periods("policies", "policy", self._files.policies)
        made = {place: self._policy(place, entry) for place, entry in self._files.policies}
        eras = [
            (at, _once(tuple(made[place] for place, _ in _in_force(self._files.policies, periods, at))))
            for at in _changes(periods.values())
        ]
        return eras[0][1], tuple((at, policies) for at, policies in eras[1:] if at is not None)

    def _policy(self, place: int, entry: PolicyEntry) -> Policy:
        clock = entry.clock or ("time" if entry.calendar is None else "calendar")
        if clock == "calendar" and entry.calendar is None and self._files.centre.calendar is None:
            queues = {queue.name: queue.calendar for _, queue in self._files.queues}
            if entry.queue is None or queues.get(entry.queue) is None:
                self._wrong(
                    "policies",
                    ("policy", place, "clock"),
                    "needs a calendar: name one here, or one for the centre in centre.toml",
                )
        return Policy(
            entry.name,
            entry.metric,
            entry.target,
            entry.objective,
            entry.channel,
            entry.queue,
            entry.priority,
            entry.segment,
            entry.target // _WARNING_PART if entry.warning is None else entry.warning,
            entry.formula,
            self._calendars.get(entry.calendar or ""),
            clock,
            entry.window or 0,
            entry.minimum_volume,
            entry.pauses,
        )

    def _taxonomy(self) -> tuple[Taxonomy | None, tuple[tuple[int, Taxonomy | None], ...]]:
        tags = self._files.tags
        if tags is None:
            return None, ()
        periods = self._periods("taxonomy", "tag", tags)
        eras = [(at, self._known(_in_force(tags, periods, at))) for at in _changes(periods.values())]
        return eras[0][1], tuple((at, known) for at, known in eras[1:] if at is not None)

    def _known(self, tags: Placed[TagEntry]) -> Taxonomy | None:
        """Make the taxonomy of the tags in force; none where none is in force yet, so that every tag is known."""
        names = {normal(entry.name): entry.name for _, entry in tags}
        aliases: dict[str, str] = {}
        for place, entry in tags:
            for number, alias in enumerate(entry.aliases):
                path = ("tag", place, "aliases", number)
                other = aliases.setdefault(normal(alias), entry.name)
                if normal(alias) in names and normal(alias) != normal(entry.name):
                    self._wrong_once("taxonomy", path, f"{alias!r} is a tag itself")
                elif other != entry.name:
                    self._wrong_once("taxonomy", path, f"{alias!r} is another name of {other!r} already")
        return taxonomy(names, aliases) if names else None

    def _wrong_once(self, topic: str, path: tuple[str | int, ...], problem: str) -> None:
        """Note a fault that several eras may have, once."""
        if Fault(topic, path, problem) not in self.faults:
            self._wrong(topic, path, problem)

    def _periods(self, topic: str, kind: str, entries: Placed[_Dated]) -> dict[int, _Period]:
        """Tell from when to when each entry holds."""
        periods: dict[int, _Period] = {}
        seen: set[tuple[str, int | None]] = set()
        for place, entry in entries:
            period = _Period(self._ms(entry.valid_from), self._ms(entry.valid_until))
            name = _name(entry)
            if (name, period.since) in seen:
                self._wrong(topic, (kind, place), "is there twice; give one another `valid_from`")
            if period.since is not None and period.until is not None and period.until <= period.since:
                self._wrong(topic, (kind, place, "valid_until"), "must be later than `valid_from`")
            seen.add((name, period.since))
            periods[place] = period
        return periods

    def _ms(self, moment: date | None) -> int | None:
        if moment is None:
            return None
        at = moment if isinstance(moment, datetime) else datetime.combine(moment, time())
        if at.tzinfo is None:
            at = at.replace(tzinfo=ZoneInfo(self._time_zone))
        return round(at.timestamp() * 1000)


def _changes(periods: Iterable[_Period]) -> list[int | None]:
    """List when something begins or ends to hold; the first is None: before all of them."""
    return [None, *sorted({at for period in periods for at in period if at is not None})]


def _name(entry: PolicyEntry | TagEntry) -> str:
    """Give what entries that take one another's place have in common."""
    return normal(entry.name) if isinstance(entry, TagEntry) else entry.name


def _in_force(entries: Placed[_Dated], periods: Mapping[int, _Period], at: int | None) -> Placed[_Dated]:
    """Give each name's entry in force from a change on, in the order of the names' first entries."""
    by_name: dict[str, Placed[_Dated]] = {}
    for place, entry in entries:
        by_name.setdefault(_name(entry), []).append((place, entry))
    newest = (_newest(same, periods, at) for same in by_name.values())
    return [found for found in newest if found is not None]


def _newest(same: Placed[_Dated], periods: Mapping[int, _Period], at: int | None) -> tuple[int, _Dated] | None:
    """Find the entry of one name that began last; None where none has begun, or that one has ended."""
    moment = float("-inf") if at is None else at
    begun = [(since, place, entry) for place, entry in same if (since := _since(periods[place])) <= moment]
    if not begun:
        return None
    _, place, entry = max(begun, key=lambda found: (found[0], -found[1]))
    until = periods[place].until
    return None if until is not None and until <= moment else (place, entry)


def _since(period: _Period) -> float:
    return float("-inf") if period.since is None else period.since


def _per_channel(given: PerChannel, default: Mapping[str, int]) -> Mapping[str, int]:
    return MappingProxyType({channel: getattr(given, channel) or ms for channel, ms in default.items()})


def _version(rules: Rules) -> str:
    """Name the content: the same rules have the same version, whoever loads them."""
    text = json.dumps(_plain(rules._replace(version="")), sort_keys=True)
    return hashlib.blake2b(text.encode(), digest_size=_VERSION_BYTES).hexdigest()


def _plain(value: Any) -> Any:  # noqa: ANN401 - whatever rules are made of
    if isinstance(value, Calendar):
        return [value.name, _plain(value.hours)]
    if isinstance(value, Mapping):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, frozenset):
        return sorted(value)
    if isinstance(value, tuple):
        return [_plain(each) for each in value]
    return value
