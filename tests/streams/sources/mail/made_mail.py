"""Mails as mail programs write them, of invented people; and what the numbers make of a set of them."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from typing import Any, Final, NamedTuple

import orjson
from pydantic import SecretStr

from schemas.policies import Rules
from schemas.samples import Sample
from streams.core.event import Event, effective, merge
from streams.core.fold import fold
from streams.sources.adapter import AccountRules, Payload
from streams.sources.vendors.email.mails import Mail, Uncounted, read_mail
from streams.sources.vendors.email.statements import Statement, events_of
from streams.sources.vendors.email.threads import Threads
from tests.core.contacts import read

MAILBOX: Final = "support@acme.example"
CUSTOMER: Final = "Jane Doe <jane@customer.example>"
AGENT: Final = "Ann Agent <ann@acme.example>"
RULES: Final = Rules()
ACCOUNT: Final = AccountRules(
    "email",
    "acme",
    queue="support",
    pseudonym_key=SecretStr("k" * 32),
    agent_domains=frozenset({"acme.example"}),
    mailboxes=frozenset({MAILBOX}),
    subject_token="Ticket#",  # noqa: S106 - what stands in front of a number
)
#: 2 March 2026, 08:00 UTC.
BEGIN_S: Final = 1_772_438_400


class MadeMail(NamedTuple):
    """A mail and where it lies."""

    raw: bytes
    at_s: int
    sent: bool = False
    folder: str = "INBOX"

    def payload(self) -> Payload:
        """Give it as a follower does."""
        internal = datetime.fromtimestamp(self.at_s, UTC).isoformat()
        kind = "sent" if self.sent else "incoming"
        return Payload(self.raw, {"kind": kind, "folder": self.folder, "internaldate": internal})


def written(
    sender: str = CUSTOMER,
    *,
    to: str = MAILBOX,
    subject: str = "Bill of March",
    number: object = 1,
    at_s: int = BEGIN_S,
    references: Sequence[object] = (),
    answers: Sequence[object] = (),
    sent: bool = False,
    fields: Mapping[str, str] | None = None,
    folder: str = "",
) -> MadeMail:
    """Write a mail; `number`, `references` and `answers` are what ids are made of."""
    message = EmailMessage(policy=SMTP)
    when = format_datetime(datetime.fromtimestamp(at_s, UTC))
    if not sent:
        message["Received"] = f"from mx.example.com by mail.acme.example with ESMTPS id Q{number}; {when}"
    message["From"], message["To"], message["Subject"] = sender, to, subject
    message["Message-ID"] = _id(number)
    message["Date"] = when
    if references:
        message["References"] = " ".join(map(_id, references))
    if answers:
        message["In-Reply-To"] = " ".join(map(_id, answers))
    for name, value in (fields or {}).items():
        message[name] = value
    message.set_content("What is written here is read by nobody.")
    return MadeMail(message.as_bytes(), at_s, sent, folder or ("Sent" if sent else "INBOX"))


def _id(number: object) -> str:
    return f"<m{number}@mail.example>"


def facts(mails: Iterable[MadeMail], account: AccountRules = ACCOUNT) -> list[Mail]:
    """Read mails; those that count for nothing are left out."""
    found = [read_mail(each.payload(), account) for each in mails]
    return [each for each in found if not isinstance(each, Uncounted)]


def placed(mails: Iterable[Mail], threads: Threads | None = None) -> list[Statement]:
    """Give what is said of mails that are read in this order."""
    threads = Threads() if threads is None else threads
    return [said for mail in mails for said in threads.place(mail)]


def events(statements: Iterable[Statement], account: AccountRules = ACCOUNT) -> list[dict[str, Any]]:
    """Give the events of statements."""
    return [orjson.loads(orjson.dumps(event)) for each in statements for event in events_of(each, account)]


def samples(told: Iterable[Mapping[str, Any]]) -> dict[str, list[Sample]]:
    """Fold events, and give the samples of each contact that has any, in one order."""
    found = {name: fold("email", each, RULES).samples for name, each in _by_contact(told).items()}
    return {name: sorted(each, key=repr) for name, each in sorted(found.items()) if each}


def alive(told: Iterable[Mapping[str, Any]]) -> set[str]:
    """Name the contacts that are not discarded, and of which anything is left that was not voided."""
    types = {name: {each.type for each in effective(found)} for name, found in _by_contact(told).items()}
    return {name for name, left in types.items() if left - {"event.voided"} and "contact.discarded" not in left}


def _by_contact(told: Iterable[Mapping[str, Any]]) -> dict[str, list[Event]]:
    """Give each contact's events as the fold takes them."""
    found: dict[str, list[Mapping[str, Any]]] = {}
    for event in told:
        found.setdefault(event["contact_id"], []).append(event)
    return {name: merge([], read(each))[0] for name, each in found.items()}
