import os
import signal
import stat
import subprocess
from contextlib import closing

import psutil
import psycopg
import pytest

from launcher import services
from launcher.account import database_account
from launcher.ending import Target, end
from launcher.errors import StartRefused
from launcher.postgres import FAST_SHUTDOWN, PostgresServer
from launcher.state import StateDirectory
from tests.launcher.processes import wait_for

PASSWORD = "p@ss/word:with?signs"


@pytest.fixture
def start(home):
    """Starts servers on one data directory, as launchers would one after the other."""
    processes = []

    def begin(port=None, durable=False):
        server = PostgresServer(
            home=home, account=database_account(), password=PASSWORD, log=home / "log", durable=durable
        )
        server.port = port or server.port
        server.prepare()
        processes.append(server.spawn())
        wait_for(server.ready)
        return server, processes[-1]

    yield begin
    for process in processes:
        end(Target(process.pid, FAST_SHUTDOWN))
        process.wait()


def run(server, statement):
    with psycopg.connect(server.url, autocommit=True) as connection:
        cursor = connection.execute(statement)
        return cursor.fetchall() if cursor.description else None


def test_it_starts_in_a_path_with_a_space_and_speaks_only_to_whom_knows_the_password(start, home):
    server, process = start()
    assert run(server, "SELECT current_database(), current_setting('server_encoding')") == [("das", "UTF8")]
    assert run(server, "SHOW timezone") == [("UTC",)]
    assert run(server, "SHOW unix_socket_directories") == [("",)]
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(server.url.replace("with", "wrong"))
    assert stat.S_IMODE(server.data.stat().st_mode) == 0o700
    assert PASSWORD not in " ".join(psutil.Process(process.pid).cmdline())
    assert PASSWORD not in (home / "log").read_text()
    assert sorted(path.name for path in home.iterdir()) == ["log", "postgresql-18"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has to change the user")
def test_as_root_it_runs_as_an_unprivileged_user(start):
    _, process = start()
    assert psutil.Process(process.pid).uids().effective == database_account().uid != 0


def test_data_is_kept_when_the_postmaster_is_killed(start):
    server, process = start(durable=True)
    run(server, "CREATE TABLE kept AS SELECT 42 AS answer")
    process.kill()
    process.wait()
    again, _ = start(port=server.port, durable=True)
    assert again.url == server.url
    assert run(again, "SELECT answer FROM kept") == [(42,)]


def test_a_backend_that_outlived_its_postmaster_does_not_stop_the_next_start(start):
    server, process = start()
    with closing(psycopg.connect(server.url, autocommit=True)) as busy:
        backend = psutil.Process(busy.info.backend_pid)
        busy.pgconn.send_query(b"SELECT count(*) FROM generate_series(1, 10^12::bigint)")
        process.kill()
        process.wait()
        start()
    assert not backend.is_running() or backend.status() == psutil.STATUS_ZOMBIE


def test_a_server_that_still_runs_on_the_data_is_stopped_first(start):
    first, orphan = start()
    run(first, "CREATE TABLE kept AS SELECT 42 AS answer")
    second, _ = start()
    assert orphan.wait(20) == 0
    assert run(second, "SELECT answer FROM kept") == [(42,)]


@pytest.fixture
def zombie():
    """A dead process that nobody reaps, as after a crash where PID 1 does not reap either."""
    process = subprocess.Popen(["sleep", "60"])
    process.send_signal(signal.SIGKILL)
    wait_for(lambda: psutil.Process(process.pid).status() == psutil.STATUS_ZOMBIE)
    yield process.pid
    process.wait()


@pytest.mark.parametrize("whose", ["nobody", "another program", "a zombie"])
def test_a_stale_pid_file_does_not_stop_the_start(start, zombie, whose):
    server, process = start()
    pid_file = server.data / "postmaster.pid"
    lines = pid_file.read_text().splitlines()
    end(Target(process.pid, FAST_SHUTDOWN))
    process.wait()
    pid = {"nobody": 2**22 - 3, "another program": os.getpid(), "a zombie": zombie}[whose]
    pid_file.write_text("\n".join([str(pid), *lines[1:]]) + "\n")
    again, _ = start()
    assert run(again, "SELECT 1") == [(1,)]
    assert psutil.pid_exists(os.getpid())


def test_an_interrupted_initdb_is_begun_anew(start, home):
    half = home / "postgresql-18.partial"
    half.mkdir()
    (half / "PG_VERSION").write_text("18\n")
    server, _ = start()
    assert run(server, "SELECT 1") == [(1,)]
    assert not half.exists()


def test_a_database_without_its_password_is_refused(home, guard):
    state = StateDirectory(home / "state")
    state.prepare()
    (state.path / "postgresql-18").mkdir()
    with pytest.raises(StartRefused) as refusal:
        services._lasting_database(state)
    assert str(refusal.value) == (
        f"{state.path}/postgresql-18 holds a database, but the file database-password beside it is gone: "
        "restore the file, or move the data away to begin anew."
    )
    assert not (state.path / "database-password").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has to change the user")
def test_a_place_closed_to_the_database_user_is_refused_and_left_closed(tmp_path):
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    server = PostgresServer(home=closed, account=database_account(), password=PASSWORD, log=tmp_path / "log")
    with pytest.raises(StartRefused, match="name another place with DAS_STATE_DIR"):
        server.prepare()
    assert stat.S_IMODE(closed.stat().st_mode) == 0o700
