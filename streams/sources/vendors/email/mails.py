"""The facts of a mail that the numbers need, without texts and addresses.

Ids, subjects and addresses are only kept as keyed hashes, which can be compared with each other. The same mail gives
the same facts wherever it is stored and whenever it is read.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final, Literal, NamedTuple

from streams.sources.adapter import AccountRules, Payload, UnmappableError
from streams.sources.pseudonyms import pseudonym
from streams.sources.vendors.email.arrival import arrival_ms
from streams.sources.vendors.email.automatic import sending_of
from streams.sources.vendors.email.header import MailHeader, header_bytes
from streams.sources.vendors.email.subjects import token_of, topic_of

#: What the payload's headers say of where a mail lies: `incoming` or `sent`, the folder, and its time there.
KIND: Final = "kind"
FOLDER: Final = "folder"
INTERNAL_DATE: Final = "internaldate"
INBOX: Final = "INBOX"

#: Of a long thread the first ids and the last.
_FIRST_REFERENCES: Final = 5
_LAST_REFERENCES: Final = 25
_PARENTS: Final = 5


class Mail(NamedTuple):
    """A mail that counts. Ids are keyed hashes; text that is missing is empty."""

    id: str
    author: Literal["customer", "agent", "system"]
    #: When it came, UTC milliseconds.
    at: int
    #: The thread as the mail itself tells it: of the first mail that it refers to, and its topic.
    thread: str
    topic: str
    #: Of the number that our token in the subject has.
    token: str = ""
    #: The mails that it refers to, the oldest first; and those that it answers.
    references: tuple[str, ...] = ()
    parents: tuple[str, ...] = ()
    #: Whether a program sent it.
    automatic: bool = False
    #: Whether anybody but us gets it.
    public: bool = True
    agent: str = ""
    customer: str = ""
    queue: str = ""
    #: Whether it lies in a folder of sent mail: a copy that lies there outweighs one that came in.
    sent: bool = False

    @property
    def is_of_people(self) -> bool:
        """Whether it can make a contact: a person wrote it to another side."""
        return not self.automatic and self.public

    @property
    def begins(self) -> bool:
        """Whether it says by itself that nothing was before it."""
        return self.is_of_people and not self.references

    @property
    def event_ids(self) -> tuple[str, str, str]:
        """The ids of what it says: the contact starts, waits, has a message."""
        of = f"{self.id}:sent" if self.sent else self.id
        return f"{of}:started", f"{of}:queued", f"{of}:message"

    @classmethod
    def from_json(cls, written: Mapping[str, Any]) -> "Mail":
        """Read what `_asdict` gave. Raises UnmappableError."""
        known: dict[str, Any] = {}
        for name, kind in _TYPES.items():
            value = written.get(name, cls._field_defaults.get(name))
            if kind is tuple:
                value = tuple(value) if isinstance(value, list | tuple) else None
            of_text = value if isinstance(value, tuple) else ()
            if type(value) is not kind or not all(isinstance(each, str) for each in of_text):
                raise UnmappableError(f"mail.{name}", f"must be {kind.__name__}")
            known[name] = value
        if known["author"] not in {"customer", "agent", "system"}:
            raise UnmappableError("mail.author", "must be customer, agent or system")
        return cls(**known)


_TYPES: Final[dict[str, type]] = {
    **dict.fromkeys(("id", "author", "thread", "topic", "token", "agent", "customer", "queue"), str),
    **dict.fromkeys(("automatic", "public", "sent"), bool),
    **dict.fromkeys(("references", "parents"), tuple),
    "at": int,
}


class Uncounted(NamedTuple):
    """A mail that is nothing for the numbers, and why."""

    why: str


def read_mail(payload: Payload, account: AccountRules) -> Mail | Uncounted:
    """Read what the numbers need of a mail. Raises UnmappableError."""
    if not account.pseudonym_key.get_secret_value():
        raise UnmappableError("", "the account has no key for pseudonyms: set `pseudonym_env`")
    kind = payload.headers.get(KIND, "incoming")
    if kind not in {"incoming", "sent"}:
        raise UnmappableError(KIND, "must be incoming or sent")
    raw = header_bytes(payload.body)
    header = MailHeader(raw)
    if not header:
        raise UnmappableError("", "has no header of a mail")
    sending = sending_of(header, account.mailboxes)
    if sending.by == "report":
        return Uncounted(sending.why)
    people = _People(header, account, sent=kind == "sent")
    if sending.by == "list" and people.author == "customer":
        return Uncounted(f"mail of a list: {sending.why}")
    automatic = sending.by != "person"
    ids = _Ids(header, raw, account)
    if not ids.references and not ids.token and (automatic or not people.public):
        return Uncounted(f"automatic, in no thread: {sending.why}" if automatic else "internal, in no thread")
    return Mail(
        id=ids.own,
        author="system" if automatic and people.author == "agent" else people.author,
        at=arrival_ms(header, payload.headers.get(INTERNAL_DATE, ""), sent=kind == "sent"),
        thread=ids.thread,
        topic=ids.topic,
        token=ids.token,
        references=ids.references,
        parents=ids.parents,
        automatic=automatic,
        public=people.public,
        agent="" if automatic else people.agent,
        customer=people.customer,
        queue=people.queue(payload.headers.get(FOLDER, INBOX)),
        sent=kind == "sent",
    )


class _Ids:
    """What the header says of the thread."""

    def __init__(self, header: MailHeader, raw: bytes, account: AccountRules) -> None:
        def hashed(kind: str, text: str) -> str:
            return pseudonym(account.pseudonym_key, f"{kind} {text}").removeprefix("p-")

        written = header.ids("message-id")
        self.own = hashed("message", written[0] if written else raw.replace(b"\r\n", b"\n").decode("latin-1"))
        answered = [hashed("message", each) for each in header.ids("in-reply-to")[:_PARENTS]]
        named = header.ids("references")
        if len(named) > _FIRST_REFERENCES + _LAST_REFERENCES:
            named = named[:_FIRST_REFERENCES] + named[-_LAST_REFERENCES:]
        referred = [hashed("message", each) for each in named]
        self.references = tuple(each for each in dict.fromkeys([*referred, *answered]) if each != self.own)
        self.parents = tuple(each for each in dict.fromkeys(answered or referred[-1:]) if each != self.own)
        subject = header.subject()
        self.topic = hashed("topic", topic_of(subject))
        number = token_of(subject, account.subject_token)
        self.token = hashed("token", number) if number else ""
        first = self.references[0] if self.references else self.own
        self.thread = hashed("thread", f"{first} {self.topic}")


class _People:
    """Who wrote to whom."""

    def __init__(self, header: MailHeader, account: AccountRules, *, sent: bool) -> None:
        self._account = account
        self._header = header
        senders = header.addresses("from") or header.addresses("sender")
        if not senders:
            raise UnmappableError("from", "has no address")
        sender = senders[0]
        self._recipients = header.addresses("to", "cc", "bcc")
        others = [each for each in self._recipients if not self._is_ours(each)]
        # Who forwards for others puts the own address into From.
        replaced = header.addresses("x-original-from", "x-original-sender", "reply-to")
        original = next((each for each in replaced if not self._is_ours(each)), "")
        self._mailbox = sender if sender in account.mailboxes else ""
        self.agent = self.customer = ""
        if sent or (self._is_ours(sender) and not original):
            self.author: Literal["customer", "agent"] = "agent"
            self.public = bool(others) or not self._recipients
            signed = (each for each in (sender, *header.addresses("sender")) if each not in account.mailboxes)
            self.agent = pseudonym(account.pseudonym_key, next(signed, ""))
            self.customer = self._customer(others[:1])
        else:
            self.author = "customer"
            self.public = True
            self.customer = self._customer([original or sender])

    def _customer(self, addresses: Iterable[str]) -> str:
        return pseudonym(self._account.pseudonym_key, next(iter(addresses), ""))

    def _is_ours(self, address: str) -> bool:
        domain = address.rpartition("@")[2]
        return address in self._account.mailboxes or not self._account.agent_domains.isdisjoint(
            {address, domain, f"@{domain}"}
        )

    def queue(self, folder: str) -> str:
        """Name the queue: of the address that was written to, of the folder, of the account.

        A folder that `queues` does not name is none: people move mail to folders once it is done.
        """
        queues = {name.casefold(): queue for name, queue in self._account.queues.items()}
        if self.author == "agent":
            return queues.get(self._mailbox, "") or self._account.queue
        delivered = self._header.addresses("delivered-to", "x-original-to", "envelope-to")
        places = (*self._recipients, *delivered, folder.casefold())
        return next((queues[each] for each in places if each in queues), "") or self._account.queue or INBOX
