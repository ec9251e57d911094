"""Pulssi itself: no events although the calendar is open, a part that is behind or away, dead letters that rise.

Surges are judged by the last weeks. Where these are not known, they are reported as a part that is away.
"""

from collections.abc import Iterator, Mapping
from datetime import date, datetime, time, timedelta
from types import MappingProxyType
from typing import Final, NamedTuple, cast
from zoneinfo import ZoneInfo

from schemas.alert_rules import PipelineRules
from schemas.alerts import Condition, Dimensions, Measurement, Severity
from schemas.calendars import Calendar
from schemas.topics import Channel
from streams.alerts.observation import Observation, alert_key
from streams.core.business_time import business_ms, in_hours

#: What an alert calls the last weeks in ClickHouse.
PAST: Final = "clickhouse (last weeks)"

#: A channel without an event on so many open days is not in use: its silence raises no alert.
IN_USE_DAYS: Final = 7
_DAY: Final = timedelta(days=1)


class PartReading(NamedTuple):
    """A part, such as a worker or a sink, as its last sign of life said. UTC milliseconds."""

    seen_at: int
    #: How old the oldest record is that waits for it; 0: none waits.
    behind_ms: int = 0


class PipelineReading(NamedTuple):
    """Pulssi at a moment."""

    parts: Mapping[str, PartReading] = MappingProxyType({})
    #: When the newest event of each channel occurred; without the channels that had none.
    last_event_at: Mapping[str, int] = MappingProxyType({})
    #: Dead letters within the time that the rule names.
    dead_letters: int = 0
    #: Since when the last weeks, which surges are judged by, are not known; None: they are, or no rule needs them.
    no_past_since: int | None = None


def observations(
    reading: PipelineReading, rules: PipelineRules, calendar: Calendar | None, hysteresis: float, now: int
) -> dict[str, Observation]:
    """Report on everything that was read. Without `calendar`, the centre's, nothing is expected from sources."""
    found = [*_no_events(reading, rules, calendar, now), *_parts(reading, rules, hysteresis, now)]
    found.append(_dead_letters(reading, rules, hysteresis))
    if reading.no_past_since is not None:
        found.append(_no_past(reading.no_past_since, rules, now))
    return {seen.key: seen for seen in found}


def _no_events(
    reading: PipelineReading, rules: PipelineRules, calendar: Calendar | None, now: int
) -> Iterator[Observation]:
    if rules.no_events_ms is None or calendar is None or not in_hours(calendar, now):
        return
    for channel, last in sorted(reading.last_event_at.items()):
        if not _is_in_use(calendar, last, now):
            continue
        silent_ms = business_ms(calendar, last, now)
        beyond = silent_ms >= rules.no_events_ms
        dimensions = Dimensions(channel=cast("Channel", channel))
        measured = Measurement(value=silent_ms, limit=rules.no_events_ms, unit="ms")
        yield _observation("no_events", channel, "critical", measured, rules, beyond=beyond, dimensions=dimensions)


def _is_in_use(calendar: Calendar, last: int, now: int) -> bool:
    """Tell whether events of a channel are expected: its last one is not more than some open days ago.

    Only open days between that of the last event and today count. So a channel stays in use over holidays, and one old
    event that was imported puts no channel into use.
    """
    zone = ZoneInfo(calendar.hours[0].zone)
    day, today = _local(last, zone).date(), _local(now, zone).date()
    open_days = 0
    while (day := day + _DAY) < today and open_days < IN_USE_DAYS:
        open_days += business_ms(calendar, _begin(day, zone), _begin(day + _DAY, zone)) > 0
    return open_days < IN_USE_DAYS


def _local(at: int, zone: ZoneInfo) -> datetime:
    return datetime.fromtimestamp(at / 1000, zone)


def _begin(day: date, zone: ZoneInfo) -> int:
    return round(datetime.combine(day, time.min, zone).timestamp() * 1000)


def _parts(reading: PipelineReading, rules: PipelineRules, hysteresis: float, now: int) -> Iterator[Observation]:
    for part, (seen_at, behind_ms) in sorted(reading.parts.items()):
        unheard_ms = max(0, now - seen_at)
        away = unheard_ms >= rules.away_ms
        measured = Measurement(value=unheard_ms, limit=rules.away_ms, unit="ms")
        yield _observation("part_away", part, "critical", measured, rules, beyond=away)
        behind = behind_ms >= rules.behind_ms
        measured = Measurement(value=behind_ms, limit=rules.behind_ms, unit="ms")
        clear = not behind and behind_ms <= rules.behind_ms * (1 - hysteresis)
        if not away:  # its last known lag means nothing then
            yield _observation("part_behind", part, "critical", measured, rules, beyond=behind, clear=clear)


def _no_past(since: int, rules: PipelineRules, now: int) -> Observation:
    """Report that surges are not judged; this is not critical, as all other rules go on without the last weeks."""
    unheard_ms = max(0, now - since)
    measured = Measurement(value=unheard_ms, limit=rules.away_ms, unit="ms")
    return _observation("part_away", PAST, "warning", measured, rules, beyond=unheard_ms >= rules.away_ms)


def _dead_letters(reading: PipelineReading, rules: PipelineRules, hysteresis: float) -> Observation:
    beyond = reading.dead_letters >= rules.dead_letters
    clear = not beyond and reading.dead_letters <= rules.dead_letters * (1 - hysteresis)
    measured = Measurement(
        value=reading.dead_letters, limit=rules.dead_letters, unit="count", window_ms=rules.dead_letters_within_ms
    )
    return _observation("dead_letters", "contacts.dlq", "warning", measured, rules, beyond=beyond, clear=clear)


def _observation(
    condition: Condition,
    of: str,
    severity: Severity,
    measured: Measurement,
    rules: PipelineRules,
    *,
    beyond: bool,
    clear: bool | None = None,
    dimensions: Dimensions = Dimensions(),  # noqa: B008 - frozen
) -> Observation:
    return Observation(
        key=alert_key("pipeline", condition, of),
        kind="pipeline",
        condition=condition,
        rule=f"{condition} {of}",
        severity=severity,
        dimensions=dimensions,
        measured=measured,
        beyond=beyond,
        clear=not beyond if clear is None else clear,
        hold_ms=rules.hold_ms,
    )
