"""`pulssi query`: a question to ClickHouse, the answer as ClickHouse formats it."""

from __future__ import annotations

import re
import shutil
import sys
from pathlib import Path
from typing import BinaryIO, Final, cast
from urllib.parse import urlsplit

import click

from deploy.cli.common import UNREACHABLE, UNUSABLE, data_option, fail, quiet_clients, stack_settings
from schemas.settings import Settings

#: A format that the query itself names, which is then the one.
_OWN_FORMAT: Final = re.compile(r"\bFORMAT\s+\w+\s*$", re.IGNORECASE)


def _ask(settings: Settings, sql: str, form: str | None) -> None:
    import clickhouse_connect  # noqa: PLC0415 - half a second, not for `--help`
    from clickhouse_connect.driver.exceptions import DatabaseError, Error, OperationalError  # noqa: PLC0415 - as above

    url = settings.clickhouse_url
    where = urlsplit(url).netloc.rpartition("@")[2]
    try:
        with clickhouse_connect.get_client(
            dsn=url, interface=urlsplit(url).scheme, database=settings.clickhouse_database
        ) as client:
            answer = client.raw_stream(sql, fmt=form)
            # The type allows for the asynchronous client's answer too; this one's is a file.
            shutil.copyfileobj(cast("BinaryIO", answer), sys.stdout.buffer)
            sys.stdout.buffer.flush()
    except OperationalError:
        fail(f"ClickHouse does not answer at {where}: is it running, and is its address right?", UNREACHABLE)
    except DatabaseError as error:
        fail(f"ClickHouse declined: {str(error).splitlines()[0]}", UNUSABLE)
    except Error as error:
        fail(str(error).splitlines()[0], UNREACHABLE)


@click.command()
@click.argument("sql")
@click.option("--format", "form", metavar="FORMAT", help="Any output format of ClickHouse's (CSV, JSONEachRow, …).")
@data_option
def query(sql: str, form: str | None, data: Path | None) -> None:
    """Ask ClickHouse; PrettyCompact on a terminal, tab-separated with a header row in a pipe.

    A query that ClickHouse declines ends with 2, an unreachable ClickHouse with 3.

    Example: pulssi query "SELECT queue, sum(n) FROM panes WHERE sample = 'offered' GROUP BY queue"
    """
    quiet_clients()
    settings = stack_settings(data)
    asked = sql.strip().rstrip(";")
    if form is None and not _OWN_FORMAT.search(asked):
        form = "PrettyCompact" if sys.stdout.isatty() else "TabSeparatedWithNames"
    try:
        _ask(settings, asked, form)
    except BrokenPipeError:  # `| head` has seen enough
        sys.stderr.close()
        raise SystemExit(0) from None
