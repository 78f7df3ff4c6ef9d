"""resettle: every change is told, and a dry run makes none."""

from datetime import date, timedelta
from decimal import Decimal

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from commands.models import Command
from meters.accounts import recharge
from meters.models import Account, AccountEntry, Meter, MeterState
from pricing.models import PriceTier, PriceVersion
from protocol.models import OutboundMessage
from readings.models import DailyUsage
from tests.lives.proof import prove_books
from tests.world import COMPANY, FACTOR, build_world, local

METER, OTHER = "188011110128", "188011110129"


def day(days_ago):
    return timezone.localdate() - timedelta(days=days_ago)


@pytest.fixture
def world(priced_world):
    for meter_no in (METER, OTHER):
        priced_world.register(meter_no, sdateTime=str(day(10)))
        priced_world.report(local(f"{day(5)} 10:00:00"), "30", meter_no)
        priced_world.report(local(f"{day(3)} 10:00:00"), "60", meter_no)
    recharge(Meter.objects.get(meter_no=METER), amount=Decimal(50), stream="s", now=timezone.now())
    call_command("settle")
    return priced_world


def resettle(capsys, **options):
    capsys.readouterr()
    call_command("resettle", **{"begins": day(4), **options})
    return capsys.readouterr().out.splitlines()


def books():
    return [
        list(
            DailyUsage.objects.order_by("meter", "day", "tier").values_list("meter", "day", "tier", "volume", "amount")
        ),
        list(Account.objects.order_by("pk").values()),
        AccountEntry.objects.count(),
    ]


def test_settling_again_without_a_change_changes_nothing(world, capsys):
    before = books()
    assert resettle(capsys, meter=METER) == ["0 days changed"]
    assert books() == before


def dearer():
    """Someone corrects a price by hand: nothing of the past follows until it is settled again."""
    PriceTier.objects.filter(position=1).update(unit_price=Decimal(2))


def test_a_dry_run_tells_what_would_change_and_changes_nothing(world, capsys):
    dearer()
    before = books()
    lines = resettle(capsys, meter=METER, dry_run=True)
    assert lines == [f"{METER} {day(3)}: 30 m3 52 CNY -> 30 m3 64 CNY", "1 days would change"]
    assert books() == before


def test_a_meter_is_settled_again_from_a_day_on(world, capsys):
    dearer()
    assert resettle(capsys, meter=METER)[-1] == "1 days changed"
    account = Account.objects.get(meter__meter_no=METER)
    assert (account.settled_amount, account.balance) == (Decimal(106), Decimal(-56))
    correction = AccountEntry.objects.get(kind="correction")
    assert (correction.amount, correction.old_amount, correction.new_amount) == (-12, 52, 64)
    assert Account.objects.get(meter__meter_no=OTHER).settled_amount == Decimal(94)


def test_all_meters_of_a_price_are_settled_again(world, capsys):
    dearer()
    assert resettle(capsys, price="居民三阶", begins=day(10))[-1] == "4 days changed"
    assert {account.settled_amount for account in Account.objects.all()} == {Decimal(124)}


NEW = "188011110130"


def footprint():
    models = (DailyUsage, Account, AccountEntry, Command, OutboundMessage, PriceVersion, MeterState)
    return [sorted(model.objects.values_list(), key=str) for model in models]


def test_a_dry_run_of_a_price_tells_what_the_run_then_does(world, capsys):
    """Also of a meter that was replaced, of the one that replaced it, and of arrears that would begin."""
    names = {"companyCode": COMPANY, "factorNo": FACTOR, "userNo": OTHER, "meterNo": OTHER}
    answer = world.cis.send("1009", **names, newMeterType="441", newMeterNo=NEW, oldNum="70", newNum="0")
    assert answer["echoCode"] == "0000"
    recharge(Meter.objects.get(meter_no=NEW), amount=Decimal(140), stream="s", now=timezone.now())
    call_command("settle", through=day(0))
    assert Account.objects.get(meter__meter_no=NEW).in_arrears is False
    dearer()
    before = footprint()
    told = [
        f"{METER} {day(5)}: 30 m3 42 CNY -> 30 m3 60 CNY",
        f"{METER} {day(3)}: 30 m3 52 CNY -> 30 m3 64 CNY",
        f"{OTHER} {day(5)}: 30 m3 42 CNY -> 30 m3 60 CNY",
        f"{OTHER} {day(3)}: 30 m3 52 CNY -> 30 m3 64 CNY",
    ]
    assert resettle(capsys, price="居民三阶", begins=day(10), dry_run=True) == [*told, "4 days would change"]
    assert footprint() == before
    assert resettle(capsys, price="居民三阶", begins=day(10)) == [*told, "4 days changed"]
    balances = dict(Account.objects.values_list("meter__meter_no", "balance"))
    # 60 m3 cost 124 now, the last 10 m3 24.
    assert balances == {METER: 50 - 124, OTHER: 0, NEW: 140 - 148}
    assert Account.objects.get(meter__meter_no=NEW).in_arrears is True
    assert Command.objects.filter(meter__meter_no=NEW, kind="03").count() == 1
    prove_books()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"meter": "0"}, "no such meter 0"),
        ({"price": "无"}, "no such price 无"),
        ({"meter": METER, "begins": date(2999, 1, 1)}, "--from 2999-01-01 lies in the future"),
    ],
)
def test_what_cannot_be_is_said(world, capsys, options, message):
    before = books()
    with pytest.raises(CommandError) as error:
        resettle(capsys, **options)
    assert str(error.value) == message
    assert books() == before


def test_a_number_of_two_manufacturers_must_be_told_apart(world, capsys):
    other = build_world(company="20002", factor="0099")
    names = {"companyCode": "20002", "factorNo": "0099"}
    detail = {"priceLength": "1", "price1": "1"}
    other.cis.send("1007", **names, priceCode="p", priceProperty="1", priceType="1", priceDetail=detail)
    body = {"meterType": "441", "initNum": "0", "billingModel": "3", "payModel": "1", "sdateTime": str(day(3))}
    assert other.cis.send("1001", **names, userNo="1", meterNo=METER, priceCode="p", **body)["echoCode"] == "0000"
    with pytest.raises(CommandError, match="is not unique: name --company and --factor"):
        resettle(capsys, meter=METER)
    assert resettle(capsys, meter=METER, company=COMPANY, factor=FACTOR) == ["0 days changed"]
