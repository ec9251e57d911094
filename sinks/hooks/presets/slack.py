"""A message for a Slack incoming webhook, in Block Kit.

Limits are those of Slack's own types. `&`, `<` and `>` are escaped, else a tag such as `<!channel>` would call
everybody; an unknown field would have Slack refuse the whole message.
"""

from collections.abc import Iterable
from typing import Any, Final

from sinks.hooks.fitting import fitted
from sinks.hooks.messages import ContactLine, Message
from sinks.hooks.wording import cut

_HEADER_AT_MOST: Final = 150
_SECTION_AT_MOST: Final = 3_000
_FALLBACK_AT_MOST: Final = 4_000
#: So that a line with it, or with two, fits into a section.
_LINK_AT_MOST: Final = 1_200
#: Far below 40,000 characters, where Slack cuts a message.
_BODY_BYTES_AT_MOST: Final = 30_000

_MARKS: Final = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}


def body(message: Message) -> bytes:
    """Write a message."""
    return fitted(lambda contacts, length: _message(message, contacts, length), _BODY_BYTES_AT_MOST)


def _message(message: Message, contacts: int, length: int) -> dict[str, Any]:
    facts = [f"*{_escaped(line.label, length)}:* {_escaped(line.text, length)}" for line in message.lines]
    links = " · ".join(_link(label, link) for label, link in message.links)
    title = {"type": "plain_text", "text": cut(message.title, _HEADER_AT_MOST), "emoji": False}
    return {
        "text": _escaped(message.title, _FALLBACK_AT_MOST),
        "blocks": [
            {"type": "header", "text": title},
            *_sections(facts),
            *_sections([_contact(each, length) for each in message.contacts[:contacts]]),
            *_sections([links] if links else []),
        ],
    }


def _sections(lines: Iterable[str]) -> list[dict[str, Any]]:
    """Put lines into as few sections as they fit into."""
    texts: list[str] = []
    for line in lines:
        if texts and len(texts[-1]) + 1 + len(line) <= _SECTION_AT_MOST:
            texts[-1] += f"\n{line}"
        else:
            texts.append(line)
    # Verbatim: names and addresses in them are no mentions and no links.
    return [{"type": "section", "text": {"type": "mrkdwn", "text": text, "verbatim": True}} for text in texts]


def _contact(contact: ContactLine, length: int) -> str:
    text = f"• {_escaped(contact.text, length)}"
    return text if contact.link is None else f"{text} {_link('open', contact.link)}"


def _link(label: str, link: str) -> str:
    """Write a link; only its name, where it is too long for Slack."""
    escaped = "".join(map(_escape, link))
    return f"<{escaped}|{label}>" if len(escaped) <= _LINK_AT_MOST else label


def _escape(character: str) -> str:
    return _MARKS.get(character, character)


def _escaped(text: str, length: int) -> str:
    return cut(text, length, _escape)
