"""The fast path from a record's bytes to the fold's event, for a record that is plain ASCII and valid: most are.

It validates by the contract's own rules (they are taken from its models, not written again), but makes no model, fills
in no default and leaves out what an ASCII record cannot need. It never says what is wrong: a record that it does not
take, for whatever reason, goes to `streams.decoding.decoder`, which takes it or says why not.
"""

from collections.abc import Callable
from datetime import datetime
from functools import cache
from typing import Any, Final, NamedTuple

from pydantic_core import SchemaValidator

from schemas.events import CONTACT_EVENT, WORDS_OF_PEOPLE
from schemas.values import milliseconds, nfc
from streams.core.event import Event, new_tuple

_Schema = dict[str, Any]

#: Letters other than ASCII's may need normalising, and an escape may hold one; pydantic's parser takes `NaN` and
#: `Infinity` for numbers, which in JSON they are not.
_BACKSLASH, _N, _I = b"\\NI"

#: Where a rule holds others.
_INNER: Final = frozenset({"schema", "items_schema", "keys_schema", "values_schema"})


class _Contract(NamedTuple):
    #: From JSON to the fields that were given.
    validate: Callable[[bytes], dict[str, Any]]
    #: For each type the defaults that mean no more than absence, and the fields that are not kept.
    defaults: dict[str, tuple[tuple[str, Any], ...]]
    words: dict[str, tuple[str, ...]]


def plain_event(channel: str | None, key: bytes | None, value: bytes) -> Event | None:
    """Read a contact's event; None where the record has to go to the decoder."""
    if not value.isascii() or (
        # The search for a single byte first is ten times faster.
        (_BACKSLASH in value and b"\\u" in value)
        or (_N in value and b"NaN" in value)
        or (_I in value and b"Infinity" in value)
    ):
        return None
    contract = _contract()
    try:
        fields = contract.validate(value)
        at = milliseconds(datetime.fromisoformat(fields.pop("occurred_at")))
    except (ValueError, TypeError):  # TypeError: a time without a zone
        return None
    if fields.pop("channel") != channel or fields.pop("contact_id").encode() != key:
        return None
    kind, event_id, seq = fields.pop("type"), fields.pop("event_id"), fields.pop("seq", 0)
    for name in contract.words[kind]:
        fields.pop(name, None)
    for name, default in contract.defaults[kind]:
        if fields.get(name) == default:
            del fields[name]
    if not all(fields.values()):  # the quicker question, which 0 and False answer too
        fields = {name: given for name, given in fields.items() if given is not None and given != ""}
    return new_tuple(Event, (at, seq, event_id, kind, fields))


@cache
def _contract() -> _Contract:
    """Take the rules of each type whose model is no more than its fields."""
    models = dict(CONTACT_EVENT.core_schema["choices"])
    models["contact.tagged"] = models["contact.tagged"]["schema"]  # without its check, see below
    types = {kind: dict(model["schema"]["fields"]) for kind, model in models.items() if model["type"] == "model"}
    # Without tags it depends on another field whether the event is right: that is for the decoder.
    tagged = types["contact.tagged"]
    tagged["tags"] = {**tagged["tags"], "schema": {**tagged["tags"]["schema"], "min_length": 1}}
    choices = {kind: _given_only(fields) for kind, fields in types.items()}
    union = {"type": "tagged-union", "discriminator": "type", "choices": choices}
    return _Contract(
        SchemaValidator(union).validate_json,
        {kind: tuple(_defaults(fields)) for kind, fields in types.items()},
        {kind: tuple([word for word in WORDS_OF_PEOPLE if word in fields]) for kind, fields in types.items()},
    )


def _defaults(fields: _Schema) -> list[tuple[str, Any]]:
    given = ((name, field["schema"].get("default")) for name, field in fields.items())
    return [(name, default) for name, default in given if default is not None and name != "seq"]


def _given_only(fields: _Schema) -> _Schema:
    """Make of a model's rules those of a plain dictionary that has no more than what was given."""
    config = {"strict": True, "validate_by_alias": True}
    given = {name: _field(field, field["schema"]) for name, field in fields.items()}
    return {"type": "typed-dict", "config": config, "extra_behavior": "ignore", "fields": given}


def _field(field: _Schema, rule: _Schema) -> _Schema:
    return {**field, "type": "typed-dict-field", "required": rule["type"] != "default", "schema": _plain(rule)}


def _plain(rule: _Schema) -> _Schema:
    """Take from a rule its default, what normalises text, and what follows the pattern of a time."""
    if rule["type"] == "function-after" and rule["function"]["function"] is milliseconds:
        return _plain(rule["schema"]["steps"][0])
    if rule["type"] == "default" or (rule["type"] == "function-before" and rule["function"]["function"] is nfc):
        return _plain(rule["schema"])
    return {**rule, **{name: _plain(rule[name]) for name in _INNER if name in rule}}
