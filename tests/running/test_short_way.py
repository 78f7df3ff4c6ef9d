"""Served as `make serve` serves it, the ordinary report is answered before Django, and everything else by Django."""

import json
import urllib.error
import urllib.request
from datetime import timedelta

import pytest
from django.utils import timezone

from launcher.configuration import Configuration
from launcher.ports import free_port
from launcher.processes import WEB, ProcessTable
from launcher.state import StateDirectory
from protocol.models import InboundMessage, OutboundMessage, Peer
from protocol.paths import message_path
from readings.models import Reading
from tests.running.processes import database_url, is_up, running, wait_until
from tests.wire import next_serial
from tests.world import COMPANY, FACTOR, build_world

pytestmark = pytest.mark.django_db(transaction=True)
METER = "188011110001"
# Django's middleware puts it into every answer.
MARK_OF_DJANGO = "X-Frame-Options"


@pytest.fixture
def world():
    made = build_world()
    Peer.objects.filter(pk=made.cis_peer.pk).update(url="http://127.0.0.1:9")
    assert made.create_price()["echoCode"] == "0000"
    assert made.register(METER, initNum="100")["echoCode"] == "0000"
    return made


@pytest.fixture
def served(world, tmp_path):
    """The base URL of the web process of the launcher's own table, with one worker."""
    port = free_port()
    environment = {"DATABASE_URL": database_url(), "OUTBOX_NUDGE": "false", "DEBUG": "false", "SECRET_KEY": "x" * 50}
    configuration = Configuration({"WEB_PORT": str(port), "WEB_WORKERS": "1"})
    program = ProcessTable(configuration, StateDirectory(tmp_path), environment).program(WEB)
    assert program.arguments[0] == "-m"
    with running(list(program.arguments[1:]), log=tmp_path / "web.log", environment=environment):
        wait_until(lambda: is_up(port), seconds=60, what="the web process answers")
        yield f"http://127.0.0.1:{port}"


def report(moment, index, **fields):
    local = timezone.localtime(moment)
    return {
        "serialNo": next_serial(),
        "companyCode": COMPANY,
        "factorNo": FACTOR,
        "meterNo": METER,
        "userNo": METER,
        "billingModel": "3",
        "readNum": index,
        "readDate": local.strftime("%Y%m%d"),
        "readTime": local.strftime("%H%M%S"),
        "batteryCap": "6.14",
        "semaphore": "59.0%",
        "valveState": "2",
        "sdateTime": local.strftime("%Y-%m-%d"),
        **fields,
    }


def post(base, world, body, *, path=None, headers=None):
    """(whether Django answered, the answer)."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    signed = world.headend.headers() if headers is None else headers
    request = urllib.request.Request(base + (path or message_path("2001")), data, signed)
    with urllib.request.urlopen(request, timeout=20) as response:
        return MARK_OF_DJANGO in response.headers, json.loads(response.read())


def test_the_ordinary_report_never_reaches_django(world, served):
    begin = timezone.now() - timedelta(hours=5)
    by_django, answer = post(served, world, report(begin, "101"))
    # The first of a process learns who is who.
    assert (by_django, answer["echoCode"]) == (True, "0000")
    for hour, path in ((1, message_path("2001")), (2, message_path("2001") + "/")):
        by_django, answer = post(served, world, report(begin + timedelta(hours=hour), f"10{hour + 1}"), path=path)
        assert (by_django, answer["echoCode"], answer["meterNo"]) == (False, "0000", METER)
    assert list(Reading.objects.order_by("read_at").values_list("index", flat=True)) == [101, 102, 103]
    assert OutboundMessage.objects.filter(code="2001").count() == 3
    assert InboundMessage.objects.filter(code="2001", succeeded=True).count() == 3


def test_what_is_not_ordinary_is_answered_by_django_as_ever(world, served):
    begin = timezone.now() - timedelta(hours=5)
    first = report(begin, "101")
    post(served, world, first)
    known = post(served, world, first)
    assert (known[0], known[1]["echoCode"], known[1]["serialNo"]) == (True, "0000", first["serialNo"])
    late = post(served, world, report(begin - timedelta(hours=1), "100.5"))
    assert (late[0], late[1]["echoCode"]) == (True, "0000")
    refusals = [
        (report(begin, "x"), None, "9999", "readNum 不是有效的数字"),
        (report(begin + timedelta(hours=1), "102", factorNo="9"), None, "0404", "厂商编码(factorNo)错误"),
        (b"{", None, "9999", "报文不是有效的 JSON"),
        (report(begin + timedelta(hours=1), "102"), {}, "0101", None),
        (report(begin + timedelta(hours=1), "102"), world.cis.headers(), "0103", None),
        (b" " * (2 * 1024 * 1024), None, "9999", "报文过大"),
    ]
    for body, headers, code, text in refusals:
        by_django, answer = post(served, world, body, headers=headers)
        assert (by_django, answer["echoCode"]) == (True, code)
        assert text is None or answer["echoMsg"] == text
    assert Reading.objects.count() == 2


def test_a_host_that_is_not_ours_and_another_method_are_refused_as_ever(world, served):
    post(served, world, report(timezone.now() - timedelta(hours=2), "101"))
    body, signed = report(timezone.now() - timedelta(hours=1), "102"), world.headend.headers()
    for data, headers, status in (
        (json.dumps(body).encode(), {**signed, "Host": "elsewhere"}, 400),
        (None, signed, 405),
    ):
        request = urllib.request.Request(served + message_path("2001"), data, headers)
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(request, timeout=20)
        assert (refused.value.code, json.loads(refused.value.read())["echoCode"]) == (status, "9999")
    assert Reading.objects.count() == 1
