"""2001: a head-end reports a reading. 1013 and 1015: a CIS asks for readings and daily usage."""

from collections.abc import Iterator

from django.utils import timezone

from commands.headend import hand_over_valve
from meters.finding import meter_of
from meters.models import Meter
from protocol.endpoint import Call, MessageEndpoint, QueryEndpoint, StreamedQueryEndpoint, success
from protocol.ledger import Json
from protocol.models import PeerKind
from protocol.wire import compact_time, decimal_text
from readings.callbacks import tell_cis
from readings.figures import figures_of
from readings.fleet import stream_fleet_readings
from readings.intake import take_report
from readings.serializers import DailyUsageSerializer, FleetReadingsSerializer, ReportSerializer
from readings.usage import usage_days


class TakeReport(MessageEndpoint):
    code = "2001"
    caller = PeerKind.HEADEND
    request_serializer = ReportSerializer

    def handle(self, call: Call) -> Json:
        meter = meter_of(call)
        intake = take_report(meter, call.data["report"], now=call.now)
        if intake.stored:
            tell_cis(meter, call.data, now=call.now)
        return _report_answer(intake.meter, call=call)


def _report_answer(meter: Meter, *, call: Call) -> Json:
    """2001 alone answers flat (R3)."""
    figures = figures_of(meter, today=timezone.localdate(call.now))
    return {
        "echoCode": "0000",
        "serialNo": call.serial_no,
        "userNo": meter.user_no,
        "deviceId": meter.device_id,
        "factorNo": call.manufacturer.factor_no,
        "meterNo": meter.meter_no,
        "valvecontrol": hand_over_valve(meter, now=call.now),
        "currentprice": decimal_text(figures.price, missing=""),
        "remainquantity": decimal_text(figures.balance, missing=""),
        "rdateTime": compact_time(call.now),
    }


class FleetReadings(StreamedQueryEndpoint):
    code = "1013"
    request_serializer = FleetReadingsSerializer

    def stream(self, call: Call) -> Iterator[bytes]:
        return stream_fleet_readings(
            company=call.company,
            manufacturer=call.manufacturer,
            serial_no=call.serial_no,
            meter_no=call.data.get("meterNo"),
            through=call.data.get("readingDate"),
        )


class DailyUsageQuery(QueryEndpoint):
    code = "1015"
    request_serializer = DailyUsageSerializer

    def handle(self, call: Call) -> Json:
        data = call.data
        days = usage_days(
            company=call.company,
            manufacturer=call.manufacturer,
            user_no=data["userNo"],
            meter_no=data.get("meterNo"),
            device_id=data.get("deviceId"),
            first=data["startTime"],
            last=data["endTime"],
        )
        return success({"serialNo": call.serial_no, "gasData": days})
