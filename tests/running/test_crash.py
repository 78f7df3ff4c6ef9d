"""kill -9 of the web process or of the worker, at any moment, loses no accepted reading and no callback."""

import itertools
import json
import random
import threading
import time
import urllib.request
import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.utils import timezone

from launcher.ports import free_port
from protocol.models import DeliveryState, OutboundMessage
from protocol.paths import message_path
from readings.models import Reading
from tests.protocol.receiver import receiving, slowly
from tests.running.processes import (
    database_url,
    is_up,
    running,
    wait_until,
    web_arguments,
    worker_arguments,
)
from tests.world import COMPANY, FACTOR, build_world

# The reports take so long that there is time for three kills at least.
METERS, REPORTS = 6, 15
PAUSE_SECONDS = 0.2


@pytest.fixture
def environment():
    return {
        "DATABASE_URL": database_url(),
        "CELERY_QUEUE": f"test-{uuid.uuid4().hex}",
        "OUTBOX_SWEEP_SECONDS": "0.5",
        "OUTBOX_LEASE_SECONDS": "3",
        "OUTBOX_TOTAL_TIMEOUT_SECONDS": "2",
        "OUTBOX_BATCH": "5",
    }


def report_until_accepted(world, port, meter_no, number, moment):
    """Post one report, with the same serial until it is answered, as a head-end does."""
    local = timezone.localtime(moment)
    body = {
        "serialNo": uuid.uuid4().hex,
        "companyCode": COMPANY,
        "factorNo": FACTOR,
        "meterNo": meter_no,
        "userNo": meter_no,
        "billingModel": "3",
        "readNum": str(number),
        "readDate": local.strftime("%Y%m%d"),
        "readTime": local.strftime("%H%M%S"),
        "batteryCap": "6",
        "semaphore": "50",
        "valveState": "2",
        "sdateTime": local.strftime("%Y-%m-%d"),
    }
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        request = urllib.request.Request(
            f"http://127.0.0.1:{port}{message_path('2001')}", json.dumps(body).encode(), world.headend.headers()
        )
        try:
            with urllib.request.urlopen(request, timeout=10) as response:
                answer = json.loads(response.read())
        except (OSError, ValueError):
            time.sleep(0.1)
            continue
        assert answer["echoCode"] == "0000", answer
        return
    raise AssertionError("the report was never accepted")


@pytest.mark.django_db(transaction=True)
def test_nothing_accepted_is_lost(tmp_path, environment):
    with receiving() as receiver:
        receiver.answer = slowly(0.02)
        world = build_world(cis_url=receiver.url)
        world.create_price()
        meters = [f"{number:012d}" for number in range(1, METERS + 1)]
        for meter_no in meters:
            assert world.register(meter_no)["echoCode"] == "0000"
        port = free_port()
        begin = timezone.now() - timedelta(days=1)

        def report_all(meter_no):
            for number in range(1, REPORTS + 1):
                report_until_accepted(world, port, meter_no, number, begin + timedelta(minutes=number))
                time.sleep(PAUSE_SECONDS)

        with (
            running(web_arguments(port), log=tmp_path / "web.log", environment=environment) as web,
            running(worker_arguments(tmp_path), log=tmp_path / "worker.log", environment=environment) as worker,
        ):
            wait_until(lambda: is_up(port), seconds=60, what="web answers")
            done = threading.Event()
            kills = itertools.count()

            def kill_now_and_then():
                while not done.wait(random.uniform(0.3, 0.8)):
                    next(kills)
                    for process in (web, worker):
                        process.kill()
                        process.start()
                    wait_until(lambda: is_up(port), seconds=60, what="web answers again")

            killer = threading.Thread(target=kill_now_and_then)
            killer.start()
            try:
                with ThreadPoolExecutor(METERS) as threads:
                    list(threads.map(report_all, meters))
            finally:
                done.set()
                killer.join()
            pending = OutboundMessage.objects.exclude(state=DeliveryState.DELIVERED)
            wait_until(lambda: not pending.exists(), seconds=60, what="every callback delivered")

    assert next(kills) >= 3
    assert Reading.objects.count() == METERS * REPORTS
    assert OutboundMessage.objects.count() == METERS * REPORTS
    for meter_no in meters:
        told = [int(r.body["readNum"]) for r in receiver.received if r.body["meterNo"] == meter_no]
        assert list(dict.fromkeys(told)) == list(range(1, REPORTS + 1))
    assert len(set(receiver.serials())) == METERS * REPORTS


@pytest.mark.django_db(transaction=True)
def test_a_database_that_is_away_answers_9995(tmp_path):
    world = build_world()
    port = free_port()
    nowhere = {"DATABASE_URL": f"postgres://x@127.0.0.1:{free_port()}/x", "DATABASE_POOL_TIMEOUT_SECONDS": "0.2"}
    with running(web_arguments(port), log=tmp_path / "web.log", environment=nowhere):

        def ask():
            request = urllib.request.Request(
                f"http://127.0.0.1:{port}{message_path('1014')}", b'{"serialNo": "1"}', world.cis.headers()
            )
            try:
                with urllib.request.urlopen(request, timeout=10) as response:
                    return response.status, json.loads(response.read())
            except OSError:
                return None

        wait_until(ask, seconds=60, what="web answers")
        assert ask() == (200, {"echoCode": "9995", "echoMsg": "服务暂不可用，请稍后重试"})
        assert not is_up(port)
