"""The one settings object, and what is wrong with settings as they were given: faults name a setting, not its value."""

import re
from collections.abc import Callable, Mapping
from ipaddress import ip_network
from typing import Annotated, Final, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, ValidationError
from pydantic_core import ErrorDetails

from schemas.configuration.toml_files import problem_of
from schemas.user_input import zone_name

PREFIX: Final = "PULSSI_"
FILE: Final = "pulssi.toml"

#: What the setting `clickhouse_program` may be besides a path.
CLICKHOUSE_AUTO: Final = "auto"
CLICKHOUSE_EMBEDDED: Final = "embedded"

_LAST_PORT: Final = 65_535
_HOST_NAME: Final = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_.-]{0,252}[A-Za-z0-9_.])?")
_TOKEN: Final = re.compile(r"[!-~]{24,512}")
_PASSWORD_HASH: Final = re.compile(
    r"\$argon2id\$v=19\$m=(\d{1,7}),t=(\d{1,3}),p=(\d{1,2})\$[A-Za-z0-9+/]{11,86}\$[A-Za-z0-9+/]{22,172}"
)
#: The most that checking a password may take: KiB of memory, passes, threads.
_HASH_COST: Final = (262_144, 16, 16)
_HEADER_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,63}")
#: Headers that clients or proxies send with another meaning.
_OTHER_HEADERS: Final = frozenset(
    {"authorization", "cookie", "host", "origin", "user-agent", "x-forwarded-for", "x-forwarded-proto"}
)

#: What a setting with a pattern must look like, in words.
_PATTERN_PROBLEMS: Final = {
    "clickhouse_database": "must be 1 to 64 letters, digits and underscores, and not begin with a digit",
    "clickhouse_cluster": "must be up to 64 letters, digits, dots, dashes and underscores, as in system.clusters",
    "clickhouse_quorum": "must be `auto` or a number of replicas, 2 to 9",
    "worker_name": "must be up to 100 letters, digits, dashes and underscores, and begin with no mark",
    "application": "must be 1 to 64 small letters, digits, dots, dashes and underscores, and begin with no mark",
}


def _http_url(value: str) -> str:
    try:
        parts = urlsplit(value)
        whole = bool(parts.hostname) and parts.port != 0 and not parts.query and not parts.fragment
        usable = parts.scheme in {"http", "https"} and whole
    except ValueError:  # a port that is no number, brackets that do not close
        usable = False
    if not usable:
        raise ValueError("must look like http://host:8123 (user and password may stand before the host)")
    return value


def _repository(value: str) -> str:
    parts = urlsplit(value)
    if value != "central" and not (parts.scheme in {"http", "https", "file"} and (parts.hostname or parts.path)):
        raise ValueError("must be `central`, or the address of a Maven repository (http, https or file)")
    return value


def _brokers(value: str) -> str:
    brokers = [broker.strip() for broker in value.split(",")]
    for broker in brokers:
        host, _, port = broker.rpartition(":")
        if "/" in broker:
            raise ValueError("must be host:port without a scheme: connections are plain, without TLS and SASL")
        if not host or not port.isdecimal() or not 0 < int(port) <= _LAST_PORT:
            raise ValueError("must be host:port, several separated by commas")
    return ",".join(brokers)


def _host_names(value: str) -> str:
    names = [name.strip() for name in value.split(",")] if value.strip() else []
    if not all(_HOST_NAME.fullmatch(name) for name in names):
        raise ValueError("must be host names without ports, separated by commas")
    return ",".join(names)


def token_text(value: str) -> str:
    """Check a token. Raises ValueError, which does not repeat it."""
    if value and _TOKEN.fullmatch(value) is None:
        raise ValueError("must be 24 to 512 letters, digits and marks without spaces, such as `openssl rand -hex 32`")
    return value


def password_hash_text(value: str) -> str:
    """Check the hash of a password. Raises ValueError, which does not repeat it."""
    found = _PASSWORD_HASH.fullmatch(value)
    if value and found is None:
        raise ValueError("must be what `pulssi wallboard hash-password` prints: an argon2id hash, not the password")
    if found is not None and any(int(cost) > most for cost, most in zip(found.groups(), _HASH_COST, strict=True)):
        raise ValueError("costs too much to check: at most 256 MiB, 16 passes and 16 threads")
    return value


def _secret(check: Callable[[str], str]) -> Callable[[SecretStr], SecretStr]:
    def checked(value: SecretStr) -> SecretStr:
        return SecretStr(check(value.get_secret_value().strip()))

    return checked


def _header_name(value: str) -> str:
    if value and (_HEADER_NAME.fullmatch(value) is None or value.lower() in _OTHER_HEADERS):
        raise ValueError("must be the name of a header that only the proxy sets, such as X-Forwarded-User")
    return value


def _networks(value: str) -> str:
    try:
        networks = [str(ip_network(part.strip())) for part in value.split(",")] if value.strip() else []
    except ValueError:
        networks = []
    if value.strip() and (not networks or any(network.endswith("/0") for network in networks)):
        raise ValueError(
            "must be addresses or networks whose host bits are 0, such as 127.0.0.1,10.1.2.0/24, and not everybody's"
        )
    return ",".join(networks)


_Port = Annotated[int, Field(ge=0, le=65535)]


class Settings(BaseModel):
    """Everything that a part of Pulssi gets from outside. Times end in their unit."""

    # A setting's docstring is its description. What may hold a password is left out of the `repr`.
    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    kafka_brokers: Annotated[str, AfterValidator(_brokers)] = "127.0.0.1:9092"
    """The Kafka brokers, as host:port, several separated by commas. Connections are plain: TLS and SASL are not
    supported."""
    kafka_repository: Annotated[str, AfterValidator(_repository), Field(repr=False)] = "central"
    """Where the embedded broker's jars are downloaded from, once: the address of a Maven repository, such as a mirror
    (may contain user and password); `central`: Maven Central."""
    clickhouse_url: Annotated[str, AfterValidator(_http_url), Field(repr=False)] = "http://127.0.0.1:8123"
    """ClickHouse's HTTP interface; user and password may stand before the host, percent-encoded. `https://` speaks TLS
    (port 8443 where none is named)."""
    clickhouse_url_file: str = ""
    """The file that holds that address, in place of `clickhouse_url`: for a password that stands in no environment."""
    clickhouse_ca: str = ""
    """A PEM file with the authorities that may have signed ClickHouse's certificate; empty: the system's own."""
    clickhouse_verify: bool = True
    """Whether ClickHouse's certificate is checked. With `false`, anyone on the network path can read and change
    everything."""
    clickhouse_database: Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,63}$")] = "pulssi"
    """The ClickHouse database that holds everything."""
    clickhouse_cluster: Annotated[str, Field(pattern=r"^([A-Za-z0-9_][A-Za-z0-9_.-]{0,63})?$")] = ""
    """The name in `system.clusters` of a ClickHouse cluster of one shard with several replicas: tables are replicated,
    statements that change the schema run `ON CLUSTER`, writes wait for a quorum, and parts read all that was written.
    The same for all parts; empty: one server."""
    clickhouse_quorum: Annotated[str, Field(pattern=r"^(auto|[2-9])$")] = "auto"
    """With `clickhouse_cluster`: how many replicas must store a write before it counts; `auto`: more than half."""
    clickhouse_writer_password_file: str = ""
    """The file with the password of ClickHouse's user `pulssi_writer`: each `pulssi migrate` sets it, by a salted hash.
    Empty: the password stays as it is."""
    clickhouse_reader_password_file: str = ""
    """The same for `pulssi_reader`."""
    clickhouse_grafana_password_file: str = ""
    """The same for `pulssi_grafana`."""
    clickhouse_program: str = CLICKHOUSE_AUTO
    """What `pulssi up` runs as ClickHouse where `clickhouse_url` is not set: the path of an official `clickhouse`
    program, release 25.8 or newer; `embedded`: the engine that comes with Pulssi; `auto`: the program where one is on
    the PATH, else the engine. Each keeps a database of its own in the data folder."""
    application: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")] = "pulssi"
    """Names the consumer group and the transactions: one value for all workers of one installation."""
    partitions: Annotated[int, Field(ge=1, le=1024)] = 4
    """Partitions of each topic when it is created."""
    replication: Annotated[int, Field(ge=1, le=7)] = 1
    """Copies of each topic when it is created. From 3 on, a write needs two, and any one may fail."""
    worker_name: Annotated[str, Field(pattern=r"^([A-Za-z0-9][A-Za-z0-9_-]{0,99})?$")] = ""
    """A name that only this worker has, and keeps after a restart, such as its pod's name: if it comes back within
    `worker_away_s`, it gets its partitions back, and no others move. Empty: a worker that ends leaves its partitions to
    others at once, and each end and each start moves some."""
    worker_away_s: Annotated[int, Field(ge=6, le=1800)] = 30
    """How many seconds a worker with a name may be away before others get its partitions."""
    contacts_in_hand: Annotated[int, Field(ge=0, le=10_000_000)] = 16_000
    """How many contacts a worker process keeps unpacked, those with the latest events first: about 7 KB each (16000:
    112 MB), beside the 1.5 KB of every open contact. As many as are under way at a time are enough; 0: none, and each
    event unpacks its contact again."""
    retention_days: Annotated[int, Field(ge=1, le=3650)] = 7
    """How long the event topics keep records."""
    time_zone: Annotated[str, AfterValidator(zone_name)] = "UTC"
    """The centre's time zone, as in `Europe/Helsinki`: where today begins; also in `centre.toml`."""
    worker_port: _Port = 6066
    """The worker's health and metrics; 0: any free port."""
    sink_port: _Port = 6067
    """The sink's health and metrics; 0: any free port."""
    wallboard_port: _Port = 8080
    """The wallboard's page; 0: any free port."""
    alerts_port: _Port = 6068
    """The SLA engine's health and metrics; 0: any free port."""
    hooks_port: _Port = 6069
    """The health and metrics of the deliverer of hooks; 0: any free port."""
    follow_port: _Port = 6070
    """The health and metrics of the follower; 0: any free port."""
    gateway_port: _Port = 8070
    """The gateway, where other systems send their hooks; 0: any free port."""
    gateway_body_bytes: Annotated[int, Field(ge=1_024, le=4_194_304)] = 1_048_576
    """The largest body of a hook that the gateway takes, in bytes; a larger one is answered with 413."""
    gateway_requests_per_second: Annotated[int, Field(ge=1, le=100_000)] = 500
    """Hooks of one account that the gateway takes in the long run; more are answered with 429."""
    gateway_request_burst: Annotated[int, Field(ge=1, le=100_000)] = 2_000
    """Hooks of one account that the gateway takes at once, after it has been quiet."""
    gateway_address_requests_per_second: Annotated[int, Field(ge=1, le=100_000)] = 500
    """Requests to the gateway that one address may make in the long run, but for hooks with a right signature; more are
    answered with 429."""
    gateway_address_request_burst: Annotated[int, Field(ge=1, le=100_000)] = 2_000
    """Requests to the gateway that one address may make at once, after it has been quiet."""
    wallboard_token: Annotated[SecretStr, AfterValidator(_secret(token_text))] = SecretStr("")
    """What programs and TVs sign in to the wallboard with: at least 24 characters, such as `openssl rand -hex 32`.
    Where `bind` is not of this machine alone, a token, a password or a proxy has to be set (docs/sign-in.md)."""
    wallboard_token_file: str = ""
    """The file that holds the token, in place of `wallboard_token`."""
    wallboard_password_hash: Annotated[SecretStr, AfterValidator(_secret(password_hash_text))] = SecretStr("")
    """The hash of the password that people sign in to the wallboard with, as `pulssi wallboard hash-password` prints
    it."""
    wallboard_password_hash_file: str = ""
    """The file that holds the hash, in place of `wallboard_password_hash`."""
    wallboard_session_key_file: str = ""
    """A file with 32 or more random characters that sessions are signed with. With it, who is signed in stays so when
    the wallboard restarts; all wallboards with the same file accept each other's sessions."""
    wallboard_proxy_header: Annotated[str, AfterValidator(_header_name)] = ""
    """The header in which a proxy tells who has signed in there, such as `X-Forwarded-User`; from others than
    `wallboard_proxy_from` it is ignored."""
    wallboard_proxy_from: Annotated[str, AfterValidator(_networks)] = ""
    """The proxy's addresses or networks, separated by commas: of the wallboard's, and of the gateway's. Only from there
    `X-Forwarded-For`, `X-Forwarded-Proto` and `wallboard_proxy_header` are believed."""
    wallboard_requests_per_second: Annotated[int, Field(ge=1, le=10_000)] = 20
    """Requests to the wallboard that one address may make in the long run; more are answered with 429. Not counted are
    streams, and the page's own files for those who are let in."""
    wallboard_request_burst: Annotated[int, Field(ge=1, le=10_000)] = 60
    """Requests to the wallboard that one address may make at once, after it has been quiet."""
    wallboard_streams_per_address: Annotated[int, Field(ge=1, le=256)] = 64
    """Pages that one address may have open at a time, or programs that follow the figures; 256 in all."""
    geckoboard_key: Annotated[SecretStr, AfterValidator(_secret(str))] = SecretStr("")
    """The API key of a Geckoboard account; with it the wallboard keeps datasets there as the live figures are."""
    geckoboard_key_file: str = ""
    """The file that holds the key, in place of `geckoboard_key`."""
    bind: Annotated[str, Field(min_length=1)] = "127.0.0.1"
    """The address that the parts' own servers listen on. Worker, sink, alerts and hooks answer health and metrics there
    without sign-in; the wallboard asks for one, and does not start without it if other machines can reach it. The
    gateway's metrics need the wallboard's token; if none is set, only this machine may read them, without a proxy."""
    allowed_hosts: Annotated[str, AfterValidator(_host_names)] = ""
    """Names under which the parts' own servers and the embedded ClickHouse are reached, separated by commas, besides
    `localhost`, the name in `bind` and every IP address. A request for another name gets 421: a page of another site
    could otherwise read what is shown here, through a name of its own."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """The lowest level of messages that are logged."""


def faults_of(given: Mapping[str, object], form: Callable[[str], str] = str) -> list[tuple[str, str]]:
    """List each faulty setting with its problem, without what was set; `form` writes the name of one."""
    try:
        Settings.model_validate(dict(given))
    except ValidationError as error:
        return [(str(fault["loc"][0]), _problem(fault, form)) for fault in error.errors(include_url=False)]
    return []


def _problem(fault: ErrorDetails, form: Callable[[str], str]) -> str:
    if fault["type"] == "string_pattern_mismatch":
        return _PATTERN_PROBLEMS[str(fault["loc"][0])]
    return problem_of(fault, Settings.model_fields, "setting", form)
