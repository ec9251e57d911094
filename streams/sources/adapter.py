"""What an adapter is: pure functions from a vendor's payload to events, and what the adapter says about itself.

An adapter has no memory, no clock and no connection. If a vendor sends snapshots, it makes events of them that do no
harm when they are repeated. Ids of events are made of the vendor's ids, so that a hook, an import and a replay of the
same thing give the same events.
"""

from collections.abc import Callable, Mapping
from datetime import tzinfo
from hashlib import blake2b
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple, Protocol, TypeAlias

from pydantic import SecretStr

from schemas.configuration.source_models import TicketState
from schemas.events import Status
from schemas.printable import printable
from schemas.samples import SampleName
from schemas.source_gauges import QueueState
from schemas.topics import Channel
from schemas.values import nfc

if TYPE_CHECKING:
    from streams.sources.checked_events import OutgoingEvent

#: An event of docs/events.md, before it is checked; times are RFC 3339 text.
Event: TypeAlias = dict[str, Any]

NO_TEXTS: Final[Mapping[str, str]] = MappingProxyType({})


class Payload(NamedTuple):
    """One payload, unchanged, and what came with it."""

    body: bytes
    #: By their names in small letters.
    headers: Mapping[str, str] = NO_TEXTS
    #: The parameters of the address that it was sent to.
    query: Mapping[str, str] = NO_TEXTS
    #: The whole address that it was sent to, as the vendor has it; empty outside of hooks.
    url: str = ""
    #: When it came: UTC milliseconds.
    received_at: int = 0
    #: The number of its line, from 1, in a log whose lines are in the order of time; 0: it is not a line of such a log.
    line: int = 0


class AccountRules(NamedTuple):
    """What an adapter needs to know of an account, from `sources.toml`; values only, no connection."""

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
    #: The vendor's names of agents' states = ours.
    activities: Mapping[str, Status] = MappingProxyType({})
    #: The vendor's id or name of a state of its tickets = what it means.
    states: Mapping[str, TicketState] = MappingProxyType({})
    #: The vendor's names of channels whose contacts are not taken.
    left_out: frozenset[str] = frozenset()
    #: The vendor's ids of users that are bots.
    bots: frozenset[str] = frozenset()
    #: The vendor's ids of users that were agents once, and are none now.
    former_agents: frozenset[str] = frozenset()
    #: The zone of times that the vendor writes without one, if the account names it.
    time_zone: tzinfo | None = None
    #: The key that pseudonyms are made with; empty: there are no pseudonyms.
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
    """A question to the vendor's API that the adapter needs an answer to: a GET, as data."""

    #: Below the account's `url`, or below `base`, with a slash in front. Or the whole https address of a file that an
    #: answer of the API named: it is asked without the account's token, which no other host may get.
    path: str
    query: tuple[tuple[str, str], ...] = ()
    #: Another API of the same vendor, such as https://conversations.twilio.com; never taken from a payload.
    base: str = ""
    #: Whether the answer never changes, such as who a participant is: then it may be one that was given to another.
    lasting: bool = False


class Mapped(NamedTuple):
    """The result of mapping a payload: events; or why it has nothing to count; or what must be asked first."""

    events: tuple[Event, ...] = ()
    #: Why there are no events although the payload is understood, such as "typing_on: somebody types".
    nothing: str = ""
    #: Ask these, then map the payload again with the answers.
    requests: tuple[Request, ...] = ()
    #: States of queues, from sources that are polled; they become source gauges.
    states: tuple[QueueState, ...] = ()


class UnmappableError(ValueError):
    """A payload that the adapter cannot map: says which field, and why. It is kept as a dead letter."""

    def __init__(self, field: str, problem: str, queue: str = "") -> None:
        """`queue`: of a queue's state, the queue that it is of; empty where that is not known."""
        # Either may repeat a word of the payload, which must not begin a line in a log or move a terminal's cursor.
        self.field = printable(field)
        self.problem = printable(problem)
        self.queue = queue
        super().__init__(f"{self.field}: {self.problem}" if field else self.problem)


class MapPayload(Protocol):
    """Maps a payload; raises UnmappableError, and nothing else for whatever bytes."""

    def __call__(self, payload: Payload, account: AccountRules, answers: Mapping[Request, Any], /) -> Mapped:
        """Map it; `answers` has the JSON of what was fetched."""
        ...


class MapRow(Protocol):
    """Maps plain rows of a log faster than `MapPayload`, with the same result; made for one account."""

    def __call__(self, row: bytes, line: int, /) -> "tuple[OutgoingEvent, ...] | None":
        """Return the records of a row's events; None: map the row by `MapPayload`."""
        ...


class Signature(Protocol):
    """How a vendor shows that a hook is its own."""

    @property
    def meaning(self) -> str:
        """How the hook is checked, in words, such as "HMAC-SHA256 of the time and the body"."""
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
    #: The status of the answer when all is stored; Twilio wants 204.
    status: int = 200
    #: A header whose value stays the same when the vendor sends a payload again; empty: there is none.
    delivery_header: str = ""


class Feed(NamedTuple):
    """Whether a source gives all that a sample or a gauge needs, or a part; without an entry it gives nothing."""

    how: Literal["full", "part"]
    note: str = ""


FULL: Final = Feed("full")


class Adapter(NamedTuple):
    """A source: its forms of payloads, how its hooks are received, and what it can feed."""

    name: str
    #: The vendor's name, as people write it.
    title: str
    #: The function that maps each form; `hook` is what the gateway receives, others come from files, logs and APIs.
    forms: Mapping[str, MapPayload]
    #: The samples that it can feed.
    feeds: Mapping[SampleName, Feed]
    #: None: it has no hooks.
    hook: Hook | None = None
    #: The states of queues and of agents that it can feed.
    gauges: Mapping[str, Feed] = MappingProxyType({})
    #: Names of headers, and of keys in a JSON body, that are removed before a payload is kept anywhere.
    secret_keys: frozenset[str] = frozenset()
    #: Keys of the API's answers (or of the objects in a list) that the adapter does not use: dropped on arrival.
    unread_keys: frozenset[str] = frozenset()
    #: By form, what makes a faster function for plain rows; it must give exactly what the form's function gives.
    fast_rows: Mapping[str, Callable[[AccountRules], MapRow]] = MappingProxyType({})


_ID_LENGTH: Final = 128


def shortened(text: str) -> str:
    """Give an id of at most 128 characters; a longer one ends in a hash of it all.

    In the writing of Unicode that events are read in: two writings of one text are one id, also where it is cut.
    """
    text = nfc(text)
    if len(text) <= _ID_LENGTH:
        return text
    digest = blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
    return f"{text[: _ID_LENGTH - len(digest) - 1]}~{digest}"


def _translated(known: Mapping[str, str], names: tuple[object, ...]) -> str:
    given = [str(name) for name in names if name is not None and name != ""]
    found = next((known[name] for name in given if name in known), None)
    return found if found is not None else given[-1] if given else ""
