"""Mapping files: the examples of the page give what it says, and every fault of a file is told with its line."""

import re
from pathlib import Path
from typing import Any, Final, NamedTuple
from zoneinfo import ZoneInfo

import orjson
import pytest
from pydantic import SecretStr

from schemas.configuration.mapping_file import MappingFile, parse_mapping
from schemas.configuration.toml_files import ConfigurationError
from schemas.policies import Rules
from streams.sources.accounts import load_accounts
from streams.sources.adapter import AccountRules, Payload, UnmappableError
from streams.sources.backfill.file_pages import FilePages
from streams.sources.checked_events import Outcome, map_payload
from streams.sources.vendors.mapping import ADAPTER
from tests.cases.told import folded

PAGE: Final = Path(__file__).resolve().parents[4] / "docs/sources/mapping.md"
_BLOCK: Final = re.compile(r"^```(toml|csv|json)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


class Example(NamedTuple):
    """A mapping of the page, with its input and its output."""

    mapping: str
    kind: str
    given: str
    events: str


def examples() -> list[Example]:
    """Read the page's examples: three blocks each."""
    blocks = _BLOCK.findall(PAGE.read_text(encoding="utf-8"))
    assert len(blocks) % 3 == 0
    assert len(blocks) >= 6
    parts = [blocks[place : place + 3] for place in range(0, len(blocks), 3)]
    return [Example(mapping[1], given[0], given[1], events[1]) for mapping, given, events in parts]


def account(mapping: str, **more: Any) -> AccountRules:  # noqa: ANN401 - of the account
    """Make the account of a mapping."""
    file = parse_mapping(Path("mapping.toml"), mapping)
    known: dict[str, Any] = {"time_zone": ZoneInfo("Europe/Helsinki"), "pseudonym_key": SecretStr("k" * 32), **more}
    return AccountRules("mapping", "oldpbx", mapping=file, **known)


def mapped(rules: AccountRules, record: object) -> Outcome:
    """Map a record."""
    body = record if isinstance(record, bytes) else orjson.dumps(record)
    return map_payload(ADAPTER, "record", Payload(body), rules)


def events_of(example: Example, folder: Path) -> list[dict[str, Any]]:
    """Import an example's input as a file; give all its events."""
    file = folder / f"records.{example.kind}"
    file.write_text(example.given, encoding="utf-8")
    rules = account(example.mapping)
    payloads = [each for page in FilePages(str(file), "record").pages(None) for each in page.payloads]
    return [orjson.loads(record.value) for each in payloads for record in mapped(rules, each.body).records]


@pytest.mark.parametrize("number", range(len(examples())))
def test_the_examples_of_the_page(tmp_path: Path, number: int) -> None:
    """What the page shows as input gives what it shows as events."""
    example = examples()[number]
    assert events_of(example, tmp_path) == [orjson.loads(line) for line in example.events.splitlines()]


def test_the_rows_of_calls_give_their_samples(tmp_path: Path) -> None:
    """The first example's calls have their waits and handle times, in any order."""
    events = events_of(examples()[0], tmp_path)
    for seed in (None, 1, 2):
        found = {(row["sample"], row["value_ms"]) for row in folded(events, Rules(), seed)}
        assert {
            ("first_response", 9000),
            ("queue_wait", 9000),
            ("handle", 90_000),
            ("abandoned", 45_000),
            ("queue_wait", 45_000),
        } <= found


HEAD: Final = 'channel = { value = "call" }\ncontact = "id"\nat = "at"\n'
EVENT: Final = '[[event]]\ntype = "contact.resolved"\n'


@pytest.mark.parametrize(
    ("text", "faults"),
    [
        ("", ["mapping.toml:1: needs at least one [[event]]"]),
        (HEAD + '[[event]]\ntype = "contact.connectd"', [":5: event.1.type: there is no such type; did you mean"]),
        (
            HEAD + EVENT + 'fields = { quue = "q" }',
            [":4: event.1: contact.resolved has no field `quue`; did you mean queue?"],
        ),
        (HEAD + EVENT + "wen = {}", [":6: event.1.wen: there is no such key; did you mean when?"]),
        (HEAD + EVENT + 'at = { path = "a", plus = "b" }', [":6: event.1.at.plus: must be a list"]),
        (HEAD + EVENT + "at = { default = 1 }", [":6: event.1.at: needs `path` or `value`"]),
        (HEAD + EVENT + 'at = { path = "a", vocabulary = "x" }', [":1: there is no [vocabularies.x]"]),
        (
            HEAD + '[[event]]\ntype = "contact.connected"',
            [":1: event 1, contact.connected, needs the field `agent_id`"],
        ),
        ('at = "a"\ncontact = "b"\n' + EVENT, [":1: event 1 needs `channel`"]),
        (HEAD + "x = = 1", [":4: is not TOML"]),
        (
            HEAD + EVENT + "id = 3\nwhen = 4",
            [":6: event.1.id: must be a list", ":7: event.1.when: must be a table"],
        ),
    ],
)
def test_faults_are_told_with_their_lines(text: str, faults: list[str]) -> None:
    """Each fault has its line, its place and what to do, all at once."""
    with pytest.raises(ConfigurationError) as refused:
        parse_mapping(Path("mapping.toml"), text)
    assert len(refused.value.faults) == len(faults)
    for told, wanted in zip(refused.value.faults, faults, strict=True):
        assert wanted in told


def test_the_account_reads_its_file(tmp_path: Path) -> None:
    """The file stands beside sources.toml; its faults are the account's."""
    (tmp_path / "sources.toml").write_text(
        '[[source]]\nsource = "mapping"\naccount = "oldpbx"\nmapping = "pbx.toml"\n', encoding="utf-8"
    )
    for text, fault in ((None, "pbx.toml: No such file"), ("x = 1", "pbx.toml:1: ")):
        if text is not None:
            (tmp_path / "pbx.toml").write_text(text, encoding="utf-8")
        with pytest.raises(ConfigurationError, match=f"sources.toml:4: source 1.mapping: .*{fault}"):
            load_accounts(tmp_path, {})
    (tmp_path / "pbx.toml").write_text(HEAD + EVENT, encoding="utf-8")
    (found,) = load_accounts(tmp_path, {})
    assert isinstance(found.rules.mapping, MappingFile)


@pytest.mark.parametrize(
    ("record", "field", "problem"),
    [
        ({"at": "2026-03-01T08:00:00Z"}, "id", "is missing"),
        ({"id": 1}, "at", "is missing"),
        ({"id": 1, "at": "2025-10-26 03:30:00"}, "at", "repeat or skip"),
        ({"id": 1, "at": "2026-03-29 03:30:00"}, "at", "repeat or skip"),
        ({"id": 1, "at": "01.03.2026"}, "at", "must be a time"),
        ({"id": {}, "at": "2026-03-01T08:00:00Z"}, "id", "must be a text or a number"),
        ({"id": 1, "at": "2026-03-01T08:00:00Z", "who": "Anna Example"}, "who", "set `pseudonym = true`"),
        ({"id": 1, "at": "2026-03-01T08:00:00Z", "who": "7", "p": "x"}, "p", "none of the values"),
        ([1], "at", "is missing"),
        (b"{", "", "is not JSON"),
        ({"id": 1, "at": "2026-03-01T08:00:00Z", "kind": "other"}, "", "no rule"),
    ],
)
def test_what_does_not_fit_is_refused(record: object, field: str, problem: str) -> None:
    """A value that is missing, or not what it must be, is named with its path."""
    rules = account(
        HEAD
        + '[[event]]\ntype = "contact.connected"\nwhen = { kind = false }\nfields.agent_id = "who"\n'
        + 'fields.priority = { path = "p", values = { "1" = "urgent" } }\n'
    )
    with pytest.raises(UnmappableError) as refused:
        mapped(rules, record)
    assert refused.value.field == field
    assert problem in refused.value.problem


@pytest.mark.parametrize("at", ["9999-12-31 23:00:00", "9999-12-31T23:00:00", "2026-03-01 08:00:00"])
def test_a_duration_that_leads_out_of_time_is_refused(at: str) -> None:
    """As far as no calendar goes, and as far as no event may be."""
    rules = account(HEAD.replace('at = "at"', 'at = { path = "at", plus = ["a", "b", "c"] }') + EVENT)
    with pytest.raises(UnmappableError, match="no time from 1970 to 2099"):
        mapped(rules, {"id": 1, "at": at, **dict.fromkeys("abc", "999999999")})


def test_each_of_a_list_of_people_gets_a_pseudonym() -> None:
    """A place that names people never tells a name, whether one stands there or several."""
    rules = account(
        'at = "at"\n[[event]]\ntype = "agent.status"\n'
        'fields = { agent_id = "id", status = { value = "busy" }, groups = { path = "team", pseudonym = true } }\n'
    )
    (record,) = mapped(rules, {"id": 7, "at": "2026-03-01T08:00:00Z", "team": ["Anna Example", "Bo Example"]}).records
    groups = orjson.loads(record.value)["groups"]
    assert len(set(groups)) == 2
    assert all(group.startswith("p-") for group in groups)


def test_values_of_every_kind() -> None:
    """Flags, numbers, lists and states are read from JSON and from the text of a table alike."""
    rules = account(
        """
        channel = "ch"
        contact = "id"
        at = { path = "at", format = "epoch" }
        [[event]]
        type = "contact.rated"
        when = { score = true }
        fields = { score = "score", scale_max = { value = 5 }, comment_present = "commented", survey_id = "s.1" }
        [[event]]
        type = "contact.tagged"
        when = { tags = true }
        fields = { tags = { path = "tags", separator = ";" }, replace = { value = true }, team = "team" }
        [[event]]
        type = "agent.status"
        when = { agent = true }
        fields = { agent_id = "agent", status = { path = "state", values = { "0" = "away" }, default = "busy" } }
        """,
        channels={"voice": "call"},
        teams={"t": "first line"},
    )
    outcomes = [
        mapped(rules, {"id": 1, "ch": "voice", "at": 1772438400, "score": "4,5", "commented": "yes", "s.1": "nps"}),
        mapped(rules, {"id": 1, "ch": "chat", "at": "1772438400.5", "tags": "a; b;", "team": "t"}),
        mapped(rules, {"id": 1, "ch": "chat", "at": 1772438400, "tags": ["a", 7]}),
        mapped(rules, {"at": 1772438400, "agent": 17, "state": 0}),
        mapped(rules, {"at": 1772438400, "agent": 17, "state": 3}),
    ]
    told = [orjson.loads(record.value) for outcome in outcomes for record in outcome.records]
    assert [
        {name: value for name, value in event.items() if name not in {"event_id", "contact_id", "source", "type"}}
        for event in told
    ] == [
        {
            "occurred_at": "2026-03-02T08:00:00.000Z",
            "channel": "call",
            "score": 4.5,
            "scale_max": 5,
            "comment_present": True,
            "survey_id": "nps",
        },
        {
            "occurred_at": "2026-03-02T08:00:00.500Z",
            "channel": "chat",
            "tags": ["a", "b"],
            "replace": True,
            "team": "first line",
        },
        {"occurred_at": "2026-03-02T08:00:00.000Z", "channel": "chat", "tags": ["a", "7"], "replace": True},
        {"occurred_at": "2026-03-02T08:00:00.000Z", "agent_id": "mapping:oldpbx:17", "status": "away"},
        {"occurred_at": "2026-03-02T08:00:00.000Z", "agent_id": "mapping:oldpbx:17", "status": "busy"},
    ]
