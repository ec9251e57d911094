"""A part that only says it is ready: for tests of what looks after parts. Usage: … PORT [stubborn|short|gives-up]."""

from __future__ import annotations

import signal
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import click

from deploy.embedded.child_end import end_with_stdin


class Ready(BaseHTTPRequestHandler):
    """Answers 200 to whatever is asked."""

    def do_GET(self) -> None:
        """Answer."""
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def main(port: str, kind: str = "") -> None:
    """Serve until SIGTERM; `stubborn` ignores it, `short` ends with 7 before it is ready, `gives-up` with 1."""
    end_with_stdin()
    if kind == "gives-up":
        click.echo("too many bad records")
        sys.exit(1)
    if kind == "short":
        click.echo("going down")
        sys.exit(7)
    server = HTTPServer(("127.0.0.1", int(port)), Ready)
    shutdown = threading.Thread(target=server.shutdown)
    signal.signal(signal.SIGTERM, signal.SIG_IGN if kind == "stubborn" else lambda *_: shutdown.start())
    server.serve_forever()
    click.echo("stand-in ends")


if __name__ == "__main__":
    main(*sys.argv[1:])
