"""`sources.toml`: the systems that events come from, an entry for each account of one.

A secret never stands in the file: it names an environment variable or a file that holds it. Which keys an entry may
have depends on its source.
"""

import re
from typing import Annotated, Final, Literal, Self, get_args

from pydantic import AfterValidator, Field, WithJsonSchema, model_validator
from pydantic_core import PydanticCustomError

from schemas.configuration.fields import INCOMPLETE, Duration, Name, Section, Zone
from schemas.configuration.hook_models import Mailbox, SecretPath, Variable, urlsplit_or_none
from schemas.events import Status
from schemas.topics import Channel

SourceName = Literal[
    "amazon_connect",
    "asterisk",
    "chatwoot",
    "email",
    "freshdesk",
    "genesys",
    "giosg",
    "intercom",
    "mapping",
    "puzzel",
    "twilio",
    "zammad",
    "zendesk",
]
SOURCES: Final[tuple[SourceName, ...]] = get_args(SourceName)

#: What a state of a ticket means. While it is paused it waits for the customer, or for a third party.
TicketState = Literal["open", "paused", "paused_third_party", "resolved"]

#: Of a vendor's name for something, such as a group's id: as the vendor writes it.
VendorName = Annotated[str, Field(min_length=1, max_length=256)]


def _address(value: str) -> str:
    parts = urlsplit_or_none(value)
    if parts is None or parts.scheme not in {"http", "https"} or parts.password is not None or parts.fragment:
        raise ValueError("must be an address such as https://desk.example.com, without a password")
    return value.rstrip("/")


Address = Annotated[str, Field(max_length=1000), AfterValidator(_address)]

_ACCOUNT: Final = r"^[a-z0-9][a-z0-9_-]{0,31}$"
#: The shortest and the longest time between two polls.
_SHORTEST_MS: Final = 5_000
_LONGEST_MS: Final = 300_000
_TABLE: Final = r"^[A-Za-z_][A-Za-z0-9_]{0,63}(\.[A-Za-z_][A-Za-z0-9_]{0,63})?$"
_CUSTOMER_KEY: Final = r"^[A-Za-z0-9_-]{1,64}$"
_IMAP: Final = r"^imaps?://[^\s/@]+$"


def is_account_name(value: str) -> bool:
    """Tell whether a text may be an account's name."""
    return re.search(_ACCOUNT, value) is not None and not value.endswith("\n")


def _account(value: str) -> str:
    if not is_account_name(value):
        raise ValueError("must be up to 32 small letters, digits, - and _, such as acme")
    return value


def _imap(value: str) -> str:
    if not re.search(_IMAP, value) or value.endswith("\n") or urlsplit_or_none(value) is None:
        raise ValueError("must be imaps://imap.example.com, or imap:// for STARTTLS; the user stands in `user`")
    return value


def _every(value: int) -> int:
    if not _SHORTEST_MS <= value <= _LONGEST_MS:
        raise ValueError("must be from 5s to 5m")
    return value


AccountName = Annotated[str, AfterValidator(_account), WithJsonSchema({"type": "string", "pattern": _ACCOUNT})]
ImapAddress = Annotated[
    str,
    Field(max_length=300),
    AfterValidator(_imap),
    WithJsonSchema({"type": "string", "maxLength": 300, "pattern": _IMAP}),
]

#: Keys that every source takes.
_COMMON: Final = frozenset(
    {"source", "account", "queue", "queues", "teams", "bots", "time_zone", "pseudonym_env", "pseudonym_file"}
)
_HOOK: Final = frozenset({"secret_env", "secret_file", "public_url"})
_API: Final = frozenset({"url", "token_env", "token_file", "requests_per_minute", "requests_per_payload"})
#: The other keys of each source.
KEYS: Final[dict[SourceName, frozenset[str]]] = {
    "amazon_connect": _HOOK | {"activities"},
    "asterisk": frozenset({"path", "database_env", "database_file", "table"}),
    "chatwoot": _HOOK | _API | {"channel", "channels", "left_out"},
    "email": frozenset(
        {
            *("path", "url_imap", "user", "password_env", "password_file", "folders", "sent_folders"),
            *("agent_domains", "mailboxes", "subject_token"),
        }
    ),
    "freshdesk": _HOOK | _API | {"channel", "channels", "states"},
    "genesys": _HOOK,
    "giosg": _HOOK | _API | {"every"},
    "intercom": _HOOK | _API | {"channel", "channels"},
    "mapping": _HOOK | {"path", "mapping"},
    "puzzel": _HOOK
    | {"channel", "channels", "database_env", "database_file"}
    | {"customer_key", "user", "password_env", "password_file", "url", "login_url", "every"},
    "twilio": _HOOK | _API | {"public_url", "channel", "channels", "activities"},
    "zammad": _HOOK | _API | {"channel", "channels", "states"},
    "zendesk": _HOOK | _API | {"channel", "channels", "user", "former_agents", "left_out"},
}
#: Keys without which a source cannot be used.
REQUIRED: Final[dict[SourceName, frozenset[str]]] = {
    "asterisk": frozenset({"time_zone"}),
    "mapping": frozenset({"mapping"}),
    "puzzel": frozenset({"time_zone"}),
}
#: Of each pair one key is needed.
ONE_OF: Final[dict[SourceName, tuple[tuple[str, str], ...]]] = {
    "email": (("url_imap", "path"), ("pseudonym_env", "pseudonym_file")),
}
#: If an entry has this key, it also needs one key of each group.
ALSO_NEEDED: Final[dict[SourceName, dict[str, tuple[tuple[str, ...], ...]]]] = {
    "asterisk": {"table": (("database_env", "database_file"),)},
    "puzzel": {
        "customer_key": (("user",), ("password_env", "password_file"), ("channel",)),
        "user": (("customer_key",),),
        "every": (("customer_key",),),
    },
}
#: Keys of which an entry may have only one, whatever its source.
ONLY_ONE_OF: Final = (
    ("pseudonym_env", "pseudonym_file"),
    ("token_env", "token_file"),
    ("password_env", "password_file"),
    ("database_env", "database_file"),
)
#: Keys that name what is followed: an account may have only one of them.
ONE_FOLLOWED: Final[dict[SourceName, tuple[str, ...]]] = {
    "asterisk": ("path", "database_env", "database_file"),
    "puzzel": ("customer_key", "database_env", "database_file"),
}


class SourceEntry(Section):
    """One account of a system that events come from."""

    source: SourceName = Field(description="Which system.")
    account: AccountName = Field(
        description="A name for this account of it: part of the hook's address and of each contact's id, so never "
        "change it. Small letters, digits, - and _."
    )
    secret_env: list[Variable] = Field(
        default=[],
        description="Environment variables with the secrets that the hooks are checked with: two while a secret is "
        "changed, the newest first.",
    )
    secret_file: list[SecretPath] = Field(default=[], description="Files with the same, after those.")
    queue: Name | None = Field(default=None, description="The queue of contacts for which the vendor names none.")
    queues: dict[VendorName, Name] = Field(
        default={},
        description="The vendor's id or name of a queue, group, team or inbox = the queue's name here. A queue that is "
        "not named here keeps the vendor's name or id.",
    )
    teams: dict[VendorName, Name] = Field(default={}, description="The same for teams.")
    channel: Channel | None = Field(default=None, description="The channel of contacts that `channels` does not name.")
    channels: dict[VendorName, Channel] = Field(
        default={}, description="The vendor's name of a channel = the channel here; default: see the source's page."
    )
    activities: dict[VendorName, Status] = Field(
        default={},
        description="The vendor's name of an agent's state = the state here; default: see the source's page.",
    )
    states: dict[VendorName, TicketState] = Field(
        default={},
        description="The vendor's id or name of a state of its tickets = what it means here; needed for states of your "
        "own.",
    )
    left_out: list[VendorName] = Field(
        default=[],
        description="The vendor's names of channels whose contacts are left out, such as calls, if the telephone "
        "system is a source of its own.",
    )
    bots: list[VendorName] = Field(
        default=[], description="Ids of the vendor's users that are bots: nothing that they write is a reply."
    )
    former_agents: list[VendorName] = Field(
        default=[],
        description="Ids of the vendor's users that were agents once and are no longer: what they wrote counts as "
        "replies.",
    )
    time_zone: Zone | None = Field(
        default=None,
        description="The zone of times that the vendor writes without one. Default: see the source's page.",
    )
    pseudonym_env: Variable | None = Field(
        default=None,
        description="The environment variable with the key that pseudonyms are made with: 32 or more random "
        "characters (`openssl rand -hex 32`); a shorter one is refused. Without it, customers have no `customer_id`. "
        "With another key they get other pseudonyms.",
    )
    pseudonym_file: SecretPath | None = Field(default=None, description="The file that holds the key.")
    url: Address | None = Field(
        default=None, description="The address of the vendor's API, for imports and for what hooks leave out."
    )
    public_url: Address | None = Field(
        default=None,
        description="The gateway's address as the vendor calls it, such as https://hooks.example.com: `pulssi source "
        "list` shows it, and vendors that sign the address sign this one.",
    )
    token_env: Variable | None = Field(default=None, description="The environment variable with the API's token.")
    token_file: SecretPath | None = Field(default=None, description="The file that holds the API's token.")
    requests_per_minute: Annotated[int, Field(ge=1, le=100_000)] | None = Field(
        default=None, description="The most requests to the API; default: what the vendor's smallest plan allows."
    )
    requests_per_payload: Annotated[int, Field(ge=1, le=10_000)] | None = Field(
        default=None,
        description="The most requests to the API for one payload; one that needs more becomes a dead letter. Default: "
        "60, enough for a ticket of Freshdesk with 5,800 conversations.",
    )
    path: SecretPath | None = Field(
        default=None,
        description="The file or folder that is followed, such as /var/log/asterisk/queue_log or a Maildir.",
    )
    mapping: SecretPath | None = Field(default=None, description="The file that says where each field is.")
    database_env: Variable | None = Field(
        default=None, description="The environment variable with the address of the vendor's database."
    )
    database_file: SecretPath | None = Field(default=None, description="The file that holds that address.")
    table: Annotated[str, Field(pattern=_TABLE)] | None = Field(
        default=None, description="The table that is followed in the vendor's database; default: queue_log."
    )
    customer_key: Annotated[str, Field(pattern=_CUSTOMER_KEY)] | None = Field(
        default=None, description="The customer number at the vendor, if its users sign in with one."
    )
    login_url: Address | None = Field(
        default=None, description="The address at which Pulssi signs in for a token; default: see the source's page."
    )
    every: Annotated[Duration, AfterValidator(_every)] | None = Field(
        default=None, description="How often the states of queues are polled, from 5s to 5m; default: 15s."
    )
    url_imap: ImapAddress | None = Field(
        default=None, description="The mailbox's server: imaps://imap.example.com, or imap:// for STARTTLS."
    )
    user: Annotated[str, Field(min_length=1, max_length=254)] | None = Field(
        default=None, description="Who signs in, where that takes a name."
    )
    password_env: Variable | None = Field(default=None, description="The environment variable with the password.")
    password_file: SecretPath | None = Field(default=None, description="The file that holds the password.")
    folders: list[VendorName] = Field(default=[], description="Folders of incoming mail; default: INBOX.")
    sent_folders: list[VendorName] = Field(default=[], description="Folders of what agents have sent.")
    agent_domains: list[VendorName] = Field(
        default=[], description="Domains and addresses that agents write from; their mail is a reply."
    )
    mailboxes: list[Mailbox] = Field(default=[], description="The addresses that customers write to.")
    subject_token: Annotated[str, Field(min_length=2, max_length=32)] | None = Field(
        default=None,
        description="What stands in front of your own number of a case in subjects, such as Ticket#: mails with the "
        "same number are one contact.",
    )

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        allowed = _COMMON | KEYS[self.source]
        for key in self.model_fields_set - allowed:
            raise ValueError(f"{self.source} takes no `{key}`")
        for one, other in ONLY_ONE_OF:
            if getattr(self, one) and getattr(self, other):
                raise ValueError(f"has {one} and {other}: set only one")
        followed = [key for key in ONE_FOLLOWED.get(self.source, ()) if getattr(self, key)]
        if len(followed) > 1:
            raise ValueError(f"has {followed[0]} and {followed[1]}: make an account for each")
        if problem := self._lacking():
            raise PydanticCustomError(INCOMPLETE, "{problem}", {"problem": problem})
        return self

    def _lacking(self) -> str | None:
        """Say which key is missing; None if none is."""
        for first, other in ONE_OF.get(self.source, ()):
            if not getattr(self, first) and not getattr(self, other):
                return f"{self.source} needs `{first}` or `{other}`"
        for key in sorted(REQUIRED.get(self.source, ())):
            if not getattr(self, key):
                return f"{self.source} needs `{key}`"
        for key, groups in ALSO_NEEDED.get(self.source, {}).items():
            for group in groups if getattr(self, key) else ():
                if not any(getattr(self, each) for each in group):
                    return f"`{key}` also needs `{'` or `'.join(group)}`"
        return None


class SourcesFile(Section):
    """`sources.toml`: the systems that events come from."""

    source: list[SourceEntry] = Field(default=[])
