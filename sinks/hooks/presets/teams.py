"""An Adaptive Card for a Teams workflow ("When a Teams webhook request is received").

Texts are in rich text blocks: these know no Markdown, so a contact's name cannot become a link. A webhook's card can
open links and do nothing else. Teams takes some 28 KB and drops what is larger without a word.
"""

from typing import Any, Final

from sinks.hooks.fitting import fitted
from sinks.hooks.messages import ContactLine, Message, Status
from sinks.hooks.wording import cut

_BODY_BYTES_AT_MOST: Final = 20_000
_TITLE_AT_MOST: Final = 300

_COLOURS: Final[dict[Status, str]] = {
    "pending": "Default",
    "firing": "Attention",
    "acknowledged": "Warning",
    "resolved": "Good",
    "tagged": "Accent",
}


def body(message: Message) -> bytes:
    """Write a message with one card."""
    return fitted(lambda contacts, length: _message(message, contacts, length), _BODY_BYTES_AT_MOST)


def _message(message: Message, contacts: int, length: int) -> dict[str, Any]:
    title = {
        **_run(cut(message.title, min(_TITLE_AT_MOST, length))),
        "size": "Large",
        "weight": "Bolder",
        "color": _COLOURS[message.status],
    }
    card: dict[str, Any] = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "msteams": {"width": "full"},
        "body": [
            _block(title),
            *(
                _block({**_run(f"{line.label}: "), "weight": "Bolder"}, _run(cut(line.text, length)))
                for line in message.lines
            ),
            *(_block(_contact(each, length)) for each in message.contacts[:contacts]),
        ],
    }
    if message.links:
        card["actions"] = [{"type": "Action.OpenUrl", "title": label, "url": link} for label, link in message.links]
    attachment = {"contentType": "application/vnd.microsoft.card.adaptive", "contentUrl": None, "content": card}
    return {"type": "message", "attachments": [attachment]}


def _block(*runs: dict[str, Any]) -> dict[str, Any]:
    return {"type": "RichTextBlock", "inlines": list(runs)}


def _run(text: str) -> dict[str, Any]:
    return {"type": "TextRun", "text": text}


def _contact(contact: ContactLine, length: int) -> dict[str, Any]:
    run = _run(f"• {cut(contact.text, length)}")
    if contact.link is None:
        return run
    return {**run, "selectAction": {"type": "Action.OpenUrl", "url": contact.link}}
