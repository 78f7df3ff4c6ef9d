"""The database and the broker: the user's own where the configuration names them, else embedded ones."""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from launcher import directories
from launcher.account import database_account
from launcher.configuration import Configuration
from launcher.errors import StartRefused
from launcher.postgres import PostgresServer, data_directory
from launcher.state import StateDirectory
from launcher.supervisor import Supervisor
from launcher.valkey import ValkeyServer
from launcher.watch import Guard

Server = PostgresServer | ValkeyServer
PASSWORD_FILE = "database-password"  # noqa: S105  (a file's name)


def make_password() -> str:
    return secrets.token_urlsafe(24)


def lasting(configuration: Configuration, state: StateDirectory, guard: Guard) -> list[Server]:
    """Servers whose data stays in the state directory."""
    servers: list[Server] = []
    if not configuration.get(PostgresServer.variable):
        servers.append(_lasting_database(state))
    if not configuration.get(ValkeyServer.variable):
        sockets = _scratch(guard, directories.socket_home())
        servers.append(
            ValkeyServer(data=state.path / "broker", socket_directory=sockets, log=state.log(ValkeyServer.name))
        )
    return servers


def ephemeral(configuration: Configuration, guard: Guard, *, durable: bool = False) -> list[Server]:
    """Servers for one command, gone with everything they wrote; so they are fast unless they shall be `durable`."""
    servers: list[Server] = []
    if not configuration.get(PostgresServer.variable):
        servers.append(_ephemeral_database(guard, durable=durable))
    if not configuration.get(ValkeyServer.variable):
        home = _scratch(guard, directories.socket_home())
        servers.append(ValkeyServer(data=home, socket_directory=home, log=home / "broker.log", durable=durable))
    return servers


def start(servers: list[Server], supervisor: Supervisor) -> dict[str, str]:
    """Start them together, wait for each; the answer is what other processes need in their environment."""
    for server in servers:
        server.prepare()
    children = [supervisor.start(server) for server in servers]
    for server, child in zip(servers, children, strict=True):
        supervisor.wait_ready(child, server.ready, server.ready_seconds)
    return {server.variable: server.url for server in servers}


@contextmanager
def stopped_at_the_end(supervisor: Supervisor) -> Iterator[Supervisor]:
    try:
        yield supervisor
    finally:
        supervisor.stop()


def _lasting_database(state: StateDirectory) -> PostgresServer:
    data = data_directory(state.path)
    if data.exists() and not (state.path / PASSWORD_FILE).exists():
        raise StartRefused(
            f"{data} holds a database, but the file {PASSWORD_FILE} beside it is gone: "
            "restore the file, or move the data away to begin anew."
        )
    password = state.secret(PASSWORD_FILE, make_password)
    log = state.log(PostgresServer.name)
    return PostgresServer(home=state.path, account=database_account(), password=password, log=log)


def _ephemeral_database(guard: Guard, *, durable: bool) -> PostgresServer:
    account = database_account()
    home = _scratch(guard, directories.scratch_home(account), directories.PASSABLE)
    return PostgresServer(
        home=home, account=account, password=make_password(), log=home / "database.log", durable=durable
    )


def _scratch(guard: Guard, home: Path, mode: int = directories.OWNER_ONLY) -> Path:
    path = directories.scratch(home, mode)
    guard.discard_at_the_end(path)
    return path
