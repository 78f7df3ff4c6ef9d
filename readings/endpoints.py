"""2001: a head-end reports a reading. 1013 and 1015: a CIS asks for readings and daily usage."""

from collections.abc import Iterator

from django.utils import timezone

from commands.headend import hand_over_valve
from meters.finding import meter_of
from protocol.directory import Directory
from protocol.endpoint import Call, MessageEndpoint, QueryEndpoint, StreamedQueryEndpoint, success
from protocol.ledger import Json, Received
from protocol.models import PeerKind
from readings.answers import report_answer
from readings.callbacks import tell_cis
from readings.figures import figures_of
from readings.fleet import stream_fleet_readings
from readings.intake import take_report
from readings.next_report import take_next_report
from readings.serializers import DailyUsageSerializer, FleetReadingsSerializer, ReportSerializer
from readings.usage import usage_days


class TakeReport(MessageEndpoint):
    code = "2001"
    caller = PeerKind.HEADEND
    request_serializer = ReportSerializer
    has_short_way = True

    def handle(self, call: Call) -> Json:
        meter = meter_of(call)
        intake = take_report(meter, call.data["report"], now=call.now)
        if intake.stored:
            tell_cis(meter, call.data, now=call.now)
        meter = intake.meter
        figures = figures_of(meter, today=timezone.localdate(call.now))
        valve_control = hand_over_valve(meter, now=call.now)
        return report_answer(
            meter, call=call, price=figures.price, balance=figures.balance, valve_control=valve_control
        )

    def quickly(self, received: Received, *, directory: Directory) -> Json | None:
        return take_next_report(received, self.call_of(received), directory=directory)


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
