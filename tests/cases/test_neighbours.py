"""What lies next to the cases: each fault's whole kind, with every row worked out by hand from the definitions.

`neighbours.txt` holds them: `== channel: what is right`, a story as `tests.core.story` reads it, `--`, and all rows
that come of it. A row is `sample second value column=…`; a value is a duration in seconds (`15s`), or a count or a
rating in millionths. `work second handle hold wrap column=…` stands for a segment's four samples. Rules: the cases'.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any, Final, NamedTuple, cast

import pytest

from schemas.configuration.rules import load_rules
from schemas.policies import Rules
from schemas.topics import Channel
from tests.cases.told import CENTRE, CONFIG, FOLDER, differences, folded
from tests.core.story import BEGIN, field, records
from tests.oracle.batch import samples


class Neighbour(NamedTuple):
    """One sentence, a story that it speaks about, and all rows that come of it."""

    channel: Channel
    says: str
    story: str
    rows: str


def _read(text: str) -> Neighbour:
    head, _, rest = text.partition("\n")
    channel, _, says = head.partition(": ")
    story, _, rows = rest.partition("\n--")
    return Neighbour(cast("Channel", channel), says, story, rows)


NEIGHBOURS: Final = [
    _read(text) for text in ("\n" + (FOLDER / "neighbours.txt").read_text(encoding="utf-8")).split("\n== ")[1:]
]


@pytest.fixture(scope="module")
def rules() -> Rules:
    """Load the cases' configuration as a worker does."""
    return load_rules(CONFIG)


@pytest.mark.parametrize("one", NEIGHBOURS, ids=lambda one: f"{one.channel}: {one.says}")
def test_every_row(rules: Rules, one: Neighbour) -> None:
    """By the batch, and by the fold whatever the order of arrival."""
    events = [json.loads(record) for record in records(one.channel, one.story)]
    expected = [row for line in one.rows.splitlines() if line.strip() for row in _rows(line)]
    assert differences(map(asdict, samples(events, CENTRE)), expected) == []
    for seed in (None, 1, 2, 3):
        assert differences(folded(events, rules, seed), expected) == [], f"arrival {seed}"


def _rows(line: str) -> list[dict[str, Any]]:
    sample, at, *rest = line.split()
    values = [_value(word) for word in rest if "=" not in word]
    columns = {"at": BEGIN + int(at) * 1000, **dict(field(word) for word in rest if "=" in word)}
    if sample != "work":
        return [{"sample": sample, "value": values[0], **columns}]
    handle, hold, wrap = values
    parts = {"handle": handle, "hold": hold, "wrap": wrap, "talk": handle - hold - wrap}
    return [{"sample": name, "value": value, **columns} for name, value in parts.items()]


def _value(word: str) -> int:
    return int(word[:-1]) * 1000 if word.endswith("s") else int(word)
