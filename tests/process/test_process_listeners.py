"""The sockets that visitors connect to."""

import socket
from pathlib import Path

import pytest

from gatekeeper.errors import StartError
from gatekeeper.process.listeners import open_listener, shown_address
from gatekeeper.settings.addresses import parse_listen


def test_a_port_that_the_kernel_picks_is_shown() -> None:
    """Port 0."""
    with open_listener(parse_listen("127.0.0.1:0")) as listener:
        host, port = listener.getsockname()
        assert shown_address(listener) == f"{host}:{port}"
        assert port > 0
        socket.create_connection((host, port)).close()


def test_ipv6_takes_ipv4_too() -> None:
    """ "[::]:8443" is all addresses, whatever the system's default."""
    with open_listener(parse_listen("[::]:0")) as listener:
        port = listener.getsockname()[1]
        assert shown_address(listener) == f"[::]:{port}"
        socket.create_connection(("127.0.0.1", port)).close()
        socket.create_connection(("::1", port)).close()


def test_a_name_is_resolved() -> None:
    """localhost."""
    with open_listener(parse_listen("localhost:0")) as listener:
        assert listener.getsockname()[0] in ("127.0.0.1", "::1")


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("192.0.2.1:0", "cannot assign requested address"),
        ("nowhere.invalid:0", "the name cannot be resolved"),
        ("unix:/proc/gate.sock", ""),
        ("unix:/" + "x" * 200, "too long"),
    ],
)
def test_an_address_that_cannot_be_had(address: str, words: str) -> None:
    """One plain sentence."""
    with pytest.raises(StartError) as wrong:
        open_listener(parse_listen(address))
    assert str(wrong.value).startswith(f"cannot listen on {address}: ")
    assert words in str(wrong.value)


def test_a_port_in_use_is_not_taken_over() -> None:
    """SO_REUSEADDR is for what is closing, not for what is open."""
    first = open_listener(parse_listen("127.0.0.1:0"))
    with first, pytest.raises(StartError, match="address already in use"):
        open_listener(parse_listen(shown_address(first)))


def test_a_unix_socket(tmp_path: Path) -> None:
    """Left over by a process that was killed, it is taken over; from a live one it is not."""
    path = tmp_path / "gate.sock"
    address = parse_listen(f"unix:{path}")
    for _ in range(2):
        with open_listener(address) as listener:
            assert shown_address(listener) == f"unix:{path}"
            with pytest.raises(StartError, match="address already in use"):
                open_listener(address)
            assert path.exists()


def test_a_file_in_the_place_of_a_socket_is_kept(tmp_path: Path) -> None:
    """Somebody mistyped a path; that must not cost them a file."""
    path = tmp_path / "important"
    path.write_text("data")
    with pytest.raises(StartError, match="address already in use"):
        open_listener(parse_listen(f"unix:{path}"))
    assert path.read_text() == "data"
