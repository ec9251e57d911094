"""Conversation logs as events: one JSON object a line, a conversation with its messages, as care archives export it.

`{"conversation": id, "brand": name, "messages": [{"id", "at", "author"}, …]}`. A conversation becomes one chat
contact in the brand's queue: it starts with its first message, and what it does not tell (who the agent was, when
anybody was assigned) is not made up.
"""

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


def events_of(line: bytes) -> Iterator[bytes]:
    """Yield a conversation's events, each one line of JSON, in order of time. Raises ConversationError."""
    try:
        conversation = _Conversation.model_validate_json(line)
    except ValidationError as error:
        fault = error.errors(include_url=False, include_input=False)[0]
        field = ".".join(str(part) for part in fault["loc"]) or "line"
        raise ConversationError(f"no conversation: {field}: {fault['msg']}") from None
    # Stable: the log's order among equal times.
    messages = sorted(conversation.messages, key=lambda message: message.at)
    contact_id = f"{SOURCE}:{conversation.brand}:{conversation.conversation}"
    known = {"contact_id": contact_id, "channel": "chat", "source": SOURCE}
    first_message = messages[0]
    started = {"event_id": "started", "type": "contact.started", **known}
    started |= {"occurred_at": first_message.at.isoformat(), "queue": conversation.brand}
    if first_message.author != "customer":
        started |= {"direction": "outbound", "initiated_by": "agent" if first_message.author == "agent" else "system"}
    yield orjson.dumps(started)
    for seq, message in enumerate(messages, 1):
        sent = {"event_id": f"message:{message.id}", "type": "message.sent", **known}
        yield orjson.dumps({**sent, "occurred_at": message.at.isoformat(), "seq": seq, "author": message.author})
