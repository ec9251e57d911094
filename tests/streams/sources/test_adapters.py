"""Every adapter: its golden payloads, and that whatever bytes come it gives events or says why not."""

import random
from pathlib import Path
from typing import Any, Final

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.configuration.source_models import SOURCES
from streams.sources.adapter import Payload, UnmappableError
from streams.sources.checked_events import Outcome, map_payload
from streams.sources.registry import adapter_of
from tests.streams.sources.golden_cases import GoldenCase, account_rules, golden_cases

VENDORS: Final = Path(__file__).resolve().parents[3] / "streams/sources/vendors"
PRESENT: Final = [name for name in SOURCES if (VENDORS / f"{name}.py").exists() or (VENDORS / name).is_dir()]
CASES: Final = golden_cases()


def outcome_of(case: GoldenCase, payload: Payload | None = None) -> Outcome:
    """Map a case's payload, or another in its place."""
    return map_payload(adapter_of(case.source), case.form, payload or case.payload, case.account, case.answers)


def written(outcome: Outcome) -> list[dict[str, Any]]:
    """Give the events as the cases write them."""
    return [_short(orjson.loads(record.value)) for record in outcome.records]


def _short(event: dict[str, Any]) -> dict[str, Any]:
    if "contact_id" in event:
        event["contact"] = event.pop("contact_id").split(":", 2)[2]
    return {key: value for key, value in event.items() if key != "source"}


def test_every_source_has_its_adapter_and_cases() -> None:
    """No source of the configuration lacks an adapter, and none an example."""
    assert list(SOURCES) == PRESENT
    assert {case.source for case in CASES} == set(SOURCES)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_golden(case: GoldenCase) -> None:
    """A payload gives exactly the events of its case, or the reason."""
    wanted = case.wanted
    if "unmappable" in wanted:
        with pytest.raises(UnmappableError) as refused:
            outcome_of(case)
        assert refused.value.field == wanted["unmappable"]
        return
    outcome = outcome_of(case)
    assert written(outcome) == wanted.get("events", [])
    assert [state.model_dump(exclude_none=True) for state in outcome.states] == wanted.get("states", [])
    assert bool(outcome.nothing) == ("nothing" in wanted)
    assert wanted.get("nothing", "") in outcome.nothing
    assert [request.path for request in outcome.requests] == wanted.get("requests", [])


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_again_the_same(case: GoldenCase) -> None:
    """A payload that comes again later gives the same bytes, in the same order."""
    if "unmappable" in case.wanted:
        return
    later = case.payload._replace(received_at=case.payload.received_at + 86_400_000)
    assert outcome_of(case, later) == outcome_of(case)


@pytest.mark.parametrize("source", PRESENT)
@given(body=st.binary(max_size=400), data=st.data())
@settings(deadline=None, max_examples=150)
def test_any_bytes(source: str, body: bytes, data: st.DataObject) -> None:
    """Whatever comes gives events, a reason, or a refusal; nothing else is raised."""
    adapter = adapter_of(source)
    form = data.draw(st.sampled_from(sorted(adapter.forms)))
    try:
        outcome = map_payload(adapter, form, Payload(body), account_rules(source, {}))
    except UnmappableError:
        return
    assert outcome.records or outcome.nothing or outcome.requests or outcome.states


#: Put in the place of a value: what vendors really send there, and what nobody should.
STRANGE: Final[tuple[Any, ...]] = (
    None,
    "",
    "x",
    0,
    -1,
    1.5,
    1e30,
    True,
    [],
    {},
    ["a"],
    {"a": 1},
    "2026-03-01",
    "\u0000",
)


def _changed(value: Any, chance: random.Random) -> Any:  # noqa: ANN401 - JSON
    """Change some of the values in JSON, drop some of the keys."""
    if chance.random() < 0.06:
        return chance.choice(STRANGE)
    if isinstance(value, dict):
        return {key: _changed(each, chance) for key, each in value.items() if chance.random() > 0.04}
    if isinstance(value, list):
        return [_changed(each, chance) for each in value]
    return value


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_any_change(case: GoldenCase) -> None:
    """A payload with values of other types, or without some, is mapped or refused; nothing else is raised."""
    try:
        body = orjson.loads(case.payload.body)
    except orjson.JSONDecodeError:
        body = None
    for seed in range(40):
        chance = random.Random(f"{case.name}/{seed}")  # noqa: S311 - no secret
        if body is None:
            raw = bytearray(case.payload.body)
            for _ in range(chance.randint(1, 8)):
                if raw:
                    raw[chance.randrange(len(raw))] = chance.randrange(256)
            changed = bytes(raw)
        else:
            changed = orjson.dumps(_changed(body, chance))
        try:
            outcome = outcome_of(case, case.payload._replace(body=changed))
        except UnmappableError:
            continue
        assert outcome.records or outcome.nothing or outcome.requests or outcome.states
