"""Statements about contacts that mails give, as data and as events.

A repeated statement does no harm, as its ids are made of the mail's. If a mail turns out to belong to another contact,
it is stated again for that contact, and the first contact is discarded as merged into it.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

from streams.sources.adapter import AccountRules, Event, UnmappableError
from streams.sources.contact_events import ContactEvents
from streams.sources.vendors.email.mails import Mail
from streams.times import rfc3339


class Statement(NamedTuple):
    """What is to be said of one contact."""

    #: The contact: a thread's name.
    contact: str
    #: The time of what belongs to no mail, UTC milliseconds.
    at: int
    mail: Mail | None = None
    #: Whether the contact starts with this mail.
    starts: bool = False
    #: Events of this contact that are to be as if they had not been.
    voids: tuple[str, ...] = ()
    #: The contact that this one is a part of; and the mail that shows it.
    into: str = ""
    because: str = ""

    def as_json(self) -> dict[str, Any]:
        """Give what `from_json` reads."""
        written = {name: value for name, value in self._asdict().items() if value not in (None, "", (), False)}
        return written | ({} if self.mail is None else {"mail": self.mail._asdict()})

    @classmethod
    def from_json(cls, written: Mapping[str, Any]) -> "Statement":
        """Read a statement. Raises UnmappableError."""
        mail = written.get("mail")
        if mail is not None and not isinstance(mail, dict):
            raise UnmappableError("mail", "must be an object")
        voids = written.get("voids", [])
        if not isinstance(voids, list) or not all(isinstance(each, str) and each for each in voids):
            raise UnmappableError("voids", "must be a list of ids")
        texts = {name: written.get(name, "") for name in ("contact", "into", "because")}
        for name, text in texts.items():
            if not isinstance(text, str) or (name == "contact" and not text):
                raise UnmappableError(name, "must be text")
        if type(written.get("at")) is not int or type(written.get("starts", False)) is not bool:
            raise UnmappableError("at", "must be UTC milliseconds, and `starts` true or false")
        return cls(
            at=written["at"],
            mail=None if mail is None else Mail.from_json(mail),
            starts=written.get("starts", False),
            voids=tuple(voids),
            **texts,
        )


def merge_id(because: str) -> str:
    """Make the id of the event that says that a contact is a part of another, as a mail shows."""
    return f"merged:{because}"


def events_of(statement: Statement, account: AccountRules) -> tuple[Event, ...]:
    """Make the events of a statement. Raises UnmappableError for a time that is none."""
    try:
        at = rfc3339(statement.at)
        told = ContactEvents(account, statement.contact, "email")
        for each in statement.voids:
            told.add("event.voided", at, "void", each, voids=each)
        if statement.into:
            into = account.contact_id(statement.into)
            told.add("contact.discarded", at, merge_id(statement.because), reason="merged", into=into)
        events = tuple(told.events)
        if statement.mail is not None:
            events += _of_mail(statement.contact, statement.mail, account, starts=statement.starts)
    except (ValueError, OverflowError):
        raise UnmappableError("at", "is no time from 1970 to 2099") from None
    return events


def _of_mail(contact: str, mail: Mail, account: AccountRules, *, starts: bool) -> tuple[Event, ...]:
    at = rfc3339(mail.at)
    started, queued, message = mail.event_ids
    is_customers = mail.author == "customer"
    carried = mail.customer if is_customers or starts else ""
    told = ContactEvents(account, contact, "email", customer_id=carried)
    # Times have whole seconds: an answer is behind what it answers.
    seq = len(mail.references) + 1
    if starts:
        direction, by = ("", "") if is_customers else ("outbound", "agent")
        told.add("contact.started", at, started, queue=mail.queue, direction=direction, initiated_by=by)
        if is_customers:
            told.add("contact.queued", at, queued, queue=mail.queue, seq=seq)
    told.add(
        "message.sent",
        at,
        message,
        seq=seq,
        author=mail.author,
        agent_id=account.agent_id(mail.agent) if mail.agent else "",
        public=None if mail.public else False,
        automatic=mail.automatic or None,
    )
    return tuple(told.events)
