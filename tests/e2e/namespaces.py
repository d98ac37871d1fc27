"""Machines of a small network, each a network namespace of its own (ip-netns(8)), around a bridge on this one."""

import os
import re
import subprocess
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from tests.tools import needs

# RFC 2544 keeps 198.18.0.0/15 for tests, so it is nobody's network; two test processes take different parts of it.
_NETWORK = f"198.18.{os.getpid() % 256}"

_CANNOT = re.compile("not supported|not permitted|Unknown device type")


@dataclass(frozen=True)
class Machine:
    """``run`` goes before a command line that is to run there, ``address`` is what the others reach it by."""

    name: str
    address: str
    run: tuple[str, ...] = ()


@dataclass(frozen=True)
class Network:
    """The machines, and the address by which they reach this one."""

    machines: list[Machine]
    this_machine: str


@contextmanager
def network(count: int) -> Iterator[Network]:
    """So many machines, connected with each other and with this one.

    Where the kernel has no bridges or veth(4), as in some containers, or the user is not root, they share this
    machine's network and have a loopback address each: what the gates do is the same, but they could reach each other
    by more than files. A warning says so.
    """
    needs("ip")
    with ExitStack() as stack:
        try:
            made = _namespaces(count, stack)
        except NotImplementedError as error:
            stack.close()
            warnings.warn(f"the machines share one network: {error}", stacklevel=3)
            made = Network(
                [Machine(f"machine{number}", f"127.77.0.{number}") for number in range(1, count + 1)], "127.0.0.1"
            )
        yield made


def _namespaces(count: int, stack: ExitStack) -> Network:
    bridge, here = f"gk{os.getpid()}", f"{_NETWORK}.254"
    _ip(f"link add {bridge} type bridge")
    stack.callback(_ip, f"link del {bridge}")
    _ip(f"addr add {here}/24 dev {bridge}")
    _ip(f"link set {bridge} up")
    made = []
    for number in range(1, count + 1):
        name, near, address = f"{bridge}-{number}", f"{bridge}v{number}", f"{_NETWORK}.{number}"
        _ip(f"netns add {name}")
        stack.callback(_ip, f"netns del {name}")
        _ip(f"link add {near} type veth peer name eth0 netns {name}")
        # The kernel takes down a namespace and what is in it some time after `netns del`, which leaves the name in use.
        stack.callback(_ip, f"link del {near}")
        _ip(f"link set {near} master {bridge} up")
        _ip(f"-n {name} addr add {address}/24 dev eth0")
        _ip(f"-n {name} link set eth0 up")
        _ip(f"-n {name} link set lo up")
        made.append(Machine(name, address, ("ip", "netns", "exec", name)))
    return Network(made, here)


def _ip(arguments: str) -> None:
    done = subprocess.run(["ip", *arguments.split()], check=False, capture_output=True, text=True)
    if done.returncode != 0:
        complaint = f"ip {arguments}: {done.stderr}"
        raise NotImplementedError(complaint) if _CANNOT.search(done.stderr) else AssertionError(complaint)
