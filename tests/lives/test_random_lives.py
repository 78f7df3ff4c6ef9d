"""Whole lives of meters, chosen at random, lived on the platform over the signed wire and in the books by hand.

Whatever comes in whatever order, after every settlement the platform says what the books say. LIVES_EXAMPLES sets how
many companies are tried, LIVES_STEPS how much happens to each.
"""

import itertools
import os
from datetime import timedelta
from decimal import Decimal
from typing import ClassVar

import pytest
import time_machine
from django.contrib.auth.models import User
from django.utils import timezone
from hypothesis import HealthCheck, Phase
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from commands.models import Command
from meters.models import Account, AccountEntry
from meters.models import Meter as MeterRow
from pricing.models import PriceVersion
from readings.audit import Audit
from readings.models import DailyUsage, Decision, Reading
from readings.resettlement import resettle
from readings.review import ReviewRefused, decide
from readings.settlement import settle
from tests.lives import answers, choices
from tests.lives.answers import plain
from tests.lives.books import Books, Meter, Payment, Refusal, Report
from tests.lives.proof import prove_books
from tests.readings.slow_model import Row
from tests.world import build_world

EXAMPLES = int(os.environ.get("LIVES_EXAMPLES", "40"))
STEPS = int(os.environ.get("LIVES_STEPS", "25"))
USERS, NUMBERS, PRICES = ["u1", "u2", "u3"], [f"{number:012}" for number in range(1, 7)], ["甲", "乙"]
TOLD_BY_THE_METER = ("sumUseGas", "sumUseAmount", "curPrice", "meterBalance")
companies = itertools.count(1)
happened: set[str] = set()


class Lives(RuleBasedStateMachine):
    """One company and its manufacturer; the clock only goes forward."""

    platform: ClassVar = None

    @initialize(
        now=st.sampled_from(choices.STARTS),
        chunk=st.sampled_from([1, 2, 50_000]),
        versions=st.tuples(*(choices.versions() for _ in PRICES)),
        data=st.data(),
    )
    def found(self, now, chunk, versions, data):
        self.platform.SETTLEMENT_CHUNK_METERS = chunk
        self.travel = time_machine.travel(timezone.make_aware(now), tick=False)
        self.clock = self.travel.start()
        self.now = now
        number = next(companies)
        self.names = {"companyCode": f"{number:08}", "factorNo": f"{number:04}"}
        self.inspector, _ = User.objects.get_or_create(username="inspector")
        self.world = build_world(company=self.names["companyCode"], factor=self.names["factorNo"])
        self.books = Books(jump_limit=choices.JUMP_LIMIT, backdate_days=choices.BACKDATE_DAYS)
        self.numbers = itertools.count(1)
        for code, version in zip(PRICES, versions, strict=True):
            self.books.create_price(code, version)
            assert self.set_price(code, version, priceProperty="1")["echoCode"] == "0000"
        for _ in USERS:
            self.register(data.draw)

    def teardown(self):
        if not hasattr(self, "world"):
            return
        try:
            self.end()
        finally:
            mine = Account.objects.filter(meter__company=self.world.company)
            mine.update(unsettled_from="9999-01-01")
            PriceVersion.objects.filter(price__company=self.world.company).update(applied_at=timezone.now())
            self.travel.stop()

    # What happens

    @rule(data=st.data(), what=st.sampled_from(choices.HAPPENINGS))
    def happen(self, data, what):
        """One rule for all, so that every company sees all of it."""
        if what in choices.OF_A_METER and not self.books.active:
            what = "register"
        happened.add(what)
        getattr(self, what)(data.draw)

    def wait(self, draw):
        self.now += draw(choices.waits)
        self.clock.move_to(timezone.make_aware(self.now))

    def register(self, draw):
        born = self.now.replace(microsecond=0) - draw(choices.since)
        meter = Meter(
            user_no=draw(st.sampled_from(USERS)),
            meter_no=draw(st.sampled_from(NUMBERS)),
            born=born,
            index=draw(choices.openings),
            billing_model=draw(choices.billing_models),
            prepaid=draw(st.booleans()),
            overdraft=draw(choices.overdrafts),
            used_before=draw(choices.used_before),
            prices=[(born.date(), draw(st.sampled_from(PRICES)))],
        )
        answer = self.about(
            meter,
            "1001",
            meterType="441",
            initNum=plain(meter.index),
            billingModel=meter.billing_model,
            payModel="1" if meter.prepaid else "2",
            overdraft=plain(meter.overdraft),
            initCycle=plain(meter.used_before),
            sdateTime=f"{born:%Y%m%d%H%M%S}",
            priceCode=meter.prices[0][1],
        )
        if self.agreed(answer, lambda: self.books.register(meter, now=self.now)):
            meter.device_id = answer["echoMsg"]["deviceId"]

    def report(self, draw):
        meter = self.some_meter(draw)
        self.take(meter, self.some_report(draw, meter))

    def night(self, draw):
        """Time goes on, and every meter reports."""
        self.wait(draw)
        for meter in self.books.active:
            self.take(meter, self.some_report(draw, meter))

    def report_again(self, draw):
        meter = self.some_meter(draw)
        if meter.reports:
            self.take(meter, draw(st.sampled_from(meter.reports)))

    def adjust_price(self, draw):
        code, begins = draw(st.sampled_from(PRICES)), draw(choices.begins(self.now.date()))
        version = draw(choices.versions(begins))
        answer = self.set_price(
            code,
            version,
            priceProperty="2",
            priceVersion=f"version {next(self.numbers)}",
            priceBeginDate=str(begins),
            clearFlag="0" if version.restarts else "1",
        )
        self.agreed(answer, lambda: self.books.adjust_price(code, version, today=self.now.date()))

    def change_price(self, draw):
        meter, code = self.some_meter(draw), draw(st.sampled_from(PRICES))
        answer = self.about(meter, "1008", newPriceCode=code)
        self.agreed(answer, lambda: self.books.change_price(meter, code, today=self.now.date()))

    def recharge(self, draw):
        meter, amount = self.some_meter(draw), draw(choices.amounts)
        stream = draw(st.sampled_from(["the same", f"r{next(self.numbers)}"]))
        context = {"total": "1", "data": {"rechargeAmount": plain(amount), "rechargeStream": stream}}
        answer = self.about(meter, "1004", paramNo="05", paramContext=context, sdateTime=f"{self.now:%Y-%m-%d}")
        payment = Payment(stream, amount, self.now)
        self.agreed(answer, lambda: self.books.recharge(meter, payment))

    def replace(self, draw):
        meter, number, opening = self.some_meter(draw), draw(st.sampled_from(NUMBERS)), draw(choices.openings)
        closing = draw(choices.indexes(self.books, meter, self.now))
        answer = self.about(
            meter, "1009", newMeterType="502", newMeterNo=number, oldNum=plain(closing), newNum=plain(opening)
        )
        if self.agreed(answer, lambda: self.books.replace(meter, number, closing, opening, now=self.now)):
            meter.heir.device_id = answer["echoMsg"]["deviceId"]

    def deregister(self, draw):
        meter = self.some_meter(draw)
        closing = draw(choices.indexes(self.books, meter, self.now))
        answer = self.about(meter, "1002", initNum=plain(closing), reason="拆表", sdateTime=f"{self.now:%Y%m%d%H%M}")
        self.agreed(answer, lambda: self.books.deregister(meter, closing, now=self.now))

    def decide(self, draw):
        """The staff accept or reject a reading, more often one that is flagged."""
        judged = [(meter, one, verdict) for meter in self.books.meters for one, verdict in self._judged(meter)]
        flagged = [told for told in judged if told[2] != "valid"]
        if not judged:
            return
        meter, reading, _ = draw(st.sampled_from(flagged * 2 + judged[-12:]))
        row = Reading.objects.get(
            meter__device_id=meter.device_id, read_at=timezone.make_aware(reading.moment), index=reading.index
        )
        decision, refused = draw(choices.decisions), False
        try:
            decide(row, decision=Decision(decision), note="现场核实", by=self.inspector, now=timezone.now())
        except ReviewRefused:
            refused = True
        try:
            self.books.decide(meter, reading, decision)
        except Refusal as refusal:
            assert refused, refusal
        else:
            assert not refused

    def _judged(self, meter):
        return list(self.books.judged(meter).items())

    def try_out(self, draw):
        """A dry run settles what is due and undoes it."""
        before = self.footprint()
        begins = self.now.date() - draw(st.sampled_from([timedelta(days=days) for days in (0, 3, 40)]))
        told = []
        resettle(
            MeterRow.objects.filter(company=self.world.company),
            begins=begins,
            through=self.now.date(),
            now=timezone.now(),
            tell=told.append,
            dry_run=True,
        )
        assert all((one.old_volume, one.old_amount) != (one.new_volume, one.new_amount) for one in told)
        assert self.footprint() == before

    def footprint(self):
        """Everything that settlement can write."""
        models = (Account, DailyUsage, AccountEntry, Command)
        mine = [model.objects.filter(meter__company=self.world.company).order_by("pk") for model in models]
        versions = PriceVersion.objects.filter(price__company=self.world.company).order_by("pk")
        return [list(rows.values()) for rows in (*mine, versions)]

    def speak_of_the_dead(self, draw):
        for meter in self.books.meters:
            if meter.ended:
                told = tuple((name, Decimal(1)) for name in TOLD_BY_THE_METER)
                report = Report(choices.Seen(self.now.replace(microsecond=0), Decimal(5000)), told=told)
                answer = self.post_report(meter, report, deviceId=meter.device_id)
                known = meter.user_no in [other.user_no for other in self.books.active]
                assert answer == {"echoCode": "9999", "echoMsg": "表具不存在" if known else "用户不存在"}

    def settle(self, draw):
        day = draw(choices.through(self.now.date()))
        settle(through=day, now=timezone.now())
        self.books.settle(through=day)
        self.compare()

    # How it is said

    def send(self, code, **fields):
        return self.world.cis.send(code, **self.names, **fields)

    def about(self, meter, code, **fields):
        return self.send(code, userNo=meter.user_no, meterNo=meter.meter_no, **fields)

    def set_price(self, code, version, **fields):
        detail = {"priceLength": str(len(version.tiers))}
        for number, (end, unit_price) in enumerate(version.tiers, start=1):
            detail[f"price{number}"] = plain(unit_price)
            if end is not None:
                detail[f"ladder{number}End"] = plain(end)
        kind = "1" if len(version.tiers) == 1 else "2"
        return self.send(
            "1007", priceCode=code, priceType=kind, cycleLength=str(version.months), priceDetail=detail, **fields
        )

    def some_meter(self, draw):
        return self.books.active[draw(st.integers(0, len(self.books.active) - 1))]

    def some_report(self, draw, meter):
        moment = draw(choices.moments(meter, self.now))
        names = TOLD_BY_THE_METER if meter.billing_model == "1" else ()
        return Report(
            current=choices.Seen(moment, draw(choices.indexes(self.books, meter, moment))),
            backfill=draw(choices.backfills(self.books, meter, self.now)),
            valve=draw(st.sampled_from(["open", "closed", "unknown"])),
            told=tuple((name, draw(choices.amounts)) for name in names),
        )

    def take(self, meter, report):
        answer = self.post_report(meter, report)
        if self.agreed(answer, lambda: self.books.report(meter, report, now=self.now)):
            price, balance, _, _ = answers.figures(self.books, meter, today=self.now.date())
            if meter.billing_model != "2":
                assert answer["remainquantity"] in {plain(balance), "" if not balance else None}
            assert answer["currentprice"] == ("" if price is None else plain(price))
            assert answer["deviceId"] == meter.device_id

    def post_report(self, meter, report, **fields):
        moment = report.current.moment
        return self.world.headend.send(
            "2001",
            **self.names,
            userNo=meter.user_no,
            meterNo=meter.meter_no,
            billingModel=meter.billing_model,
            readNum=plain(report.current.index),
            readDate=f"{moment:%Y%m%d}",
            readTime=f"{moment:%H%M%S}",
            addGas={str(one.moment.date()): plain(one.index) for one in report.backfill},
            batteryCap="6",
            semaphore="59%",
            valveState={"open": "2", "closed": "3"}.get(report.valve, "x"),
            sdateTime=f"{self.now:%Y-%m-%d}",
            **{name: plain(value) for name, value in report.told},
            **fields,
        )

    def agreed(self, answer, write):
        """Whether both took it; both must, or both refuse for the same reason."""
        try:
            write()
        except Refusal as refusal:
            assert answer == {"echoCode": refusal.code, "echoMsg": refusal.text}
            return False
        assert answer["echoCode"] == "0000", answer
        return True

    # What must be so

    def compare(self):
        """Usage, accounts and the answers of 1013, 1014 and 1015."""
        for meter in self.books.meters:
            row = MeterRow.objects.select_related("account").get(company=self.world.company, device_id=meter.device_id)
            self.compare_account(meter, row)
        for day in (None, self.now.date(), self.now.date() - timedelta(days=2)):
            answer = self.send("1013", readingDate=str(day or ""))
            shown = sorted(answer["echoMsg"]["readingData"]["data"], key=lambda one: one["userArchivesNum"])
            expected = sorted(answers.fleet(self.books, day=day), key=lambda one: one["userArchivesNum"])
            assert shown == expected
            assert answer["echoMsg"]["readingData"]["total"] == str(len(expected))
        for meter in self.books.active:
            self.compare_answers(meter)
            self.compare_valve(meter)

    def compare_account(self, meter, row):
        rows = DailyUsage.objects.filter(meter=row).order_by("day", "tier")
        assert [Row(one.day, one.tier, one.volume, one.unit_price, one.amount) for one in rows] == meter.rows
        account = row.account
        assert (account.settled_volume, account.settled_amount) == (meter.volume, meter.amount)
        assert account.settled_through == meter.settled_through
        assert account.in_arrears == meter.in_arrears
        if meter.ours:
            assert account.balance == meter.balance
            assert sum(AccountEntry.objects.filter(meter=row).values_list("amount", flat=True)) == meter.balance

    def compare_valve(self, meter):
        """Who is in arrears is closed, or asked to, once a day; who is not, is not closed for arrears (R11)."""
        row = MeterRow.objects.select_related("state").get(company=self.world.company, device_id=meter.device_id)
        asked = Command.objects.filter(meter=row, kind="03")
        standing = asked.filter(state__in=["queued", "sent", "succeeded"]).order_by("pk").last()
        closing = standing is not None and standing.payload["valveSet"] == "1"
        if meter.in_arrears:
            today = timezone.make_aware(self.now.replace(hour=0, minute=0, second=0, microsecond=0))
            assert closing or row.state.valve == "closed" or asked.filter(queued_at__gte=today).exists()
        else:
            assert not closing

    def compare_answers(self, meter):
        detail = self.about(meter, "1014")["echoMsg"]
        del detail["serialNo"]
        assert detail == answers.detail(self.books, meter, now=self.now)
        first, last = self.now.date() - timedelta(days=200), self.now.date() + timedelta(days=1)
        period = {"startTime": str(first), "endTime": str(last)}
        by_user = self.send("1015", userNo=meter.user_no, **period)["echoMsg"]["gasData"]
        assert by_user == answers.usage([*meter.ancestors, meter], first=first, last=last)
        own = self.about(meter, "1015", **period)["echoMsg"]["gasData"]
        assert own == answers.usage([meter], first=first, last=last)

    def end(self):
        """In the end everything is settled; then it is what readings and prices say, and settling again is idle."""
        today = self.now.date()
        settle(through=today, now=timezone.now())
        self.books.settle(through=today)
        self.compare()
        for meter in self.books.meters:
            assert meter.rows == self.books.true_rows(meter)
        mine = MeterRow.objects.filter(company=self.world.company)
        assert list(Audit().differences(mine)) == []
        prove_books(mine)
        told = []
        entries = AccountEntry.objects.filter(meter__in=mine).count()
        first = today - timedelta(days=400)
        resettle(mine, begins=first, through=today, now=timezone.now(), tell=told.append)
        assert told == []
        assert AccountEntry.objects.filter(meter__in=mine).count() == entries
        self.compare()


@pytest.mark.django_db(transaction=True)
def test_random_lives(settings):
    settings.READING_JUMP_LIMIT_M3_PER_DAY = choices.JUMP_LIMIT
    settings.PRICE_MAX_BACKDATE_DAYS = choices.BACKDATE_DAYS
    # Nobody asks for static files here, and looking for them takes half of every message's time.
    settings.MIDDLEWARE = [name for name in settings.MIDDLEWARE if "WhiteNoise" not in name]
    Lives.platform = settings
    run_state_machine_as_test(
        Lives,
        settings=hypothesis_settings(
            max_examples=EXAMPLES,
            stateful_step_count=STEPS,
            deadline=None,
            print_blob=True,
            suppress_health_check=list(HealthCheck),
            phases=[
                Phase.explicit,
                Phase.reuse,
                Phase.generate,
                *([Phase.shrink] if os.environ.get("LIVES_SHRINK") else []),
            ],
        ),
    )
    if EXAMPLES >= 40:
        assert happened == set(choices.HAPPENINGS)
