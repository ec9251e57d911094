"""Any other system: records of JSON, NDJSON or CSV, by a mapping file that says where each field is.

The file decides what is mapped; the contract what is accepted. What no rule of the file fits is a dead letter, unless
the file says that it means nothing.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final

import orjson

from schemas.configuration.mapping_file import FIELDS_OF, MappedEvent, MappingFile, Place, Placed
from schemas.samples import NAMES
from streams.sources.adapter import (
    AccountRules,
    Adapter,
    Event,
    Feed,
    Hook,
    Mapped,
    Payload,
    Request,
    UnmappableError,
    shortened,
)
from streams.sources.pseudonyms import pseudonym
from streams.sources.signatures import SharedSecret
from streams.sources.vendors.mapping.values import (
    Record,
    agent_of,
    flag_of,
    found_at,
    holds,
    list_of,
    number_of,
    path_of,
    read,
    text_of,
    time_read,
)

_FLAGS: Final = frozenset({"public", "automatic", "replace", "comment_present"})
_NUMBERS: Final = frozenset({"score", "scale_max", "seq"})
_LISTS: Final = frozenset({"tags", "groups"})


def _map(payload: Payload, account: AccountRules, answers: Mapping[Request, Any]) -> Mapped:
    """Map a record, or each element of the list that the file names."""
    del answers
    mapping = account.mapping
    if not isinstance(mapping, MappingFile):
        raise UnmappableError("", "the account has no mapping file: set `mapping` of it")
    try:
        root = orjson.loads(payload.body)
    except orjson.JSONDecodeError as error:
        raise UnmappableError("", f"is not JSON: {error}") from None
    elements = [root]
    if mapping.each is not None:
        elements = found_at(Record(root, root, mapping, account), mapping.each)
        if not isinstance(elements, list):
            raise UnmappableError(mapping.each, "must be a list")
    events: list[Event] = []
    for element in elements:
        record = Record(element, root, mapping, account)
        made = [_event(record, rule) for rule in mapping.event if _is_meant(record, rule)]
        if not made and mapping.otherwise == "refuse":
            raise UnmappableError("", "no rule of the mapping file holds for it")
        events += made
    return Mapped(tuple(events)) if events else Mapped(nothing="no rule of the mapping file holds for it")


def _is_meant(record: Record, rule: MappedEvent) -> bool:
    return all(holds(record, path, wanted) for path, wanted in rule.when.items())


def _event(record: Record, rule: MappedEvent) -> Event:
    mapping, account = record.mapping, record.account
    at = time_read(record, _of(rule.at, mapping.at))
    event: Event = {"event_id": "", "type": rule.type, "occurred_at": at, "source": account.source}
    if rule.type != "agent.status":
        event["contact_id"] = account.contact_id(_needed(record, _of(rule.contact, mapping.contact)))
        event["channel"] = _channel(record, _of(rule.channel, mapping.channel))
    of_what = [_needed(record, placed) for placed in rule.id] or [at]
    event["event_id"] = shortened(":".join([rule.type, *of_what]))
    known = FIELDS_OF[rule.type]
    given = {name: placed for name, placed in mapping.fields.items() if name in known} | rule.fields
    for name, placed in given.items():
        read_field: Callable[[Record, Placed], Any] = _READERS.get(name, _text)
        value = read_field(record, placed)
        if value not in (None, ""):
            event[name] = value
    return event


def _of(own: Placed | None, common: Placed | None) -> Placed:
    found = own if own is not None else common
    assert found is not None  # noqa: S101 - the file was checked
    return found


def _needed(record: Record, placed: Placed) -> str:
    text = text_of(read(record, placed), path_of(placed))
    if not text:
        raise UnmappableError(path_of(placed), "is missing")
    return text


def _channel(record: Record, placed: Placed) -> str:
    named = _needed(record, placed)
    return record.account.channels.get(named, named)


def _text(record: Record, placed: Placed) -> str:
    return text_of(read(record, placed), path_of(placed))


def _customer(record: Record, placed: Placed) -> str:
    """Make a pseudonym, whatever the file says: nothing else may be told of a customer."""
    if isinstance(placed, Place) and placed.pseudonym:
        return _text(record, placed)
    return pseudonym(record.account.pseudonym_key, _text(record, placed))


_READERS: Final[Mapping[str, Callable[[Record, Placed], Any]]] = MappingProxyType(
    {
        "queue": lambda record, placed: record.account.queue_named(_text(record, placed)),
        "team": lambda record, placed: record.account.team_named(_text(record, placed)),
        "agent_id": agent_of,
        "evaluator_id": agent_of,
        "customer_id": _customer,
        **dict.fromkeys(_FLAGS, lambda record, placed: flag_of(read(record, placed), path_of(placed))),
        **dict.fromkeys(_NUMBERS, lambda record, placed: number_of(read(record, placed), path_of(placed))),
        **dict.fromkeys(_LISTS, lambda record, placed: list_of(read(record, placed), placed)),
    }
)

_AS_MAPPED: Final = Feed("part", "what the records hold, as the mapping file maps it")

ADAPTER: Final = Adapter(
    name="mapping",
    title="Any system, by a mapping file",
    forms=MappingProxyType({"hook": _map, "record": _map}),
    feeds=MappingProxyType(dict.fromkeys(NAMES, _AS_MAPPED)),
    hook=Hook(SharedSecret("authorization"), timeout_s=10.0),
)
