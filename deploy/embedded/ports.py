"""Ports on this machine: which are free, and which to take instead of a busy one."""

from __future__ import annotations

import socket
from collections.abc import Container
from contextlib import closing


def is_free(host: str, port: int) -> bool:
    """Tell whether a server could listen there now."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with closing(socket.socket(family, socket.SOCK_STREAM)) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
        return True


def any_free(host: str, but: Container[int] = ()) -> int:
    """Return a port that is free now and is none of `but`."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    while True:
        with closing(socket.socket(family, socket.SOCK_STREAM)) as probe:
            probe.bind((host, 0))
            port = int(probe.getsockname()[1])
        if port not in but:
            return port
