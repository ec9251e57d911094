"""A part that only says it is ready: for tests of what looks after parts. Usage: … PORT [stubborn|short|gives-up]."""

import signal
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import click

from deploy.embedded.child_processes import end_with_stdin


class _Ready(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"Ok.\n" if self.path == "/ping" else b"1\n")

    def log_message(self, *_: object) -> None:
        pass


def serve(port: int, *, stubborn: bool = False) -> None:
    """Answer 200 to whatever is asked, `/ping` and `SELECT 1` as ClickHouse does, until SIGTERM."""
    server = HTTPServer(("127.0.0.1", port), _Ready)
    shutdown = threading.Thread(target=server.shutdown)
    signal.signal(signal.SIGTERM, signal.SIG_IGN if stubborn else lambda *_: shutdown.start())
    server.serve_forever()
    click.echo("stand-in ends")


def main(port: str, kind: str = "") -> None:
    """Serve until SIGTERM; `stubborn` ignores it, `short` ends with 7 before it is ready, `gives-up` with 1."""
    end_with_stdin()
    if kind == "gives-up":
        click.echo("too many bad records")
        sys.exit(1)
    if kind == "short":
        click.echo("going down")
        sys.exit(7)
    serve(int(port), stubborn=kind == "stubborn")


if __name__ == "__main__":
    main(*sys.argv[1:])
