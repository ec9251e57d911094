"""What differs between installations, such as addresses, and the names that do not.

No secret is ever here: the reader's password reaches Grafana by its own environment.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from streams.clickhouse.addresses import Address, AddressError

#: A piece of what Grafana reads, ready to be written as JSON or YAML.
Json = dict[str, Any]

DATA_SOURCE_UID: Final = "pulssi-clickhouse"
#: What refers to the data source, in panels and templates.
DATA_SOURCE: Final[Json] = {"type": "grafana-clickhouse-datasource", "uid": DATA_SOURCE_UID}
DASHBOARD_UID: Final = "pulssi-live-floor"
FOLDER: Final = "Pulssi"
FOLDER_UID: Final = "pulssi"

#: ClickHouse's user for Grafana, and the variable of Grafana's environment that holds its password.
READER: Final = "pulssi_reader"
READER_PASSWORD: Final = "CLICKHOUSE_READER_PASSWORD"  # noqa: S105 - the variable's name, not its value


class Site(NamedTuple):
    """Where an installation's parts are, as Grafana reaches them."""

    clickhouse_url: str = "http://127.0.0.1:8123"
    #: Gets alerts as JSON by POST.
    webhook_url: str = "http://127.0.0.1:9095/pulssi"
    #: What the runbooks' file names are joined to.
    runbooks: str = "docs/runbooks"


def data_source_of(site: Site) -> Json:
    """Describe the data source, but for its password.

    Raises AddressError where the address is no HTTP address, or names a user.
    """
    server = Address(site.clickhouse_url)
    if server.user is not None:
        raise AddressError(f"{server}: takes no user and password; Grafana reads as {READER}, with {READER_PASSWORD}")
    json_data: Json = {
        "host": server.host,
        "port": server.port,
        "protocol": "http",
        "secure": server.secure,
        "username": READER,
        "defaultDatabase": "pulssi",
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
