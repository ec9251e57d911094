"""From configuration files to rules: what refers to what, what is in force from when on, and the version of it all."""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime, time
from functools import lru_cache
from pathlib import PurePath
from types import MappingProxyType
from typing import Any, Final, Generic, NamedTuple, TypeVar
from zoneinfo import ZoneInfo

from schemas.alert_rules import AlertRules
from schemas.boards import Boards
from schemas.calendars import Calendar, Hours
from schemas.configuration.file_models import CalendarEntry, PerChannel, PolicyEntry, TagEntry
from schemas.configuration.parsed_alert_rules import alert_rules
from schemas.configuration.parsed_boards import boards
from schemas.configuration.parsed_files import Numbered, ParsedFiles
from schemas.policies import Policies, Policy, Rules, Taxonomy, normal_tag

_VERSION_BYTES: Final = 6

#: A warning is due when this part of the target is left, unless a policy says otherwise.
_WARNING_PART: Final = 4

#: Before and after any time that an entry may name, in UTC milliseconds.
_EVER: Final = -(2**62)
_NEVER: Final = 2**62

_TWICE: Final = "appears twice: give one of them another `valid_from`"

_Value = TypeVar("_Value", Calendar, Policies)
_Entry = TypeVar("_Entry", bound=PolicyEntry | TagEntry)


class Configuration(NamedTuple):
    """All that the folder says but hooks, whose secrets are read elsewhere."""

    rules: Rules
    alert_rules: AlertRules
    boards: Boards


def parse_rules(folder: PurePath, texts: Mapping[str, str], time_zone: str | None) -> tuple[Configuration, list[str]]:
    """Make what files of these texts say, and list every fault; after a fault it is of no use.

    A text that is missing says nothing. `time_zone` is the centre's where it is set elsewhere.
    """
    files = ParsedFiles(folder, texts)
    builder = _RulesBuilder(files, time_zone or files.centre.time_zone or Rules().time_zone)
    rules = builder.rules()
    configuration = Configuration(rules, builder.alert_rules(rules), boards(files))
    return configuration, files.faults()


@lru_cache(maxsize=1_024)
def _interned(value: _Value) -> _Value:
    """Give the same object for the same value: what stays as it was over a change is found again without comparing."""
    return value


class _EntryPeriod(NamedTuple, Generic[_Entry]):
    """An entry, its position in the file, and from when to before when it holds, in UTC milliseconds."""

    #: Entries of one name replace one another.
    name: str
    since: int
    until: int
    number: int
    entry: _Entry


class _RulesBuilder:
    """Makes the rules, and notes what cannot be made; after a fault the rules are of no use."""

    def __init__(self, files: ParsedFiles, time_zone: str) -> None:
        self._files = files
        self._time_zone = time_zone
        self._calendars = self._named_calendars()

    def rules(self) -> Rules:
        """Make the rules."""
        centre, default = self._files.centre, Rules()
        queue_calendars, queue_zones = self._queues()
        (_, policies), *policies_from = self._policies(default.policies)
        (_, known), *known_from = self._taxonomy()
        rules = Rules(
            policies=policies,
            patience_ms=_per_channel(centre.patience, default.patience_ms),
            short_abandon_ms=default.short_abandon_ms if centre.short_abandon is None else centre.short_abandon,
            taxonomy=known,
            policies_from=tuple(policies_from),
            taxonomy_from=tuple(known_from),
            calendar=self._calendars.get(centre.calendar or ""),
            queue_calendars=queue_calendars,
            time_zone=self._time_zone,
            queue_zones=queue_zones,
            horizons_ms=_per_channel(centre.horizons, default.horizons_ms),
            bad_record_share=centre.bad_record_share or default.bad_record_share,
        )
        return rules if rules == default else rules._replace(version=_version(rules))

    def alert_rules(self, rules: Rules) -> AlertRules:
        """Make the rules of alerts, beside the other rules."""
        policies = [policy for _, eras in ((_EVER, rules.policies), *rules.policies_from) for policy in eras]
        return alert_rules(self._files, policies, self._calendars, self._ms)

    # Calendars and queues.

    def _named_calendars(self) -> dict[str, Calendar]:
        entries: dict[str, dict[str | None, CalendarEntry]] = {}
        for number, entry in self._files.calendars:
            same = entries.setdefault(entry.name, {})
            if entry.valid_from in same:
                self._files.add_fault("calendars", ("calendar", number), _TWICE)
            same[entry.valid_from] = entry
        return {name: _interned(self._joined(name, list(same.values()))) for name, same in entries.items()}

    def _joined(self, name: str, entries: list[CalendarEntry]) -> Calendar:
        """Put a calendar's entries in order; the earliest holds from ever, so that old contacts have hours too."""
        first, *later = sorted(entries, key=lambda entry: entry.valid_from or "")
        return Calendar(name, (self._hours(first, ""), *(self._hours(each, each.valid_from or "") for each in later)))

    def _hours(self, entry: CalendarEntry, valid_from: str) -> Hours:
        zone, extra = entry.time_zone or self._time_zone, tuple(sorted(entry.extra.items()))
        country, _, part = (entry.holidays or "").partition("-")
        return Hours(zone, entry.week.spans(), frozenset(entry.closed), extra, country, part, valid_from)

    def _queues(self) -> tuple[Mapping[str, Calendar], Mapping[str, str]]:
        seen: set[str] = set()
        for number, entry in self._files.queues:
            if entry.name in seen:
                self._files.add_fault("queues", ("queue", number), "appears twice: remove one")
            seen.add(entry.name)
        queues, known = [entry for _, entry in self._files.queues], self._calendars
        calendars = {queue.name: known[queue.calendar] for queue in queues if queue.calendar in known}
        zones = {queue.name: queue.time_zone for queue in queues if queue.time_zone is not None}
        return MappingProxyType(calendars), MappingProxyType(zones)

    # Policies and taxonomy: what is in force from when on. The first of these holds from ever.

    def _policies(self, default: Policies) -> list[tuple[int, Policies]]:
        if self._files.policies is None:
            return [(_EVER, default)]
        made = {number: self._policy(number, entry) for number, entry in self._files.policies}
        eras = _eras(self._periods("policies", "policy", self._files.policies))
        return [(at, _interned(tuple(made[each.number] for each in in_force))) for at, in_force in eras]

    def _policy(self, number: int, entry: PolicyEntry) -> Policy:
        clock = entry.clock or ("time" if entry.calendar is None else "calendar")
        if clock == "calendar" and entry.calendar is None and self._files.centre.calendar is None:
            queues = {queue.name: queue.calendar for _, queue in self._files.queues}
            if entry.queue is None or queues.get(entry.queue) is None:
                problem = "needs a calendar: name one here, or one for the centre in centre.toml"
                self._files.add_fault("policies", ("policy", number, "clock"), problem)
        conditions = entry.channel, entry.queue, entry.priority, entry.segment
        warning = entry.target // _WARNING_PART if entry.warning is None else entry.warning
        policy = Policy(entry.name, entry.metric, entry.target, entry.objective, *conditions, warning, entry.formula)
        calendar, window = self._calendars.get(entry.calendar or ""), entry.window or 0
        return policy._replace(
            calendar=calendar,
            clock=clock,
            window_ms=window,
            min_volume=entry.minimum_volume,
            pauses=entry.pauses,
            objective_per=entry.objective_per,
        )

    def _taxonomy(self) -> list[tuple[int, Taxonomy | None]]:
        if self._files.tags is None:
            return [(_EVER, None)]
        return [(at, self._taxonomy_of(tags)) for at, tags in _eras(self._periods("taxonomy", "tag", self._files.tags))]

    def _taxonomy_of(self, tags: Sequence[_EntryPeriod[TagEntry]]) -> Taxonomy | None:
        """Make the taxonomy of the tags in force; none where none is in force yet, so that every tag is known."""
        names = {each.name for each in tags}
        aliases: dict[str, str] = {}
        for name, _, _, number, entry in tags:
            for index, alias in enumerate(entry.aliases):
                path = ("tag", number, "aliases", index)
                other = aliases.setdefault(normal_tag(alias), entry.name)
                if normal_tag(alias) in names - {name}:
                    self._files.add_fault("taxonomy", path, f"{alias!r} is a tag itself")
                elif other != entry.name:
                    self._files.add_fault("taxonomy", path, f"{alias!r} is another name of {other!r} already")
        of = {alias: normal_tag(tag) for alias, tag in aliases.items()}
        return Taxonomy(frozenset(names), of) if names else None

    def _periods(self, file: str, kind: str, entries: Numbered[_Entry]) -> list[_EntryPeriod[_Entry]]:
        """Tell from when to when each entry holds."""
        periods: list[_EntryPeriod[_Entry]] = []
        seen: set[tuple[str, int]] = set()
        for number, entry in entries:
            name = normal_tag(entry.name) if isinstance(entry, TagEntry) else entry.name
            since, until = self._ms(entry.valid_from, _EVER), self._ms(entry.valid_until, _NEVER)
            if (name, since) in seen:
                self._files.add_fault(file, (kind, number), _TWICE)
            if until <= since:
                self._files.add_fault(file, (kind, number, "valid_until"), "must be later than `valid_from`")
            seen.add((name, since))
            periods.append(_EntryPeriod(name, since, until, number, entry))
        return periods

    def _ms(self, moment: date | None, default: int) -> int:
        if moment is None:
            return default
        at = moment if isinstance(moment, datetime) else datetime.combine(moment, time())
        if at.tzinfo is None:
            at = at.replace(tzinfo=ZoneInfo(self._time_zone))
        return round(at.timestamp() * 1000)


def _eras(entries: Sequence[_EntryPeriod[_Entry]]) -> Iterator[tuple[int, list[_EntryPeriod[_Entry]]]]:
    """Give what is in force from each change on, in the order of the names' first entries; the first is from ever.

    Of the entries of one name the one that began last is in force, until it ends: no earlier one comes back then.
    """
    for at in sorted({_EVER, *(each.since for each in entries), *(each.until for each in entries)} - {_NEVER}):
        newest: dict[str, _EntryPeriod[_Entry] | None] = {each.name: None for each in entries}
        for each in entries:
            before = newest[each.name]
            if each.since <= at and (before is None or before.since < each.since):
                newest[each.name] = each
        yield at, [each for each in newest.values() if each is not None and at < each.until]


def _per_channel(given: PerChannel, default: Mapping[str, int]) -> Mapping[str, int]:
    return MappingProxyType({channel: getattr(given, channel) or ms for channel, ms in default.items()})


def _version(rules: Rules) -> str:
    """Name the content: the same rules have the same version, whoever loads them."""
    text = json.dumps(rules._replace(version=""), sort_keys=True, default=_plain)
    return hashlib.blake2b(text.encode(), digest_size=_VERSION_BYTES).hexdigest()


def _plain(value: Any) -> Any:  # noqa: ANN401 - whatever rules are made of
    if isinstance(value, Calendar):
        return value.name, value.hours
    return dict(value) if isinstance(value, Mapping) else sorted(value)
