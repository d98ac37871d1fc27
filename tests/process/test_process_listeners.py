"""The sockets that visitors connect to."""

import errno
import os
import socket
from pathlib import Path

import pytest

from gatekeeper.config.load import load
from gatekeeper.errors import StartError
from gatekeeper.process.listeners import (
    Listener,
    Role,
    close_listeners,
    open_listener,
    open_listeners,
    shown_address,
    shown_listener,
    sockets_of,
    tcp_addresses,
)
from gatekeeper.settings.addresses import Address, parse_listen
from gatekeeper.settings.tables import Settings
from tests.configurations import CLIENT_AUTH, UPSTREAM
from tests.ports import free_port, has_ipv6

# Each C library has words of its own.
IN_USE = os.strerror(errno.EADDRINUSE).lower()
NOT_HERE = os.strerror(errno.EADDRNOTAVAIL).lower()


def test_a_port_that_the_kernel_picks_is_shown() -> None:
    """Port 0."""
    with open_listener(parse_listen("127.0.0.1:0")) as listener:
        host, port = listener.getsockname()
        assert shown_address(listener) == f"{host}:{port}"
        assert port > 0
        socket.create_connection((host, port)).close()


def test_where_the_gate_can_be_reached(tmp_path: Path) -> None:
    """A Unix socket has no port."""
    with (
        open_listener(parse_listen("127.0.0.1:0")) as ipv4,
        open_listener(parse_listen(f"unix:{tmp_path}/socket")) as unix,
    ):
        assert tcp_addresses([ipv4, unix]) == (Address("127.0.0.1", ipv4.getsockname()[1]),)


@pytest.mark.skipif(not has_ipv6(), reason="this machine has no IPv6")
def test_where_the_gate_can_be_reached_by_ipv6() -> None:
    """At every IPv4 address too, unless the socket is for IPv6 only."""
    with open_listener(parse_listen("[::]:0")) as both:
        port = both.getsockname()[1]
        assert tcp_addresses([both]) == (Address("::", port), Address("0.0.0.0", port))
    with open_listener(parse_listen("[::]:0"), ipv6_only=True) as ipv6:
        assert tcp_addresses([ipv6]) == (Address("::", ipv6.getsockname()[1]),)


@pytest.mark.skipif(not has_ipv6(), reason="this machine has no IPv6")
def test_ipv6_takes_ipv4_too() -> None:
    """ "[::]:8443" is all addresses, whatever the system's default."""
    with open_listener(parse_listen("[::]:0")) as listener:
        port = listener.getsockname()[1]
        assert shown_address(listener) == f"[::]:{port}"
        socket.create_connection(("127.0.0.1", port)).close()
        socket.create_connection(("::1", port)).close()


@pytest.mark.skipif(not has_ipv6(), reason="this machine has no IPv6")
@pytest.mark.parametrize("order", [("0.0.0.0", "[::]"), ("[::]", "0.0.0.0"), ("127.0.0.1", "[::]")])
def test_both_families_can_be_named(tmp_path: Path, order: tuple[str, str]) -> None:
    """Beside an IPv4 address of its port, "[::]" is for IPv6 alone: the kernel would refuse the second one."""
    port = free_port()
    found = open_listeners(settings(tmp_path, f'["{order[0]}:{port}", "{order[1]}:{port}"]', '"off"'))
    for host in ("127.0.0.1", "::1"):
        socket.create_connection((host, port)).close()
    assert open_listeners(settings(tmp_path, f'["{order[0]}:{port}", "{order[1]}:{port}"]', '"off"'), found) == found
    close_listeners(found)


@pytest.mark.skipif(not has_ipv6(), reason="this machine has no IPv6")
def test_an_open_port_is_not_left_without_ipv4(tmp_path: Path) -> None:
    """bind() has settled what an open "[::]" takes. Without "0.0.0.0" beside it, it would leave IPv4 visitors at a
    closed port, so a reload that removes or adds that is refused, and says what to do."""
    port = free_port()
    both, one = (
        settings(tmp_path, value, '"off"') for value in (f'["0.0.0.0:{port}", "[::]:{port}"]', f'"[::]:{port}"')
    )
    for before, after in ((both, one), (one, both)):
        found = open_listeners(before)
        with pytest.raises(StartError, match=rf"whether \[::\]:{port} takes IPv4 too .* stopped and started"):
            open_listeners(after, found)
        close_listeners(found)


def test_a_name_is_resolved() -> None:
    """localhost."""
    with open_listener(parse_listen("localhost:0")) as listener:
        assert listener.getsockname()[0] in ("127.0.0.1", "::1")


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("192.0.2.1:0", NOT_HERE),
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
    with first, pytest.raises(StartError, match=IN_USE):
        open_listener(parse_listen(shown_address(first)))


def test_a_unix_socket(tmp_path: Path) -> None:
    """Left over by a process that was killed, it is taken over; from a live one it is not."""
    path = tmp_path / "gate.sock"
    address = parse_listen(f"unix:{path}")
    for _ in range(2):
        with open_listener(address) as listener:
            assert shown_address(listener) == f"unix:{path}"
            with pytest.raises(StartError, match=IN_USE):
                open_listener(address)
            assert path.exists()


def test_a_file_in_the_place_of_a_socket_is_kept(tmp_path: Path) -> None:
    """Somebody mistyped a path; that must not cost them a file."""
    path = tmp_path / "important"
    path.write_text("data")
    with pytest.raises(StartError, match=IN_USE):
        open_listener(parse_listen(f"unix:{path}"))
    assert path.read_text() == "data"


def settings(folder: Path, listen: str, admin: str = '"127.0.0.1:0"') -> Settings:
    server = f'[server]\nlisten = {listen}\ncertificate = "a.crt"\nkey = "a.key"\n'
    file = folder / "gatekeeper.toml"
    file.write_text(f"{server}{CLIENT_AUTH}{UPSTREAM}[admin]\nlisten = {admin}\n")
    return load(file, {}).settings


def test_every_address_gets_a_socket(tmp_path: Path) -> None:
    """In the order of the configuration, the admin listener last."""
    found = open_listeners(settings(tmp_path, '["127.0.0.1:0", "127.0.0.2:0"]'))
    assert [one.role for one in found] == [Role.VISITORS, Role.VISITORS, Role.ADMIN]
    assert [shown_listener(one).partition(":")[0] for one in found] == [
        "listening on https",
        "listening on https",
        "admin on http",
    ]
    close_listeners(found)


def test_what_is_open_is_kept(tmp_path: Path) -> None:
    """Only new addresses are opened: a reload must not close a port that stays. Equal addresses are not mixed up."""
    before = open_listeners(settings(tmp_path, '"127.0.0.1:0"'))
    after = open_listeners(settings(tmp_path, '["127.0.0.1:0", "127.0.0.2:0"]'), before)
    assert after[0] is before[0]
    assert after[1] not in before
    assert after[2] is before[1]
    close_listeners(after)


def test_sockets_of_systemd_take_the_place_of_addresses(tmp_path: Path) -> None:
    """Of the role alone that they are for; those of a role that is switched off are left."""
    passed = Listener(Role.VISITORS, "", open_listener(parse_listen("127.0.0.1:0")))
    found = open_listeners(settings(tmp_path, '"127.0.0.1:1"'), [passed])
    assert sockets_of(found, Role.VISITORS) == (passed.socket,)
    assert [one.address for one in found] == ["", "127.0.0.1:0"]
    admin = Listener(Role.ADMIN, "", passed.socket)
    off = open_listeners(settings(tmp_path, '"127.0.0.1:0"', '"off"'), [admin])
    assert [one.role for one in off] == [Role.VISITORS]
    close_listeners((*found, *off))


def test_all_addresses_or_none(tmp_path: Path) -> None:
    """Where one is taken, those that were opened are closed again, and those that were there stay open."""
    before = open_listeners(settings(tmp_path, '"127.0.0.1:0"', '"off"'))
    free = f"127.0.0.9:{free_port()}"
    with open_listener(parse_listen("127.0.0.1:0")) as taken:
        wanted = settings(tmp_path, f'["127.0.0.1:0", "{free}", "{shown_address(taken)}"]', '"off"')
        with pytest.raises(StartError, match=IN_USE):
            open_listeners(wanted, before)
    open_listener(parse_listen(free)).close()
    assert before[0].socket.fileno() > 0
    close_listeners(before)
