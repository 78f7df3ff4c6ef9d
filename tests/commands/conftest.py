import json

import pytest
from django.utils import timezone

from commands.models import Command
from meters.models import Meter
from protocol.models import OutboundMessage
from tests.protocol.receiver import receiving
from tests.world import COMPANY, FACTOR

METER = "188011110128"


class Desk:
    """What a test of commands does and looks at, for the one meter of its world."""

    def __init__(self, world):
        self.world = world

    def send(self, param_no, data, **fields):
        body = {
            **self.names(),
            "paramNo": param_no,
            "paramContext": {"total": "1", "data": data},
            "sdateTime": timezone.localtime().strftime("%Y%m%d%H%M%S"),
            **fields,
        }
        return self.world.cis.send("1004", **body)

    def valve(self, code="1", **fields):
        return self.send("03", {"valveSet": code}, **fields)

    def recharge(self, amount="100", stream="r1", **fields):
        data = {"rechargeAmount": amount, "rechargeCount": "1", "rechargeStream": stream}
        return self.send("05", {**data, "rechargeDate": "2026-01-06 08:09:41"}, **fields)

    def cancel(self, serial_no, **fields):
        return self.world.cis.send("1005", **{**self.names(), "sendSerialNo": serial_no, **fields})

    def result(self, send_serial_no, state="1", param_no="03", **fields):
        body = {
            **self.names(),
            "sendSerialNo": send_serial_no,
            "paramNo": param_no,
            "excuteState": state,
            "sdateTime": timezone.localtime().strftime("%Y%m%d%H%M%S"),
            **fields,
        }
        return self.world.headend.send("2002", **body)

    def names(self):
        return {"companyCode": COMPANY, "factorNo": FACTOR, "userNo": METER, "meterNo": METER}

    def states(self):
        return list(Command.objects.order_by("pk").values_list("state", flat=True))

    def story(self, command=None):
        command = command or Command.objects.get()
        return [(event.from_state, event.to_state) for event in command.events.all()]

    def outbound(self, code):
        return [json.loads(row.body) for row in OutboundMessage.objects.filter(code=code).order_by("pk")]

    @property
    def meter(self):
        return Meter.objects.get(meter_no=METER)


@pytest.fixture
def desk(priced_world):
    """A meter of billing model 3 whose manufacturer has no head-end URL, and a CIS that takes calls."""
    return make_desk(priced_world)


def make_desk(world, **fields):
    world.cis_peer.url = "http://127.0.0.1:9"
    world.cis_peer.save()
    assert world.register(**fields)["echoCode"] == "0000"
    return Desk(world)


@pytest.fixture
def headend(priced_world):
    """The same with a head-end that takes 1xxx over real HTTP."""
    with receiving() as receiver:
        priced_world.headend_peer.url = receiver.url
        priced_world.headend_peer.save()
        yield receiver
