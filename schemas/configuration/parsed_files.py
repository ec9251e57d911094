"""Parses the configuration files' texts, and lists all that is wrong with them, each fault with its file and line."""

from collections import defaultdict
from collections.abc import Mapping
from functools import cache
from pathlib import PurePath
from typing import Any, NamedTuple, TypeVar

from pydantic import ValidationError

from schemas.configuration import file_models as models
from schemas.configuration.alert_file import Alerts, BudgetEntry, BurnRateEntry, FloorEntry, MaintenanceEntry
from schemas.configuration.board_file import BoardEntry, PublicEntry
from schemas.configuration.fields import INCOMPLETE, NO_CALENDAR, Section
from schemas.configuration.hook_models import DestinationEntry, HooksFile
from schemas.configuration.source_models import SourceEntry
from schemas.configuration.toml_files import ConfigurationError, parse_toml, problem_of
from schemas.configuration.toml_lines import TomlLines, TomlPath

_Section = TypeVar("_Section", bound=Section)

#: Entries with their positions in the file; those of which too little is right are left out.
Numbered = list[tuple[int, _Section]]


class Fault(NamedTuple):
    """Something wrong in a file, before its line is looked up."""

    file: str
    path: TomlPath
    problem: str


class ParsedFiles:
    """The content of the folder's files: what is right in each of them, and what is wrong."""

    def __init__(self, folder: PurePath, texts: Mapping[str, str]) -> None:
        self._folder = folder
        self._text = dict.fromkeys(models.FILES, "")
        self._raw: dict[str, dict[str, Any]] = {file: {} for file in models.FILES}
        #: A line for each file that is not TOML.
        self._not_toml: list[str] = []
        #: What is wrong in the files, each once (a set that keeps its order).
        self._faults: dict[Fault, None] = {}
        for file, text in texts.items():
            try:
                self._raw[file] = parse_toml(folder / f"{file}.toml", text)
                self._text[file] = text
            except ConfigurationError as error:
                self._not_toml.extend(error.faults)
        self._calendars = self.names_in("calendars", "calendar")
        self.centre = self._validated("centre", models.Centre, self._raw["centre"]) or models.Centre()
        self.calendars = self._entries(models.CalendarEntry) or []
        self.queues = self._entries(models.QueueEntry) or []
        #: None: the file names none.
        self.policies = self._entries(models.PolicyEntry)
        self.tags = self._entries(models.TagEntry)
        lists: dict[str, Any] = {key: [] for file, key in models.ENTRIES.values() if file == "alerts"}
        #: Without the entries of its lists, which stand in the next ones.
        self.alerts = self._validated("alerts", Alerts, self._raw["alerts"] | lists) or Alerts()
        self.burn_rates = self._entries(BurnRateEntry)
        self.budgets = self._entries(BudgetEntry) or []
        self.floor = self._entries(FloorEntry)
        self.maintenance = self._entries(MaintenanceEntry) or []
        hooks = self._validated("hooks", HooksFile, {**self._raw["hooks"], "destination": []})
        self.links = (hooks or HooksFile()).links
        self.destinations = self._entries(DestinationEntry) or []
        self._note_same_destinations()
        self.boards = self._entries(BoardEntry) or []
        self.public = self._entries(PublicEntry) or []
        self.sources = self._entries(SourceEntry) or []
        self._note_same_accounts()

    def names_in(self, file: str, key: str) -> set[str]:
        """Name a file's entries, faulty ones too: whoever refers to one of those has no fault."""
        listed = self._raw[file].get(key)
        return {
            entry["name"]
            for entry in (listed if isinstance(listed, list) else [])
            if isinstance(entry, dict) and isinstance(entry.get("name"), str)
        }

    def _entries(self, model: type[_Section]) -> Numbered[_Section] | None:
        """Validate a file that lists entries; None where it names no list."""
        file, key = models.ENTRIES[model]
        raw = self._raw[file]
        given = raw.get(key)
        listed = given if isinstance(given, list) else []
        self._validated(file, models.FILES[file], {**raw, key: []} if listed else raw)
        found = ((number, self._validated(file, model, each, (key, number))) for number, each in enumerate(listed))
        entries = [(number, entry) for number, entry in found if entry is not None]
        return entries if key in raw else None

    def _note_same_destinations(self) -> None:
        """Note all entries of one name: nobody knows which of them is meant."""
        seen: dict[str, list[int]] = defaultdict(list)
        for number, entry in self.destinations:
            seen[entry.name].append(number)
        for number in (number for same in seen.values() if len(same) > 1 for number in same):
            self.add_fault("hooks", ("destination", number, "name"), "appears twice: rename one")

    def _note_same_accounts(self) -> None:
        """Add a fault to every entry of an account that has several: it is unknown which one is meant."""
        seen: dict[tuple[str, str], list[int]] = defaultdict(list)
        for number, entry in self.sources:
            seen[entry.source, entry.account].append(number)
        for number in (number for same in seen.values() if len(same) > 1 for number in same):
            self.add_fault("sources", ("source", number, "account"), "appears twice: rename one")

    def _validated(self, file: str, model: type[_Section], given: object, at: TomlPath = ()) -> _Section | None:
        """Validate what stands at a path and note what is wrong; gives what is right, None where that is too little."""
        try:
            return model.model_validate(given, context=self._calendars)
        except ValidationError as error:
            found = error.errors(include_url=False)
        wrong = {fault["loc"][0] for fault in found if fault["loc"] and fault["type"] != NO_CALENDAR}
        sound = None
        if isinstance(given, dict):
            given = {key: value for key, value in given.items() if key not in wrong}
        try:
            sound = model.model_validate(given)
        except ValidationError as error:
            # What does not fit together is seen only once the faulty keys are gone.
            left = error.errors(include_url=False)
            found += [each for each in left if not each["loc"] and not (wrong and each["type"] == INCOMPLETE)]
        for fault in found:
            path = (step for step in fault["loc"] if step != "[key]")
            self.add_fault(file, (*at, *path), problem_of(fault, _keys(models.FILES[file])))
        return sound

    def add_fault(self, file: str, path: TomlPath, problem: str) -> None:
        """Note a fault."""
        self._faults[Fault(file, path, problem)] = None

    def faults(self) -> list[str]:
        """List each fault in one line: file, line, key and what is to be done; in the order of the lines."""
        return self._not_toml + [line for _, line in self.faults_with_paths()]

    def faults_with_paths(self) -> list[tuple[TomlPath, str]]:
        """List the faults of files that are TOML, each with its path in the file and its line as in `faults`."""
        order = list(models.FILES)
        lines = {file: TomlLines(self._text[file]) for file in {each.file for each in self._faults}}
        located = [(order.index(each.file), lines[each.file].line_of(each.path), each) for each in self._faults]
        located.sort(key=lambda found: found[:2])
        return [
            (path, f"{self._folder / file}.toml:{line}: {_path_text(path, self._raw[file])}{problem}")
            for _, line, (file, path, problem) in located
        ]

    def faults_by_entry(self, key: str) -> dict[int, list[tuple[TomlPath, str]]]:
        """Give the faults of each entry of a list by its place there.

        Raises ConfigurationError for any other fault: then nobody knows which entries are meant.
        """
        found: dict[int, list[tuple[TomlPath, str]]] = defaultdict(list)
        located = self.faults_with_paths()
        for path, line in located:
            match path:
                case (str(name), int(number), *_) if name == key:
                    found[number].append((path, line))
        if self._not_toml or sum(map(len, found.values())) < len(located):
            raise ConfigurationError(self.faults())
        return found

    def written_entries(self, file: str, key: str) -> list[Mapping[str, Any]]:
        """Return the entries of a file's list as written, faulty ones too; one that is no table is empty."""
        listed = self._raw[file].get(key)
        return [each if isinstance(each, dict) else {} for each in (listed if isinstance(listed, list) else [])]


@cache  # making the schema takes longer than all else, and each fault asks for it
def _keys(model: type[Section]) -> list[str]:
    """Name every key that a file may have, at whatever depth: a near miss is one of these."""
    schema = model.model_json_schema()
    parts = [schema, *schema.get("$defs", {}).values()]
    return sorted({key for part in parts for key in part.get("properties", {})})


def _path_text(path: TomlPath, value: Any) -> str:  # noqa: ANN401 - any TOML value
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
