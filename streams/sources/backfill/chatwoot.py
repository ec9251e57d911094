"""The past of a Chatwoot account: its conversations, with their messages and reporting events, and survey answers.

Conversations are read whole, for the list knows no history and no "changed since": those with no activity in the period
are passed over. Reporting events, which only some editions have, are asked for conversation by conversation: the
account's own list of them names conversations by an internal id.
"""

from collections.abc import AsyncIterator, Mapping
from datetime import datetime
from typing import Any, Final

import orjson

from streams.sources.adapter import Request, UnmappableError
from streams.sources.backfill.answers import backfill_of
from streams.sources.backfill.pages import Backfill, Page, Period, VendorApi, VendorPayload, VendorRefusedError
from streams.sources.vendor_values import JsonObject, list_at, optional_text_at, time_of, value_at
from streams.times import milliseconds, now_ms

#: What `after` gives at most.
_MESSAGES: Final = 100
_BOTS: Final = frozenset({"agent_bot", "agentbot", "captain_assistant", "captain::assistant"})
_HANDED_OFF: Final = "conversation_bot_handoff"
#: Of a conversation, what is put beside its messages, and what is read of itself.
_BESIDE: Final = ("id", "inbox_id", "channel")
_CONVERSATION: Final = (
    *_BESIDE,
    *("labels", "priority", "status", "created_at", "updated_at", "last_activity_at", "timestamp"),
)
#: Of a message: nothing that people wrote, and of them only their ids.
_MESSAGE: Final = (
    *("id", "message_type", "content_type", "private", "created_at", "sender_type", "sender_id"),
    *("sender.id", "sender.type", "additional_attributes.campaign_id", "content_attributes.automation_rule_id"),
    *("content_attributes.external_echo", "content_attributes.is_reaction", "content_attributes.email.auto_reply"),
)
_CSAT: Final = ("id", "rating", "message_id", "conversation_id", "created_at", "assigned_agent.id")
#: Answers that say that an edition has no reporting events, or that this token may not read them.
_WITHOUT: Final = frozenset({401, 403, 404})
_GONE: Final = 404


class _Import:
    """Reads one account."""

    def __init__(self, api: VendorApi, period: Period) -> None:
        self._api = api
        self._begin = period.begin or 0
        self._end = now_ms() if period.end is None else period.end
        self._has_reporting = True

    async def pages(self, position: Mapping[str, Any] | None) -> AsyncIterator[Page]:
        """Yield what comes after a position."""
        at: dict[str, Any] = dict(position) if position else {"part": "all", "page": 0, "began": now_ms()}
        if at["part"] == "all":
            async for page in self._conversations(at, sort_by="created_at_asc"):
                at = dict(page.position)
                yield page
        if at["part"] == "moved":
            async for page in self._conversations(at, sort_by="last_activity_at_desc"):
                at = dict(page.position)
                yield page
        async for page in self._answers(at["page"]):
            yield page

    async def _conversations(self, at: dict[str, Any], sort_by: str) -> AsyncIterator[Page]:
        """Walk the list. Servers that cannot sort put the latest activity first, where it moves from page to page.

        So the newest are walked once more at the end, down to what has not moved since the import began.
        """
        again = at["part"] == "moved"
        more = True
        while more:
            at = {**at, "page": at["page"] + 1}
            # Without a status only open ones are listed.
            query = (("status", "all"), ("assignee_type", "all"), ("sort_by", sort_by), ("page", str(at["page"])))
            answer = await self._api.get(Request("/conversations", query))
            rows = _objects(answer, "data.payload")
            more = bool(rows) and not (again and all((_ms(row, "last_activity_at") or 0) < at["began"] for row in rows))
            payloads: list[VendorPayload] = []
            for row in rows:
                if self._is_wanted(row) and not (again and (_ms(row, "last_activity_at") or 0) < at["began"]):
                    payloads += await self._of(row)
            following = {"part": "ratings" if again else "moved", "page": 0, "began": at["began"]}
            yield Page(tuple(payloads), at if more else following, _share(answer, at["page"], len(rows)))

    def _is_wanted(self, row: JsonObject) -> bool:
        """Tell whether a conversation was active in the period; one without times is, for the adapter to refuse."""
        created, active = _ms(row, "created_at"), _ms(row, "last_activity_at")
        return (created is None or created < self._end) and (active is None or active >= self._begin)

    async def _of(self, row: JsonObject) -> list[VendorPayload]:
        """Read a conversation's messages and reporting events, up to the end of the period."""
        number = optional_text_at(row, "id")
        messages = [each for each in await self._messages(number) if self._is_before_end(each, "created_at")]
        reporting = [each for each in await self._reporting(number) if self._is_before_end(each, "event_end_time")]
        said = [
            each for each in messages if optional_text_at(each, "message_type") in {"0", "1", "incoming", "outgoing"}
        ]
        beside = {**_parts(row, _BESIDE), "meta": _meta(row)}
        whole = {
            "conversation": {**_parts(row, _CONVERSATION), "meta": _meta(row)},
            "first_message": _parts(said[0], _MESSAGE) if said else None,
            "bot_first": any(optional_text_at(each, "name") == _HANDED_OFF for each in reporting) or _bot_first(said),
        }
        where = f"conversation {number}"
        return [
            VendorPayload("conversation", orjson.dumps(whole), where),
            *(
                VendorPayload(
                    "message", orjson.dumps({"message": _parts(each, _MESSAGE), "conversation": beside}), where
                )
                for each in messages
            ),
            *(
                VendorPayload("reporting_event", orjson.dumps({"event": each, "conversation": beside}), where)
                for each in reporting
            ),
        ]

    def _is_before_end(self, each: JsonObject, key: str) -> bool:
        at = _ms(each, key)
        return at is None or at < self._end

    async def _messages(self, number: str) -> list[JsonObject]:
        """Walk the messages by `after`, which gives the earliest of those with a greater id.

        Imported messages may have times in another order than their ids: then those between are asked for as well.
        """
        found: dict[int, JsonObject] = {}
        after = 0
        while True:
            rows = await self._some_messages(number, (("after", str(after)),))
            ids = [_number(row) for row in rows]
            if len(rows) >= _MESSAGES and ids != sorted(ids):
                between = (("after", str(after + 1)), ("before", str(max(ids) + 1)))
                rows = [*rows, *await self._some_messages(number, between)]
            known = len(found)
            found |= {_number(row): row for row in rows}
            if len(ids) < _MESSAGES or len(found) == known:
                return [found[each] for each in sorted(found)]
            after = max(ids)

    async def _some_messages(self, number: str, query: tuple[tuple[str, str], ...]) -> list[JsonObject]:
        return _objects(await self._api.get(Request(f"/conversations/{number}/messages", query)), "payload")

    async def _reporting(self, number: str) -> list[JsonObject]:
        if not self._has_reporting:
            return []
        try:
            answer = await self._api.get(Request(f"/conversations/{number}/reporting_events"))
        except VendorRefusedError as error:
            if error.status not in _WITHOUT:
                raise
            self._has_reporting = False
            return []
        return [each for each in answer if isinstance(each, dict)] if isinstance(answer, list) else []

    async def _answers(self, page: int) -> AsyncIterator[Page]:
        """Walk the answers to surveys, and put each beside its conversation."""
        since = (("since", str(self._begin // 1000)), ("until", str(self._end // 1000)), ("sort", "created_at"))
        more = True
        while more:
            page += 1
            answer = await self._api.get(Request("/csat_survey_responses", (*since, ("page", str(page)))))
            rows = [each for each in answer if isinstance(each, dict)] if isinstance(answer, list) else []
            known: dict[str, JsonObject | None] = {}
            payloads = []
            for row in rows:
                number = optional_text_at(row, "conversation_id")
                if number not in known:
                    known[number] = await self._one(number)
                beside = known[number]
                if beside is not None:
                    csat = {**_parts(row, _CSAT), "feedback_message": "…" if row.get("feedback_message") else None}
                    body = orjson.dumps({"csat": csat, "conversation": beside})
                    payloads.append(VendorPayload("csat", body, f"answer {optional_text_at(row, 'id')}"))
            more = bool(rows)
            yield Page(tuple(payloads), {"part": "ratings", "page": page if more else page - 1})

    async def _one(self, number: str) -> JsonObject | None:
        """Ask for what is put beside the rows of one conversation; None where it is deleted."""
        try:
            found = await self._api.get(Request(f"/conversations/{number}"))
        except VendorRefusedError as error:
            if error.status != _GONE:
                raise
            return None
        return {**_parts(found, _BESIDE), "meta": _meta(found)}


BACKFILL: Final[Backfill] = backfill_of(_Import)


def _objects(answer: Any, path: str) -> list[JsonObject]:  # noqa: ANN401 - JSON
    return [each for each in list_at(answer, path) if isinstance(each, dict)]


def _number(row: JsonObject) -> int:
    written = optional_text_at(row, "id")
    if not written.isdecimal():
        raise UnmappableError("id", "must be a whole number")
    return int(written)


def _parts(row: Any, paths: tuple[str, ...]) -> dict[str, Any]:  # noqa: ANN401 - JSON
    """Take some parts of a row, with the objects that they are in."""
    taken: dict[str, Any] = {}
    for path in paths:
        found = value_at(row, path)
        if found is not None:
            within = taken
            *outer, last = path.split(".")
            for key in outer:
                within = within.setdefault(key, {})
            within[last] = found
    return taken


def _meta(row: JsonObject) -> dict[str, Any]:
    """Give what is needed of a conversation's `meta`: who the customer is by id, the channel and the team."""
    return {
        "sender": {"id": value_at(row, "meta.sender.id")},
        "channel": value_at(row, "meta.channel"),
        "team": value_at(row, "meta.team"),
    }


def _bot_first(said: list[JsonObject]) -> bool:
    """Tell whether a bot wrote before any agent did."""
    for each in said:
        sender = (optional_text_at(each, "sender.type") or optional_text_at(each, "sender_type")).lower()
        if sender in _BOTS or sender == "user":
            return sender in _BOTS
    return False


def _share(answer: Any, page: int, rows: int) -> float | None:  # noqa: ANN401 - JSON
    every = value_at(answer, "data.meta.all_count")
    return min(1.0, page * rows / every) if isinstance(every, int) and every > 0 and rows else None


def _ms(within: JsonObject, key: str) -> int | None:
    """Read a time; 0 is none."""
    found = within.get(key)
    try:
        return None if found in (None, "", 0) else milliseconds(datetime.fromisoformat(time_of(found, key)))
    except UnmappableError:
        return None
