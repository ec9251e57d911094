"""The payloads that these tests make are as the vendors publish them: held against extracts of what they say."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import jsonschema
import orjson

from tests.streams.sources.golden_cases import golden_cases
from tests.streams.sources.vendors.test_chatwoot import conversations
from tests.streams.sources.vendors.test_zendesk import tickets

FOLDER: Final = Path(__file__).parent / "published"
#: Golden payloads that are not as published on purpose: old servers, and what somebody else has written.
_UNUSUAL: Final = ("old server", "without", "no ", "nobody knows", "in quotes", "as seconds", "empty", "trigger, which")


def checked(source: str, payloads: Iterator[tuple[str, Mapping[str, Any]]]) -> dict[str, int]:
    """Check each payload against the extract of its name; returns how many there were of each."""
    schemas = json.loads((FOLDER / f"{source}.json").read_text(encoding="utf-8"))
    validators = {name: jsonschema.Draft202012Validator(schema) for name, schema in schemas.items()}
    seen: dict[str, int] = dict.fromkeys(validators, 0)
    for name, body in payloads:
        validators[name].validate(body)
        seen[name] += 1
    return seen


def golden(source: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Give the forms and bodies of golden cases that events come of."""
    for case in golden_cases():
        if case.source == source and "events" in case.wanted and not any(word in case.name for word in _UNUSUAL):
            yield case.form, orjson.loads(case.payload.body)


def of_zendesk(form: str, body: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]]:
    """Name the extract that a payload is held against, and what of it."""
    if form == "audit":
        return "audit", body["audit"]
    if form == "satisfaction":
        return "rating", body["rating"]
    return ("message_added" if "messaging_ticket" in body["type"] else "ticket_event"), body


def test_zendesk() -> None:
    """Ticket events, messages, audits and ratings, of the golden cases and of the made day."""
    day = tickets("email")[:40] + tickets("chat")[:20]
    made = [(told.form, told.body) for ticket in day for told in ticket.hooks()]
    made += [(told.form, told.body) for ticket in day if ticket.channel == "email" for told in ticket.audits()]
    payloads = (of_zendesk(form, body) for form, body in [*golden("zendesk"), *made])
    seen = checked("zendesk", payloads)
    assert min(seen.values()) >= 3, seen


def of_chatwoot(form: str, body: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Name the extract that a payload is held against, and what of it."""
    if form == "hook":
        yield ("message_hook" if body["event"].startswith("message_") else "conversation_hook"), body
    elif form in {"message", "reporting_event"}:
        yield form, body["message" if form == "message" else "event"]


def test_chatwoot() -> None:
    """Hooks and rows of the API, of the golden cases and of the made day."""
    day = conversations("email", "chat")[:60]
    made: list[tuple[str, Mapping[str, Any]]] = [("hook", told.body) for each in day for told in each.hooks()]
    made += [("message", {"message": row}) for each in day for row in each.messages]
    made += [("reporting_event", {"event": row}) for each in day for row in each.reporting]
    payloads = (each for form, body in [*golden("chatwoot"), *made] for each in of_chatwoot(form, body))
    seen = checked("chatwoot", payloads)
    assert min(seen.values()) >= 10, seen
