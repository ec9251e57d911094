"""The history of a Zammad ticket: rows of what was changed, several of them at one time, in the order of their ids.

A row says the attribute without its `_id`, the ids before and after, and the names that they had at that time. Rows of
one time are one version of the ticket. Undocumented; read from `History.list` and `HasHistory`.
"""

from collections.abc import Iterator
from itertools import groupby
from typing import Final, NamedTuple

from streams.sources.adapter import UnmappableError, shortened
from streams.sources.vendor_values import Json, JsonObject, optional_text_at, text_at, time_at, value_at
from streams.sources.vendors.zammad.tickets import Ticket, Version, add_version, name_at, priority_named

#: What a version is made of.
_ATTRIBUTES: Final = ("group", "priority", "state")


class Row(NamedTuple):
    """A row of the history: when it was written, and from when on it is so."""

    written_at: str
    at: str
    number: int
    given: JsonObject

    def text(self, name: str) -> str:
        """Return one of its values as text; empty where it is none."""
        return optional_text_at(self.given, f"history.{name}")


class _Value(NamedTuple):
    number: str
    name: str


def add_history(ticket: Ticket, rows: list[Json], answered_at: str | None) -> None:
    """Add all versions of a ticket, from its creation on, and its tags; `answered_at` is the first reply's time."""
    read = sorted(_rows(ticket, rows), key=lambda row: (row.written_at, row.number))
    for row in read:
        _add_tag_or_merger(ticket, row)
    changes = [row for row in read if row.text("type") == "updated" and row.text("attribute") in _ATTRIBUTES]
    values = {name: _at_first(ticket, name, changes) for name in _ATTRIBUTES}
    closed_without_row = _closed_without_row(ticket, changes)
    was_closed = False
    by_version: list[tuple[str, list[Row]]]
    by_version = [(ticket.created_at, [])] if not changes or changes[0].at != ticket.created_at else []
    by_version += [(at, list(rows_of)) for at, rows_of in groupby(changes, key=lambda row: row.at)]
    for at, together in by_version:
        before = values["group"]
        for row in together:
            values[row.text("attribute")] = _Value(row.text("id_to"), row.text("value_to"))
        moved = values["group"] != before and at != ticket.created_at
        written_at = together[-1].written_at if together else at
        version = _version(ticket, written_at, values, was_closed=was_closed)
        if closed_without_row is not None:
            version = version._replace(state_id="2", state="open")
        waits = moved or answered_at is None or at < answered_at
        add_version(ticket, version._replace(waits=waits))
        was_closed = was_closed or version.state == "resolved"
    if closed_without_row is not None:
        add_version(ticket, _version(ticket, closed_without_row, values, was_closed=False))


def _rows(ticket: Ticket, rows: list[Json]) -> Iterator[Row]:
    for each in rows:
        given = {"history": each}
        number = text_at(given, "history.id")
        if not number.isascii() or not number.isdigit():
            raise UnmappableError("history.id", "must be a whole number")
        if text_at(given, "history.object") == "Ticket":
            written_at = time_at(given, "history.created_at")
            yield Row(written_at, ticket.version_at(written_at), int(number), given)


def _at_first(ticket: Ticket, name: str, changes: list[Row]) -> _Value:
    """Tell what an attribute was at creation: what its first row changed, else what it still is."""
    first = next((row for row in changes if row.text("attribute") == name), None)
    if first is not None:
        return _Value(first.text("id_from"), first.text("value_from"))
    return _Value(optional_text_at(ticket.given, f"ticket.{name}_id"), name_at(ticket.given, f"ticket.{name}"))


def _version(ticket: Ticket, written_at: str, values: dict[str, _Value], *, was_closed: bool) -> Version:
    group, priority, state = (values[name] for name in _ATTRIBUTES)
    return Version(
        written_at=written_at,
        at=ticket.version_at(written_at),
        group_id=group.number,
        queue=ticket.account.queue_named(group.number, group.name),
        priority=priority_named(priority.name),
        state_id=state.number,
        state=ticket.state_named(state.number, state.name),
        waits=True,
        was_closed=was_closed,
    )


def _closed_without_row(ticket: Ticket, changes: list[Row]) -> str | None:
    """Tell when a ticket was closed whose history does not say so: one that came into Zammad by an import."""
    if any(row.text("attribute") == "state" for row in changes):
        return None
    given = ticket.given
    if ticket.state_named(optional_text_at(given, "ticket.state_id"), name_at(given, "ticket.state")) != "resolved":
        return None
    known = next((key for key in ("last_close_at", "close_at") if value_at(given, f"ticket.{key}")), "updated_at")
    at = ticket.version_at(time_at(given, f"ticket.{known}"))
    return at if at > ticket.created_at else None


def _add_tag_or_merger(ticket: Ticket, row: Row) -> None:
    kind, add = row.text("type"), ticket.events.add
    if row.text("attribute") == "tag" and kind in {"added", "removed"}:
        added = kind == "added"
        tag = text_at(row.given, "history.value_to" if added else "history.value_from")
        event = "contact.tagged" if added else "contact.untagged"
        add(event, row.at, "history", row.number, seq=row.number, tags=[shortened(tag)])
    elif kind == "merged_into":
        into = row.text("id_to")
        target = ticket.account.contact_id(into) if into else None
        add("contact.discarded", row.at, "history", row.number, seq=row.number, reason="merged", into=target)
