"""The whole launcher on a stand-in project: real services, small programs in the place of Django, granian, celery."""

import json
import re
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from launcher import ports
from launcher.configuration import PROJECT
from tests.launcher.processes import clean_environment, launch, mentioning, wait_for, words_of

STANDIN = Path(__file__).with_name("standin.py")


class Checkout:
    """A project directory with a space in its name, its own state and ports."""

    def __init__(self, home):
        self.project = home / "my checkout"
        shutil.copytree(PROJECT / "launcher", self.project / "launcher")
        shutil.copy(STANDIN, self.project / "manage.py")
        for package in ("granian", "celery"):
            (self.project / package).mkdir()
            (self.project / package / "__init__.py").touch()
            shutil.copy(STANDIN, self.project / package / "__main__.py")
        self.state = home / "state"
        self.output = home / "output"
        self.events = home / "events"
        self.ports = {name: ports.free_port() for name in ("WEB_PORT", "CIS_PORT", "HEADEND_PORT")}
        self.environment = clean_environment(
            DAS_STATE_DIR=self.state, EVENTS=self.events, PYTHONDONTWRITEBYTECODE=1, **self.ports
        )
        for name in ("DEBUG", "SECRET_KEY"):
            self.environment.pop(name, None)
        self.launchers = []

    def launch(self, *arguments):
        self.launchers.append(
            launch(*arguments, project=self.project, environment=self.environment, output=self.output)
        )
        return self.launchers[-1]

    def run(self, *arguments):
        return subprocess.run(
            [sys.executable, "-m", "launcher", *arguments],
            cwd=self.project,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    def said(self):
        return self.output.read_text(encoding="utf-8") if self.output.exists() else ""

    def wait_said(self, text):
        wait_for(lambda: text in self.said())

    def happened(self):
        return self.events.read_text(encoding="utf-8").splitlines() if self.events.exists() else []

    def process(self, word):
        return next(one for one in mentioning(self.state) if any(word in part for part in words_of(one)))


@pytest.fixture
def checkout(home):
    found = Checkout(home)
    yield found
    for launcher in found.launchers:
        launcher.kill()
        launcher.wait()
    wait_for(lambda: mentioning(found.state) == [])


def test_a_whole_life(checkout):
    launcher = checkout.launch("run")
    checkout.wait_said("settlement: 120 days settled")
    assert checkout.happened()[:3] == ["run migrate", "run load_demo", "start web"]
    assert (checkout.state / "services.json").stat().st_mode & 0o777 == 0o600
    refuse_a_second_start(checkout, launcher)
    use_the_running_services(checkout)
    restart_what_was_killed(checkout)

    launcher.send_signal(signal.SIGINT)
    assert launcher.wait(60) == 0
    assert checkout.said().endswith("Stopped.\n")
    assert mentioning(checkout.state) == []
    ends = [line.removeprefix("end ") for line in checkout.happened() if line.startswith("end ")]
    assert ends == ["headend", "cis", "beat", "sender", "worker", "web"]
    assert not (checkout.state / "services.json").exists()


def refuse_a_second_start(checkout, launcher):
    second = checkout.run("run")
    assert second.returncode == 2
    assert second.stderr.startswith(f"launcher: already running: process {launcher.pid} (`run`) uses ")


def use_the_running_services(checkout):
    running = json.loads((checkout.state / "services.json").read_text())["environment"]
    managed = checkout.run("manage", "check", "two words")
    assert managed.stdout == f"{running['DATABASE_URL']} {running['CELERY_BROKER_URL']} true two words\n"


def restart_what_was_killed(checkout):
    wait_for(lambda: {"start worker", "start beat"} <= set(checkout.happened()))
    checkout.process("--concurrency").kill()
    checkout.wait_said("worker ended (killed by signal 9); starting it again in 1 s")
    checkout.process("postgresql-18").kill()
    checkout.wait_said("database ended (killed by signal 9); starting it again in 1 s")
    checkout.wait_said("database started again")
    checkout.wait_said("worker started again")
    wait_for(lambda: checkout.happened().count("start worker") == 2)


def test_what_the_person_sees(checkout):
    launcher = checkout.launch("run")
    checkout.wait_said("Ctrl-C stops everything.")
    launcher.send_signal(signal.SIGTERM)
    assert launcher.wait(60) == 0
    password = (checkout.state / "demo-password").read_text().strip()
    assert re.fullmatch(r"[a-z]{4}-[a-z]{4}-[a-z]{4}", password)
    lines = checkout.said().splitlines()
    web, cis, headend = (checkout.ports[name] for name in ("WEB_PORT", "CIS_PORT", "HEADEND_PORT"))
    assert f"web       http://127.0.0.1:{web}/admin/" in lines
    assert f"login     demo / {password}" in lines
    assert f"CIS       http://127.0.0.1:{cis}/status (simulated)" in lines
    assert f"head-end  http://127.0.0.1:{headend}/status (simulated)" in lines
    for secret in ("database-password", "secret-key", "demo-cis-secret", "demo-headend-secret"):
        value = (checkout.state / secret).read_text().strip()
        assert len(value) >= 32
        assert value not in checkout.said()
        assert not any(value in log.read_text() for log in (checkout.state / "log").iterdir())


def test_after_a_kill_9_everything_goes_and_the_next_start_just_works(checkout):
    launcher = checkout.launch("run")
    checkout.wait_said("Ctrl-C stops everything.")
    launcher.kill()
    launcher.wait()
    again = checkout.launch("run")
    wait_for(lambda: checkout.said().count("Ctrl-C stops everything.") == 2)
    again.send_signal(signal.SIGINT)
    assert again.wait(60) == 0


def test_a_busy_port_is_named_and_nothing_is_started(checkout):
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", checkout.ports["CIS_PORT"]))
        listener.listen()
        refused = checkout.run("run")
    assert refused.returncode == 2
    assert refused.stderr == (
        f"launcher: port {checkout.ports['CIS_PORT']} on 127.0.0.1 is busy: choose another one with CIS_PORT=<port>.\n"
    )
    assert refused.stdout == ""
    assert sorted(path.name for path in checkout.state.iterdir()) == ["lock", "log"]


@pytest.mark.parametrize(
    ("error", "shown"),
    [
        ("django.core.exceptions.ImproperlyConfigured: SECRET_KEY is missing", "launcher: SECRET_KEY is missing\n"),
        (
            "ValueError: 1",
            "launcher: `manage.py migrate` failed (exit status 1); the end of {state}/log/migrate.log:\n"
            "    Traceback ...\n    ValueError: 1\n",
        ),
    ],
)
def test_a_failure_at_the_start_is_shown_and_leaves_nothing_running(checkout, error, shown):
    checkout.environment |= {"FAIL_AT": "migrate", "FAIL_WITH": error}
    refused = checkout.run("serve")
    assert refused.returncode == 1
    assert refused.stderr == shown.format(state=checkout.state)
    assert mentioning(checkout.state) == []


def test_manage_starts_the_services_for_one_command_and_keeps_their_data(checkout):
    assert checkout.run("manage", "fail").returncode == 7
    result = checkout.run("manage", "environment")
    given = json.loads(result.stdout)
    assert given["EXPORT_DIR"] == str(checkout.state / "exports")
    assert given["DATABASE_URL"].startswith("postgres://das:")
    assert (given["DEBUG"], given["SECRET_KEY"]) == (
        "true",
        (checkout.state / "secret-key").read_text().strip(),
    )
    assert sorted(path.name for path in checkout.state.iterdir()) == [
        "broker",
        "database-password",
        "lock",
        "log",
        "postgresql-18",
        "secret-key",
    ]
    assert mentioning(checkout.state) == []


def test_servers_named_in_dotenv_are_used(checkout):
    (checkout.project / ".env").write_text("DATABASE_URL=postgres://a@b/c\nCELERY_BROKER_URL=amqp://d\nDEBUG=false\n")
    assert checkout.run("manage", "check").stdout == "postgres://a@b/c amqp://d false\n"
    assert sorted(path.name for path in checkout.state.iterdir()) == ["lock", "log", "secret-key"]


def test_with_services_passes_the_exit_status_on_and_does_not_read_dotenv(checkout):
    (checkout.project / ".env").write_text("DATABASE_URL=postgres://precious@host/data\n")
    code = "import os, sys; print(os.environ['DATABASE_URL'], os.environ['SECRET_KEY']); sys.exit(5)"
    result = checkout.run("with-services", "--", sys.executable, "-c", code)
    assert result.returncode == 5
    assert re.fullmatch(r"postgres://das:\S+@127\.0\.0\.1:\d+/das \S{64}\n", result.stdout)
    assert not checkout.state.exists()


def test_with_services_leaves_servers_of_the_environment_alone(checkout):
    checkout.environment |= {"DATABASE_URL": "postgres://a@b/c", "CELERY_BROKER_URL": "amqp://d"}
    result = checkout.run("with-services", "--", "sh", "-c", 'echo "$DATABASE_URL $CELERY_BROKER_URL"')
    assert result.stdout == "postgres://a@b/c amqp://d\n"


def test_a_command_that_does_not_exist_is_named(checkout):
    checkout.environment |= {"DATABASE_URL": "postgres://a@b/c", "CELERY_BROKER_URL": "amqp://d"}
    result = checkout.run("with-services", "--", "/no/such/command")
    assert (result.returncode, result.stderr) == (
        1,
        "launcher: cannot run /no/such/command: No such file or directory\n",
    )


def test_a_killed_command_is_reported_as_a_shell_would(checkout):
    checkout.environment |= {"DATABASE_URL": "postgres://a@b/c", "CELERY_BROKER_URL": "amqp://d"}
    assert checkout.run("with-services", "--", "sh", "-c", "kill -9 $$").returncode == 137


def test_sigterm_is_passed_on_to_the_command(checkout):
    checkout.environment |= {"DATABASE_URL": "postgres://a@b/c", "CELERY_BROKER_URL": "amqp://d"}
    code = (
        "import signal, sys, time; signal.signal(15, lambda *_: sys.exit(9)); print('up', flush=True); time.sleep(60)"
    )
    launcher = checkout.launch("with-services", "--", sys.executable, "-c", code)
    checkout.wait_said("up")
    launcher.send_signal(signal.SIGTERM)
    assert launcher.wait(60) == 9


@pytest.mark.parametrize("arguments", [(), ("run",), ("serve",), ("manage",), ("with-services",)])
def test_help(arguments):
    shown = subprocess.run(
        [sys.executable, "-m", "launcher", *arguments, "--help"],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert shown.stdout.startswith("usage: python -m launcher")
