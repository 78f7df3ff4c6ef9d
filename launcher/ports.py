"""Which TCP ports are free."""

import errno
import random
import socket
from collections.abc import Mapping

from launcher.configuration import LOCAL
from launcher.errors import LauncherError, StartRefused

# Below the range that systems use for outgoing connections: nobody grabs one between two starts.
QUIET_RANGE = range(15_000, 30_000)


def problem(host: str, port: int) -> str:
    """Why nothing can listen there, or an empty text."""
    try:
        family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        return "is busy" if error.errno == errno.EADDRINUSE else f"cannot be used ({error.strerror})"
    return ""


def require_free(listeners: Mapping[str, tuple[str, int]]) -> None:
    """Refuse the start when a listener, given by the variable that moves it, has no port to itself."""
    taken: dict[int, str] = {}
    for variable, (host, port) in listeners.items():
        if port in taken:
            raise StartRefused(f"{taken[port]} and {variable} both name port {port}: give each its own.")
        taken[port] = variable
        if reason := problem(host, port):
            raise StartRefused(f"port {port} on {host} {reason}: choose another one with {variable}=<port>.")


def free_port(avoid: frozenset[int] = frozenset()) -> int:
    for port in random.sample(QUIET_RANGE, 200):
        if port not in avoid and not problem(LOCAL, port):
            return port
    raise LauncherError(f"no free port found from {QUIET_RANGE.start} to {QUIET_RANGE.stop}.")
