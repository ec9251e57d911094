"""The wallboard: one page that says what is happening now, pushed as it happens, from the journals alone.

ClickHouse may be down. The page never passes old numbers off as new: it says how old they are, and why.
"""

from __future__ import annotations

from schemas.settings import Settings


def run(settings: Settings) -> int:
    """Serve the wallboard until SIGTERM or Ctrl-C; returns the exit code. For the main thread."""
    from dashboards.wallboard.service import run as serve  # noqa: PLC0415 - the web server is loaded when it is to run

    return serve(settings)
