"""Reads the configuration folder, and says all that is wrong with it at once, each fault with its file and line."""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, NamedTuple, TypeVar

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from schemas.configuration.fields import Section
from schemas.configuration.files import (
    ENTRIES,
    TOPICS,
    CalendarEntry,
    Centre,
    PolicyEntry,
    QueueEntry,
    TagEntry,
)
from schemas.configuration.positions import line_of

#: Files of the folder that have another reader.
_OTHERS: Final = ("pulssi", "boards", "sources", "alerts")
_AT: Final = re.compile(r"\(at line (\d+), column (\d+)\)")

#: What pydantic says of what is missing or left over, in a user's words.
_MISSING: Final = "missing"
_UNKNOWN: Final = "extra_forbidden"

_Entry = TypeVar("_Entry", bound=Section)


class ConfigurationError(ValueError):
    """A configuration that cannot be used; `faults` holds one line for each."""

    def __init__(self, faults: list[str]) -> None:
        super().__init__("; ".join(faults))
        self.faults = faults


class Fault(NamedTuple):
    """Something wrong in a file, before its line is looked up."""

    topic: str
    #: Keys of tables and places in lists that lead to it.
    path: tuple[str | int, ...]
    problem: str


#: Entries with their places in the file; those with faults of their own are left out.
Placed = list[tuple[int, _Entry]]


class Files(NamedTuple):
    """What the files say. None: the file does not name any."""

    centre: Centre = Centre()
    calendars: Placed[CalendarEntry] = []  # noqa: RUF012 - never changed in place
    queues: Placed[QueueEntry] = []  # noqa: RUF012 - as above
    policies: Placed[PolicyEntry] | None = None
    tags: Placed[TagEntry] | None = None
    #: Names of all calendars, faulty ones too: whoever refers to one of those has no fault.
    calendar_names: frozenset[str] = frozenset()
    #: Who refers to which calendar, from faulty entries too.
    references: list[tuple[str, tuple[str | int, ...], str]] = []  # noqa: RUF012 - as above


class Texts:
    """The folder's files as they were read at one time."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._text: dict[str, str] = {}
        self._raw: dict[str, dict[str, Any]] = {}
        #: What is wrong with the folder or with a whole file, as lines.
        self.unreadable: list[str] = []
        if folder is None:
            return
        if not folder.is_dir():
            self.unreadable.append(f"PULSSI_CONFIG: there is no folder {folder}")
            return
        self.unreadable.extend(_strangers(folder))
        for topic in TOPICS:
            self._read(topic, folder / f"{topic}.toml")

    def _read(self, topic: str, path: Path) -> None:
        try:
            text = path.read_text(encoding="utf-8-sig")
            self._raw[topic] = tomllib.loads(text)
            self._text[topic] = text
        except FileNotFoundError:
            return
        except OSError as error:
            self.unreadable.append(f"{path}:1: cannot be read: {error.strerror}")
        except UnicodeDecodeError as error:
            self.unreadable.append(f"{path}:1: is not UTF-8 (byte {error.start})")
        except tomllib.TOMLDecodeError as error:
            at = _AT.search(str(error))
            line = int(at[1]) if at else max(1, text.count("\n"))
            self.unreadable.append(f"{path}:{line}: is not TOML: {_AT.sub('', str(error)).strip()}")

    def said(self, faults: Iterable[Fault]) -> list[str]:
        """Tell each fault in one line: file, line, key and what is to be done; in the order of the lines."""
        order = list(TOPICS)
        placed = [(fault, line_of(self._text.get(fault.topic, ""), fault.path)) for fault in faults]
        placed.sort(key=lambda found: (order.index(found[0].topic), found[1]))
        folder = self._folder or Path()
        return [
            f"{folder / fault.topic}.toml:{line}: {_told(fault.path, self._raw.get(fault.topic, {}))}{fault.problem}"
            for fault, line in placed
        ]

    def faults(self) -> list[Fault]:
        """List what is wrong in each file by itself."""
        found = [fault for topic, model in TOPICS.items() for fault in _faults(topic, model, self._raw.get(topic, {}))]
        for (topic, name), entry in ENTRIES.items():
            for place, given in enumerate(_listed(self._raw.get(topic, {}), name)):
                found.extend(Fault(topic, (name, place, *path), problem) for path, problem in _hidden(entry, given))
        return found

    def files(self) -> Files:
        """Give what is right in each file by itself."""
        centre = self._raw.get("centre", {})
        wrong = {fault.path[0] for fault in _faults("centre", Centre, centre) if fault.path}
        calendars = _listed(self._raw.get("calendars", {}), "calendar")
        policies, taxonomy = self._raw.get("policies", {}), self._raw.get("taxonomy", {})
        return Files(
            Centre.model_validate({key: value for key, value in centre.items() if key not in wrong}),
            _valid(CalendarEntry, calendars),
            _valid(QueueEntry, _listed(self._raw.get("queues", {}), "queue")),
            _valid(PolicyEntry, _listed(policies, "policy")) if "policy" in policies else None,
            _valid(TagEntry, _listed(taxonomy, "tag")) if "tag" in taxonomy else None,
            frozenset(str(entry["name"]) for entry in calendars if isinstance(entry, dict) and "name" in entry),
            list(self._references()),
        )

    def _references(self) -> Iterator[tuple[str, tuple[str | int, ...], str]]:
        named = self._raw.get("centre", {}).get("calendar")
        if isinstance(named, str):
            yield "centre", ("calendar",), named
        for topic, name in (("queues", "queue"), ("policies", "policy")):
            for place, entry in enumerate(_listed(self._raw.get(topic, {}), name)):
                if isinstance(entry, dict) and isinstance(entry.get("calendar"), str):
                    yield topic, (name, place, "calendar"), entry["calendar"]


def _strangers(folder: Path) -> Iterator[str]:
    """Name files that nobody reads and whose name is nearly one that somebody does."""
    known = (*TOPICS, *_OTHERS)
    for path in sorted(folder.glob("*.toml")):
        near = difflib.get_close_matches(path.stem.lower(), known, n=1, cutoff=0.7)
        if path.stem not in known and near:
            yield f"{path}:1: nobody reads this file; did you mean {near[0]}.toml?"


def _listed(raw: Mapping[str, Any], name: str) -> list[Any]:
    entries = raw.get(name, [])
    return entries if isinstance(entries, list) else []


def _valid(model: type[_Entry], entries: list[Any]) -> Placed[_Entry]:
    """Make what can be made of the entries, if need be without their faulty keys."""
    found: Placed[_Entry] = []
    for place, entry in enumerate(entries):
        with suppress(ValidationError):
            found.append((place, model.model_validate(_sound(model, entry))))
    return found


def _sound(model: type[Section], entry: object) -> object:
    """Take the faulty keys away from an entry."""
    try:
        model.model_validate(entry)
    except ValidationError as error:
        wrong = {fault["loc"][0] for fault in error.errors(include_input=False, include_url=False) if fault["loc"]}
        if wrong and isinstance(entry, dict):
            return {key: value for key, value in entry.items() if key not in wrong}
    return entry


def _hidden(model: type[Section], entry: object) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """List what does not fit together in an entry, which is seen only once its faulty keys are gone."""
    sound = _sound(model, entry)
    if sound is entry:
        return
    try:
        model.model_validate(sound)
    except ValidationError as error:
        for fault in error.errors(include_input=False, include_url=False):
            if not fault["loc"]:
                yield (), _problem(fault, model)


def _faults(topic: str, model: type[Section], raw: Mapping[str, Any]) -> list[Fault]:
    try:
        model.model_validate(dict(raw))
    except ValidationError as error:
        found = error.errors(include_input=False, include_url=False)
        return [Fault(topic, _path(fault), _problem(fault, model)) for fault in found]
    return []


def _path(fault: ErrorDetails) -> tuple[str | int, ...]:
    return tuple(step for step in fault["loc"] if step != "[key]")


def _problem(fault: ErrorDetails, model: type[Section]) -> str:
    if fault["type"] == _MISSING:
        return "is missing"
    if fault["type"] == _UNKNOWN:
        near = difflib.get_close_matches(str(fault["loc"][-1]), _keys(model), n=1)
        return "there is no such key" + (f"; did you mean {near[0]}?" if near else "")
    message = fault["msg"].removeprefix("Value error, ")
    return message.replace("Input should be", "must be")


def _keys(model: type[Section]) -> list[str]:
    """Name every key that a file may have, at whatever depth: a near miss is one of these."""
    schema = model.model_json_schema()
    parts = [schema, *schema.get("$defs", {}).values()]
    return sorted({key for part in parts for key in part.get("properties", {})})


def _told(path: tuple[str | int, ...], raw: Mapping[str, Any]) -> str:
    """Write a path as people do: entries by name where they have one, else by number."""
    words: list[str] = []
    value: Any = raw
    for step in path:
        try:
            value = value[step]
        except (KeyError, IndexError, TypeError):
            value = None
        if isinstance(step, str):
            words.append(step)
        elif isinstance(value, dict) and isinstance(value.get("name"), str):
            words[-1:] = [f"{words[-1]} {value['name']!r}"]
        else:
            words[-1:] = [f"{words[-1]} {step + 1}"]
    return f"{'.'.join(words)}: " if words else ""
