"""The text of TOML files: its content, or what is wrong with it in a user's words."""

import re
import tomllib
from collections.abc import Callable, Iterable
from pathlib import PurePath
from typing import Any, Final

from pydantic_core import ErrorDetails

from schemas.user_input import did_you_mean

_POSITION: Final = re.compile(r"\(at line (\d+), column \d+\)")

#: The most characters of a file. Whoever reads one reads no more than one beyond it.
LARGEST: Final = 1_048_576
#: The most parts of a dotted key or a header: the parser's time grows with their square.
_PARTS: Final = 100
#: A part of a key, with the dot behind it.
_PART: Final = r"""(?:[\w-]++|"(?:[^"\\\n]|\\.)*+"|'[^'\n]*+')[ \t]*+\.[ \t]*+"""
_TOO_MANY_PARTS: Final = re.compile(rf"(?<![\w.-])(?:{_PART}){{{_PARTS}}}")

#: Each allowed value in pydantic's message.
_QUOTED: Final = re.compile(r"'([^']*)'")


class ConfigurationError(ValueError):
    """Settings or a configuration that cannot be used; `faults` holds one line for each."""

    def __init__(self, faults: list[str]) -> None:
        super().__init__("; ".join(faults))
        self.faults = faults


def parse_toml(path: PurePath, text: str) -> dict[str, Any]:
    """Parse the text of the file at `path`. Raises ConfigurationError, also for a text that is beyond the limits."""
    if len(text) > LARGEST:
        raise ConfigurationError([f"{path}:1: has more than {LARGEST:,} characters"])
    if too_many := _TOO_MANY_PARTS.search(text):
        line = text.count("\n", 0, too_many.start()) + 1
        raise ConfigurationError([f"{path}:{line}: a key or header has more than {_PARTS} parts"])
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        at = _POSITION.search(str(error))
        line = int(at[1]) if at else max(1, text.count("\n"))
        problem = _POSITION.sub("", str(error)).strip()
    except (ValueError, RecursionError) as error:  # the parser's own limits: it says nothing of where
        line, problem = 1, "a number is too long" if isinstance(error, ValueError) else "is nested too deeply"
    raise ConfigurationError([f"{path}:{line}: is not TOML: {problem}"])


#: What a value has to be, by pydantic's name of the fault: its own words speak of its insides.
_KINDS: Final = {
    "dict_type": "a table, such as { key = 1 }",
    "model_type": "a table, such as { key = 1 }",
    "list_type": 'a list, such as ["one", "two"]',
    "int_type": "a whole number",
    "int_parsing": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "float_parsing": "a number",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "string_type": "text in quotes",
}


def problem_of(fault: ErrorDetails, known: Iterable[str], kind: str = "key", form: Callable[[str], str] = str) -> str:
    """Say what is wrong, without the value; `known` are the keys that there are, of a `kind`, and written by `form`."""
    if fault["type"] == "missing":
        return "is missing"
    if fault["type"] == "extra_forbidden":
        return f"there is no such {kind}{did_you_mean(str(fault['loc'][-1]), known, form)}"
    if fault["type"] in _KINDS:
        return f"must be {_KINDS[fault['type']]}"
    meant = ""
    if fault["type"] == "literal_error":
        meant = did_you_mean(str(fault.get("input")), _QUOTED.findall(fault["ctx"]["expected"]))
    return fault["msg"].removeprefix("Value error, ").replace("Input should be", "must be") + meant
