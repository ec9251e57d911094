"""E-mail without a help desk: the headers of mails become events, and the thread of a mail names its contact.

The form `mail` is one mail, whose thread is only known from its own header. The follower and the import know all mails
of a mailbox: they use the form `thread`, statements that `Threads` has made.
"""

from collections.abc import Mapping
from typing import Any, Final

from streams.sources.adapter import FULL, AccountRules, Adapter, Feed, Mapped, Payload, Request, UnmappableError
from streams.sources.vendor_values import json_object, object_at, text_at
from streams.sources.vendors.email.mails import Uncounted, read_mail
from streams.sources.vendors.email.statements import Statement, events_of


def _map_mail(payload: Payload, account: AccountRules, _: Mapping[Request, Any], /) -> Mapped:
    mail = read_mail(payload, account)
    if isinstance(mail, Uncounted):
        return Mapped(nothing=mail.why)
    return Mapped(events_of(Statement(mail.thread, mail.at, mail, starts=mail.begins), account))


def _map_thread(payload: Payload, account: AccountRules, _: Mapping[Request, Any], /) -> Mapped:
    """Map a statement, or refuse what could not be read as a mail: its bytes name people, so they are not kept."""
    given = json_object(payload.body)
    if "refused" in given:
        refused = object_at(given, "refused")
        raise UnmappableError(str(refused.get("field", "")), text_at(refused, "problem"))
    events = events_of(Statement.from_json(given), account)
    return Mapped(events, "" if events else "nothing is said")


_REPLY: Final = (
    "a reply is a mail in a folder of sent mail, or from an agent's domain; a reply by telephone is not seen"
)

ADAPTER: Final = Adapter(
    name="email",
    title="E-mail (IMAP or Maildir)",
    forms={"mail": _map_mail, "thread": _map_thread},
    feeds={
        "offered": FULL,
        "entered": Feed("part", "new cases; moves between folders are not seen"),
        "queue_wait": Feed("part", _REPLY),
        "first_response": Feed("part", _REPLY),
        "next_response": Feed("part", _REPLY),
        "nudges": Feed("part", _REPLY),
        "slow": Feed("part", _REPLY),
    },
    # A mail that cannot be mapped is no JSON, so none of it is kept: it lies in its folder.
    secret_keys=frozenset({"from", "received", "subject", "to"}),
)
