"""A mapping file: where each field of an event is in a record of a system that has no adapter of its own.

Each `[[event]]` is a rule: where its `when` holds, a record gives one event. What a rule leaves out is taken from the
top of the file. A path leads through JSON: `call.queue.name`, `legs.0.agent`; a table's columns are its keys; `$.`
begins at the whole record where `each` names a list in it.
"""

from pathlib import PurePath
from typing import Annotated, Any, Final, Literal, Self, TypeAlias

from pydantic import AfterValidator, Field, ValidationError, model_validator

from schemas.configuration.fields import Section
from schemas.configuration.toml_files import ConfigurationError, parse_toml, problem_of
from schemas.configuration.toml_lines import TomlLines
from schemas.events import MODELS, WORDS_OF_PEOPLE
from schemas.user_input import did_you_mean

#: Fields that a rule names by keys of its own, or that are the source's.
_OWN_KEYS: Final = frozenset({"event_id", "type", "contact_id", "channel", "occurred_at", "source", "attributes"})
#: Every field that a rule can fill, by the type of the event.
FIELDS_OF: Final[dict[str, frozenset[str]]] = {
    kind: frozenset((field.alias or name).rstrip("_") for name, field in model.model_fields.items())
    - _OWN_KEYS
    - WORDS_OF_PEOPLE
    for kind, model in MODELS.items()
}

#: What must stand somewhere for a rule to hold.
Wanted: TypeAlias = str | int | bool | list[str]
JsonPath = Annotated[str, Field(min_length=1, max_length=500)]
Constant: TypeAlias = str | bool | int | float | list[str]


class Place(Section):
    """Where a value is, and how it is read."""

    path: JsonPath | list[JsonPath] | None = Field(
        default=None, description="Where it is; several are put together with a space, such as a date and a time."
    )
    value: Constant | None = Field(default=None, description="The value itself, in every record.")
    values: dict[str, str] = Field(default={}, description="What stands there = what it is here.")
    vocabulary: str | None = Field(default=None, description="The same, by the name of one of `vocabularies`.")
    default: Constant | None = Field(default=None, description="What it is where nothing stands there.")
    pseudonym: bool = Field(default=False, description="Whether it names a person: a pseudonym is made of it.")
    separator: str = Field(default=",", min_length=1, description="Between the parts of a list that is one text.")
    format: str | None = Field(
        default=None,
        description="Of a time: `iso`, `epoch`, `epoch_ms`, or a pattern such as `%d.%m.%Y %H:%M:%S`; default: "
        "`time_format` of the file.",
    )
    plus: list[JsonPath] = Field(
        default=[], description="Of a time: durations that are added, in seconds, or as minutes or hours: `1:30`."
    )

    @model_validator(mode="after")
    def _says_where(self) -> Self:
        if (self.path is None) == (self.value is None):
            raise ValueError("needs `path` or `value`, and not both")
        if self.values and self.vocabulary is not None:
            raise ValueError("has `values` and `vocabulary`: set only one")
        return self


#: A path, or several, alone; or a table.
Placed: TypeAlias = Place | JsonPath | list[JsonPath]


def _event_type(value: str) -> str:
    if value not in MODELS:
        raise ValueError(f"there is no such type{did_you_mean(value, MODELS)}: docs/samples.md has all")
    return value


class MappedEvent(Section):
    """A rule: one event of each record for which it holds."""

    type: Annotated[str, AfterValidator(_event_type)] = Field(description="The type of the event.")
    when: dict[JsonPath, Wanted] = Field(
        default={},
        description="Paths = the values, or one of the values, that must stand there; `true`: something does, `false`: "
        "nothing does. Default: always.",
    )
    contact: Placed | None = Field(default=None, description="The contact's id in that system.")
    channel: Placed | None = Field(default=None, description="chat, email or call.")
    at: Placed | None = Field(default=None, description="When it happened.")
    id: list[Placed] = Field(
        default=[],
        description="What tells this event from others of its contact, besides its type; default: its time. A record "
        "that comes again must have the same.",
    )
    fields: dict[str, Placed] = Field(default={}, description="The event's other fields, by their names.")

    @model_validator(mode="after")
    def _has_known_fields(self) -> Self:
        known = FIELDS_OF[self.type]
        for name in self.fields:
            if name not in known:
                raise ValueError(f"{self.type} has no field `{name}`{did_you_mean(name, known)}")
        return self


class MappingFile(Section):
    """A mapping file."""

    each: JsonPath | None = Field(
        default=None, description="The list in a record whose elements are the records; default: a record is one."
    )
    time_format: str = Field(default="iso", description="Of times: `iso`, `epoch`, `epoch_ms`, or a pattern.")
    otherwise: Literal["refuse", "ignore"] = Field(
        default="refuse",
        description="What becomes of a record for which no rule holds: a dead letter, or nothing.",
    )
    expect: dict[JsonPath, Wanted] = Field(
        default={},
        description="As `when`, of every record: where it does not hold, a dead letter, whatever the rules say.",
    )
    contact: Placed | None = Field(default=None, description="The contact's id, for all rules.")
    channel: Placed | None = Field(default=None, description="The channel, for all rules.")
    at: Placed | None = Field(default=None, description="The time, for all rules.")
    fields: dict[str, Placed] = Field(
        default={}, description="Fields of every event whose type has them, such as queue and customer_id."
    )
    vocabularies: dict[str, dict[str, str]] = Field(
        default={}, description="By a name: what stands in a record = what it is here."
    )
    event: list[MappedEvent] = Field(default=[], description="The rules, in order.")

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if not self.event:
            raise ValueError("needs at least one [[event]]")
        every = frozenset[str]().union(*FIELDS_OF.values())
        for name in self.fields:
            if name not in every:
                raise ValueError(f"no event has a field `{name}`{did_you_mean(name, every)}")
        for number, rule in enumerate(self.event, 1):
            self._check_rule(number, rule)
        for place in self._places():
            if isinstance(place, Place) and place.vocabulary not in {None, *self.vocabularies}:
                raise ValueError(f"there is no [vocabularies.{place.vocabulary}]")
        return self

    def _check_rule(self, number: int, rule: MappedEvent) -> None:
        of_agent = rule.type == "agent.status"
        needed = ["at"] if of_agent else ["at", "contact", "channel"]
        for name in needed:
            if getattr(rule, name) is None and getattr(self, name) is None:
                raise ValueError(f"event {number} needs `{name}`: in the rule, or at the top for all rules")
        given = {*rule.fields, *self.fields}
        model = MODELS[rule.type]
        for name, field in model.model_fields.items():
            if field.is_required() and name not in _OWN_KEYS and (field.alias or name).rstrip("_") not in given:
                raise ValueError(f"event {number}, {rule.type}, needs the field `{name}`")

    def _places(self) -> list[Placed | None]:
        found: list[Placed | None] = [self.contact, self.channel, self.at, *self.fields.values()]
        for rule in self.event:
            found += [rule.contact, rule.channel, rule.at, *rule.id, *rule.fields.values()]
        return found


def parse_mapping(path: PurePath, text: str) -> MappingFile:
    """Check a mapping file's text; `path` names it in faults. Raises ConfigurationError."""
    raw = parse_toml(path, text)
    try:
        return MappingFile.model_validate(raw)
    except ValidationError as error:
        found = error.errors(include_url=False)
    lines = TomlLines(text)
    faults: dict[str, tuple[int, str]] = {}
    for fault in found:
        steps = tuple(_steps(raw, fault["loc"]))
        if fault["type"] in {"string_type", "list_type"} and isinstance(_at(raw, steps), dict):
            continue  # a table may stand in the place of a path: what is wrong in it is reported there
        if fault["type"] == "model_type" and isinstance(_at(raw, steps), str | list):
            continue  # and the other way round
        where = ".".join(str(step + 1) if isinstance(step, int) else step for step in steps)
        told: Any = {**fault, "loc": steps or ("",)}
        problem = f"{f'{where}: ' if where else ''}{problem_of(told, _known_keys(steps))}"
        faults.setdefault(where, (lines.line_of(steps), problem))
    raise ConfigurationError([f"{path}:{line}: {problem}" for line, problem in sorted(faults.values())])


def _at(raw: Any, steps: tuple[int | str, ...]) -> Any:  # noqa: ANN401 - TOML
    for step in steps:
        if isinstance(raw, dict):
            raw = raw.get(step)
        elif isinstance(raw, list) and isinstance(step, int):
            raw = raw[step]
        else:
            return None
    return raw


def _steps(raw: Any, loc: tuple[int | str, ...]) -> list[int | str]:  # noqa: ANN401 - TOML
    """Keep of a fault's place what stands in the file: pydantic also names the kinds of a union that it tried."""
    kept: list[int | str] = []
    for step in loc:
        is_key = isinstance(raw, dict) and step in raw
        is_place = isinstance(raw, list) and isinstance(step, int) and step < len(raw)
        if is_key or is_place:
            raw = raw[step]
        elif not (isinstance(raw, dict) and step == loc[-1] and step in _KEYS):
            continue
        kept.append(step)
    return kept


_KEYS: Final = frozenset({*MappingFile.model_fields, *MappedEvent.model_fields, *Place.model_fields})


def _known_keys(steps: tuple[int | str, ...]) -> list[str]:
    model: type[Section] = MappingFile
    if steps[:1] == ("event",):
        model = MappedEvent if len(steps) <= 3 else Place  # noqa: PLR2004 - event, its number, its key
    elif len(steps) > 1:
        model = Place
    return list(model.model_fields)
