from datetime import date, timedelta
from decimal import Decimal

from simulator.fleet import fleet
from simulator.reports import report_message
from tests.simulator.fake_platform import NOW

METER = fleet(seed=1, factor="0030", meters=1)[0]


def report(moment=NOW, missed_days=()):
    return report_message(
        METER, serial_no="s1", company="10001001", factor="0030", moment=moment, missed_days=missed_days
    )


def test_every_documented_field():
    assert report() == {
        "serialNo": "s1",
        "userNo": "6003000000001",
        "deviceId": "",
        "factorNo": "0030",
        "meterNo": "003000000001",
        "billingModel": "3",
        "readNum": "8079.0182",
        "addGas": "",
        "sumUseGas": "0",
        "sumUseAmount": "0",
        "readDate": "20261122",
        "readTime": "101530",
        "batteryCap": "5.79",
        "semaphore": "50.0%",
        "temperature": "13.7",
        "standardTotalValue": "",
        "workTotalValue": "",
        "standardInstantValue": "",
        "workInstantValue": "",
        "pressureValue": "",
        "valveState": "2",
        "curPrice": "0",
        "meterBalance": "0",
        "companyCode": "10001001",
        "sdateTime": "2026-11-22",
    }


def test_missed_days_carry_the_index_at_their_end():
    add_gas = report(missed_days=[date(2026, 11, 20), date(2026, 11, 21)])["addGas"]
    assert add_gas == {"2026-11-20": "8074.1892", "2026-11-21": "8078.0921"}


def test_the_battery_falls_slowly():
    volts = [Decimal(report(NOW + timedelta(days=n))["batteryCap"]) for n in range(0, 300, 10)]
    assert volts == sorted(volts, reverse=True)
    assert Decimal("0.05") <= volts[0] - volts[-1] <= Decimal("0.15")


def test_the_signal_is_noisy_within_bounds():
    signals = [report(NOW + timedelta(seconds=n))["semaphore"] for n in range(200)]
    assert all(text.endswith("%") for text in signals)
    percents = [Decimal(text.rstrip("%")) for text in signals]
    assert len(set(percents)) > 20
    assert max(percents) - min(percents) <= 6
    assert min(percents) >= 40
    assert max(percents) <= 100
