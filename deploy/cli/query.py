"""`pulssi query`: a question to ClickHouse, the answer as ClickHouse formats it."""

import re
import shutil
import sys
from pathlib import Path
from typing import BinaryIO, Final, cast

import click

from deploy.cli.common import fail, running_stack_option, stack_settings
from schemas.exits import Exit
from schemas.settings import Settings

#: A format that the query itself names, which is then the one.
_OWN_FORMAT: Final = re.compile(r"\bFORMAT\s+\w+\s*$", re.IGNORECASE)
#: ClickHouse's words for: reads only, but settings may be given. A slip must not cost the counts.
_READ_ONLY: Final[dict[str, int]] = {"readonly": 2}


def _ask(settings: Settings, sql: str, form: str | None) -> None:
    from clickhouse_connect.driver.exceptions import Error

    from streams.clickhouse.addresses import clickhouse_address
    from streams.clickhouse.connection import connect, is_unavailable, reason, server_message

    try:
        with connect(settings) as client:
            # A user who may only read has the setting already, and may not be given it again.
            readonly = client.server_settings.get("readonly")
            ours = _READ_ONLY if readonly is None or readonly.value == "0" else {}
            answer = client.raw_stream(sql, settings=dict(ours), fmt=form)
            # The type allows for the asynchronous client's answer too; this one's is a file.
            shutil.copyfileobj(cast("BinaryIO", answer), sys.stdout.buffer)
            sys.stdout.buffer.flush()
    except Error as error:
        if is_unavailable(error):
            fail(f"ClickHouse at {clickhouse_address(settings)} does not answer: {reason(error)}", Exit.UNREACHABLE)
        fail(f"ClickHouse refused: {server_message(error)}", Exit.UNUSABLE)


@click.command()
@click.argument("sql")
@click.option("--format", "form", metavar="FORMAT", help="Any output format of ClickHouse's (CSV, JSONEachRow, …).")
@running_stack_option
def query(sql: str, form: str | None, data: Path | None) -> None:
    """Ask ClickHouse by SQL.

    The answer is a table on a terminal (PrettyCompact), and tab-separated with a header row in a pipe. It reads only:
    what would write is refused. A query that ClickHouse refuses ends with 2, an unreachable ClickHouse with 3.

    Example: pulssi query "SELECT queue, sum(n) FROM panes WHERE sample = 'offered' GROUP BY queue"
    """
    settings = stack_settings(data)
    asked = sql.strip().rstrip(";")
    if form is None and not _OWN_FORMAT.search(asked):
        form = "PrettyCompact" if sys.stdout.isatty() else "TabSeparatedWithNames"
    try:
        _ask(settings, asked, form)
    except BrokenPipeError:  # `| head` has seen enough
        sys.stderr.close()
        raise SystemExit(0) from None
