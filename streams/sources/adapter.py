"""What an adapter is: a pure function from one payload of a vendor to events, and what it says about itself.

An adapter has no memory, no clock and no connection. What a vendor tells as a snapshot becomes statements that are
harmless when they are repeated. Ids of events are made of the vendor's own, so that a hook, an import and a replay of
the same thing give the same events.
"""

from collections.abc import Callable, Mapping
from datetime import tzinfo
from hashlib import blake2b
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple, Protocol, TypeAlias

from pydantic import SecretStr

from schemas.samples import SampleName
from schemas.topics import Channel

if TYPE_CHECKING:
    from streams.sources.checked_events import OutgoingEvent

#: An event of docs/events.md, before it is checked; times are RFC 3339 text.
Event: TypeAlias = dict[str, Any]

NO_TEXTS: Final[Mapping[str, str]] = MappingProxyType({})


class Payload(NamedTuple):
    """One payload as it came, and what came with it."""

    body: bytes
    #: By their names in small letters.
    headers: Mapping[str, str] = NO_TEXTS
    #: The parameters of the address that it was sent to.
    query: Mapping[str, str] = NO_TEXTS
    #: The whole address that it was sent to, as the vendor has it; empty outside of hooks.
    url: str = ""
    #: When it came: UTC milliseconds.
    received_at: int = 0
    #: The number of its line in a log that is written in the order of what happened, from 1; 0: it is of none.
    line: int = 0


class AccountRules(NamedTuple):
    """What `sources.toml` says of an account that is of use to an adapter; values only, no connection."""

    source: str
    account: str
    #: The vendor's id or name of a queue or team = ours.
    queues: Mapping[str, str] = NO_TEXTS
    teams: Mapping[str, str] = NO_TEXTS
    #: The queue of contacts for which the vendor names none; empty: none.
    queue: str = ""
    #: The vendor's name of a channel = ours; and the channel of all others, where it is set.
    channels: Mapping[str, Channel] = MappingProxyType({})
    channel: Channel | None = None
    #: The vendor's ids of users that are bots.
    bots: frozenset[str] = frozenset()
    #: Of times without a zone, where the account names one.
    time_zone: tzinfo | None = None
    #: What pseudonyms are made with; empty: there are none.
    pseudonym_key: SecretStr = SecretStr("")
    #: Domains and addresses that agents write from, and addresses that customers write to, in small letters.
    agent_domains: frozenset[str] = frozenset()
    mailboxes: frozenset[str] = frozenset()
    #: What stands in front of our own number in subjects, such as "Ticket#".
    subject_token: str = ""
    #: The mapping file of the source `mapping`: a `MappingFile`.
    mapping: Any = None

    def contact_id(self, native: object) -> str:
        """Make the id of a contact from the vendor's."""
        return shortened(f"{self.source}:{self.account}:{native}")

    def agent_id(self, native: object) -> str:
        """Make the id of an agent from the vendor's, which must be no name and no address."""
        return shortened(f"{self.source}:{self.account}:{native}")

    def queue_named(self, *names: object) -> str:
        """Name the queue for the first of the vendor's names that `queues` has; else the last of them, or the default.

        Give the id before the name: what is not in `queues` keeps the vendor's name.
        """
        return _translated(self.queues, names) or self.queue

    def team_named(self, *names: object) -> str:
        """Name the team, as `queue_named` does; empty where there is none."""
        return _translated(self.teams, names)


class Request(NamedTuple):
    """Something that the adapter must know besides the payload: a GET of the vendor's API, as data."""

    #: Below the account's `url`, or below `base`, with a slash in front.
    path: str
    query: tuple[tuple[str, str], ...] = ()
    #: Another API of the same vendor, such as https://conversations.twilio.com; never taken from a payload.
    base: str = ""


class Mapped(NamedTuple):
    """What came of a payload: events; or why it means nothing for the numbers; or what must be fetched first."""

    events: tuple[Event, ...] = ()
    #: Why there are no events although the payload is understood, such as "typing_on: somebody types".
    nothing: str = ""
    #: With these answers at hand the payload is to be mapped again.
    requests: tuple[Request, ...] = ()


class UnmappableError(ValueError):
    """A payload that the adapter cannot map: says which field, and why. It is kept as a dead letter."""

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(f"{field}: {problem}" if field else problem)
        self.field = field
        self.problem = problem


class MapPayload(Protocol):
    """Maps a payload; raises UnmappableError, and nothing else for whatever bytes."""

    def __call__(self, payload: Payload, account: AccountRules, answers: Mapping[Request, Any], /) -> Mapped:
        """Map it; `answers` has the JSON of what was fetched."""
        ...


class MapRow(Protocol):
    """Maps rows of a log faster than `MapPayload`, with the same result; made for one account."""

    def __call__(self, row: bytes, line: int, /) -> "tuple[OutgoingEvent, ...] | None":
        """Give a row's events as records; None: the row is to be mapped as any payload is."""
        ...


class Signature(Protocol):
    """How a vendor shows that a hook is its own."""

    @property
    def meaning(self) -> str:
        """What is to be set up, for the docs, such as "HMAC-SHA256 of the time and the body"."""
        ...

    @property
    def needs_secret(self) -> bool:
        """Whether it works only with a secret."""
        ...

    def fault(self, payload: Payload, secrets: tuple[SecretStr, ...], now_ms: int) -> str | None:
        """Say what is wrong with the signature, without it; None where it is right by one of the secrets."""
        ...


class Hook(NamedTuple):
    """How a vendor's hooks are received."""

    signature: Signature
    #: How long the vendor waits for the answer.
    timeout_s: float
    #: What it is answered; Twilio wants 204.
    status: int = 200
    #: A header whose value stays the same when the vendor sends a payload again; empty: there is none.
    delivery_header: str = ""


class Feed(NamedTuple):
    """How well a source tells what a sample or a gauge needs; what is not told at all has no entry."""

    how: Literal["full", "part"]
    note: str = ""


FULL: Final = Feed("full")


class Adapter(NamedTuple):
    """A source: its forms of payloads, how its hooks come, and what it can feed."""

    name: str
    #: The vendor's name, as people write it.
    title: str
    #: What payloads of each form become; `hook` is what the gateway gets, others come from files and APIs.
    forms: Mapping[str, MapPayload]
    feeds: Mapping[SampleName, Feed]
    hook: Hook | None = None
    #: States of queues and agents that it tells, which are gauges.
    gauges: Mapping[str, Feed] = MappingProxyType({})
    #: Keys of headers and of a JSON body that are taken out before a payload is kept anywhere.
    secret_keys: frozenset[str] = frozenset()
    #: By form, what makes a fast way for its plain payloads; it must give exactly what the form's function gives.
    fast_rows: Mapping[str, Callable[[AccountRules], MapRow]] = MappingProxyType({})


_ID_LENGTH: Final = 128


def shortened(text: str) -> str:
    """Give an id of at most 128 characters; a longer one ends in a hash of it all."""
    if len(text) <= _ID_LENGTH:
        return text
    digest = blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
    return f"{text[: _ID_LENGTH - len(digest) - 1]}~{digest}"


def _translated(known: Mapping[str, str], names: tuple[object, ...]) -> str:
    given = [str(name) for name in names if name is not None and name != ""]
    found = next((known[name] for name in given if name in known), None)
    return found if found is not None else given[-1] if given else ""
