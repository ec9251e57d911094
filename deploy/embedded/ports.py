"""Ports on this machine: which are free, and which to take instead of a busy one."""

import random
import socket
from collections.abc import Container
from typing import Final

from deploy.embedded import UnavailableError

#: Ports that need no privilege, and that no outgoing connection is given by Linux, macOS or Windows.
_SERVER_PORTS: Final = range(10_000, 32_768)
_TRIED_AT_MOST: Final = 500
#: Not seeded, so that programs which start together try different ones.
_DRAW: Final = random.SystemRandom()


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
    """Return a port that is free now and is none of `but`.

    The system gives outgoing connections the ports from 32768 on: one of these can be in use by the time that a part
    which died listens there again. Raises UnavailableError where hundreds are tried and none is free.
    """
    for port in _DRAW.sample(_SERVER_PORTS, _TRIED_AT_MOST):
        if port not in but and is_free(host, port):
            return port
    raise UnavailableError(f"{host}: no port below {_SERVER_PORTS.stop} is free: name ports by the settings")
