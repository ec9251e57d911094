"""Writes an e-mail, in plain text. All e-mails of one alert are one thread, and ask for no out-of-office notes."""

from collections.abc import Sequence
from datetime import UTC, datetime
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from typing import Final

from schemas.alerts import Alert
from sinks.hooks.messages import ContactLine, Message
from sinks.hooks.wording import cut

#: Seven bits only, as some servers know no 8-bit text.
_ASCII: Final = SMTP.clone(cte_type="7bit")
_SUBJECT_AT_MOST: Final = 200
_TEXT_AT_MOST: Final = 1_000


def body(message: Message, delivery_id: str, sender: str, to: Sequence[str]) -> bytes:
    """Write an e-mail. Its `Message-ID` is made of the delivery's id, its thread of the alert's id."""
    domain = sender.rpartition("@")[2]
    mail = EmailMessage(policy=_ASCII)
    mail["From"] = sender
    mail["To"] = ", ".join(to)
    mail["Subject"] = cut(message.title, _SUBJECT_AT_MOST)
    mail["Date"] = format_datetime(datetime.fromtimestamp(message.at // 1000, UTC))
    mail["Message-ID"] = f"<{delivery_id}@{domain}>"
    if isinstance(message.about, Alert) and message.about.id:
        thread = f"<{message.about.id}@{domain}>"
        mail["In-Reply-To"] = thread
        mail["References"] = thread
    mail["Auto-Submitted"] = "auto-generated"
    mail["X-Auto-Response-Suppress"] = "All"
    mail.set_content(_text(message))
    return mail.as_bytes()


def _text(message: Message) -> str:
    parts = [message.title, "\n".join(f"{line.label}: {cut(line.text, _TEXT_AT_MOST)}" for line in message.lines)]
    if message.contacts:
        parts.append("\n".join(("Contacts:", *map(_contact, message.contacts))))
    if message.links:
        parts.append("\n".join(f"{label}: {link}" for label, link in message.links))
    return "\n\n".join(parts) + "\n"


def _contact(contact: ContactLine) -> str:
    text = f"- {cut(contact.text, _TEXT_AT_MOST)}"
    return text if contact.link is None else f"{text}\n  {contact.link}"
