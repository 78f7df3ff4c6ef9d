"""The whole loop in-process: price, register, report, settle, query."""

from datetime import timedelta

from django.core.management import call_command
from django.utils import timezone

from tests.world import COMPANY, FACTOR, local


def test_a_meter_is_registered_read_settled_and_queried(priced_world, capsys):
    world = priced_world
    assert world.register()["echoCode"] == "0000"
    yesterday = timezone.localdate() - timedelta(days=1)
    assert world.report(local(f"{yesterday} 10:00:00"), "60.5")["echoCode"] == "0000"

    call_command("settle", through=yesterday)

    assert "1 meter-days settled" in capsys.readouterr().out
    rows = world.usage(str(yesterday), str(yesterday))
    assert [(row["price"], row["useGas"], row["useAmount"]) for row in rows] == [
        ("1.4", "50", "70"),
        ("2.4", "10.5", "25.2"),
    ]
    answer = world.cis.send("1013", companyCode=COMPANY, factorNo=FACTOR)
    [entry] = answer["echoMsg"]["readingData"]["data"]
    assert entry["readNum"] == "60.5"
    assert entry["meterBalance"] == "-95.2"
    assert entry["sumGas"] == "60.5"
    assert entry["sumMoney"] == "95.2"
