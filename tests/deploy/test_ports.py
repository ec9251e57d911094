"""Ports that a part can keep: free now, and not given to somebody else's connection while the part is down."""

import socket
from pathlib import Path

import pytest

from deploy.embedded import UnavailableError
from deploy.embedded.ports import any_free, check_free, is_free

HOST = "127.0.0.1"
EPHEMERAL = Path("/proc/sys/net/ipv4/ip_local_port_range")


@pytest.mark.skipif(not EPHEMERAL.exists(), reason="only Linux tells which ports outgoing connections get")
def test_no_outgoing_connection_is_given_it() -> None:
    """It lies below the range of the system, so a part that is started again finds it free."""
    first = int(EPHEMERAL.read_text().split()[0])
    assert all(any_free(HOST) < first for _ in range(50))


def test_it_is_free_and_none_of_those_that_are_spoken_for() -> None:
    """Of a hundred that are each excluded from then on, none comes twice, and each can be listened on."""
    taken: set[int] = set()
    for _ in range(100):
        port = any_free(HOST, taken)
        assert port not in taken
        with socket.create_server((HOST, port)):
            assert not is_free(HOST, port)
            with pytest.raises(UnavailableError, match=f"{HOST}:{port} is in use"):
                check_free(HOST, port)
        taken.add(port)


def test_where_none_is_free_it_says_so() -> None:
    """It does not try for ever."""
    with pytest.raises(UnavailableError, match="no port below 32768 is free"):
        any_free(HOST, range(65_536))
