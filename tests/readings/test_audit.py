"""audit_accounts: whatever somebody changes behind the platform's back is found, told, and the exit status is 1."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.core.management import call_command
from django.db import connection
from django.db.models import F
from django.utils import timezone

from meters.accounts import recharge
from meters.models import Account, AccountEntry, Meter, MeterState
from pricing.models import PriceTier
from readings import audit as audit_module
from readings.models import DailyUsage, Reading
from readings.settlement import settle
from tests.readings.elsewhere import done, elsewhere
from tests.world import COMPANY, FACTOR, build_world, local

METER, OTHER, NEW = "188011110128", "188011110129", "188011110130"


def day(days_ago):
    return timezone.localdate() - timedelta(days=days_ago)


def replace(world, meter_no, new, index):
    names = {"companyCode": COMPANY, "factorNo": FACTOR, "userNo": OTHER, "meterNo": meter_no}
    answer = world.cis.send("1009", **names, newMeterType="441", newMeterNo=new, oldNum=index, newNum="0")
    assert answer["echoCode"] == "0000", answer


def fill(world):
    """METER has paid 50 CNY and used 60 m3; OTHER has paid 100, used 70 and was replaced."""
    world.create_price()
    for meter_no in (METER, OTHER):
        world.register(meter_no, sdateTime=str(day(10)), overdraft="5")
        world.report(local(f"{day(5)} 10:00:00"), "30", meter_no)
        world.report(local(f"{day(3)} 10:00:00"), "60", meter_no)
    recharge(Meter.objects.get(meter_no=METER), amount=Decimal(50), stream="s", now=timezone.now())
    recharge(Meter.objects.get(meter_no=OTHER), amount=Decimal(100), stream="s", now=timezone.now())
    replace(world, OTHER, NEW, "70")
    call_command("settle")
    return world


@pytest.fixture
def world(db):
    return fill(build_world())


def audit(capsys, **options):
    """(exit status, lines) of audit_accounts."""
    capsys.readouterr()
    status = 0
    try:
        call_command("audit_accounts", **options)
    except SystemExit as stop:
        status = stop.code
    return status, capsys.readouterr().out.splitlines()


def test_books_that_are_right_pass(world, capsys):
    world.report(timezone.now() + timedelta(seconds=5), "240", NEW, userNo=OTHER)
    call_command("settle", through=timezone.localdate())
    assert audit(capsys) == (0, ["3 accounts audited, 0 differences"])


def of(meter_no, model, **changes):
    path = "meter_no" if model is Meter else "meter__meter_no"
    assert model.objects.filter(**{path: meter_no}).update(**changes)


def entries_behind_the_trigger(change):
    """The database refuses to change entries: only who may switch its triggers off can."""
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")
        change()
        cursor.execute("SET LOCAL session_replication_role = origin")


def usage_of(meter_no, tier):
    return DailyUsage.objects.filter(meter__meter_no=meter_no, day=day(3), tier=tier)


def recharge_of(meter_no):
    return AccountEntry.objects.filter(meter__meter_no=meter_no, kind="recharge")


# 60 m3: 30 on one day, 20 + 10 on another.
ON_THE_DAY = "20.0000 m3 at 1.4000 = 28.0000 CNY; 10.0000 m3 at 2.4000 = 24.0000 CNY"
TAMPERING = {
    "an amount": (
        lambda: usage_of(METER, 2).update(amount=25),
        [
            f"{METER} usage of <day>: kept 20.0000 m3 at 1.4000 = 28.0000 CNY; 10.0000 m3 at 2.4000 = 25.0000 CNY, "
            f"expected {ON_THE_DAY}",
            f"{METER} settled amount: kept 94.0000, expected 95.0000",
        ],
    ),
    "a unit price": (
        lambda: usage_of(METER, 2).update(unit_price=2),
        [
            f"{METER} usage of <day>: kept 20.0000 m3 at 1.4000 = 28.0000 CNY; 10.0000 m3 at 2.0000 = 24.0000 CNY, "
            f"expected {ON_THE_DAY}"
        ],
    ),
    "a tier": (
        lambda: usage_of(METER, 2).update(tier=3),
        # Parts are told by their prices.
        [f"{METER} usage of <day>: kept {ON_THE_DAY}, expected {ON_THE_DAY}"],
    ),
    "usage moved to another meter": (
        lambda: usage_of(METER, 2).update(meter=Meter.objects.get(meter_no=NEW)),
        [
            f"{METER} usage of <day>: kept 20.0000 m3 at 1.4000 = 28.0000 CNY, expected {ON_THE_DAY}",
            f"{METER} settled volume: kept 60.0000, expected 50.0000",
            f"{METER} settled amount: kept 94.0000, expected 70.0000",
            f"{NEW} usage of <day>: kept 10.0000 m3 at 2.4000 = 24.0000 CNY, expected nothing",
            f"{NEW} settled volume: kept 0.0000, expected 10.0000",
            f"{NEW} settled amount: kept 0.0000, expected 24.0000",
        ],
    ),
    "a deleted day": (
        lambda: usage_of(METER, 1).delete() and usage_of(METER, 2).delete(),
        [
            f"{METER} usage of <day>: kept nothing, expected {ON_THE_DAY}",
            f"{METER} settled volume: kept 60.0000, expected 30.0000",
            f"{METER} settled amount: kept 94.0000, expected 42.0000",
        ],
    ),
    "credit": (
        lambda: of(METER, Account, credited=51),
        [f"{METER} balance: kept -43.0000, expected -44.0000"],
    ),
    "credit that pays the arrears": (
        lambda: of(METER, Account, credited=500),
        [
            f"{METER} in arrears: kept True, expected False",
            f"{METER} balance: kept 406.0000, expected -44.0000",
        ],
    ),
    "the settled amount": (
        lambda: of(METER, Account, settled_amount=90),
        [
            f"{METER} settled amount: kept 90.0000, expected 94.0000",
            f"{METER} balance: kept -40.0000, expected -44.0000",
            f"{METER} settled amount in the history: kept 90.0000, expected 94.0000",
        ],
    ),
    "the settled volume": (
        lambda: of(METER, Account, settled_volume=61),
        [f"{METER} settled volume: kept 61.0000, expected 60.0000"],
    ),
    "the index from which the next day counts": (
        lambda: of(METER, Account, settled_index=61),
        [f"{METER} settled index: kept 61.0000, expected 60.0000"],
    ),
    "the volume of the cycle": (
        lambda: of(METER, Account, cycle_volume=6),
        [f"{METER} volume of the cycle since <cycle>: kept 6.0000, expected 60.0000"],
    ),
    "the volume of the cycle that a new meter took over": (
        lambda: of(NEW, Account, cycle_volume=0),
        [f"{NEW} volume of the cycle since <cycle>: kept 0.0000, expected 70.0000"],
    ),
    "arrears": (
        lambda: of(METER, Account, in_arrears=False),
        [f"{METER} in arrears: kept False, expected True"],
    ),
    "the overdraft": (
        lambda: of(METER, Account, overdraft_limit=50),
        [f"{METER} overdraft: kept 50.0000, expected 5.0000", f"{METER} in arrears: kept True, expected False"],
    ),
    "who keeps the money": (
        lambda: of(METER, Account, kept_here=False),
        [f"{METER} kept here: kept False, expected True"],
    ),
    "what was replaced": (
        lambda: of(NEW, Account, is_heir=False),
        [f"{NEW} replaced another: kept False, expected True"],
    ),
    "a balance left behind": (
        lambda: of(OTHER, Account, credited=F("credited") + 1) or of(NEW, Account, credited=F("credited") - 1),
        [
            f"{OTHER} balance: kept 1.0000, expected 0.0000",
            f"{OTHER} balance of a replaced meter: kept 1.0000, expected 0",
            f"{NEW} balance: kept -19.0000, expected -18.0000",
        ],
    ),
    "a recharge in the history": (
        lambda: entries_behind_the_trigger(lambda: recharge_of(METER).update(amount=60)),
        [
            f"{METER} balance: kept -44.0000, expected -34.0000",
            f"{METER} recharged: kept 50.0000, expected 60.0000",
        ],
    ),
    "a recharge deleted with its credit": (
        lambda: entries_behind_the_trigger(recharge_of(METER).delete) or of(METER, Account, credited=0),
        [
            f"{METER} recharged: kept 50.0000, expected 0",
            f"{METER} recharges: kept 1, expected 0",
        ],
    ),
    "a balance lost on its way": (
        lambda: (
            entries_behind_the_trigger(AccountEntry.objects.filter(kind="carry_in").delete)
            or of(NEW, Account, credited=0)
        ),
        [
            f"{NEW} in arrears: kept True, expected False",
            f"{NEW} carried over: kept 0, expected -18.0000",
        ],
    ),
    "recharges shown": (
        lambda: of(METER, MeterState, recharged=51, recharge_count=2),
        [f"{METER} recharged: kept 51.0000, expected 50.0000", f"{METER} recharges: kept 2, expected 1"],
    ),
    "the index shown": (
        lambda: of(METER, MeterState, index=61),
        [f"{METER} latest index: kept 61.0000, expected 60.0000"],
    ),
}


@pytest.mark.parametrize("what", TAMPERING)
def test_what_was_tampered_with_is_found(world, capsys, what):
    spoil, found = TAMPERING[what]
    spoil()
    cycle = Account.objects.get(meter__meter_no=METER).cycle_start
    told = [line.replace("<day>", str(day(3))).replace("<cycle>", str(cycle)) for line in found]
    assert audit(capsys) == (1, [*told, f"3 accounts audited, {len(told)} differences"])


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (lambda: Reading.objects.filter(meter__meter_no=METER, index=60).update(quality="jump"), "quality of reading"),
        (lambda: Reading.objects.filter(meter__meter_no=METER, index=60).update(index=50), "usage of"),
        (lambda: Reading.objects.filter(meter__meter_no=METER, index=60).delete(), "usage of"),
        (lambda: PriceTier.objects.filter(position=1).update(unit_price=2), "usage of"),
        (lambda: of(METER, Meter, initial_index=1), "usage of"),
        (lambda: of(METER, Meter, initial_cycle_volume=40), "usage of"),
    ],
)
def test_what_the_books_were_made_of_was_changed(world, capsys, spoil, told):
    spoil()
    status, lines = audit(capsys, meter=METER)
    assert status == 1
    assert all(line.startswith(METER) for line in lines[:-1])
    assert any(told in line for line in lines)


def test_what_the_next_settlement_takes_up_is_no_difference(world, capsys, settings):
    settings.PRICE_MAX_BACKDATE_DAYS = 30
    version = {"priceProperty": "2", "priceVersion": "V2", "priceBeginDate": str(day(4)), "clearFlag": "1"}
    single = {"priceType": "1", "priceDetail": {"priceLength": "1", "price1": "9"}}
    assert world.create_price(**version, **single)["echoCode"] == "0000"
    assert audit(capsys) == (0, ["3 accounts audited, 0 differences"])
    call_command("settle")
    assert audit(capsys) == (0, ["3 accounts audited, 0 differences"])


@pytest.mark.django_db(transaction=True)
def test_what_is_settled_while_it_is_audited_is_no_difference(capsys, monkeypatch):
    """The account was read before a settlement, the daily usage after it."""
    world = fill(build_world())
    world.report(local(f"{day(2)} 10:00:00"), "80", METER)
    settled, look = [], audit_module.account_differences

    def settle_meanwhile(meter, **books):
        if not settled:
            settled.append(done(elsewhere(lambda: settle(through=day(1), now=timezone.now()))).meter_days)
        return look(meter, **books)

    monkeypatch.setattr(audit_module, "account_differences", settle_meanwhile)
    assert audit(capsys) == (0, ["3 accounts audited, 0 differences"])
    assert settled == [1]


def test_an_audit_can_be_limited(world, capsys):
    of(OTHER, Account, settled_volume=61)
    assert audit(capsys, meter=METER) == (0, ["1 accounts audited, 0 differences"])
    assert audit(capsys, company="20002") == (0, ["0 accounts audited, 0 differences"])
    assert audit(capsys, company=COMPANY)[0] == 1
