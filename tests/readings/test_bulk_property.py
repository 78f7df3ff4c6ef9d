"""A batch leaves behind what the same lines leave behind one by one: random streams into two equal fleets.

Bodies of 2001, lines of CSV, and chunks of CSV, most of which goes the short way.
"""

import csv
import io
import json
import random
from datetime import timedelta
from decimal import Decimal

import pytest
from django.utils import timezone

from alarms.models import Alarm, AlarmOccurrence, AlarmThresholds
from analysis.copying import Shape, csv_pieces
from analysis.tables import READINGS
from commands.models import Command
from meters.finding import find_active_meter
from meters.models import Account, Meter, MeterState
from protocol.errors import ProtocolError
from protocol.models import OutboundMessage, Peer
from readings import bulk_quick
from readings.bulk import take_lines, take_within
from readings.bulk_lines import CsvReader, JsonReader, Parties, wire_data
from readings.bulk_quick import Chunk, take_chunk
from readings.callbacks import tell_cis
from readings.intake import take_report
from readings.models import Reading
from readings.settlement import settle
from tests.world import COMPANY, FACTOR

METERS = 3
OWN = {"id", "pk", "meter_id", "alarm_id", "lane", "serial_no", "body", "message_id"}
OWN_IN_BODIES = {"serialNo", "userNo", "meterNo", "deviceId"}
NOW_MINUS = timedelta(days=9)


def number(fleet: int, place: int) -> str:
    return f"18801111{fleet:02d}{place:02d}"


def same(values):
    return {name: value for name, value in values.items() if name not in OWN}


def left_behind(fleet):
    """Everything about the meters of a fleet, but for what names them."""
    found = []
    for place in range(METERS):
        meter = Meter.objects.get(meter_no=number(fleet, place))
        owed = OutboundMessage.objects.filter(lane=meter.pk).order_by("id")
        bodies = [{k: v for k, v in json.loads(one.body).items() if k not in OWN_IN_BODIES} for one in owed]
        readings = [same(row) for row in Reading.objects.filter(meter=meter).order_by("read_at", "id").values()]
        told = AlarmOccurrence.objects.filter(alarm__meter=meter).order_by("id").values()
        rows = {model: same(model.objects.filter(meter=meter).values().get()) for model in (MeterState, Account)}
        alarms = [same(row) for row in Alarm.objects.filter(meter=meter).order_by("id").values()]
        found.append(
            (readings, rows, alarms, [same(row) for row in told], [same(row) for row in owed.values()], bodies)
        )
    return found


@pytest.fixture
def fleets(priced_world):
    """The same meters twice: fleet 0 gets its lines one by one, fleet 1 in batches."""
    Peer.objects.filter(pk=priced_world.cis_peer.pk).update(url="http://127.0.0.1:9")
    AlarmThresholds.objects.create(manufacturer=priced_world.manufacturer, battery_volts=Decimal("5.5"))
    for fleet in (0, 1):
        for place in range(METERS):
            fields = {"billingModel": str(place % 3 + 1), "deviceId": "" if place % 2 else f"D{number(fleet, place)}"}
            assert priced_world.register(number(fleet, place), initNum="100", **fields)["echoCode"] == "0000"
    Command.objects.all().delete()
    Meter.objects.update(registered_at=timezone.now().replace(microsecond=0) - NOW_MINUS)
    return priced_world


class Stream:
    """Mostly the next reading of some meter; sometimes late, early, wrong, repeated, or with days beside it."""

    def __init__(self, seed):
        self.chance = random.Random(seed)
        self.now = timezone.now().replace(microsecond=0)
        self.at = dict.fromkeys(range(METERS), self.now - NOW_MINUS + timedelta(hours=1))
        self.index = dict.fromkeys(range(METERS), Decimal(100))
        self.given = []
        self.late = [1, 300, 1440, 1440, 1440, 0, -900, -1500, -3000, -6000, -20_000]
        self.odd = 1.0
        self.steps = [0, 1, 1, Decimal("0.0001"), 30, -1, -5, 500_000]

    def body(self):
        chance = self.chance
        if self.given and chance.random() < 0.15 * self.odd:
            return chance.choice(self.given)
        place = chance.randrange(METERS)
        late = timedelta(minutes=chance.choice(self.late))
        moment = min(self.at[place] + late, self.now + timedelta(minutes=chance.choice([0, 0, 0, 30])))
        index = max(self.index[place] + chance.choice(self.steps), Decimal(0))
        if late > timedelta(0):
            self.at[place] = min(moment, self.now)
            self.index[place] = index if index < 500_000 else self.index[place]
        self.given.append(self._body(place, timezone.localtime(moment), index))
        return self.given[-1]

    def _body(self, place, moment, index):
        chance = self.chance
        days = chance.sample(range(1, 12), chance.choice([0, 0, 0, 1, 3]))
        return place, {
            "companyCode": COMPANY,
            "factorNo": FACTOR,
            "billingModel": "3",
            "readNum": str(index),
            "readDate": moment.strftime("%Y%m%d"),
            "readTime": "235959" if chance.random() < 0.3 * self.odd else moment.strftime("%H%M%S"),
            "addGas": {
                (moment.date() - timedelta(days=day)).isoformat(): str(max(index - day * chance.choice([1, 1, -1]), 0))
                for day in days
            },
            "batteryCap": "5.4" if chance.random() < 0.1 * self.odd else "6.14",
            "semaphore": "59.0%",
            "temperature": chance.choice(["", "-20.5"]),
            "valveState": chance.choice(["2", "2", "2", "3", "9"]),
            "sumUseGas": "12.5",
            "sdateTime": "2026-01-01",
        }


def json_lines(drawn, fleet, parties):
    read = JsonReader(parties)
    for at, (place, body) in enumerate(drawn, 1):
        named = {"meterNo": number(fleet, place), "userNo": number(fleet, place)}
        yield read(at, json.dumps({**body, **named}).encode())


HEADER = ["company", "manufacturer", "meter_no", "read_at", "index", "valve", "battery_voltage", "temperature"]


def rows(drawn, fleet):
    """The reports of the same bodies in the columns of an export; their days have no place there."""
    codes = {"2": "open", "3": "closed"}
    for place, body in drawn:
        day, time = body["readDate"], body["readTime"]
        moment = f"{day[:4]}-{day[4:6]}-{day[6:]}T{time[:2]}:{time[2:4]}:{time[4:]}+08:00"
        valve = codes.get(body["valveState"], "unknown")
        told = [valve, body["batteryCap"], body["temperature"]]
        yield [COMPANY, FACTOR, number(fleet, place), moment, body["readNum"], *told]


def csv_lines(drawn, fleet, parties):
    read = CsvReader(HEADER, parties)
    for at, row in enumerate(rows(drawn, fleet), 1):
        yield read(at, row)


def take_json(drawn, parties, *, now):
    return take_lines(list(json_lines(drawn, 1, parties)), now=now, tell_cis=True)


def take_csv(drawn, parties, *, now):
    return take_lines(list(csv_lines(drawn, 1, parties)), now=now, tell_cis=True)


def take_csv_in_chunks(drawn, parties, *, now):
    lines = [f"{','.join(row)}\n" for row in rows(drawn, 1)]
    return take_chunk(Chunk(1, lines, HEADER, CsvReader(HEADER, parties)), now=now, tell_cis=True)


def one_by_one(lines, *, now):
    """As the endpoint of 2001 does it; the numbers of refused lines."""
    refused = []
    for line in lines:
        meter = find_active_meter(company=line.company, manufacturer=line.manufacturer, meter_no=line.meter_no)
        try:
            if take_report(meter, line.report, now=now).stored:
                tell_cis(meter, wire_data(line), now=now)
        except ProtocolError:
            refused.append(line.number)
    return refused


def close_valves(world):
    for fleet in (0, 1):
        valve = {"total": "1", "data": {"valveSet": "1"}}
        body = {"userNo": number(fleet, 1), "paramNo": "03", "paramContext": valve, "sdateTime": "2026-01-01"}
        world.cis.send("1004", companyCode=COMPANY, factorNo=FACTOR, meterNo=number(fleet, 1), **body)
    Command.objects.update(state="succeeded")


@pytest.mark.parametrize(
    ("form", "take"), [(json_lines, take_json), (csv_lines, take_csv), (csv_lines, take_csv_in_chunks)]
)
@pytest.mark.parametrize("seed", range(4))
def test_batches_leave_what_the_lines_leave_one_by_one(fleets, form, take, seed):
    stream, parties = Stream(f"{form.__name__} {seed}"), Parties()
    for turn, size in enumerate((20, 3, 8, 1, 2, 1, 12, 5)):
        now = timezone.now()
        drawn = [stream.body() for _ in range(size)]
        expected = one_by_one(form(drawn, 0, parties), now=now)
        taken = take(drawn, parties, now=now)
        assert [number for number, _ in taken.refused] == expected
        assert left_behind(0) == left_behind(1)
        if turn == 1:
            close_valves(fleets)
        if turn == 2:
            settle(through=timezone.localdate() - timedelta(days=3), now=now)
    assert Reading.objects.exclude(quality="valid").exists()


@pytest.mark.parametrize("seed", range(3))
def test_next_readings_go_the_short_way(fleets, seed, monkeypatch):
    """Nothing odd, but for one low battery."""
    stream, parties = Stream(seed), Parties()
    stream.late, stream.steps, stream.odd = [1, 60, 300], [0, 1, Decimal("0.5")], 0
    usual = []

    def noted(lines, **how):
        usual.extend(line.number for line in lines)
        return take_within(lines, **how)

    monkeypatch.setattr(bulk_quick, "take_within", noted)
    for turn in range(4):
        now = timezone.now()
        drawn = [stream.body() for _ in range(8)]
        if turn == 2:
            drawn[3] = (drawn[3][0], {**drawn[3][1], "batteryCap": "1"})
        one_by_one(csv_lines(drawn, 0, parties), now=now)
        take_csv_in_chunks(drawn, parties, now=now)
        assert left_behind(0) == left_behind(1)
        assert bool(usual) == (turn >= 2)


def test_an_export_taken_again_is_known(fleets):
    stream, parties = Stream("again"), Parties()
    lines = list(json_lines([stream.body() for _ in range(30)], 1, parties))
    take_lines(lines, now=timezone.now(), tell_cis=True)
    before = left_behind(1)
    text = b"".join(csv_pieces(READINGS.rows(user=None), table=READINGS, shape=Shape())).decode()
    header, *rows = csv.reader(io.StringIO(text))
    read = CsvReader(header, parties)
    taken = take_lines([read(at, row) for at, row in enumerate(rows, 2)], now=timezone.now(), tell_cis=True)
    assert (taken.lines, taken.known, taken.refused) == (0, len(rows), [])
    assert left_behind(1) == before
