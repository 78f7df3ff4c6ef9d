"""resettle and audit_accounts: every change is told, every deviation is found."""

from datetime import date, timedelta
from decimal import Decimal

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from meters.accounts import recharge
from meters.models import Account, AccountEntry, Meter
from pricing.models import PriceTier
from readings.models import DailyUsage, Reading
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


def audit(capsys, **options):
    """(exit status, lines) of audit_accounts."""
    capsys.readouterr()
    status = 0
    try:
        call_command("audit_accounts", **options)
    except SystemExit as stop:
        status = stop.code
    return status, capsys.readouterr().out.splitlines()


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


def test_books_that_are_right_pass_the_audit(world, capsys):
    world.cis.send(
        "1009",
        companyCode=COMPANY,
        factorNo=FACTOR,
        userNo=METER,
        meterNo=METER,
        newMeterType="441",
        newMeterNo="188011110130",
        oldNum="70",
        newNum="0",
    )
    world.report(timezone.now(), "240", "188011110130", userNo=METER)
    call_command("settle", through=timezone.localdate())
    assert audit(capsys) == (0, ["3 accounts audited, 0 differences"])


@pytest.mark.parametrize(
    ("spoil", "found"),
    [
        (
            lambda: DailyUsage.objects.filter(meter__meter_no=METER, tier=2).update(amount=25),
            [
                f"{METER} usage of {day(3)}: "
                "kept 20.0000 m3 at 1.4000 = 28.0000 CNY; 10.0000 m3 at 2.4000 = 25.0000 CNY, "
                "expected 20.0000 m3 at 1.4000 = 28.0000 CNY; 10.0000 m3 at 2.4000 = 24.0000 CNY",
                f"{METER} settled amount: kept 94.0000, expected 95.0000",
            ],
        ),
        (
            lambda: Account.objects.filter(meter__meter_no=METER).update(credited=51),
            [f"{METER} balance: kept -43.0000, expected -44.0000"],
        ),
        (
            lambda: Account.objects.filter(meter__meter_no=METER).update(settled_volume=61),
            [f"{METER} settled volume: kept 61.0000, expected 60.0000"],
        ),
        (
            lambda: Reading.objects.filter(meter__meter_no=METER, index=60).update(quality="jump"),
            None,
        ),
    ],
)
def test_every_deviation_is_found(world, capsys, spoil, found):
    spoil()
    status, lines = audit(capsys)
    assert status == 1
    assert all(line.startswith(METER) for line in lines[:-1])
    if found is not None:
        assert lines == [*found, f"2 accounts audited, {len(found)} differences"]
    else:
        assert any("quality of reading" in line and "kept jump, expected valid" in line for line in lines)


def test_an_audit_can_be_limited(world, capsys):
    Account.objects.filter(meter__meter_no=OTHER).update(settled_volume=61)
    assert audit(capsys, meter=METER) == (0, ["1 accounts audited, 0 differences"])
    assert audit(capsys, company="20002") == (0, ["0 accounts audited, 0 differences"])
    assert audit(capsys, company=COMPANY)[0] == 1
