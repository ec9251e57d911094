"""What is wrong with a configuration folder: everything at once, each fault with its file and line."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from schemas.configuration.positions import line_of
from schemas.configuration.reading import ConfigurationError
from schemas.configuration.rules import load_rules
from tests.schemas.folders import WHOLE, faults, folder


def test_every_fault_at_once(tmp_path: Path) -> None:
    """Faults of all files, of values, keys, references and of what does not fit together, each on its line."""
    wrong = {
        "centre": 'time_zone = "Europe/Osl"\ncalendar = "offce"\n[patience]\ncll = "2m"\nchat = 5\n',
        "calendars": (
            '[[calendar]]\nname = "office"\nclosed = [\n  2026-01-01,\n  "2026-13-01",\n]\nholidays = "DE-BX"\n'
            '[calendar.week]\nmonday = ["08:00-12:00", "11:00-13:00"]\ntuesday = ["8-12"]\nsunday = ["24:30-25:00"]\n'
            '[[calendar]]\nname = "b"\nclosed = [2026-05-01]\nextra.2026-05-01 = []\n[[calendar]]\nname = "b"\n'
        ),
        "queues": '[[queue]]\nname = "q"\ncalendar = "c"\n[[queue]]\nname = "q"\n',
        "policies": (
            '[[policy]]\nname = "p"\nmetric = "first"\ntarget = "soon"\ncalendar = "d"\n'
            '[[policy]]\nname = "w"\nmetric = "resolution"\ntarget = "1h"\nwarning = "2h"\nchanel = "chat"\n'
            '[[policy]]\nname = "v"\nmetric = "resolution"\ntarget = "1h"\nvalid_from = 2026-02-01\n'
            "valid_until = 2026-01-01\nobjective = 80\n"
        ),
        "taxonomy": (
            '[[tag]]\nname = "a"\naliases = ["B", "c"]\n[[tag]]\nname = "b"\naliases = ["C"]\n[[tag]]\nname = "A"\n'
        ),
    }
    assert faults(tmp_path, wrong) == [
        "centre.toml:1: time_zone: must be the name of a time zone, such as Europe/Helsinki; did you mean Europe/Oslo?",
        "centre.toml:2: calendar: there is no calendar 'offce' in calendars.toml; did you mean 'office'?",
        "centre.toml:4: patience.cll: there is no such key; did you mean call?",
        "centre.toml:5: patience.chat: must be a duration in quotes, such as '20s', '10m', '1h30m' or '2d'",
        "calendars.toml:5: calendar 'office'.closed 2: must be a day, such as 2026-12-24",
        "calendars.toml:7: calendar 'office'.holidays: DE has no part BX with holidays of its own",
        "calendars.toml:9: calendar 'office'.week.monday: has times that overlap",
        "calendars.toml:10: calendar 'office'.week.tuesday: must be times such as '08:00-16:30', not '8-12'",
        "calendars.toml:11: calendar 'office'.week.sunday: 24:30 is no time of a day",
        "calendars.toml:12: calendar 'b': 2026-05-01 is closed and has hours of its own: take one away",
        "queues.toml:3: queue 'q'.calendar: there is no calendar 'c' in calendars.toml",
        "queues.toml:4: queue 'q': is there twice; make one of both",
        "policies.toml:3: policy 'p'.metric: must be 'first_response', 'next_response', 'queue_wait' or 'resolution'",
        "policies.toml:4: policy 'p'.target: must be a duration, such as 20s, 10m, 1h30m or 2d",
        "policies.toml:5: policy 'p'.calendar: there is no calendar 'd' in calendars.toml",
        "policies.toml:6: policy 'w': the warning is longer than the target",
        "policies.toml:11: policy 'w'.chanel: there is no such key; did you mean channel?",
        "policies.toml:17: policy 'v'.valid_until: must be later than `valid_from`",
        "policies.toml:18: policy 'v'.objective: must be less than or equal to 1",
        "taxonomy.toml:3: tag 'a'.aliases 1: 'B' is a tag itself",
        "taxonomy.toml:6: tag 'b'.aliases 1: 'C' is another name of 'a' already",
        "taxonomy.toml:7: tag 'A': is there twice; give one another `valid_from`",
    ]


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
    lines = {
        ("a",): 2,
        ("a", 0): 3,
        ("a", 2): 5,
        ("b", "c", "d"): 7,
        ("s",): 8,
        ("t", 0): 11,
        ("t", 0, "u"): 12,
        ("t", 0, "u", "v"): 13,
        ("t", 1): 14,
        ("t", 1, "missing"): 14,
        ("missing",): 1,
    }
    assert {path: line_of(text, path) for path in lines} == lines


VALUES: Final = (
    "5",
    "-1.5",
    '""',
    '"x"',
    "true",
    "[]",
    "[1]",
    '["08:00-09:00"]',
    "{}",
    "2026-03-01",
    "{ name = 1 }",
    "nan",
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
