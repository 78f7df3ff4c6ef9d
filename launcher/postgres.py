"""PostgreSQL as a child process, on 127.0.0.1 unless told: no system service, no unix socket, a password of its own."""

import os
import shutil
import signal
import subprocess
from pathlib import Path
from urllib.parse import quote

import psycopg

from launcher import orphans, pginstall, ports, spawning
from launcher.account import Account
from launcher.configuration import LOCAL
from launcher.ending import Signals
from launcher.errors import LauncherError, StartRefused

USER = "das"
DATABASE = "das"
SETTINGS = {
    "unix_socket_directories": "",
    "max_connections": "200",
    "shared_buffers": "256MB",
    "work_mem": "16MB",
    "maintenance_work_mem": "128MB",
    "max_wal_size": "2GB",
    "random_page_cost": "1.1",
    "jit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
    # Django writes values into the statement text: a logged statement could carry a secret.
    "log_min_error_statement": "panic",
}
THROWAWAY_SETTINGS = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "autovacuum_naptime": "10min",
}
FAST_SHUTDOWN: Signals = ((signal.SIGINT, 20.0), (signal.SIGQUIT, 5.0))


def data_directory(home: Path) -> Path:
    """PostgreSQL's files belong to one major version."""
    return home / f"postgresql-{pginstall.MAJOR}"


class PostgresServer:
    name = "database"
    variable = "DATABASE_URL"
    ready_seconds = 60.0
    signals = FAST_SHUTDOWN

    def __init__(
        self,
        *,
        home: Path,
        account: Account,
        password: str,
        log: Path,
        durable: bool = True,
        address: str = LOCAL,
    ) -> None:
        self.home = home
        self.data = data_directory(home)
        self.account = account
        self.password = password
        self.log = log
        self.durable = durable
        self.address = address
        self.programs = pginstall.programs(account)
        self.port = ports.free_port()

    @property
    def url(self) -> str:
        return f"postgres://{USER}:{quote(self.password, safe='')}@{self.address}:{self.port}/{DATABASE}"

    @property
    def description(self) -> str:
        return f"PostgreSQL {pginstall.MAJOR} on {self.address}:{self.port}"

    def prepare(self) -> None:
        """Make the data directory, under another name first: an interrupted start leaves no half of one."""
        if (self.data / "PG_VERSION").exists():
            return
        self._require_reach()
        partial = self.data.with_name(f"{self.data.name}.partial")
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(mode=0o700)
        self.account.own(partial)
        self._initdb(partial)
        if self.address != LOCAL:
            with (partial / "pg_hba.conf").open("a", encoding="utf-8") as file:
                file.write("host all all samenet scram-sha-256\n")
        partial.rename(self.data)

    def spawn(self) -> subprocess.Popen[bytes]:
        self._require_reach()
        orphans.clear(self.data / "postmaster.pid", program="postgres", signals=FAST_SHUTDOWN)
        listening = {"listen_addresses": self.address, "port": str(self.port)}
        settings = {**SETTINGS, **listening, **({} if self.durable else THROWAWAY_SETTINGS)}
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        return spawning.spawn(
            [str(self.programs / "postgres"), "-D", str(self.data), *options],
            log=self.log,
            directory=self.data,
            environment=self._environment(),
            **self.account.spawn_options(),
        )

    def ready(self) -> bool:
        """True once it takes connections; makes the database at the first one."""
        try:
            with self._connect() as connection:
                known = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE]).fetchone()
                if known is None:
                    connection.execute(f"CREATE DATABASE {DATABASE}")
        except psycopg.OperationalError as error:
            if "password authentication failed" in str(error):
                raise LauncherError(
                    f"the password kept in {self.home} does not fit {self.data}: restore the file, "
                    "or move the data away to begin anew."
                ) from None
            return False
        return True

    def _connect(self) -> psycopg.Connection:
        return psycopg.connect(
            host=self.address,
            port=self.port,
            user=USER,
            password=self.password,
            dbname="postgres",
            sslmode="disable",
            connect_timeout=2,
            autocommit=True,
        )

    def _require_reach(self) -> None:
        if not self.account.reaches(self.home):
            raise StartRefused(
                f"PostgreSQL runs as user `{self.account.name}`, who cannot enter {self.home}: "
                "name another place with DAS_STATE_DIR=<directory>."
            )

    def _initdb(self, data: Path) -> None:
        password_file = data.with_name(f"{data.name}.password")
        password_file.unlink(missing_ok=True)
        try:
            with os.fdopen(os.open(password_file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
                file.write(self.password + "\n")
            self.account.own(password_file)
            self._run_initdb(data, password_file)
        finally:
            password_file.unlink(missing_ok=True)

    def _run_initdb(self, data: Path, password_file: Path) -> None:
        command = [str(self.programs / "initdb"), "-D", str(data), "--username", USER, "--auth=scram-sha-256"]
        command += ["--pwfile", str(password_file), "--encoding=UTF8", "--locale=C", "--no-instructions"]
        result = spawning.spawn(
            command if self.durable else [*command, "--no-sync"],
            log=self.log,
            directory=self.home,
            environment=self._environment(),
            **self.account.spawn_options(),
        ).wait()
        if result != 0:
            raise LauncherError(f"initdb failed ({spawning.how_it_ended(result)}):\n{spawning.tail(self.log)}")

    @staticmethod
    def _environment() -> dict[str, str]:
        """Nothing of ours: PG* variables would change the server, and it needs no secrets."""
        kept = {name: os.environ[name] for name in ("PATH", "LD_LIBRARY_PATH") if name in os.environ}
        return {**kept, "LC_ALL": "C"}
