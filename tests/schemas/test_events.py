"""The event contract against golden events: one file a type, the least, the fullest and bad ones with their reasons.

They are a promise to sources: what is accepted today stays accepted within this version of the contract.
"""

import json
from pathlib import Path
from typing import Any, Final

import pytest
from jsonschema import Draft202012Validator

from deploy.contract_files import ROOT
from schemas.events import MODELS, ContactEvent, UnknownEvent
from schemas.topics import AGENTS, CONTACTS, channel_of
from schemas.values import ACCEPTED
from streams.core.event import Event, event_of, from_normalised, normalised
from streams.decoding.decoder import BadRecord, decode

GOLDEN: Final = Path(__file__).parent / "golden"
SAMPLES: Final[dict[str, Any]] = {path.stem: json.loads(path.read_text()) for path in sorted(GOLDEN.glob("*.json"))}

GOOD: Final = [(kind, size) for kind in SAMPLES for size in ("minimal", "full")]
BAD: Final = [(kind, number) for kind in SAMPLES for number in range(len(SAMPLES[kind]["bad"]))]

#: Whether the schema of an agent's events, or of a contact's, allows fields.
ALLOWS: Final = {
    of_agent: Draft202012Validator(json.loads((ROOT / f"schemas/json/{name}.schema.json").read_text())).is_valid
    for of_agent, name in ((True, "agent-status"), (False, "contact-event"))
}


def _read(kind: str, fields: dict[str, Any]) -> Any:  # noqa: ANN401 - a contact's event or an agent's
    topic, key = (AGENTS, "agent_id") if kind == "agent.status" else (CONTACTS["chat"], "contact_id")
    return decode(topic, fields.get(key, "").encode(), json.dumps(fields).encode())


def test_every_type_has_examples() -> None:
    """And one type that nobody knows has, too."""
    assert {*MODELS, "contact.teleported"} == SAMPLES.keys()


@pytest.mark.parametrize(("kind", "size"), GOOD)
def test_good_samples_are_read(kind: str, size: str) -> None:
    """By the model of their type, to the normalised JSON that tells redeliveries from conflicts."""
    sample = SAMPLES[kind][size]
    event = _read(kind, sample["event"])
    assert json.loads(normalised(event_of(event))) == sample["normalised"]
    assert type(event) is MODELS.get(kind, UnknownEvent)
    assert ALLOWS[kind == "agent.status"](sample["event"])


@pytest.mark.parametrize("kind", [kind for kind in SAMPLES if kind in MODELS])
def test_full_samples_have_every_field(kind: str) -> None:
    """So that no field is without an example."""
    fields = {field.alias or name for name, field in MODELS[kind].model_fields.items()}
    assert SAMPLES[kind]["full"]["event"].keys() == fields


@pytest.mark.parametrize("kind", [kind for kind in SAMPLES if kind in MODELS])
def test_minimal_samples_have_no_more_than_is_required(kind: str) -> None:
    """Leave any field out of the least event and it is refused."""
    least = SAMPLES[kind]["minimal"]["event"]
    for name in least:
        with pytest.raises(BadRecord):
            _read(kind, {key: value for key, value in least.items() if key != name})


#: What a JSON Schema cannot say, or says by `format` and by blanks that are trimmed first.
_BEYOND_SCHEMAS: Final = (
    "score is above scale_max",
    "queue: String should have at least 1 character",
    f"occurred_at: outside the accepted range: it runs {ACCEPTED}",
)


@pytest.mark.parametrize(("kind", "number"), BAD)
def test_bad_samples_are_refused(kind: str, number: int) -> None:
    """With the code and the reason that a person reads among the dead letters; by the schema too, where it can."""
    bad = SAMPLES[kind]["bad"][number]
    with pytest.raises(BadRecord) as caught:
        _read(kind, bad["event"])
    assert (caught.value.code, caught.value.reason) == (bad["code"], bad["reason"])
    assert bad["reason"] in _BEYOND_SCHEMAS or not ALLOWS[kind == "agent.status"](bad["event"])


@pytest.mark.parametrize(("kind", "size"), GOOD)
def test_events_survive_the_journal(kind: str, size: str) -> None:
    """Written as a contact keeps them, or as the archive does, and read back, they are the same."""
    event = _read(kind, SAMPLES[kind][size]["event"])
    if isinstance(event, ContactEvent):
        kept = event_of(event)
        assert Event._make(json.loads(json.dumps(tuple(kept)))) == kept
        assert from_normalised(normalised(kept)) == kept


@pytest.mark.parametrize(("kind", "size"), GOOD)
def test_models_write_what_they_read(kind: str, size: str) -> None:
    """Dumping an event and reading the dump gives the event again, times and scores put back into JSON."""
    event = _read(kind, SAMPLES[kind][size]["event"])
    fields = event.model_dump(by_alias=True, exclude_unset=True, exclude={"occurred_at"})
    fields["occurred_at"] = SAMPLES[kind][size]["event"]["occurred_at"]
    fields |= {name: float(fields[name]) for name in ("score", "scale_max") if name in fields}
    assert _read(kind, fields) == event


@pytest.mark.parametrize("topic", CONTACTS.values())
def test_every_channel_takes_every_type(topic: str) -> None:
    """A type means the same in every channel."""
    for kind in SAMPLES:
        if kind != "agent.status":
            fields = SAMPLES[kind]["full"]["event"] | {"channel": channel_of(topic)}
            decode(topic, fields["contact_id"].encode(), json.dumps(fields).encode())
