"""What differs between installations, such as addresses and configuration, and the names that do not differ.

No secret is ever here: the reader's password reaches Grafana by its own environment.
"""

from __future__ import annotations

from datetime import date
from typing import Any, Final, Literal, NamedTuple

from schemas.alert_rules import AlertRules
from schemas.boards import Boards
from schemas.policies import Policy, Rules
from streams.clickhouse.addresses import Address, AddressError

#: A piece of what Grafana reads, ready to be written as JSON or YAML.
Json = dict[str, Any]

DATA_SOURCE_UID: Final = "pulssi-clickhouse"
#: What refers to the data source, in panels and templates.
DATA_SOURCE: Final[Json] = {"type": "grafana-clickhouse-datasource", "uid": DATA_SOURCE_UID}
DASHBOARD_UID: Final = "pulssi-live-floor"
FOLDER: Final = "Pulssi"
FOLDER_UID: Final = "pulssi"
#: The folder of rules in files. Grafana reads these first, and would make the dashboards' folder with another
#: identifier.
ALERT_FOLDER: Final = "Pulssi alerts"

#: ClickHouse's users for Grafana, and the variable of Grafana's environment that holds the password.
Reader = Literal["pulssi_reader", "pulssi_grafana"]
READER_PASSWORD: Final = "CLICKHOUSE_READER_PASSWORD"  # noqa: S105 - the variable's name, not its value


#: A release of Grafana: major and minor number.
Release = tuple[int, int]

#: The release that is written for by default: its rules keep their state without an answer, and resolve missing rows.
NEWEST: Final[Release] = (12, 2)

#: Kinds of receivers of a contact point.
Receiver = Literal["webhook", "slack", "teams", "email"]


class Site(NamedTuple):
    """Where an installation's parts are, as Grafana reaches them, and what it has configured."""

    clickhouse_url: str = "http://127.0.0.1:8123"
    reader: Reader = "pulssi_reader"
    database: str = "pulssi"
    #: Gets alerts as JSON by POST.
    webhook_url: str = "http://127.0.0.1:9095/pulssi"
    receivers: tuple[Receiver, ...] = ("webhook",)
    #: What the runbooks' file names are joined to: an absolute address; empty: alerts have no link to one.
    runbooks: str = ""
    #: What Grafana's alert rules may use.
    release: Release = NEWEST
    #: Policies, calendars, queues and time zone.
    rules: Rules = Rules()
    alert_rules: AlertRules = AlertRules()
    boards: Boards = Boards()
    #: Calendars change by the day and have holidays by the year.
    today: date = date(2026, 1, 1)

    def policies(self) -> tuple[Policy, ...]:
        """Give every policy that is in force at some time, each once: the last of its name."""
        eras = (self.rules.policies, *(policies for _, policies in self.rules.policies_from))
        return tuple({policy.name: policy for policies in eras for policy in policies}.values())

    def windows_ms(self, name: str) -> tuple[int, ...]:
        """Give the windows that the objective of a policy is judged over, at one time or another."""
        eras = (self.rules.policies, *(policies for _, policies in self.rules.policies_from))
        named = (policy for policies in eras for policy in policies if policy.name == name)
        return tuple(sorted({policy.window_ms or self.alert_rules.attainment.window_ms for policy in named}))


def data_source_of(site: Site) -> Json:
    """Describe the data source, but for its password.

    Raises AddressError where the address is no HTTP address, or names a user.
    """
    server = Address(site.clickhouse_url)
    if server.user is not None:
        raise AddressError(
            f"{server}: takes no user and password; Grafana reads as {site.reader}, with {READER_PASSWORD}"
        )
    json_data: Json = {
        "host": server.host,
        "port": server.port,
        "protocol": "http",
        "secure": server.secure,
        "username": site.reader,
        "defaultDatabase": site.database,
        "queryTimeout": "60",
    }
    if server.path:
        json_data["path"] = server.path
    return {
        "uid": DATA_SOURCE_UID,
        "name": "Pulssi",
        "type": DATA_SOURCE["type"],
        "access": "proxy",
        "isDefault": False,
        "jsonData": json_data,
    }
