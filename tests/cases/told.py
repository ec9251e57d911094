"""Cases: events and every row that must come of them, and how rows of any origin are held against those.

A case is a folder with `events.ndjson`, `expected.jsonl` and a README that says what is right and why. In an expected
row `value` is a duration in milliseconds, a rating in millionths, or else a count; only the columns that it names are
compared, but no row may be missing and none may be there beyond them.
"""

import json
import random
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from schemas.policies import Rules
from tests.core.contacts import parts, read, run
from tests.oracle.centre import Centre
from tests.oracle.contacts import milliseconds

FOLDER: Final = Path(__file__).resolve().parent
CONFIG: Final = FOLDER / "config"
NAMES: Final = tuple(sorted(path.parent.name for path in FOLDER.glob("*/events.ndjson")))
CENTRE: Final = Centre({path.stem: path.read_text(encoding="utf-8") for path in CONFIG.glob("*.toml")})

Events = Sequence[Mapping[str, Any]]
#: A row by its columns: `sample`, `contact_id`, `at` in UTC milliseconds, and whatever else is known of it.
Columns = Mapping[str, Any]


def events_of(name: str) -> list[dict[str, Any]]:
    """Read a case's events in the order of the file."""
    return [json.loads(line) for line in (FOLDER / name / "events.ndjson").read_text(encoding="utf-8").splitlines()]


def expected_of(name: str) -> list[dict[str, Any]]:
    """Read a case's rows."""
    lines = (FOLDER / name / "expected.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    return [{"contact_id": row.pop("contact"), **row, "at": milliseconds(row["at"])} for row in rows]


def differences(rows: Iterable[Columns], expected: Sequence[Columns]) -> list[str]:
    """Tell which rows are missing and which are there beyond the expected ones."""
    extra, missing = list(rows), []
    for want in expected:
        found = next((row for row in extra if _fits(row, want)), None)
        if found is None:
            missing.append(f"missing: {want}")
        else:
            extra.remove(found)
    return missing + [
        f"extra: { {name: value for name, value in row.items() if value not in (None, '')} }" for row in extra
    ]


def _fits(row: Columns, want: Columns) -> bool:
    measured = row["value"] if row["value_ms"] is None else row["value_ms"]
    known = {**row, "value": 1 if measured is None else measured}
    return all(known[name] == value for name, value in want.items())


def arriving(events: Events, seed: int | None) -> Events:
    """Put events into the order of arrival that a seed draws, some of them again; None: as they are."""
    if seed is None:
        return events
    chance = random.Random(seed)  # noqa: S311 - a test's disorder
    return chance.sample([*events, *events[::2]], k=len(events) + len(events[::2]))


def folded(events: Events, rules: Rules, seed: int | None = None) -> list[dict[str, Any]]:
    """Fold events in memory, contact by contact; with a seed in any order and cut, and some of them again."""
    chance = random.Random(seed)  # noqa: S311 - as above
    heap, rows = arriving(events, seed), []
    for contact_id in dict.fromkeys(event["contact_id"] for event in heap):
        mine = [event for event in heap if event["contact_id"] == contact_id]
        cuts = set() if seed is None else {chance.randint(1, len(mine)) for _ in mine}
        contact, _ = run(mine[0]["channel"], parts(read(mine), cuts), rules)
        rows += [{**row._asdict(), "contact_id": contact_id} for _, row in contact.issued.values()]
    return rows
