"""Machines of a small network, each a network namespace of its own (ip-netns(8)), around a bridge on this one."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import pytest

from tests.tools import needs

# RFC 2544 keeps 198.18.0.0/15 for tests, so it is nobody's network.
_NETWORK = "198.18.77"
THIS_MACHINE = f"{_NETWORK}.254"


@dataclass(frozen=True)
class Machine:
    """A namespace: ``run`` goes before a command line, ``address`` is what the others reach it by."""

    name: str
    address: str

    @property
    def run(self) -> tuple[str, ...]:
        return ("ip", "netns", "exec", self.name)


@contextmanager
def machines(count: int) -> Iterator[list[Machine]]:
    """So many machines, connected with each other and with this one, which has `THIS_MACHINE`; root alone can do it."""
    needs("ip")
    if os.geteuid() != 0:
        pytest.skip("network namespaces need root")
    bridge = f"gk{os.getpid()}"
    with ExitStack() as stack:
        _ip(f"link add {bridge} type bridge")
        stack.callback(_ip, f"link del {bridge}")
        _ip(f"addr add {THIS_MACHINE}/24 dev {bridge}")
        _ip(f"link set {bridge} up")
        made = []
        for number in range(1, count + 1):
            machine = Machine(f"{bridge}-{number}", f"{_NETWORK}.{number}")
            _ip(f"netns add {machine.name}")
            stack.callback(_ip, f"netns del {machine.name}")
            near = f"{bridge}v{number}"
            _ip(f"link add {near} type veth peer name eth0 netns {machine.name}")
            _ip(f"link set {near} master {bridge} up")
            _ip(f"-n {machine.name} addr add {machine.address}/24 dev eth0")
            _ip(f"-n {machine.name} link set eth0 up")
            _ip(f"-n {machine.name} link set lo up")
            made.append(machine)
        yield made


def _ip(arguments: str) -> None:
    subprocess.run(["ip", *arguments.split()], check=True, capture_output=True)
