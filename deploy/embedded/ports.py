"""Ports on this machine: which are free, and which to take instead of a busy one."""

import socket
from collections.abc import Container

from deploy.embedded import UnavailableError


def _bound(host: str, port: int) -> int:
    """Listen for a moment, and return the port; raises OSError where that is not possible."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.create_server((host, port), family=family) as probe:
        return int(probe.getsockname()[1])


def is_free(host: str, port: int) -> bool:
    """Return whether a server could listen there now."""
    try:
        return bool(_bound(host, port))
    except OSError:
        return False


def check_free(host: str, port: int) -> None:
    """Raise UnavailableError where no server could listen there now."""
    if not is_free(host, port):
        raise UnavailableError(f"{host}:{port} is in use by another program: choose another port")


def any_free(host: str, but: Container[int] = ()) -> int:
    """Return a port that is free now and is none of `but`."""
    while (port := _bound(host, 0)) in but:
        pass
    return port
