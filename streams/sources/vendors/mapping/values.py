"""Finds the values of a record that a mapping file names, and makes of them what an event has. Pure."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any, Final, NamedTuple

from schemas.configuration.mapping_file import Constant, MappingFile, Place, Placed, Wanted
from streams.sources.adapter import AccountRules, UnmappableError
from streams.sources.pseudonyms import pseudonym
from streams.sources.vendor_values import time_of

_ROOT: Final = "$."
_CLOCK: Final = re.compile(r"(?:(\d{1,4}):)?(\d{1,4}):(\d{1,2}(?:\.\d{1,6})?)")
_SECONDS: Final = re.compile(r"\d{1,9}(?:\.\d{1,6})?")
_ISO_LOCAL: Final = re.compile(r"(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d(?::\d\d)?)(?:[.,](\d{1,12}))?")
_YES: Final = frozenset({"true", "1", "yes", "y"})
_NO: Final = frozenset({"false", "0", "no", "n"})
#: Without `pseudonym` an agent's id must look like one; a name or an address would be a person's.
_AGENT_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_./#-]{0,63}")


class Record(NamedTuple):
    """A record, what it is an element of, and how its mapping and its account have it read."""

    element: Any
    root: Any
    mapping: MappingFile
    account: AccountRules


def found_at(record: Record, path: str) -> Any:  # noqa: ANN401 - JSON
    """Return what stands at a path; None where there is nothing, or empty text."""
    within, rest = (record.root, path[len(_ROOT) :]) if path.startswith(_ROOT) else (record.element, path)
    if isinstance(within, Mapping) and rest in within:  # a column may have dots in its name
        within = within[rest]
    else:
        for step in rest.split("."):
            if isinstance(within, Mapping):
                within = within.get(step)
            elif isinstance(within, list) and step.isdecimal() and len(step) < 6 and int(step) < len(within):  # noqa: PLR2004 - digits of a place
                within = within[int(step)]
            else:
                return None
    return None if isinstance(within, str) and not within.strip() else within


def text_of(value: Any, path: str) -> str:  # noqa: ANN401 - JSON
    """Write a value as text; empty for nothing."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if not isinstance(value, str | int | float):
        raise UnmappableError(path, "must be a text or a number")
    return str(value).strip()


def holds(record: Record, path: str, wanted: Wanted) -> bool:
    """Tell whether a condition of a rule holds."""
    found = found_at(record, path)
    if isinstance(wanted, bool) and not isinstance(found, bool):
        return (found is not None) == wanted
    if isinstance(found, Mapping | list):
        return False
    if isinstance(wanted, list):
        return text_of(found, path) in wanted
    return text_of(found, path) == text_of(wanted, path)


def read(record: Record, placed: Placed) -> Any:  # noqa: ANN401 - JSON
    """Read a value: a constant as it is, else as text or a list; None where nothing stands there."""
    place = placed if isinstance(placed, Place) else Place(path=placed)
    if place.path is None:
        return place.value
    paths = [place.path] if isinstance(place.path, str) else place.path
    raw = [found_at(record, path) for path in paths]
    if len(raw) == 1 and isinstance(raw[0], list):
        return [_one(record, place, text_of(each, paths[0]), paths[0]) for each in raw[0]]
    text = " ".join(part for part in (text_of(each, path) for each, path in zip(raw, paths, strict=True)) if part)
    if not text:
        return place.default
    return _one(record, place, text, paths[0])


def _one(record: Record, place: Place, text: str, path: str) -> Constant:
    if place.pseudonym:
        return pseudonym(record.account.pseudonym_key, text)
    return _translated(record, place, text, path)


def _translated(record: Record, place: Place, text: str, path: str) -> Constant:
    known = place.values or record.mapping.vocabularies.get(place.vocabulary or "", {})
    if not known:
        return text
    if text in known:
        return known[text]
    if place.default is None:
        raise UnmappableError(path, "is none of the values that the mapping file names")
    return place.default


def path_of(placed: Placed) -> str:
    """Name a place in an error."""
    place = placed if isinstance(placed, Place) else Place(path=placed)
    return place.path if isinstance(place.path, str) else " ".join(place.path or ())


def time_read(record: Record, placed: Placed) -> str:
    """Read a time as RFC 3339 in UTC. Raises UnmappableError."""
    place = placed if isinstance(placed, Place) else Place(path=placed)
    path = path_of(placed)
    text = text_of(read(record, placed), path)
    if not text:
        raise UnmappableError(path, "is missing")
    at = _moment(text, place.format or record.mapping.time_format, path, record.account.time_zone)
    for each in place.plus:
        try:
            at += timedelta(seconds=_duration_s(text_of(found_at(record, each), each), each))
        except OverflowError:
            raise UnmappableError(each, "leads to no time from 1970 to 2099") from None
    return time_of(at.isoformat(), path)


def _moment(text: str, form: str, path: str, zone: tzinfo | None) -> datetime:
    try:
        if form in {"epoch", "epoch_ms"}:
            return datetime.fromtimestamp(float(text) / (1 if form == "epoch" else 1000), UTC)
        if form != "iso":
            at = datetime.strptime(text, form)  # noqa: DTZ007 - the zone comes next
        elif (local := _ISO_LOCAL.fullmatch(text)) is None:
            return datetime.fromisoformat(time_of(text, path))
        else:
            at = datetime.fromisoformat(f"{local[1]}T{local[2]}")
            at += timedelta(microseconds=int((local[3] or "0").ljust(6, "0")[:6]))
    except (ValueError, OverflowError, OSError) as error:
        if isinstance(error, UnmappableError):
            raise
        raise UnmappableError(path, f"is no time of the form {form}") from None
    return at if at.tzinfo is not None else _of_zone(at, path, zone)


def _of_zone(at: datetime, path: str, zone: tzinfo | None) -> datetime:
    if zone is None:
        raise UnmappableError(path, "has no time zone: set `time_zone` of the account")
    try:
        first, second = (at.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1))
    except (OverflowError, ValueError):
        raise UnmappableError(path, "is no time from 1970 to 2099") from None
    if first != second:
        raise UnmappableError(path, "is in an hour that the clocks repeat or skip: write times with their zone")
    return first


def _duration_s(text: str, path: str) -> float:
    if _SECONDS.fullmatch(text):
        return float(text)
    clock = _CLOCK.fullmatch(text)
    if clock is None:
        raise UnmappableError(path, "must be a duration in seconds, or such as 1:30 or 0:01:30")
    hours, minutes, seconds = clock.groups()
    return int(hours or 0) * 3600 + int(minutes) * 60 + float(seconds)


def flag_of(value: Any, path: str) -> bool | None:  # noqa: ANN401 - JSON
    """Read a yes or no; None where there is nothing."""
    text = text_of(value, path).lower()
    if not text:
        return None
    if text not in _YES | _NO:
        raise UnmappableError(path, "must be true or false")
    return text in _YES


def number_of(value: Any, path: str) -> int | float | None:  # noqa: ANN401 - JSON
    """Read a number, also one that is text."""
    text = text_of(value, path)
    if not text:
        return None
    try:
        number = float(text.replace(",", "."))
    except ValueError:
        raise UnmappableError(path, "must be a number") from None
    return int(number) if number.is_integer() else number


def list_of(value: Any, placed: Placed) -> list[str] | None:  # noqa: ANN401 - JSON
    """Read a list of texts, also one that is one text."""
    if value is None:
        return None
    if isinstance(value, list):
        return [text_of(each, path_of(placed)) for each in value]
    separator = placed.separator if isinstance(placed, Place) else ","
    return [part for each in text_of(value, path_of(placed)).split(separator) if (part := each.strip())]


def agent_of(record: Record, placed: Placed) -> str:
    """Read an agent's id as the contract has it; empty where there is none."""
    native = text_of(read(record, placed), path_of(placed))
    if not native:
        return ""
    if not (isinstance(placed, Place) and placed.pseudonym) and _AGENT_ID.fullmatch(native) is None:
        raise UnmappableError(path_of(placed), "may name a person: set `pseudonym = true` for it")
    return record.account.agent_id(native)
