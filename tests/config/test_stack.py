"""The name and the ports the product runs at on a developer's machine."""

import socket
from typing import Any

import pytest

from config.local import stack
from config.local.stack import free_port, our_name


@pytest.mark.parametrize(
    ("means", "name"), [(["127.0.0.1"], "localhost"), (["10.0.0.7"], "127.0.0.1"), (OSError(), "127.0.0.1")], ids=str
)
def test_the_product_is_called_localhost_where_that_is_this_machine(monkeypatch, means, name):
    """Browsers take passkeys at the name and not at the address."""

    def resolver(host: str, port: Any, family: int, kind: int) -> list[Any]:
        if isinstance(means, OSError):
            raise means
        return [(family, kind, 6, "", (each, 0)) for each in means]

    monkeypatch.setattr(socket, "getaddrinfo", resolver)
    assert our_name() == name


@pytest.mark.parametrize(("family", "host"), [(socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")])
def test_a_port_is_free_at_both_addresses_that_localhost_may_mean(family, host):
    """Else the name would lead to somebody else's server, on machines that try ::1 first."""
    if host == "::1" and not stack._has_ipv6():
        pytest.skip("this machine has no ::1")
    wanted = free_port()
    with socket.create_server((host, wanted), family=family):
        assert free_port(wanted) > wanted
