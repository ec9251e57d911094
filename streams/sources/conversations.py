"""Conversation logs as events: one JSON object a line, a conversation with its messages, as care archives export it.

`{"conversation": id, "brand": name, "messages": [{"id", "at", "author"}, …]}`. A conversation becomes one chat
contact in the brand's queue: it starts with its first message, and what it does not tell (who the agent was, when
anybody was assigned) is not made up.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Final, Literal

import orjson
from annotated_types import MinLen
from pydantic import AwareDatetime, BaseModel, Field, ValidationError

SOURCE: Final = "conversations"


class ConversationError(ValueError):
    """A line that is no conversation; says which field is wrong."""


class _Message(BaseModel):
    id: Annotated[str, Field(min_length=1, max_length=100)]
    at: AwareDatetime
    author: Literal["customer", "agent", "bot", "system"]


class _Conversation(BaseModel):
    conversation: Annotated[str, Field(min_length=1, max_length=48)]
    brand: Annotated[str, Field(min_length=1, max_length=64)]
    messages: Annotated[list[_Message], MinLen(1)]


def events(line: bytes) -> Iterator[bytes]:
    """Yield a conversation's events, each one line of JSON, in order of time. Raises ConversationError."""
    try:
        read = _Conversation.model_validate_json(line)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "line"
        raise ConversationError(f"no conversation: {where}: {first['msg']}") from None
    messages = sorted(read.messages, key=lambda message: message.at)  # stable: the log's order among equal times
    contact_id = f"{SOURCE}:{read.brand}:{read.conversation}"
    known = {"contact_id": contact_id, "channel": "chat", "source": SOURCE}
    opening = messages[0]
    begun: dict[str, object] = {
        "event_id": "started",
        "type": "contact.started",
        **known,
        "occurred_at": opening.at.isoformat(),
        "queue": read.brand,
    }
    if opening.author != "customer":
        begun |= {"direction": "outbound", "initiated_by": "agent" if opening.author == "agent" else "system"}
    yield orjson.dumps(begun)
    for seq, message in enumerate(messages, 1):
        yield orjson.dumps(
            {
                "event_id": f"message:{message.id}",
                "type": "message.sent",
                **known,
                "occurred_at": message.at.isoformat(),
                "seq": seq,
                "author": message.author,
            }
        )
