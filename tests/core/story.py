"""Contacts as short stories, a line an event, and what is expected of them, a line a sample.

A story line is `seconds what field=value …`: `12.5 connected agent_id=ann`. What happened is a type without its
`contact.`, the author of a message (`customer`, `agent`, `bot`, `system`), or a whole type with its dot. The n-th event
is called `e<n>` unless `event_id` says otherwise. The lines go through the project's own decoder, so a story that is no
contract is refused.

An expected line is `sample at=seconds field=value …`; only the fields it names are compared. `segment` stands for the
samples of one segment: `segment at=100 handle=90 hold=0 wrap=30 talk=60 …`, values in seconds.

`stories/*.txt` are tables of such cases. A section begins with `[samples] sentence`: the samples that its cases are
about; `*` are all, `glance` means fields of the contact's summary, `deadlines` the clocks that run against a target,
`clock` and `course` give the sentences that `pulssi explain` prints, each after its second. A case begins with
`channel: sentence`; `with name` says which rules hold, and what follows from the story stands behind `=`.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final, NamedTuple, cast

from schemas.policies import Rules
from schemas.samples import NAMES
from schemas.topics import CONTACTS, Channel
from streams.core.event import Event, merge
from streams.core.fold import FoldResult, fold
from streams.decoding.decoder import read_event
from tests.cases.told import Columns, differences, folded
from tests.core import configured
from tests.oracle.batch import samples
from tests.oracle.centre import DEFAULTS, Centre

#: Second 0 of every story: the beginning of a minute, in UTC milliseconds.
BEGIN: Final = 1_750_000_020_000 // 60_000 * 60_000

_ZERO: Final = datetime.fromtimestamp(BEGIN / 1000, UTC)
_AUTHORS: Final = frozenset({"customer", "agent", "bot", "system"})
_LISTS: Final = frozenset({"tags", "agents", "handling_agents"})
_TIMES: Final = ("at", "since")
_TABLES: Final = Path(__file__).with_name("stories")
_SEGMENT: Final = frozenset({"handle", "hold", "wrap", "talk"})
_DEADLINE: Final = ("metric", "policy", "since", "warns_at", "breached_at")


class Case(NamedTuple):
    """One sentence of the semantics, a story that it speaks about, and the samples that follow."""

    says: str
    channel: Channel
    story: str
    expected: list[str]
    #: Exactly those expected may come of these.
    samples: Sequence[str]
    rules: Rules
    #: The same rules as the batch reads them; None: it is not asked.
    centre: Centre | None


def cases(name: str, rules: Mapping[str, Rules | Centre]) -> list[Case]:
    """Read a table of cases; `rules` by the names that it gives them, as files where the batch is asked too."""
    found: list[Case] = []
    about: Sequence[str] = ()
    for line in (_TABLES / f"{name}.txt").read_text("utf-8").splitlines():
        words = line.strip()
        if line.startswith("["):
            named = line[1 : line.index("]")].split()
            about = NAMES if named == ["*"] else named
        elif words and not line.startswith(" "):
            channel, _, says = line.partition(": ")
            found.append(Case(says, cast("Channel", channel), "", [], about, Rules(), DEFAULTS))
        elif words.startswith("with "):
            given = rules[words.removeprefix("with ")]
            if isinstance(given, Rules):
                found[-1] = found[-1]._replace(rules=given, centre=None)
            else:
                found[-1] = found[-1]._replace(rules=_loaded(given), centre=given)
        elif words.startswith("= "):
            found[-1].expected.extend(_of_segment(words[2:]))
        elif words:
            found[-1] = found[-1]._replace(story=f"{found[-1].story}{words}\n")
    return found


@cache
def _loaded(centre: Centre) -> Rules:
    with TemporaryDirectory() as folder:
        return configured.rules(Path(folder), dict(centre.files))


def events(channel: Channel, story: str) -> list[Event]:
    """Read a story's events in the order in which they are told."""
    return [read_event(CONTACTS[channel], b"story", record) for record in records(channel, story)]


def told(channel: Channel, story: str, rules: Rules | None = None) -> FoldResult:
    """Fold a story."""
    merged, _ = merge([], events(channel, story))
    return fold(channel, merged, rules or Rules())


def check(case: Case) -> None:
    """Expect exactly the samples, or what else the case is about: of the batch, and of the fold in any order."""
    if case.samples in (["glance"], ["deadlines"]):
        _check_summary(case)
        return
    told_of = [json.loads(record) for record in records(case.channel, case.story)]
    if case.centre is not None:
        _check_rows(case, "by the batch", map(asdict, samples(told_of, case.centre)))
    for seed in (None, 1, 2, 3):
        _check_rows(case, "by the fold", folded(told_of, case.rules, seed))


def _check_rows(case: Case, by: str, rows: Iterable[Columns]) -> None:
    wanted = [_expected(line) for line in case.expected]
    assert {want["sample"] for want in wanted} <= set(case.samples), "the case expects a sample that is not looked at"
    differ = differences([row for row in rows if row["sample"] in case.samples], wanted)
    assert differ == [], "\n".join([f"{case.says} ({by})", *differ])


def records(channel: Channel, story: str, contact_id: str = "story") -> list[bytes]:
    """Write a story's events as a source would send them."""
    lines = [line for line in story.strip().splitlines() if line.strip()]
    return [json.dumps(_raw(channel, number, line, contact_id)).encode() for number, line in enumerate(lines, 1)]


def _raw(channel: Channel, number: int, line: str, contact_id: str) -> dict[str, Any]:
    at, what, *rest = line.split()
    occurred = _ZERO + timedelta(seconds=float(at))
    fields: dict[str, Any] = {
        "event_id": f"e{number}",
        "contact_id": contact_id,
        "channel": channel,
        "source": "test",
        "occurred_at": occurred.isoformat(timespec="milliseconds"),
    }
    if what in _AUTHORS:
        fields |= {"type": "message.sent", "author": what}
    else:
        fields["type"] = what if "." in what else f"contact.{what}"
    return fields | dict(field(word) for word in rest)


def field(word: str) -> tuple[str, Any]:
    """Read `name=value`: a list of tags, JSON, or text."""
    name, _, text = word.partition("=")
    if name in _LISTS:
        return name, [tag.replace("_", " ") for tag in text.split(",") if tag]
    try:
        return name, json.loads(text)
    except json.JSONDecodeError:
        return name, text


def _of_segment(line: str) -> list[str]:
    """Write out the samples of a segment; another line stays as it is."""
    if not line.startswith("segment "):
        return [line]
    _, at, *words = line.split()
    values = {name: value for name, _, value in (word.partition("=") for word in words) if name in _SEGMENT}
    assert int(values["handle"]) == sum(int(values[name]) for name in _SEGMENT - {"handle"}), line
    more = " ".join(word for word in words if word.partition("=")[0] not in _SEGMENT)
    return [f"{name} {at} value_ms={int(value) * 1000} {more}" for name, value in values.items()]


def _check_summary(case: Case) -> None:
    summary: Mapping[str, Any] = told(case.channel, case.story, case.rules).summary
    if case.samples == ["glance"]:
        wanted = {name: value for line in case.expected for name, value in map(_value, line.split())}
        assert {name: summary[name] for name in wanted} == wanted, case.says
    else:
        deadlines = [dict(zip(_DEADLINE, deadline, strict=True)) for deadline in summary["deadlines"]]
        # A deadline begins one millisecond behind the last instant that is within.
        found = [{**each, **{name: each[name] and each[name] - 1 for name in _DEADLINE[3:]}} for each in deadlines]
        assert found == [_expected(line, "metric") for line in case.expected], case.says


def _value(word: str) -> tuple[str, Any]:
    name, value = field(word)
    return name, BEGIN + round(value * 1000) if name.endswith(_TIMES) and value is not None else value


def _expected(line: str, kind: str = "sample") -> dict[str, Any]:
    name, *rest = line.split()
    return {kind: name, **dict(map(_value, rest))}
