"""Hosts that are network namespaces, joined by a bridge. Linux, root and iproute2 are needed.

Only addresses of a private network of our own are used; nothing leaves the machine.
"""

import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

PREFIX = "das-"
BRIDGE = "das-bridge"
NETWORK = "10.213.87"
HERE = f"{NETWORK}.1"
FIRST_HOST = 11


@dataclass(frozen=True, slots=True)
class Host:
    """One namespace. `wire` is its cable's end at the bridge: taken down, the host is cut off."""

    name: str
    address: str

    @property
    def namespace(self) -> str:
        return PREFIX + self.name

    @property
    def wire(self) -> str:
        return f"{PREFIX}v-{self.name}"

    def command(self, *words: str) -> list[str]:
        """The command line that runs these words on this host."""
        return [_ip_program(), "netns", "exec", self.namespace, *words]

    def cut_off(self) -> None:
        _ip("link", "set", self.wire, "down")

    def connect(self) -> None:
        _ip("link", "set", self.wire, "up")


def why_not() -> str:
    """What this machine lacks for namespaces, in words; empty when nothing is missing."""
    if sys.platform != "linux":
        return "network namespaces exist on Linux only"
    if os.geteuid() != 0:
        return "network namespaces need root: run it with sudo"
    if _ip_program() == "":
        return "the program `ip` is missing (Debian: apt-get install iproute2)"
    return ""


@contextmanager
def network(names: list[str]) -> Iterator[dict[str, Host]]:
    """Build a bridge and one host per name; take all of it down at the end, and first what a killed run left."""
    hosts = {name: Host(name, f"{NETWORK}.{FIRST_HOST + number}") for number, name in enumerate(names)}
    with _only_one():
        _tear_down()
        try:
            _ip("link", "add", BRIDGE, "type", "bridge")
            _ip("address", "add", f"{HERE}/24", "dev", BRIDGE)
            _ip("link", "set", BRIDGE, "up")
            for host in hosts.values():
                _build(host)
            yield hosts
        finally:
            _tear_down()


def _build(host: Host) -> None:
    _ip("netns", "add", host.namespace)
    _ip("link", "add", host.wire, "type", "veth", "peer", "name", "eth0", "netns", host.namespace)
    _ip("link", "set", host.wire, "master", BRIDGE, "up")
    for words in (
        ("address", "add", f"{host.address}/24", "dev", "eth0"),
        ("link", "set", "eth0", "up"),
        ("link", "set", "lo", "up"),
    ):
        _ip("-n", host.namespace, *words)


def _tear_down() -> None:
    """Everything with our names. Deleting a namespace deletes its end of the cable, and with it the other."""
    listed = subprocess.run(  # noqa: S603  (fixed command)
        [_ip_program(), "netns", "list"], capture_output=True, text=True, check=True
    ).stdout
    for line in listed.splitlines():
        if line.startswith(PREFIX):
            _ip("netns", "delete", line.split()[0])
    if os.path.exists(f"/sys/class/net/{BRIDGE}"):
        _ip("link", "delete", BRIDGE)


@contextmanager
def _only_one() -> Iterator[None]:
    """Names and addresses are fixed, so only one run at a time; the kernel frees this lock whatever happens."""
    with socket.socket(socket.AF_UNIX) as lock:
        try:
            lock.bind("\0open-gas-das-hosts")
        except OSError:
            raise RuntimeError("another run has the hosts: wait until it has ended") from None
        yield


def _ip(*words: str) -> None:
    result = subprocess.run([_ip_program(), *words], capture_output=True, text=True, check=False)  # noqa: S603
    if result.returncode != 0:
        raise RuntimeError(f"ip {' '.join(words)}: {result.stderr.strip()}")


def _ip_program() -> str:
    """Its full path: /usr/sbin is not on everybody's PATH."""
    return shutil.which("ip", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin") or ""
