"""Reads the configuration folder, and says all that is wrong with it at once, each fault with its file and line."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, Final, NamedTuple, TypeVar

from pydantic import ValidationError

from schemas.configuration.fields import NO_CALENDAR, Section
from schemas.configuration.files import (
    ENTRIES,
    TOPICS,
    CalendarEntry,
    Centre,
    PolicyEntry,
    QueueEntry,
    TagEntry,
)
from schemas.configuration.toml_files import ConfigurationError, line_of, problem_of, read_toml

#: Files of the folder that have another reader.
_OTHERS: Final = ("pulssi", "boards", "sources", "alerts")

_Section = TypeVar("_Section", bound=Section)

#: Keys of tables and places in lists that lead to something in a file.
Steps = tuple[str | int, ...]
#: Entries with their places in the file; those of which too little is right are left out.
Placed = list[tuple[int, _Section]]


class Fault(NamedTuple):
    """Something wrong in a file, before its line is looked up."""

    topic: str
    path: Steps
    problem: str


class Files:
    """The folder's files as they were read at one time: what is right in each of them, and what is wrong."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder or Path()
        self._text = dict.fromkeys(TOPICS, "")
        self._raw: dict[str, dict[str, Any]] = {topic: {} for topic in TOPICS}
        #: What is wrong with the folder or with a whole file, as lines.
        self.unreadable: list[str] = []
        #: What is wrong in the files, each once (a set that keeps its order).
        self._faults: dict[Fault, None] = {}
        if folder is not None:
            self._read(folder)
        listed = self._raw["calendars"].get("calendar")
        #: Faulty calendars too: whoever refers to one of those has no fault.
        self._calendars = {
            entry["name"]
            for entry in (listed if isinstance(listed, list) else [])
            if isinstance(entry, dict) and isinstance(entry.get("name"), str)
        }
        self.centre = self._validated("centre", Centre, self._raw["centre"]) or Centre()
        self.calendars = self._entries(CalendarEntry) or []
        self.queues = self._entries(QueueEntry) or []
        #: None: the file names none.
        self.policies = self._entries(PolicyEntry)
        self.tags = self._entries(TagEntry)

    def _read(self, folder: Path) -> None:
        if not folder.is_dir():
            self.unreadable.append(f"PULSSI_CONFIG: there is no folder {folder}")
            return
        self.unreadable.extend(_misspelt(folder))
        for topic in TOPICS:
            try:
                self._text[topic], self._raw[topic] = read_toml(folder / f"{topic}.toml")
            except ConfigurationError as error:
                self.unreadable.extend(error.faults)

    def _entries(self, model: type[_Section]) -> Placed[_Section] | None:
        """Read a file that lists entries; None where it names no list."""
        topic, key = ENTRIES[model]
        raw = self._raw[topic]
        given = raw.get(key)
        listed = given if isinstance(given, list) else []
        self._validated(topic, TOPICS[topic], {**raw, key: []} if listed else raw)
        found = ((place, self._validated(topic, model, each, (key, place))) for place, each in enumerate(listed))
        entries = [(place, entry) for place, entry in found if entry is not None]
        return entries if key in raw else None

    def _validated(self, topic: str, model: type[_Section], given: object, at: Steps = ()) -> _Section | None:
        """Validate what stands at a path and note what is wrong; gives what is right, None where that is too little."""
        try:
            return model.model_validate(given, context=self._calendars)
        except ValidationError as error:
            found = error.errors(include_input=False, include_url=False)
        wrong = {fault["loc"][0] for fault in found if fault["loc"] and fault["type"] != NO_CALENDAR}
        sound = None
        try:
            sound = model.model_validate(
                {key: value for key, value in given.items() if key not in wrong} if isinstance(given, dict) else given
            )
        except ValidationError as error:
            # What does not fit together is seen only once the faulty keys are gone.
            found += [fault for fault in error.errors(include_input=False, include_url=False) if not fault["loc"]]
        for fault in found:
            path = (step for step in fault["loc"] if step != "[key]")
            self.wrong(topic, (*at, *path), problem_of(fault, _keys(TOPICS[topic])))
        return sound

    def wrong(self, topic: str, path: Steps, problem: str) -> None:
        """Note a fault."""
        self._faults[Fault(topic, path, problem)] = None

    def faults(self) -> list[str]:
        """Tell each fault in one line: file, line, key and what is to be done; in the order of the lines."""
        order = list(TOPICS)
        placed = [
            (order.index(fault.topic), line_of(self._text[fault.topic], fault.path), fault) for fault in self._faults
        ]
        placed.sort(key=lambda found: found[:2])
        return self.unreadable + [
            f"{self._folder / topic}.toml:{line}: {_in_words(path, self._raw[topic])}{problem}"
            for _, line, (topic, path, problem) in placed
        ]


def _misspelt(folder: Path) -> Iterator[str]:
    """Name files that nobody reads and whose name is nearly one that somebody does."""
    known = (*TOPICS, *_OTHERS)
    for path in sorted(folder.glob("*.toml")):
        near = difflib.get_close_matches(path.stem.lower(), known, n=1, cutoff=0.7)
        if path.stem not in known and near:
            yield f"{path}:1: nobody reads this file; did you mean {near[0]}.toml?"


@cache  # making the schema takes longer than all else, and each fault asks for it
def _keys(model: type[Section]) -> list[str]:
    """Name every key that a file may have, at whatever depth: a near miss is one of these."""
    schema = model.model_json_schema()
    parts = [schema, *schema.get("$defs", {}).values()]
    return sorted({key for part in parts for key in part.get("properties", {})})


def _in_words(path: Steps, value: Any) -> str:  # noqa: ANN401 - any TOML value
    """Write a path as people do: entries by name where they have one, else by number."""
    words: list[str] = []
    for step in path:
        try:
            value = value[step]
        except (LookupError, TypeError):
            value = None
        if isinstance(step, str):
            words.append(step)
        else:
            name = value.get("name") if isinstance(value, dict) else None
            words[-1] += f" {name!r}" if isinstance(name, str) else f" {step + 1}"
    return f"{'.'.join(words)}: " if words else ""
