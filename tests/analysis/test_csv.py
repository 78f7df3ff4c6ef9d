"""The bytes of a CSV: order, quality flags, times, byte order mark, words of a language, gzip, formulas."""

import gzip
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from django.db import DataError, connection, transaction
from django.db.models.expressions import RawSQL

from analysis import copying
from analysis.copying import Shape, csv_pieces
from analysis.filters import FilterInvalid, UnknownFilter, filtered
from analysis.tables import ALARMS, COMMANDS, DAILY_USAGE, METERS, READINGS, TABLES
from meters.models import Meter
from readings.models import Quality, Reading, Source
from tests.admin.rows import NOW, Rows, make_everything, make_meter, make_parties

NAMES = (
    "company,manufacturer,meter_no,user_no,device_id,read_at,index,quality,source,received_at,valve,"
    "battery_voltage,signal_percent,temperature,standard_total,working_total,standard_flow,working_flow,pressure,"
    "reported_price,reported_balance,reported_volume,reported_amount\n"
)
ENDS = "," * 12


PLAIN = Shape()


def exported(table, *, shape=PLAIN, **asked) -> bytes:
    rows = filtered(
        table.rows(user=None), table=table, asked={name.rstrip("_"): value for name, value in asked.items()}
    )
    return b"".join(csv_pieces(rows, table=table, shape=shape))


def read(meter, *, hours=0, index="1", quality=Quality.VALID):
    Reading.objects.create(
        meter=meter,
        read_at=NOW + timedelta(hours=hours),
        index=Decimal(index),
        quality=quality,
        source=Source.REPORT,
        received_at=NOW + timedelta(microseconds=999_999),
    )


@pytest.fixture
def rows(db) -> Rows:
    return make_parties()


def test_readings_come_by_meter_and_time_with_their_quality(rows):
    first, second = make_meter(rows, 1), make_meter(rows, 2)
    read(second, index="7.5")
    read(first, hours=1, index="3", quality=Quality.JUMP)
    read(first, index="2.1234")
    prefix = "10001,0030,000000000001,U000001,D000001"
    assert exported(READINGS).decode() == (
        NAMES
        + f'{prefix},2026-02-01T12:00:00+08:00,2.1234,valid,report,2026-02-01T12:00:00+08:00,""{ENDS}\n'
        + f'{prefix},2026-02-01T13:00:00+08:00,3.0000,jump,report,2026-02-01T12:00:00+08:00,""{ENDS}\n'
        + "10001,0030,000000000002,U000002,D000002,2026-02-01T12:00:00+08:00,7.5000,valid,report,"
        + f'2026-02-01T12:00:00+08:00,""{ENDS}\n'
    )


def test_for_excel_in_chinese(rows):
    read(make_meter(rows, 1), quality=Quality.JUMP)
    made = exported(READINGS, shape=Shape(language="zh-hans", local_times=True, bom=True))
    assert made.startswith(b"\xef\xbb\xbf")
    head, row, rest = made[3:].decode().split("\n")
    assert head.startswith("公司编码,厂商编码,表号,用户号,")
    assert row.startswith("10001,0030,000000000001,U000001,D000001,2026-02-01 12:00:00,1.0000,")
    assert "jump" not in row and str(Quality.JUMP.value) not in row
    assert "report," not in row
    assert rest == ""


def test_moments_before_1992_and_in_a_zone_with_summer_time(rows, settings):
    meter = make_meter(rows, 1)
    read(meter, hours=-24 * 365 * 38, index="1")
    read(meter, hours=24 * 180, index="2")
    # Shanghai had summer time from 1986 to 1991.
    assert "1988-02-11T12:00:00+08:00" in exported(READINGS).decode()
    settings.TIME_ZONE = "America/St_Johns"
    text = exported(READINGS).decode()
    assert "1988-02-11T00:30:00-03:30" in text
    assert "2026-07-31T01:30:00-02:30" in text


def test_fractions_of_seconds_are_cut_off(rows, settings):
    meter = make_meter(rows, 1)
    moments = ["1999-12-31T15:59:59.999999", "2000-01-01T15:59:59.5", "2000-01-02T00:00:00", "2026-02-01T04:00:00"]
    moments += ["2026-02-01T04:00:01.499999", "2026-02-01T04:00:02.5", "2026-02-01T04:00:03.999999"]
    for moment in moments:
        at = datetime.fromisoformat(moment).replace(tzinfo=UTC)
        Reading.objects.create(
            meter=meter, read_at=at, index=1, quality=Quality.VALID, source=Source.REPORT, received_at=at
        )
    expected = ["1999-12-31 23:59:59", "2000-01-01 23:59:59", "2000-01-02 08:00:00"]
    expected += [f"2026-02-01 12:00:0{second}" for second in range(4)]
    for zone in ("Asia/Shanghai", "Asia/Taipei"):
        settings.TIME_ZONE = zone
        lines = exported(READINGS, shape=Shape(local_times=True)).decode().splitlines()[1:]
        assert [line.split(",")[5] for line in lines] == [line.split(",")[9] for line in lines] == expected
        lines = exported(READINGS).decode().splitlines()[1:]
        assert [line.split(",")[5] for line in lines] == [f"{text.replace(' ', 'T')}+08:00" for text in expected]


def test_an_error_amid_the_rows_is_djangos_and_the_connection_lives(rows, monkeypatch):
    meter = make_meter(rows, 1)
    for index in range(20):
        read(meter, hours=index, index=str(index))
    monkeypatch.setattr(copying, "PIECE_BYTES", 10)
    broken = READINGS.rows(user=None).filter(pk__gt=RawSQL('1 / ("readings_reading"."index" - 15)::integer', ()))
    pieces = []
    with pytest.raises(DataError, match="division by zero"), transaction.atomic():
        pieces.extend(csv_pieces(broken, table=READINGS, shape=PLAIN))
    assert b"".join(pieces).decode().count("\n") < 17
    assert exported(READINGS).count(b"\n") == 21


def test_who_stops_early_leaves_a_connection_that_lives(rows, monkeypatch):
    meter = make_meter(rows, 1)
    for index in range(20):
        read(meter, hours=index, index=str(index))
    monkeypatch.setattr(copying, "PIECE_BYTES", 10)
    for taken in (1, 5, 20):
        pieces = csv_pieces(READINGS.rows(user=None), table=READINGS, shape=PLAIN)
        with transaction.atomic():
            assert sum(next(pieces).count(b"\n") for _ in range(taken)) == taken + 1
            pieces.close()
            transaction.set_rollback(True)
        assert exported(READINGS).count(b"\n") == 21


def test_the_session_may_write_dates_otherwise(rows):
    read(make_meter(rows, 1), hours=1)
    expected = [exported(READINGS), exported(READINGS, shape=Shape(local_times=True))]
    with connection.cursor() as cursor:
        cursor.execute("SET DateStyle TO German")
    assert [exported(READINGS), exported(READINGS, shape=Shape(local_times=True))] == expected
    assert b",2026-02-01T13:00:00+08:00," in expected[0]


@pytest.mark.parametrize("sign", ["=", "+", "-", "@", "\t", "\r"])
def test_text_that_looks_like_a_formula_is_prefixed_and_numbers_stay_numbers(rows, sign):
    meter = make_meter(rows, 1)
    Meter.objects.filter(pk=meter.pk).update(user_name=f"{sign}1+1", address='a,"b"\nc', phone="x=1")
    meter.state.reported_balance = Decimal("-5")
    meter.state.save()
    Meter.objects.filter(pk=meter.pk).update(billing_model="1")
    text = exported(METERS).decode()
    cell = f"'{sign}1+1"
    assert (f'"{cell}"' if sign == "\r" else cell) in text
    assert ',"a,""b""\nc",x=1,' in text
    assert ",-5.0000," in text
    assert f",{sign}1+1" in exported(METERS, shape=Shape(safe=False)).decode().replace('"', "")


def test_formulas_in_a_large_export(rows, monkeypatch):
    """There PostgreSQL is asked first whether any meter has such a text."""
    meter = make_meter(rows, 1)
    read(meter)
    plain = exported(READINGS)
    monkeypatch.setattr(copying, "LARGE", -1)
    assert exported(READINGS) == plain
    Meter.objects.filter(pk=meter.pk).update(user_no="=1+1", device_id="+x")
    assert b",'=1+1,'+x,2026" in exported(READINGS)
    assert b",=1+1,+x,2026" in exported(READINGS, shape=Shape(safe=False))


def test_gzip_of_many_pieces(rows, monkeypatch):
    meter = make_meter(rows, 1)
    for hours in range(60):
        read(meter, hours=hours, index=str(hours))
    plain = exported(READINGS)
    monkeypatch.setattr(copying, "PIECE_BYTES", 10)
    assert gzip.decompress(exported(READINGS, shape=Shape(gzip=True))) == plain


def test_gzip_holds_the_same_bytes(rows):
    read(make_meter(rows, 1))
    assert gzip.decompress(exported(READINGS, shape=Shape(gzip=True))) == exported(READINGS)


def test_no_row_leaves_the_header(rows):
    assert exported(READINGS, company="nobody").decode() == NAMES


def test_each_table_has_as_many_rows_as_there_are(db):
    make_everything(meters=3)
    counts = {name: exported(table).decode().count("\n") - 1 for name, table in TABLES.items()}
    assert counts == {"readings": 3 * len(Quality), "daily-usage": 6, "meters": 3, "alarms": 3, "commands": 3}


def test_filters_of_readings(rows):
    first, second = make_meter(rows, 1), make_meter(rows, 2)
    for hours in range(3):
        read(first, hours=hours, index=str(hours))
    read(second, quality=Quality.DECREASE)

    def meters_of(**asked):
        return [line.split(",")[2][-1] for line in exported(READINGS, **asked).decode().splitlines()[1:]]

    assert meters_of(meter="000000000002") == ["2"]
    assert meters_of(user="U000001") == ["1", "1", "1"]
    assert meters_of(company="10001", manufacturer="0030") == ["1", "1", "1", "2"]
    assert meters_of(manufacturer="idle") == []
    assert meters_of(quality="flagged") == ["2"]
    assert meters_of(quality="valid", price="居民价") == ["1", "1", "1"]
    assert meters_of(price="other") == []
    # The end is not among them; a blank stands for the + that a query string loses.
    assert meters_of(from_="2026-02-01T13:00:00+08:00", to="2026-02-01T14:00:00 08:00") == ["1"]
    assert meters_of(from_="2026-02-01T13:00:00") == ["1", "1"]
    assert meters_of(to="2026-02-01") == []


def test_filters_of_other_tables(db):
    make_everything(meters=2)
    assert exported(DAILY_USAGE, from_="2026-01-31", to="2026-02-01", tier="2").decode() == (
        "company,manufacturer,meter_no,user_no,device_id,day,tier,volume,unit_price,amount\n"
        "10001,0030,000000000001,U000001,D000001,2026-01-31,2,10.0000,2.0000,20.0000\n"
        "10001,0030,000000000002,U000002,D000002,2026-01-31,2,10.0000,2.0000,20.0000\n"
    )
    assert exported(DAILY_USAGE, to="2026-01-31").decode().count("\n") == 1
    assert exported(DAILY_USAGE, price="居民价").decode().count("\n") == 5
    assert exported(METERS, price="居民价", in_arrears="false").decode().count("\n") == 3
    assert exported(ALARMS, state="cleared").decode().count("\n") == 1
    assert exported(COMMANDS, meter="000000000001").decode().count("\n") == 2


@pytest.mark.parametrize("asked", [{"from_": "1st of May"}, {"from_": "2026-02-30"}, {"quality": "fine"}])
def test_a_value_that_is_none_is_refused(rows, asked):
    with pytest.raises(FilterInvalid) as refused:
        exported(READINGS, **asked)
    assert list(refused.value.problems) == [next(iter(asked)).rstrip("_")]


def test_a_filter_that_does_not_exist_is_refused(rows):
    with pytest.raises(UnknownFilter) as refused:
        exported(READINGS, compny="10001")
    assert refused.value.names == ["compny"]


def test_a_value_cannot_leave_its_literal(rows):
    read(make_meter(rows, 1))
    evil = "x') OR 1=1; DROP TABLE readings_reading; --%s \\"
    assert exported(READINGS, meter=evil).decode() == NAMES
    assert exported(READINGS, price=evil).decode() == NAMES
    assert Reading.objects.count() == 1
