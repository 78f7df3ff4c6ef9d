import socket

import pytest

from launcher import ports
from launcher.errors import StartRefused


@pytest.fixture
def busy_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener.getsockname()[1]


def test_a_busy_port_is_named_with_its_variable(busy_port):
    with pytest.raises(StartRefused) as refusal:
        ports.require_free({"CIS_PORT": ("127.0.0.1", busy_port)})
    assert str(refusal.value) == (f"port {busy_port} on 127.0.0.1 is busy: choose another one with CIS_PORT=<port>.")


def test_two_listeners_on_one_port_are_refused():
    with pytest.raises(StartRefused) as refusal:
        ports.require_free({"WEB_PORT": ("127.0.0.1", 17001), "CIS_PORT": ("127.0.0.1", 17001)})
    assert str(refusal.value) == "WEB_PORT and CIS_PORT both name port 17001: give each its own."


def test_an_address_of_another_machine_is_refused():
    with pytest.raises(StartRefused) as refusal:
        ports.require_free({"WEB_PORT": ("192.0.2.1", 17001)})
    assert str(refusal.value) == (
        "port 17001 on 192.0.2.1 cannot be used (Cannot assign requested address): "
        "choose another one with WEB_PORT=<port>."
    )


def test_a_free_port_is_found_below_the_range_of_outgoing_connections():
    assert ports.free_port() in range(15_000, 30_000)
    ports.require_free({"WEB_PORT": ("127.0.0.1", ports.free_port())})
