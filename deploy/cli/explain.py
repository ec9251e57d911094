"""`pulssi explain`: one contact's events and numbers, and how the numbers follow from the events."""

from __future__ import annotations

import dataclasses
import unicodedata
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from zoneinfo import ZoneInfo

import click

from deploy.cli.common import echo_report, fail, json_option, running_stack_option, stack_settings
from deploy.cli.config_option import config_option, rules_in_force
from schemas.exits import Exit
from streams import times

if TYPE_CHECKING:
    from sinks.reconcile.contact_story import Sentence
    from sinks.reconcile.explanation import Correction, ExplainedEvent, ExplainedSample, Explanation, UnknownContact
    from sinks.reconcile.report import Difference

_MINUTE_MS: Final = 60_000
#: Samples of which a reader expects to be told the policy.
_SAMPLES_WITH_A_TARGET: Final = frozenset({"first_response", "abandoned", "resolution", "next_response", "queue_wait"})
#: Of the summary: the fields that are shown, and their labels.
_SUMMARY_LABELS: Final = {
    **{name: name for name in ("queue", "priority", "team", "segment", "agents", "tags")},
    "started_at": "started",
    "first_response_ms": "first response after",
    "abandoned_at": "abandoned",
    "resolved_at": "resolved",
    "handle_ms": "handled for",
    "replies": "replies",
    "reopens": "reopened",
    "handling": "segments still open",
    "waiting_since": "waits for a human since",
    "awaiting_since": "waits for a reply since",
}


class _Renderer:
    """Times in the reader's zone, durations, and columns, as people read them."""

    def __init__(self, zone: ZoneInfo) -> None:
        self.zone = zone

    def moment(self, at: int, sep: str = " ") -> str:
        """Write a time; `at` in UTC milliseconds."""
        return times.at(at).astimezone(self.zone).isoformat(sep, "milliseconds")

    @staticmethod
    def duration(ms: int) -> str:
        """Write a duration: `3.250 s`, `2:05.000` minutes, `1:00:00.000` hours."""
        if ms < _MINUTE_MS:
            return f"{ms / 1000:.3f} s"
        minutes, rest = divmod(ms, _MINUTE_MS)
        hours, minutes = divmod(minutes, 60)
        seconds = f"{rest // 1000:02}.{rest % 1000:03}"
        return f"{hours}:{minutes:02}:{seconds} h" if hours else f"{minutes}:{seconds} min"

    def value(self, name: str, value: Any) -> str:  # noqa: ANN401 - any column's
        """Write a value by its column's name."""
        if isinstance(value, int) and not isinstance(value, bool):
            if name == "at" or name.endswith(("_at", "_since")):
                return self.moment(value)
            if name.endswith("_ms"):
                return self.duration(value)
        if isinstance(value, list | tuple):
            return ", ".join(map(str, value))
        return "nothing" if value is None else str(value)


@click.command()
@click.argument("contact")
@click.option(
    "--time-zone", "zone_name", metavar="ZONE", help="The zone that times are told in (default: the centre's)."
)
@running_stack_option
@config_option
@json_option
def explain(contact: str, zone_name: str | None, data: Path | None, *, as_json: bool) -> None:
    """Tell how a contact's numbers came about.

    Its events in the order in which they count, what started the first-response clock and what did not answer it, what
    became of it in queues, work and pauses, each sample with the event and the policy behind it, what was taken back
    and why, and what is missing. What people wrote is not shown. A contact that is not there ends with 1.

    Example: pulssi explain desk:acme:4711 --time-zone Europe/Helsinki
    """
    from sinks.reconcile.explanation import UnknownContact, explain_contact

    settings = stack_settings(data)
    try:
        zone = ZoneInfo(zone_name or settings.time_zone)
    except (ValueError, OSError, LookupError):
        fail(f"--time-zone: no time zone {zone_name!r}; one is Europe/Helsinki", Exit.UNUSABLE)
    contact_id = unicodedata.normalize("NFC", contact.strip())
    found = explain_contact(settings, rules_in_force(settings), contact_id)
    if isinstance(found, UnknownContact):
        fail(_not_found_message(contact_id, found), Exit.NO)
    render = _Renderer(zone)
    echo_report(_json_value(render, dataclasses.asdict(found)), _lines(render, found), as_json=as_json)


def _not_found_message(contact_id: str, unknown: UnknownContact) -> str:
    if unknown.has_rows:
        return f"no event of contact {contact_id} is archived, though rows of it are kept: `pulssi reconcile` says more"
    if unknown.alike:
        return f"there is no contact {contact_id}; did you mean {', '.join(unknown.alike)}?"
    return f"there is no contact {contact_id}: is the id whole (source:account:number), and is all in (`pulssi drain`)?"


def _json_value(render: _Renderer, value: Any, name: str = "") -> Any:  # noqa: ANN401 - any JSON value
    """Write times as RFC 3339 in the reader's zone, all else as it is."""
    if isinstance(value, dict):
        return {key: _json_value(render, inner, str(key)) for key, inner in value.items()}
    if hasattr(value, "_asdict"):
        return _json_value(render, value._asdict())
    if isinstance(value, list | tuple):
        return [_json_value(render, inner, name) for inner in value]
    if isinstance(value, int) and (name in {"at", "since"} or name.endswith(("_at", "_since"))):
        return render.moment(value, "T")
    return value


def _lines(render: _Renderer, found: Explanation) -> Iterator[str]:
    yield f"contact {found.contact_id} ({found.channel}); times in {render.zone.key}"
    state = [name for name in ("open", "partial", "discarded") if found.summary[name]]
    yield f"  {', '.join(state) or 'not open'}"
    for name, says in _SUMMARY_LABELS.items():
        if found.summary[name]:
            yield f"  {says}: {render.value(name, found.summary[name])}"
    sections: dict[str, Iterable[Iterable[str]]] = {
        "events, in the order in which they count, each with its [event_id] (x: does not count)": (
            _event(render, each) for each in found.events
        ),
        "the clock of the first response": (_sentence(render, each) for each in found.clock),
        "its course": (_sentence(render, each) for each in found.course),
        "samples": (_sample(render, each) for each in found.samples) if found.samples else [["  none"]],
        "taken back or corrected since the first event came": (_correction(render, each) for each in found.corrections),
        "missing": ([f"  {line}"] for line in found.missing),
    }
    if not found.being_written:
        sections["rows in ClickHouse that differ from this result"] = (
            [_difference(render, each)] for each in found.differences
        )
    for title, parts in sections.items():
        if lines := list(chain.from_iterable(parts)):
            yield from ("", title, *lines)
    if found.being_written and found.differences:
        yield from ("", "the sink is still writing this contact: run the command again")


def _event(render: _Renderer, event: ExplainedEvent) -> Iterator[str]:
    fields = " ".join(f"{name}={render.value(name, value)}" for name, value in event.fields.items())
    mark = " " if event.counts else "x"
    yield f"{mark} {render.moment(event.at)}  {event.type}  [{event.event_id}]  {fields}".rstrip()
    if event.late:
        yield f"      arrived at {render.moment(event.received_at)}, behind events that happened later"
    for note in event.notes:
        yield f"      {note}"


def _sentence(render: _Renderer, sentence: Sentence) -> Iterator[str]:
    yield f"  {render.moment(sentence.at)}  {sentence.says}  [{sentence.event_id}]"


def _sample(render: _Renderer, sample: ExplainedSample) -> Iterator[str]:
    since = f" (since {render.moment(sample.since)})" if sample.since is not None else ""
    value = f": {render.duration(sample.values['value_ms'])}" if "value_ms" in sample.values else ""
    yield f"  {render.moment(sample.at)}  {sample.sample}{value}{since}"
    fields = " ".join(
        f"{name}={render.value(name, each)}" for name, each in sample.values.items() if name != "value_ms"
    )
    yield f"      by {sample.type or 'no event'} [{sample.caused_by or ''}]  {fields}".rstrip()
    if sample.policy and sample.target_ms is not None:
        outcome = "within" if sample.within else "beyond"
        yield f"      {outcome} the target of policy {sample.policy}: {render.duration(sample.target_ms)}"
    elif sample.sample in _SAMPLES_WITH_A_TARGET:
        yield "      no policy applies"


def _correction(render: _Renderer, correction: Correction) -> Iterator[str]:
    before, after = correction.before, correction.after
    what = f"{before.sample}{f' {before.tag}' if before.tag else ''} at {render.moment(before.at)}"
    if after is None:
        yield f"  {what} was taken back: {correction.by.says}"
        return
    yield f"  {what} was corrected: {correction.by.says}"
    changes = (
        f"{name}: {render.value(name, one)} became {render.value(name, other)}"
        for name, one, other in zip(before._fields, before, after, strict=True)
        if one != other
    )
    yield f"      {'; '.join(changes)}"


def _difference(render: _Renderer, each: Difference) -> str:
    key = " ".join(str(value) for name, value in each.key.items() if name != "contact_id")
    columns = "; ".join(
        f"{name}: is {render.value(name, is_)}, should be {render.value(name, should)}"
        for name, (is_, should) in each.columns.items()
    )
    return f"  {each.table} {key}: {each.kind} {columns}".rstrip()
