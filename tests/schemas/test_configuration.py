"""The configuration folder: what it may say, what comes of it, and every fault with its file and line."""

from __future__ import annotations

import json
import tomllib
from datetime import datetime
from pathlib import Path
from typing import Final

import pytest

from schemas.calendars import Span
from schemas.configuration.positions import line_of
from schemas.configuration.reading import ConfigurationError
from schemas.configuration.rules import load_rules
from schemas.configuration.watching import Watched
from schemas.durations import milliseconds
from schemas.generate import ROOT
from schemas.policies import DEFAULT_POLICIES, Rules, calendar_for, policy_for, taxonomy_at
from schemas.settings import load
from tests.schemas.conforms import conforms

HOUR: Final = 3_600_000

WHOLE: Final = {
    "centre": """
        time_zone = "Europe/Helsinki"
        calendar = "office"
        short_abandon = "7s"
        bad_record_share = 0.25
        patience = { chat = "90s" }
        [horizons]
        email = "14d"
    """,
    "calendars": """
        [[calendar]]
        name = "office"
        holidays = "FI"
        closed = [2026-12-31, "2026-11-02"]
        [calendar.week]
        weekdays = ["08:00-12:00", "13:00-17:00"]
        friday = ["8:00-14:00"]
        [calendar.extra]
        2026-12-24 = ["08:00-10:00"]

        [[calendar]]
        name = "night"
        time_zone = "Europe/Stockholm"
        week.every_day = ["22:00-06:00"]
        week.weekend = []

        [[calendar]]
        name = "office"
        valid_from = 2027-01-01
        week.weekdays = ["09:00-15:00"]
    """,
    "queues": """
        [[queue]]
        name = "Nordic night"
        calendar = "night"
        time_zone = "Europe/Stockholm"
    """,
    "policies": """
        [[policy]]
        name = "vip"
        metric = "first_response"
        segment = "vip"
        target = "30m"
        calendar = "office"
        objective = 0.95
        warning = "10m"
        window = "1h"
        minimum_volume = 20
        formula = "offered"

        [[policy]]
        name = "chat"
        metric = "first_response"
        channel = "chat"
        target = "1m"

        [[policy]]
        name = "vip"
        metric = "first_response"
        segment = "vip"
        target = "20m"
        valid_from = 2026-04-01

        [[policy]]
        name = "campaign"
        metric = "resolution"
        target = "2d"
        clock = "calendar"
        valid_from = 2026-05-01T08:00:00Z
        valid_until = 2026-06-01
    """,
    "taxonomy": """
        [[tag]]
        name = "Refund"
        aliases = ["money back"]

        [[tag]]
        name = "delivery"
        aliases = ["Shipping"]
        valid_from = 2026-04-01
    """,
}


def folder(at: Path, files: dict[str, str]) -> Path:
    """Write files into a folder."""
    for name, text in files.items():
        (at / f"{name}.toml").write_text(text)
    return at


def faults(at: Path, files: dict[str, str]) -> list[str]:
    """Load a folder that cannot be used; without the folder's own path."""
    with pytest.raises(ConfigurationError) as raised:
        load_rules(folder(at, files))
    return [fault.removeprefix(f"{at}/") for fault in raised.value.faults]


def ms(text: str) -> int:
    """Read a time with its zone into UTC milliseconds."""
    return round(datetime.fromisoformat(text).timestamp() * 1000)


def test_nothing_configured_is_the_defaults(tmp_path: Path) -> None:
    """No folder, an empty one, and files that say nothing: the defaults and their version."""
    assert load_rules(None) == load_rules(tmp_path) == Rules()
    assert load_rules(folder(tmp_path, dict.fromkeys(WHOLE, "# nothing\n"))) == Rules()
    assert load_rules(tmp_path).version == "default"


def test_the_centre(tmp_path: Path) -> None:
    """Thresholds and durations; what is left out has its default."""
    rules = load_rules(folder(tmp_path, WHOLE))
    assert (rules.time_zone, rules.short_abandon_ms, rules.bad_record_share) == ("Europe/Helsinki", 7_000, 0.25)
    assert rules.patience_ms == {**Rules().patience_ms, "chat": 90_000}
    assert rules.horizons_ms == {**Rules().horizons_ms, "email": 14 * 24 * HOUR}
    assert len(rules.version) == 12


def test_calendars_and_queues(tmp_path: Path) -> None:
    """Weekdays, shorthands, days of their own, holidays, hours that change, a queue's calendar and zone."""
    rules = load_rules(folder(tmp_path, WHOLE))
    assert rules.calendar is not None
    first, second = rules.calendar.hours
    work = (Span(480, 720), Span(780, 1020))
    assert first.week == (*(work,) * 4, (Span(480, 840),), (), ())
    assert (first.country, first.subdivision, first.zone, first.valid_from) == ("FI", "", "Europe/Helsinki", "")
    assert first.closed == {"2026-12-31", "2026-11-02"}
    assert first.extra == (("2026-12-24", (Span(480, 600),)),)
    assert (second.valid_from, second.week[0], second.country) == ("2027-01-01", (Span(540, 900),), "")
    night = calendar_for(rules, "Nordic night", None)
    assert night is not None
    assert night.hours[0].week == (*((Span(22 * 60, 30 * 60),),) * 5, (), ())
    assert night.hours[0].zone == rules.queue_zones["Nordic night"] == "Europe/Stockholm"
    assert calendar_for(rules, "other", None) == rules.calendar


def test_policies_in_force(tmp_path: Path) -> None:
    """A policy takes the place of the one of its name from its day on, in the centre's zone, where that one stood."""
    rules = load_rules(folder(tmp_path, WHOLE))
    vip, chat = rules.policies
    assert vip._replace(calendar=None) == (
        *("vip", "first_response", 1_800_000, 0.95, None, None, None, "vip", 600_000, "offered", None, "calendar"),
        *(HOUR, 20),
    )
    assert vip.calendar == rules.calendar
    assert (chat.warning_ms, chat.clock, chat.objective, chat.window_ms) == (15_000, "time", 0.8, 0)
    changes = [at for at, _ in rules.policies_from]
    assert changes == [ms("2026-04-01T00:00+03:00"), ms("2026-05-01T08:00Z"), ms("2026-06-01T00:00+03:00")]
    assert [[policy.name for policy in policies] for _, policies in rules.policies_from] == [
        ["vip", "chat"],
        ["vip", "chat", "campaign"],
        ["vip", "chat"],
    ]
    for at, target in ((changes[0] - 1, 1_800_000), (changes[0], 1_200_000)):
        found = policy_for(rules, "first_response", "chat", "q", "normal", "vip", at)
        assert found is not None
        assert found.target_ms == target


def test_a_taxonomy_in_force(tmp_path: Path) -> None:
    """Tags in normal form, and those that are known from a day on."""
    rules = load_rules(folder(tmp_path, WHOLE))
    assert rules.taxonomy == (frozenset({"refund"}), {"money back": "refund"})
    later = taxonomy_at(rules, ms("2026-04-01T00:00+03:00"))
    assert later == (frozenset({"refund", "delivery"}), {"money back": "refund", "shipping": "delivery"})
    assert taxonomy_at(rules, ms("2026-03-31T23:59+03:00")) == rules.taxonomy


def test_no_policies_at_all(tmp_path: Path) -> None:
    """An empty list takes the defaults away; a file that names none does not."""
    assert load_rules(folder(tmp_path, {"policies": "policy = []"})).policies == ()
    assert load_rules(folder(tmp_path, {"policies": ""})).policies == DEFAULT_POLICIES


def test_the_version_tells_content(tmp_path: Path) -> None:
    """Comments and the order of keys do not change it, a value does."""
    one = load_rules(folder(tmp_path, {"centre": 'short_abandon = "6s"\nbad_record_share = 0.1'})).version
    two = load_rules(folder(tmp_path, {"centre": '# why\nbad_record_share = 0.1\nshort_abandon = "6000ms"'})).version
    three = load_rules(folder(tmp_path, {"centre": 'short_abandon = "6s"\nbad_record_share = 0.2'})).version
    assert one == two != three


def test_what_a_change_leaves_alone_is_the_same_object(tmp_path: Path) -> None:
    """Calendars and policies are looked up by for every sample: after a change to another file without comparing."""
    before = load_rules(folder(tmp_path, WHOLE))
    after = load_rules(folder(tmp_path, {"taxonomy": "", "queues": ""}))
    assert before != after
    assert after.calendar is before.calendar
    assert after.policies is before.policies
    assert after.policies_from[0][1] is before.policies_from[0][1]


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
        "policies.toml:3: policy 'p'.metric: must be 'first_response', 'next_response' or 'resolution'",
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


@pytest.mark.parametrize(
    ("text", "expected"), [("20s", 20_000), ("1h 30m", 5_400_000), ("2d", 172_800_000), ("1.5 min", 90_000)]
)
def test_durations(text: str, expected: int) -> None:
    """As people write them."""
    assert milliseconds(text) == expected


@pytest.mark.parametrize("text", ["", "20", "s", "1x", "1h later", "-5s", "1h,30m"])
def test_what_is_no_duration(text: str) -> None:
    """Refused with an example."""
    with pytest.raises(ValueError, match="such as 20s"):
        milliseconds(text)


def test_the_schemas_take_what_the_models_take() -> None:
    """An editor with the JSON Schema accepts the same files, and marks a key that is none."""
    for topic, text in WHOLE.items():
        schema = json.loads((ROOT / f"schemas/json/{topic}.schema.json").read_text())
        written = json.loads(json.dumps(tomllib.loads(text), default=lambda day: day.isoformat()))
        assert conforms(schema, written), topic
        assert not conforms(schema, {**written, "nothing_such": 1})


def test_a_change_is_taken_and_a_faulty_one_refused(tmp_path: Path) -> None:
    """Seen once; what is faulty leaves the running rules in force, and mending it brings the new ones."""
    told: list[list[str]] = []
    watched = Watched(folder(tmp_path, {"centre": 'short_abandon = "6s"\n'}))
    assert watched.changed(refused=told.append) is None
    folder(tmp_path, {"centre": 'short_abandon = "six"\n'})
    assert watched.changed(refused=told.append) is None
    assert watched.changed(refused=told.append) is None
    assert (watched.rules.short_abandon_ms, len(told)) == (6_000, 1)
    assert "centre.toml:1: short_abandon" in told[0][0]
    folder(tmp_path, {"centre": 'short_abandon = "8s" # mended\n'})
    changed = watched.changed(refused=told.append)
    assert changed is not None
    assert changed.short_abandon_ms == watched.rules.short_abandon_ms == 8_000
    folder(tmp_path, {"centre": 'short_abandon = "8000ms" # the same\n'})
    assert watched.changed(refused=told.append) is None
    (tmp_path / "centre.toml").unlink()
    assert watched.changed(refused=told.append) == Rules()


def test_every_part_has_the_centres_time_zone(tmp_path: Path) -> None:
    """The settings take it from `centre.toml` where neither they nor the environment say one; rules are told theirs."""
    folder(tmp_path, {"centre": 'time_zone = "Europe/Helsinki"\n'})
    assert load({}, tmp_path).time_zone == "Europe/Helsinki"
    assert load({"PULSSI_TIME_ZONE": "Asia/Tokyo"}, tmp_path).time_zone == "Asia/Tokyo"
    assert load_rules(tmp_path, "Asia/Tokyo").time_zone == "Asia/Tokyo"
    folder(tmp_path, {"pulssi": 'time_zone = "Europe/Oslo"\n'})
    assert load({}, tmp_path).time_zone == "Europe/Oslo"
    folder(tmp_path, {"centre": "time_zone = 5\n", "pulssi": ""})
    assert load({}, tmp_path).time_zone == "UTC"
