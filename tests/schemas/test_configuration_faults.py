"""What is wrong with a configuration folder: everything at once, each fault with its file and line."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from schemas.configuration.rules import load_rules
from schemas.configuration.toml_files import ConfigurationError, line_of
from tests import centres
from tests.schemas.folders import WHOLE, faults, folder


def test_every_fault_at_once(tmp_path: Path) -> None:
    """Faults of all files, of values, keys, references and of what does not fit together, each on its line."""
    told = (Path(centres.__file__).parent / "wrong" / "faults.txt").read_text("utf-8")
    assert faults(tmp_path, centres.files("wrong")) == told.splitlines()


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    """No TOML, no UTF-8, a folder in the place of a file, a misspelt file, no folder: a line each."""
    (tmp_path / "taxonomy.toml").write_bytes(b"\xff")
    (tmp_path / "queues.toml").mkdir()
    assert faults(tmp_path, {"centre": 'a = 1\nb = \nc = "', "policy": "", "pulssi": "", "mine": ""}) == [
        "policy.toml:1: nobody reads this file; did you mean policies.toml?",
        "centre.toml:2: is not TOML: Invalid value",
        "queues.toml:1: cannot be read: Is a directory",
        "taxonomy.toml:1: is not UTF-8 (byte 0)",
    ]
    with pytest.raises(ConfigurationError, match="there is no folder"):
        load_rules(tmp_path / "nowhere")


def test_business_time_needs_a_calendar(tmp_path: Path) -> None:
    """A policy on business time without any calendar is a fault; its own, its queue's or the centre's will do."""
    policy = '[[policy]]\nname = "p"\nmetric = "resolution"\ntarget = "1h"\nqueue = "q"\nclock = "calendar"\n'
    calendars = '[[calendar]]\nname = "c"\nweek.every_day = ["00:00-24:00"]\n'
    assert faults(tmp_path, {"policies": policy, "calendars": calendars}) == [
        "policies.toml:6: policy 'p'.clock: needs a calendar: name one here, or one for the centre in centre.toml"
    ]
    for more in (
        {"policies": policy + 'calendar = "c"\n'},
        {"policies": policy, "queues": '[[queue]]\nname = "q"\ncalendar = "c"\n'},
        {"policies": policy, "queues": "", "centre": 'calendar = "c"\n'},
    ):
        assert load_rules(folder(tmp_path, more)).policies[0].clock == "calendar"


def test_lines_in_files_of_any_shape() -> None:
    """Lists over many lines, tables in one line, keys with dots, text over many lines."""
    text = '# c\na = [\n "1",\n # c\n "2", "3",\n]\nb.c = { d = 1 }\ns = """\nx\n"""\n[[t]]\n[t.u]\nv = 1\n[[t]]\n'
    places = ("a", "a.0", "a.2", "b.c.d", "s", "t.0", "t.0.u", "t.0.u.v", "t.1", "t.1.missing", "missing")
    paths = [[int(step) if step.isdecimal() else step for step in place.split(".")] for place in places]
    assert [line_of(text, path) for path in paths] == [2, 3, 5, 7, 8, 11, 12, 13, 14, 14, 1]


VALUES: Final = (
    *("5", "-1.5", '""', '"x"', "true", "[]", "[1]", '["08:00-09:00"]', "{}", "2026-03-01", "{ name = 1 }", "nan"),
)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_whatever_stands_in_a_file_there_are_rules_or_faults(tmp_path: Path, data: st.DataObject) -> None:
    """A value of any other kind, a line less, a line twice: rules come of it, or lines that name file and line."""
    topic = data.draw(st.sampled_from(sorted(WHOLE)))
    lines = WHOLE[topic].splitlines()
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(lines) - 1))
        key, equals, _ = lines[at].partition(" = ")
        change = data.draw(st.sampled_from(["value", "remove", "twice"]))
        if change == "value" and equals:
            lines[at] = f"{key} = {data.draw(st.sampled_from(VALUES))}"
        elif change == "remove":
            lines[at] = ""
        elif change == "twice":
            lines.insert(at, lines[at])
    at_folder = folder(tmp_path, {**WHOLE, topic: "\n".join(lines)})
    try:
        load_rules(at_folder)
    except ConfigurationError as error:
        found = error.faults
    else:
        return
    assert found
    for fault in found:
        assert re.match(rf"{re.escape(str(tmp_path))}/\w+\.toml:[1-9]\d*: ", fault), fault
