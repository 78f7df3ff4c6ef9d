"""Commands through a head-end that loses answers and repeats itself, while the worker is killed with -9.

STORM_COMMANDS and STORM_METERS set the size (80 over 16 meters here; 1000 over 200 is the size that the project
promises, and takes some minutes).
"""

import json
import os
import random
import signal
import threading
import urllib.request
import uuid
from collections import defaultdict

import pytest
from django.db import connection
from django.utils import timezone

from commands.models import WAITING, Command
from launcher.ports import free_port
from protocol.models import DeliveryState, OutboundAttempt, OutboundMessage
from tests.protocol.receiver import receiving
from tests.running.processes import (
    Running,
    database_url,
    is_up,
    running,
    wait_until,
    web_arguments,
    worker_arguments,
)
from tests.world import COMPANY, FACTOR, build_world

COMMANDS = int(os.environ.get("STORM_COMMANDS", "80"))
METERS = int(os.environ.get("STORM_METERS", "16"))
PATIENCE_SECONDS = 60 + COMMANDS // 2
LEAST_KILLS, MOST_KILLS = 2, 4 + COMMANDS // 40


def numbers(number):
    """The meter and user number of a virtual meter of the simulated head-end."""
    meter_no = f"{FACTOR}{number:08d}"
    return {"meterNo": meter_no, "userNo": f"6{meter_no}"}


def ask(world, number):
    """One command for a meter: mostly valve, some recharges."""
    recharge = number % 5 == 0
    data = {"rechargeAmount": "10", "rechargeStream": uuid.uuid4().hex} if recharge else {"valveSet": str(number % 2)}
    answer = world.cis.send(
        "1004",
        companyCode=COMPANY,
        factorNo=FACTOR,
        **numbers(1 + number % METERS),
        paramNo="05" if recharge else "03",
        paramContext={"total": "1", "data": data},
        sdateTime=timezone.localtime().strftime("%Y%m%d%H%M%S"),
    )
    assert answer["echoCode"] == "0000", answer


@pytest.fixture
def environment():
    return {
        "DATABASE_URL": database_url(),
        "CELERY_QUEUE": f"test-{uuid.uuid4().hex}",
        "OUTBOX_SWEEP_SECONDS": "0.5",
        "OUTBOX_BATCH": "40",
        "OUTBOX_LEASE_SECONDS": "4",
        "OUTBOX_TOTAL_TIMEOUT_SECONDS": "3",
        "HEADEND_APP_SECRET": "headend-secret",
    }


def headend_arguments(world, web_port, port):
    return [
        *("manage", "simulate_headend", "--platform", f"http://127.0.0.1:{web_port}"),
        *("--app-code", world.headend.app_code, "--listen", f"127.0.0.1:{port}", "--company", COMPANY),
        *("--factor", FACTOR, "--meters", str(METERS), "--days", "1", "--interval", "60", "--concurrency", "8"),
        *("--execute-delay", "0.05", "--lose-rate", "0.05", "--duplicate-rate", "0.05"),
    ]


@pytest.mark.django_db(transaction=True)
def test_every_command_ends_once_is_executed_once_and_is_reported(tmp_path, environment):
    with receiving() as cis:
        world = build_world(cis_url=cis.url)
        world.create_price()
        for number in range(1, METERS + 1):
            names = numbers(number)
            assert world.register(names["meterNo"], userNo=names["userNo"], billingModel="2")["echoCode"] == "0000"
        web_port, headend_port = free_port(), free_port()
        world.headend_peer.url = f"http://127.0.0.1:{headend_port}"
        world.headend_peer.save()
        with (
            running(web_arguments(web_port), log=tmp_path / "web.log", environment=environment),
            running(
                headend_arguments(world, web_port, headend_port), log=tmp_path / "headend.log", environment=environment
            ),
            running(worker_arguments(tmp_path), log=tmp_path / "worker.log", environment=environment) as worker,
        ):
            wait_until(lambda: is_up(web_port), seconds=60, what="web answers")
            done = threading.Event()
            kills: list[int] = []
            killer = threading.Thread(target=kill_now_and_then, args=(worker, done, kills))
            killer.start()
            try:
                # The next part comes with the next kill, so that each meets commands under way.
                part = COMMANDS // (LEAST_KILLS + 1)
                for number in range(COMMANDS):
                    wanted = min(number // part, LEAST_KILLS)
                    wait_until(
                        lambda wanted=wanted: len(kills) >= wanted, seconds=PATIENCE_SECONDS, what="the next kill"
                    )
                    ask(world, number)
                waiting = Command.objects.filter(state__in=WAITING)
                wait_until(lambda: not waiting.exists(), seconds=PATIENCE_SECONDS, what="every command ended")
            finally:
                done.set()
                killer.join()
            owed = OutboundMessage.objects.filter(code="2002").exclude(state=DeliveryState.DELIVERED)
            wait_until(lambda: not owed.exists(), seconds=PATIENCE_SECONDS, what="every result reported")
            executions = fetch(headend_port, "/executions")
    assert len(kills) >= LEAST_KILLS
    check_states()
    check_executions(executions)
    check_reports(cis.received)


def kill_now_and_then(worker: Running, done: threading.Event, kills: list[int]) -> None:
    """Each time once it has sent something: on a busy machine it may need longer to begin than it has to live."""
    attempts, sent = OutboundAttempt.objects, [0]
    try:
        while len(kills) < MOST_KILLS:
            sent.append(attempts.count())
            done.wait(random.uniform(1.5, 4))
            wait_until(lambda: done.is_set() or attempts.count() > sent[-1], seconds=600, what="it sends")
            if done.is_set():
                return
            worker.kill(signal.SIGKILL)
            worker.start()
            kills.append(worker.process.pid)
    finally:
        connection.close()


def fetch(port, path):
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as response:
        return json.loads(response.read())


def check_states():
    """Every command has exactly one end, reached by exactly one move."""
    assert Command.objects.count() == COMMANDS
    for command in Command.objects.prefetch_related("events"):
        ends = [e.to_state for e in command.events.all() if e.from_state != e.to_state and e.to_state not in WAITING]
        assert ends == [command.state], (command, ends)


def check_executions(executions):
    """No command was executed twice at its meter, and those that were are those that succeeded."""
    serials = [entry["sendSerialNo"] for entries in executions.values() for entry in entries if entry["sendSerialNo"]]
    assert len(serials) == len(set(serials))
    succeeded = Command.objects.filter(state="succeeded").values_list("message__serial_no", flat=True)
    assert set(serials) == set(succeeded)


def check_reports(received):
    """The CIS heard of every command, always the same, and per meter in the order in which they ended."""
    told = [request.body for request in received if request.path.endswith("2002")]
    contents = defaultdict(set)
    for body in told:
        contents[body["sendSerialNo"]].add(json.dumps(body, sort_keys=True))
    assert {serial: len(bodies) for serial, bodies in contents.items()} == dict.fromkeys(contents, 1)
    assert set(contents) == set(Command.objects.values_list("serial_no", flat=True))
    for meter in {command.meter for command in Command.objects.select_related("meter")}:
        mine = [body["sendSerialNo"] for body in told if body["meterNo"] == meter.meter_no]
        made = OutboundMessage.objects.filter(code="2002", lane=meter.pk).order_by("pk")
        assert list(dict.fromkeys(mine)) == [json.loads(message.body)["sendSerialNo"] for message in made]
