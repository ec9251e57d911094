"""Silences: which are in force, those of maintenance windows included, and which alerts they keep quiet."""

from collections.abc import Iterable, Iterator, Sequence

from schemas.alert_rules import Maintenance
from schemas.alerts import Alert, Command, Dimensions, Silence
from streams.alerts.observation import Observation
from streams.core.business_time import in_hours


def in_force(commands: Iterable[Command], maintenance: Iterable[Maintenance], now: int) -> list[Silence]:
    """Give the silences in force, in the order of their ids; of one id the last command counts."""
    last: dict[str, Silence] = {}
    for command in commands:
        if command.type == "silence":
            last[command.silence_id] = command
        elif command.type == "end_silence" and command.at <= now:
            last.pop(command.silence_id, None)
    found = [*(each for each in last.values() if each.at <= now < each.until), *_of_maintenance(maintenance, now)]
    return sorted(found, key=lambda silence: silence.silence_id)


def _of_maintenance(maintenance: Iterable[Maintenance], now: int) -> Iterator[Silence]:
    for each in maintenance:
        if each.calendar is None:
            lasts = each.since <= now < each.until
        else:
            lasts = in_hours(each.calendar, now) == each.while_open
        if lasts:
            yield Silence(
                type="silence",
                at=now,
                by="alerts.toml",
                silence_id=f"maintenance {each.name}",
                until=now + 1,
                rule=each.rule,
                kind=each.kind,
                dimensions=each.dimensions,
            )


def silenced_by(cause: Alert | Observation, already: str | None, silences: Sequence[Silence]) -> str | None:
    """Name the silence that keeps an alert quiet: the one that already does, while it is in force, else the first."""
    matching = [silence.silence_id for silence in silences if matches(silence, cause)]
    if already in matching:
        return already
    return matching[0] if matching else None


def matches(silence: Silence, alert: Alert | Observation) -> bool:
    """Tell whether every field that a silence gives is the alert's."""
    return (
        silence.rule in {None, alert.rule}
        and silence.kind in {None, alert.kind}
        and _contains(silence.dimensions, alert.dimensions)
    )


def _contains(given: Dimensions, of: Dimensions) -> bool:
    return all(getattr(given, name) in {None, getattr(of, name)} for name in Dimensions.model_fields)
