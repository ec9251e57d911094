"""The configuration folder: what it may say, what comes of it, and every fault with its file and line."""

import json
import re
import tomllib
from pathlib import Path
from typing import Final

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from deploy.contract_files import ROOT
from schemas.calendars import Span
from schemas.configuration.file_models import FILES
from schemas.configuration.toml_files import ConfigurationError
from schemas.policies import DEFAULT_POLICIES, Rules, calendar_for, policy_for, taxonomy_at
from schemas.user_input import duration_ms
from streams.configuration.environment import load_settings
from streams.configuration.folder import ALERT_FILES, FOLD_FILES, RULE_FILES, load_all_rules, load_rules, read_sources
from streams.configuration.reloading import WatchedRules
from tests import centres
from tests.oracle.contacts import milliseconds as ms

WHOLE: Final = centres.files("whole")
HOUR: Final = 3_600_000


def folder(at: Path, files: dict[str, str]) -> Path:
    """Write files into a folder."""
    for name, text in files.items():
        (at / f"{name}.toml").write_text(text)
    return at


def faults(at: Path, files: dict[str, str]) -> list[str]:
    """Load a folder that cannot be used; without the folder's own path."""
    with pytest.raises(ConfigurationError) as raised:
        load_all_rules(folder(at, files))
    return [fault.removeprefix(f"{at}/") for fault in raised.value.faults]


def test_nothing_configured_is_the_defaults(tmp_path: Path) -> None:
    """No folder, an empty one, and files that say nothing: the defaults and their version."""
    assert load_rules(None) == load_rules(tmp_path) == Rules()
    assert load_rules(folder(tmp_path, dict.fromkeys(WHOLE, "# nothing\n"))) == Rules()
    assert load_rules(tmp_path).version == "default"


_NEEDED: Final = {
    "worker": ("centre", "calendars", "queues", "policies", "taxonomy"),
    "SLA engine": ("centre", "calendars", "queues", "policies", "taxonomy", "alerts"),
    "wallboard": ("centre", "calendars", "queues", "policies", "taxonomy", "alerts", "boards"),
}


@pytest.mark.parametrize("part", _NEEDED)
@pytest.mark.parametrize("name", FILES)
def test_a_part_depends_on_the_files_that_it_needs(tmp_path: Path, part: str, name: str) -> None:
    """A fault in another one changes nothing, be it at the start or later; nor does a misspelt name of another one."""
    files = {"worker": FOLD_FILES, "SLA engine": ALERT_FILES, "wallboard": RULE_FILES}[part]
    at = folder(tmp_path, WHOLE)
    before = load_all_rules(at, None, files)
    watched = WatchedRules(at, files=files)
    told: list[list[str]] = []
    (at / f"{name}.toml").write_text("nonsense = 1\n")
    for _ in range(3):
        assert watched.poll(refused=told.append) is None
    assert bool(told) == watched.refused == (name in _NEEDED[part])
    if name in _NEEDED[part]:
        with pytest.raises(ConfigurationError, match=rf"{name}\.toml:1: nonsense: there is no such key"):
            load_all_rules(at, None, files)
    else:
        assert load_all_rules(at, None, files) == before
    folder(at, WHOLE)
    (at / f"{name}.toml").unlink(missing_ok=True)
    (at / f"{name}x.toml").touch()
    if name in _NEEDED[part]:
        with pytest.raises(ConfigurationError, match=rf"did you mean {name}\.toml\?"):
            load_all_rules(at, None, files)
    else:
        load_all_rules(at, None, files)


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
    assert chat.objective_per == "channel"
    assert vip._replace(calendar=None) == (
        *("vip", "first_response", 1_800_000, 0.95, None, None, None, "vip", 600_000, "offered", None, "calendar"),
        *(HOUR, 20, "count", "queue"),
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


@pytest.mark.parametrize(
    ("text", "expected"), [("20s", 20_000), ("1h 30m", 5_400_000), ("2d", 172_800_000), ("1.5 min", 90_000)]
)
def test_durations(text: str, expected: int) -> None:
    """As people write them."""
    assert duration_ms(text) == expected


@pytest.mark.parametrize("text", ["", "20", "s", "1x", "1h later", "-5s", "1h,30m"])
def test_what_is_no_duration(text: str) -> None:
    """Refused with an example."""
    with pytest.raises(ValueError, match="such as 20s"):
        duration_ms(text)


def test_the_schemas_take_what_the_models_take() -> None:
    """An editor with the JSON Schema accepts the same files, and marks a key that is none."""
    for topic, text in WHOLE.items():
        schema = json.loads((ROOT / f"schemas/json/{topic}.schema.json").read_text())
        written = json.loads(json.dumps(tomllib.loads(text), default=lambda day: day.isoformat()))
        allows = Draft202012Validator(schema).is_valid
        assert allows(written), topic
        assert not allows({**written, "nothing_such": 1})


def test_a_change_is_taken_and_a_faulty_one_refused(tmp_path: Path) -> None:
    """Seen once; what is faulty leaves the running rules in force, and mending it brings the new ones."""
    told: list[list[str]] = []
    watched = WatchedRules(folder(tmp_path, {"centre": 'short_abandon = "6s"\n'}))
    assert watched.poll(refused=told.append) is None
    folder(tmp_path, {"centre": 'short_abandon = "six"\n'})
    assert [watched.poll(refused=told.append) for _ in range(3)] == [None] * 3
    assert (watched.rules.short_abandon_ms, len(told)) == (6_000, 1)
    assert "centre.toml:1: short_abandon" in told[0][0]
    folder(tmp_path, {"centre": 'short_abandon = "8s" # mended\n'})
    (tmp_path / "centre.toml").rename(tmp_path / "backup")  # as an editor does
    assert watched.poll(refused=told.append) is None
    (tmp_path / "backup").rename(tmp_path / "centre.toml")
    assert watched.poll(refused=told.append) is None
    changed = watched.poll(refused=told.append)
    assert changed is not None
    assert changed.short_abandon_ms == watched.rules.short_abandon_ms == 8_000
    folder(tmp_path, {"centre": 'short_abandon = "8000ms" # the same\n'})
    assert [watched.poll(refused=told.append) for _ in range(2)] == [None] * 2
    (tmp_path / "centre.toml").unlink()
    assert [watched.poll(refused=told.append) for _ in range(3)] == [None, Rules(), None]


def test_every_part_has_the_centres_time_zone(tmp_path: Path) -> None:
    """The settings take it from `centre.toml` where neither they nor the environment say one; rules are told theirs."""
    folder(tmp_path, {"centre": 'time_zone = "Europe/Helsinki"\n'})
    assert load_settings({}, tmp_path).time_zone == "Europe/Helsinki"
    assert load_settings({"PULSSI_TIME_ZONE": "Asia/Tokyo"}, tmp_path).time_zone == "Asia/Tokyo"
    assert load_rules(tmp_path, "Asia/Tokyo").time_zone == "Asia/Tokyo"
    folder(tmp_path, {"pulssi": 'time_zone = "Europe/Oslo"\n'})
    assert load_settings({}, tmp_path).time_zone == "Europe/Oslo"
    folder(tmp_path, {"centre": "time_zone = 5\n", "pulssi": ""})
    assert load_settings({}, tmp_path).time_zone == "UTC"


def test_every_fault_at_once(tmp_path: Path) -> None:
    """Faults of all files, of values, keys, references and of what does not fit together, each on its line."""
    told = (Path(centres.__file__).parent / "wrong" / "faults.txt").read_text("utf-8")
    of_rules = faults(tmp_path, centres.files("wrong"))
    of_sources = [fault.removeprefix(f"{tmp_path}/") for fault in read_sources(tmp_path).faults()]
    assert of_rules + of_sources == told.splitlines()


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    """No TOML, no UTF-8, a folder in the place of a file, a misspelt file, no folder: a line each."""
    (tmp_path / "taxonomy.toml").write_bytes(b"\xff")
    (tmp_path / "queues.toml").mkdir()
    assert faults(tmp_path, {"centre": 'a = 1\nb = \nc = "', "policy": "", "pulssi": "", "mine": ""}) == [
        "policy.toml:1: nobody reads this file; did you mean policies.toml?",
        "queues.toml:1: cannot be read: Is a directory",
        "taxonomy.toml:1: is not UTF-8 (byte 0)",
        "centre.toml:2: is not TOML: Invalid value",
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
