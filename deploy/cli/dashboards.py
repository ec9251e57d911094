"""`pulssi dashboards`: Grafana's files from their definitions, the check that they agree, the push to a Grafana."""

import logging
import os
import re
from collections.abc import Callable
from datetime import datetime
from functools import wraps
from pathlib import Path
from typing import Final, cast, get_args
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

import click

from dashboards.grafana_definitions.provisioning import FOLDER_HERE, Drift, drift, texts, write
from dashboards.grafana_definitions.site import Reader, Receiver, Site, data_source_of
from deploy.cli.common import echo_report, fail, json_option
from deploy.cli.config_option import config_option, load_configuration
from schemas.exits import Exit
from streams.clickhouse.addresses import AddressError
from streams.configuration.environment import config_folder
from streams.configuration.folder import load_all_rules

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
    @click.option(
        "--clickhouse-user",
        type=click.Choice(get_args(Reader)),
        default=_SITE.reader,
        show_default=True,
        help="Whom Grafana reads as: pulssi_grafana has a quota of its own.",
    )
    @click.option("--webhook", default=_SITE.webhook_url, show_default=True, help="Gets the alerts as JSON by POST.")
    @click.option(
        "--notify",
        "receivers",
        type=click.Choice(get_args(Receiver)),
        multiple=True,
        default=_SITE.receivers,
        show_default=True,
        help="A receiver of the alerts; may be repeated. Whether they are told says `notifier` in alerts.toml.",
    )
    @click.option("--runbooks", default="", help="The absolute address that runbooks' file names are joined to.")
    @click.option(
        "--grafana-version",
        default=".".join(map(str, _SITE.release)),
        show_default=True,
        help="What is written for; `push` asks Grafana itself.",
    )
    @config_option
    @json_option
    @wraps(command)
    def with_site(**options: object) -> None:
        command(site=_site(options), **options)

    return with_site


def _site(options: dict[str, object]) -> Site:
    """Take what describes the site out of a command's options, and read the configuration."""
    clickhouse, webhook, runbooks, release = (
        str(options.pop(name)) for name in ("clickhouse", "webhook", "runbooks", "grafana_version")
    )
    receivers = cast("tuple[Receiver, ...]", options.pop("receivers"))
    if runbooks and not _is_web_address(runbooks):
        fail("--runbooks must be an absolute address such as https://git.example/pulssi/docs/runbooks", Exit.UNUSABLE)
    version = re.fullmatch(r"(\d{1,3})(?:\.(\d{1,3}))?(?:\..*)?", release)
    if version is None:
        fail("--grafana-version must look like 12.2", Exit.UNUSABLE)
    settings, _ = load_configuration()
    rules, alert_rules, boards = load_all_rules(config_folder(), settings.time_zone)
    site = Site(
        clickhouse_url=clickhouse,
        reader=cast("Reader", options.pop("clickhouse_user")),
        database=settings.clickhouse_database,
        webhook_url=webhook,
        receivers=receivers,
        runbooks=runbooks,
        release=(int(version[1]), int(version[2] or 0)),
        rules=rules,
        alert_rules=alert_rules,
        boards=boards,
        today=datetime.now(ZoneInfo(rules.time_zone)).date(),
    )
    try:
        data_source_of(site)
    except AddressError as error:
        fail(f"--clickhouse {error}", Exit.UNUSABLE)
    return site


def _is_web_address(value: str) -> bool:
    parts = urlsplit(value)
    return parts.scheme in {"http", "https"} and bool(parts.hostname)


def _echo_files(found: list[Drift], folder: Path, said: str, *, as_json: bool) -> None:
    lines = [*(f"{path}: {problem}" for path, problem in found), said]
    echo_report({"folder": str(folder), "files": [one._asdict() for one in found]}, lines, as_json=as_json)


@click.group()
def dashboards() -> None:
    """Write, check or push the dashboards and alerts for Grafana.

    They are made from their definitions in Python and the installation's configuration.

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

    Only what differs is written, and what is not Pulssi's stays. GRAFANA_TOKEN holds a service account's token;
    CLICKHOUSE_READER_PASSWORD goes into a data source that has no password yet.

    Ends with 1 where Grafana declines, with 3 where it does not answer.

    Example: GRAFANA_TOKEN=… pulssi dashboards push --url https://grafana.example --clickhouse http://clickhouse:8123
    """
    from grafana_client import GrafanaApi
    from grafana_client.client import (
        GrafanaException,
        GrafanaServerError,
        GrafanaTimeoutError,
        GrafanaUnauthorizedError,
    )

    from dashboards.grafana_definitions.pushing import PushError
    from dashboards.grafana_definitions.pushing import push as push_all

    logging.getLogger("grafana_client").setLevel(logging.ERROR + 20)
    parts = urlsplit(url)
    if not _is_web_address(url):
        fail("--url must look like http://host:3000 (a path may follow)", Exit.UNUSABLE)
    login = (parts.username, parts.password or "") if parts.username else None
    api = GrafanaApi.from_url(f"{url.rstrip('/')}/", os.environ.get("GRAFANA_TOKEN") or login, timeout=30.0)
    where = parts.netloc.rpartition("@")[2]
    try:
        brought = push_all(api, site, os.environ)
    except PushError as error:
        fail(f"Grafana at {where}: {error}", Exit.UNUSABLE)
    except GrafanaUnauthorizedError:
        fail(f"Grafana at {where} refused the credentials: set GRAFANA_TOKEN", Exit.UNUSABLE)
    except (GrafanaTimeoutError, OSError):
        fail(f"Grafana does not answer at {where}: is it running, and is --url right?", Exit.UNREACHABLE)
    except GrafanaServerError as error:
        code = Exit.UNREACHABLE if error.status_code in _GATEWAY_ERRORS else Exit.NO
        fail(f"Grafana at {where} failed: {error.message.splitlines()[0]}", code)
    except GrafanaException as error:
        fail(f"Grafana at {where} refused: {str(error.message).splitlines()[0]}", Exit.NO)
    echo_report({"url": where, "pushed": brought}, brought or ["nothing differs"], as_json=as_json)
