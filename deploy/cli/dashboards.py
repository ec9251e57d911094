"""`pulssi dashboards`: Grafana's files from their definitions, the check that they agree, the push to a Grafana."""

import logging
import os
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import click

from dashboards.grafana_definitions.provisioning import FOLDER_HERE, Drift, drift, texts, write
from dashboards.grafana_definitions.site import READER_PASSWORD, Site, data_source_of
from deploy.cli.common import echo_report, fail, json_option
from schemas.exits import Exit
from streams.clickhouse.addresses import AddressError

_SITE: Final = Site()

#: A proxy's words for a Grafana that is not there.
_GATEWAY_ERRORS: Final = frozenset({502, 503, 504})

_out_option: Final = click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    default=FOLDER_HERE,
    help="The provisioning folder (default: dashboards/grafana of the checkout).",
)


def _site_options(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the site that its options describe."""

    @click.option(
        "--clickhouse",
        default=_SITE.clickhouse_url,
        show_default=True,
        help="ClickHouse, as Grafana reaches it.",
    )
    @click.option("--webhook", default=_SITE.webhook_url, show_default=True, help="Gets the alerts as JSON by POST.")
    @click.option(
        "--runbooks", default=_SITE.runbooks, show_default=True, help="What runbooks' file names are joined to."
    )
    @json_option
    @wraps(command)
    def with_site(clickhouse: str, webhook: str, runbooks: str, **options: object) -> None:
        site = Site(clickhouse_url=clickhouse, webhook_url=webhook, runbooks=runbooks)
        try:
            data_source_of(site)
        except AddressError as error:
            fail(f"--clickhouse {error}", Exit.UNUSABLE)
        command(site=site, **options)

    return with_site


def _echo_files(found: list[Drift], folder: Path, said: str, *, as_json: bool) -> None:
    lines = [*(f"{path}: {problem}" for path, problem in found), said]
    echo_report({"folder": str(folder), "files": [one._asdict() for one in found]}, lines, as_json=as_json)


@click.group()
def dashboards() -> None:
    """Write, check or push the dashboard and alerts for Grafana.

    The data source, the dashboard and the alert rules are written from their definitions in Python.

    Example: pulssi dashboards check
    """


@dashboards.command()
@_out_option
@_site_options
def build(site: Site, out: Path, *, as_json: bool) -> None:
    """Write Grafana's provisioning folder.

    Files that are right already are left alone.

    Example: pulssi dashboards build --out /etc/grafana/provisioning --clickhouse http://clickhouse:8123
    """
    wanted = texts(site)
    try:
        changed = write(out, wanted)
    except OSError as error:
        fail(f"{error.filename}: {error.strerror}: choose another folder by --out", Exit.UNUSABLE)
    _echo_files(changed, out, f"{len(wanted)} files, {len(changed)} changed", as_json=as_json)


@dashboards.command()
@_out_option
@_site_options
def check(site: Site, out: Path, *, as_json: bool) -> None:
    """Check whether the folder is as the definitions say.

    Ends with 1 where it is not, and names the files.

    Example: pulssi dashboards check && echo "no drift"
    """
    wanted = texts(site)
    found = drift(out, wanted)
    said = "drift: run `pulssi dashboards build`" if found else f"{len(wanted)} files as defined"
    _echo_files(found, out, said, as_json=as_json)
    if found:
        raise SystemExit(Exit.NO)


@dashboards.command()
@click.option(
    "--url",
    envvar="GRAFANA_URL",
    default="http://127.0.0.1:3000",
    show_default=True,
    help="Grafana's address; or GRAFANA_URL.",
)
@_site_options
def push(site: Site, url: str, *, as_json: bool) -> None:
    """Bring a running Grafana to the definitions, by its API.

    What is not Pulssi's stays. GRAFANA_TOKEN holds a service account's token; CLICKHOUSE_READER_PASSWORD, where it is
    set, goes into the data source. Ends with 1 where Grafana declines, with 3 where it does not answer.

    Example: GRAFANA_TOKEN=… pulssi dashboards push --url https://grafana.example --clickhouse http://clickhouse:8123
    """
    from grafana_client import GrafanaApi
    from grafana_client.client import (
        GrafanaException,
        GrafanaServerError,
        GrafanaTimeoutError,
        GrafanaUnauthorizedError,
    )

    from dashboards.grafana_definitions.pushing import push as push_all

    logging.getLogger("grafana_client").setLevel(logging.ERROR + 20)
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        fail("--url must look like http://host:3000 (a path may follow)", Exit.UNUSABLE)
    login = (parts.username, parts.password or "") if parts.username else None
    api = GrafanaApi.from_url(f"{url.rstrip('/')}/", os.environ.get("GRAFANA_TOKEN") or login, timeout=30.0)
    where = parts.netloc.rpartition("@")[2]
    try:
        brought = push_all(api, site, os.environ.get(READER_PASSWORD))
    except GrafanaUnauthorizedError:
        fail(f"Grafana at {where} refused the credentials: set GRAFANA_TOKEN", Exit.UNUSABLE)
    except (GrafanaTimeoutError, OSError):
        fail(f"Grafana does not answer at {where}: is it running, and is --url right?", Exit.UNREACHABLE)
    except GrafanaServerError as error:
        code = Exit.UNREACHABLE if error.status_code in _GATEWAY_ERRORS else Exit.NO
        fail(f"Grafana at {where} failed: {error.message.splitlines()[0]}", code)
    except GrafanaException as error:
        fail(f"Grafana at {where} refused: {str(error.message).splitlines()[0]}", Exit.NO)
    echo_report({"url": where, "pushed": brought}, brought, as_json=as_json)
