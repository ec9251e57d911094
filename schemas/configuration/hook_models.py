"""`hooks.toml`: who gets messages about alerts and tags, and what the messages link to.

A secret never stands in the file: it names an environment variable or a file that holds it. Faults never repeat what
was written.
"""

import ipaddress
import re
from collections.abc import Callable
from typing import Annotated, Final, Literal, NamedTuple, Self
from urllib.parse import SplitResult, urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema, model_validator
from pydantic_core import PydanticCustomError

from schemas.alerts import Condition, Kind, Severity, State
from schemas.configuration.fields import INCOMPLETE, Name, Section
from schemas.topics import Channel

DestinationType = Literal["webhook", "slack", "teams", "email", "pagerduty", "alertmanager"]
#: What a destination is sent: changes of alerts, or tags that are put on contacts.
Event = Literal["alerts", "tags"]

#: What an address begins with, by type. The first is encrypted; the others only where the destination allows that.
SCHEMES: Final[dict[DestinationType, tuple[str, ...]]] = {
    "webhook": ("https", "http"),
    "slack": ("https", "http"),
    "teams": ("https", "http"),
    "email": ("smtp", "smtps"),
    "pagerduty": ("https", "http"),
    "alertmanager": ("https", "http"),
}
#: The address itself is the secret: who has it can post.
_SECRET_ADDRESS: Final = frozenset({"slack", "teams"})
#: They know incidents only.
_INCIDENTS_ONLY: Final = frozenset({"pagerduty", "alertmanager"})
#: Types whose secret is an address at most.
_NO_SECRET: Final = frozenset({"slack", "teams", "alertmanager"})

_LAST_PORT: Final = 65_535
_PRIVATE: Final = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9_.-]+):(\d{1,5}) +(\S+)")
#: What an allowed private address looks like, for schemas.
PRIVATE_PATTERN: Final = r"^(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9_.-]+):[0-9]{1,5} +[0-9A-Fa-f:./]+$"
_PLACEHOLDER: Final = re.compile(r"\{([^{}]*)\}")

#: What links may name, in braces.
CONVERSATION_PLACEHOLDERS: Final = frozenset({"contact_id", "id", "channel", "queue"})
ALERT_PLACEHOLDERS: Final = frozenset({"rule", "kind", "condition", "channel", "queue", "tag", "alert_id"})


class PrivateAddress(NamedTuple):
    """An address that is no public one and may be connected all the same: by name, port and network."""

    host: str
    port: int
    network: ipaddress.IPv4Network | ipaddress.IPv6Network


def _private(value: object) -> PrivateAddress:
    found = _PRIVATE.fullmatch(str(value).strip())
    if found is None or not 0 < int(found[2]) <= _LAST_PORT:
        raise ValueError("must be name:port and a network, such as 'alertmanager.lan:9093 10.1.2.0/24'")
    try:
        network = ipaddress.ip_network(found[3])
    except ValueError:
        raise ValueError("must end in a network whose host bits are 0, such as 10.1.2.0/24 or fd00::/8") from None
    return PrivateAddress(host_key(found[1].strip("[]")), int(found[2]), network)


def host_key(host: str) -> str:
    """Bring a host's name into the form that is compared."""
    return host.casefold().rstrip(".")


#: An address that may be connected although it is private.
Private = Annotated[
    PrivateAddress,
    BeforeValidator(_private),
    WithJsonSchema({"type": "string", "pattern": PRIVATE_PATTERN, "examples": ["alertmanager.lan:9093 10.1.2.0/24"]}),
]


def _variable(value: str) -> str:
    if re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", value) is None or value.startswith("PULSSI_"):
        raise ValueError(
            "must be the name of an environment variable, not a secret itself; names with PULSSI_ are settings"
        )
    return value


#: The name of an environment variable.
Variable = Annotated[str, AfterValidator(_variable)]


def _path(value: str) -> str:
    if "\0" in value:  # no system has such a file, and asking for one is an error of its own kind
        raise ValueError("must be the path of a file, without the character NUL")
    return value


#: The path of a file; one that is not absolute begins at the configuration folder.
SecretPath = Annotated[str, Field(min_length=1, max_length=4096), AfterValidator(_path)]


def _mailbox(value: str) -> str:
    if re.fullmatch(r"[^\s@<>,;\"]+@[^\s@<>,;\"]+", value) is None or not (value.isascii() and value.isprintable()):
        raise ValueError("must be an e-mail address, such as alerts@example.com")
    return value


#: One e-mail address, without a name.
Mailbox = Annotated[str, Field(max_length=254), AfterValidator(_mailbox)]


def _template(known: frozenset[str]) -> Callable[[str], str]:
    def checked(value: str) -> str:
        unknown = [name for name in _PLACEHOLDER.findall(value) if name not in known]
        if unknown or _PLACEHOLDER.sub("", value).strip("{}") != _PLACEHOLDER.sub("", value):
            names = ", ".join(f"{{{name}}}" for name in sorted(known))
            raise ValueError(f"has braces around what is no placeholder; there are {names}")
        parts = urlsplit(_PLACEHOLDER.sub("x", value))
        if (
            parts.scheme not in {"http", "https"}
            or not parts.hostname
            or "{" in value.partition("://")[2].split("/")[0]
        ):
            raise ValueError(
                "must be an address such as https://desk.example.com/tickets/{id}, its host without braces"
            )
        return value

    return checked


_TemplateText = Annotated[str, Field(max_length=1000)]
ConversationLink = Annotated[_TemplateText, AfterValidator(_template(CONVERSATION_PLACEHOLDERS))]
AlertLink = Annotated[_TemplateText, AfterValidator(_template(ALERT_PLACEHOLDERS))]


class Links(Section):
    """What the messages link to."""

    dashboard: AlertLink | None = Field(
        default=None,
        description="What to look at. In braces: rule, kind, condition, channel, queue, tag, alert_id.",
    )
    runbook: AlertLink | None = Field(default=None, description="What to do; the same placeholders.")
    conversations: dict[Name, ConversationLink] = Field(
        default={},
        description="By source, as the events name it: the conversation at its vendor. In braces: contact_id, "
        "id (what follows the last colon of contact_id), channel, queue.",
    )


class Filter(Section):
    """What a destination gets; an empty list stands for everything."""

    kinds: list[Kind] = Field(
        default=[], description="Of alerts: what is judged. Empty: all; the same for the other filters."
    )
    conditions: list[Condition] = Field(default=[], description="Of alerts: what happened.")
    severities: list[Severity] = Field(default=[], description="Of alerts: how urgent.")
    rules: list[Name] = Field(default=[], description="Of alerts: the policy, or the rule of alerts.toml.")
    states: list[State] = Field(default=["firing", "resolved"], description="Of alerts: the state that is reached.")
    channels: list[Channel] = Field(default=[], description="Of alerts and contacts.")
    queues: list[Name] = Field(default=[], description="Of alerts and contacts.")
    tags: list[Name] = Field(default=[], description="Of alerts and contacts; required where `events` has tags.")


class DestinationEntry(Section):
    """Somebody who gets messages."""

    name: Name = Field(description="Of this destination alone. Renamed, it is another one and begins at the present.")
    type: DestinationType = Field(description="What is posted, and how answers are read.")
    events: Annotated[list[Event], Field(min_length=1)] = Field(
        default=["alerts"], description="Changes of alerts, or tags that are put on contacts."
    )
    filter: Filter = Filter()
    url: Annotated[str, Field(max_length=2000)] | None = Field(
        default=None,
        description="The address, where it holds no secret: https://host/path, or smtp://user@host:587 (STARTTLS), "
        "smtps://host:465. Alertmanager: its root. PagerDuty: left out, unless the EU's.",
    )
    url_env: Variable | None = Field(default=None, description="The environment variable that holds the address.")
    url_file: SecretPath | None = Field(default=None, description="The file that holds the address.")
    secret_env: list[Variable] = Field(
        default=[],
        description="Environment variables with the signing keys of a webhook (several while keys rotate, the newest "
        "first), PagerDuty's routing key, or the SMTP password.",
    )
    secret_file: list[SecretPath] = Field(default=[], description="Files with the same, after those.")
    sender: Mailbox | None = Field(default=None, description="Of e-mail: its From.")
    to: list[Mailbox] = Field(default=[], description="Of e-mail: who gets it.")
    allow_plain: bool = Field(default=False, description="Allow http:// and SMTP without TLS.")
    allow_private: list[Private] = Field(
        default=[],
        description="Addresses that are not public and are connected all the same: name:port and a network.",
    )

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        lacking, wrong = self._lacking(), self._wrong()
        if wrong is not None:
            raise ValueError(wrong)
        if lacking is not None:
            raise PydanticCustomError(INCOMPLETE, "{problem}", {"problem": lacking})
        return self

    def _lacking(self) -> str | None:
        """Name what a destination of this type needs and does not have."""
        secrets = self.secret_env or self.secret_file
        if self.type != "pagerduty" and not self._addresses():
            return "needs its address: url_env or url_file"
        if self.type == "webhook" and not secrets:
            return "needs secret_env or secret_file: the keys that its deliveries are signed with"
        if self.type == "pagerduty" and not secrets:
            return "needs secret_env or secret_file: its routing key"
        if self.type == "email" and not (self.sender and self.to):
            return "needs `sender` and `to`"
        if "tags" in self.events and not self.filter.tags:
            return "needs filter.tags: the tags that it gets messages about"
        return None

    def _wrong(self) -> str | None:
        """Name what a destination of this type must not have."""
        secrets, addresses = len(self.secret_env) + len(self.secret_file), self._addresses()
        if len(addresses) > 1:
            return f"has {' and '.join(addresses)}: set only one"
        if secrets and self.type in _NO_SECRET:
            return f"{self.type} takes no secret besides its address"
        if secrets > 1 and self.type != "webhook":
            return f"{self.type} takes one secret"
        if self.type != "email" and (self.sender or self.to):
            return "`sender` and `to` are for e-mail"
        if self.type in _INCIDENTS_ONLY and "tags" in self.events:
            return f"{self.type} knows alerts only: take tags out of `events`"
        if self.type in _INCIDENTS_ONLY and (not self.filter.states or "pending" in self.filter.states):
            return f"{self.type} knows no pending alerts: take pending out of filter.states, which must not be empty"
        if self.url is None:
            return None
        if self.type in _SECRET_ADDRESS:
            return f"the address of {self.type} is a secret: use url_env or url_file"
        parts = urlsplit_or_none(self.url)
        if parts is not None and parts.password is not None:
            return "url has a password in it: use url_env or url_file"
        problem = address_problem(self.type, self.url, plain=self.allow_plain)
        return None if problem is None else f"url {problem}"

    def _addresses(self) -> list[str]:
        return [key for key in ("url", "url_env", "url_file") if getattr(self, key) is not None]


class HooksFile(Section):
    """`hooks.toml`: the destinations of messages about alerts and tags, and the links in messages."""

    links: Links = Links()
    destination: list[DestinationEntry] = Field(default=[])


def urlsplit_or_none(url: str) -> SplitResult | None:
    """Split an address; None where it is none."""
    try:
        parts = urlsplit(url)
        usable = bool(parts.hostname) and parts.port != 0
    except ValueError:  # a port that is no number, brackets that do not close
        return None
    return parts if usable else None


def address_problem(kind: DestinationType, url: str, *, plain: bool) -> str | None:
    """Say what is wrong with an address, without it; None where nothing is."""
    parts = urlsplit_or_none(url)
    schemes = SCHEMES[kind]
    if parts is None or parts.scheme not in schemes or not url.isprintable() or " " in url:
        return f"must begin with {' or '.join(f'{scheme}://' for scheme in schemes)} and name a host"
    if parts.scheme == "http" and not plain:
        return "must begin with https://, unless allow_plain is true"
    if kind == "alertmanager" and (parts.query or parts.path.rstrip("/").endswith(("/alerts", "/v1", "/v2"))):
        return "must be Alertmanager's root: /api/v2/alerts is added"
    return None
