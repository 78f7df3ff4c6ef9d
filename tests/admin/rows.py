"""A few rows of everything that the admin shows, made with the ORM."""

import json
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal

from django.contrib.auth.models import User

from alarms.models import Alarm, AlarmOccurrence, AlarmState, AlarmThresholds
from analysis.models import ApiToken, ExportJob
from commands.models import BulkCommand, BulkRow, Command, CommandEvent
from meters.models import Account, AccountEntry, Meter, MeterPrice, MeterState
from pricing.models import Price, PriceTier, PriceVersion
from protocol.models import (
    Company,
    InboundMessage,
    InboundSerial,
    Manufacturer,
    OutboundAttempt,
    OutboundMessage,
    Peer,
    PeerHealth,
    PeerKind,
)
from readings.models import DailyUsage, Decision, Quality, Reading, ReadingReview, Source
from staff.models import StaffScope

NOW = datetime.fromisoformat("2026-02-01T12:00:00+08:00")
DAY = date(2026, 1, 31)
SECRET = "Geheimnis-93f1"
ATTACK = "<script>alert(1)</script>"


@dataclass
class Rows:
    company: Company
    manufacturer: Manufacturer
    peer: Peer
    price: Price


def make_parties() -> Rows:
    """One of each that exchanges messages, and one that is idle."""
    Company.objects.create(code="idle", name="idle")
    Manufacturer.objects.create(factor_no="idle", name="idle")
    make_peer("idle")
    company = Company.objects.create(code="10001", name="示例燃气")
    manufacturer = Manufacturer.objects.create(factor_no="0030", name="示例表厂")
    peer = make_peer("cis-1")
    peer.companies.add(company)
    PeerHealth.objects.create(peer=peer, state="open", failure_rate=0.75, paused_until=NOW)
    AlarmThresholds.objects.create(manufacturer=manufacturer, silent_days=5)
    return Rows(company, manufacturer, peer, make_price(company, manufacturer, "居民价"))


def make_peer(app_code: str, *, kind: PeerKind = PeerKind.CIS, active: bool = True) -> Peer:
    return Peer.objects.create(
        kind=kind,
        name=app_code,
        app_code=app_code,
        app_secret=SECRET,
        url="http://127.0.0.1:9",
        is_active=active,
        allowed_addresses=["127.0.0.1"],
    )


def make_price(company: Company, manufacturer: Manufacturer, code: str) -> Price:
    price = Price.objects.create(company=company, manufacturer=manufacturer, code=code)
    version = PriceVersion.objects.create(price=price, version="V1", kind="2", cycle_months=12)
    PriceTier.objects.bulk_create(
        PriceTier(version=version, position=position, lower=lower, upper=upper, unit_price=Decimal(position))
        for position, (lower, upper) in enumerate([(0, 50), (50, None)], start=1)
    )
    return price


def make_meter(rows: Rows, number: int, *, billing_model: str = "3") -> Meter:
    """A meter with everything that a registered and settled one has."""
    meter = Meter.objects.create(
        company=rows.company,
        manufacturer=rows.manufacturer,
        user_no=f"U{number:06}",
        meter_no=f"{number:012}",
        device_id=f"D{number:06}",
        meter_type="10521",
        user_name="张三",
        address="人民路1号",
        phone="02000000000",
        customer_type="02",
        billing_model=billing_model,
        pay_mode="1",
        registered_at=NOW - timedelta(days=30),
        initial_index=0,
        created_at=NOW,
    )
    MeterState.objects.create(meter=meter, read_at=NOW, index=12, valve="open", reported_balance=11, cis_remaining=22)
    Account.objects.create(meter=meter, unsettled_from=DAY, settled_through=DAY, settled_index=12, credited=33)
    MeterPrice.objects.create(meter=meter, price=rows.price, starts=DAY)
    AccountEntry.objects.create(meter=meter, kind="recharge", amount=33, day=DAY, reference=f"R{number}")
    return meter


def make_readings(meter: Meter) -> None:
    """One of each quality, and a day's usage in two tiers."""
    Reading.objects.bulk_create(
        Reading(
            meter=meter,
            read_at=NOW + timedelta(hours=hour),
            index=hour,
            quality=quality,
            source=Source.REPORT,
            received_at=NOW,
        )
        for hour, quality in enumerate(Quality.values)
    )
    DailyUsage.objects.bulk_create(
        DailyUsage(meter=meter, day=DAY, tier=tier, volume=10, unit_price=tier, amount=10 * tier) for tier in (1, 2)
    )


def make_review(meter: Meter) -> ReadingReview:
    person, _ = User.objects.get_or_create(username="inspector")
    judged = {"quality_before": Quality.JUMP, "quality_after": Quality.VALID}
    return ReadingReview.objects.create(
        meter=meter, read_at=NOW, index=1, decision=Decision.ACCEPTED, note=ATTACK, by=person, at=NOW, **judged
    )


def make_alarm(meter: Meter, *, type: str = "05", state: str = AlarmState.OPEN) -> Alarm:
    """One that came twice."""
    cleared_at = NOW if state == AlarmState.CLEARED else None
    what = {"content": ATTACK, "priority": 3}
    alarm = Alarm.objects.create(
        **what, meter=meter, type=type, state=state, first_at=NOW, last_at=NOW, occurrences=2, cleared_at=cleared_at
    )
    AlarmOccurrence.objects.bulk_create(AlarmOccurrence(alarm=alarm, at=NOW, source="headend", **what) for _ in "12")
    return alarm


def make_command(rows: Rows, meter: Meter, *, state: str = "failed") -> Command:
    """A valve command of the CIS with its story."""
    command = Command.objects.create(
        meter=meter,
        kind="03",
        payload={"valveSet": "1"},
        state=state,
        origin="cis",
        peer=rows.peer,
        serial_no=f"asked-{meter.pk}",
        queued_at=NOW,
        expires_at=NOW,
    )
    for from_state, to_state in (("queued", "sent"), ("sent", state)):
        CommandEvent.objects.create(command=command, at=NOW, from_state=from_state, to_state=to_state, cause=ATTACK)
    return command


def make_bulk(meter: Meter, *, by: str) -> BulkCommand:
    """One that found the valve closed."""
    person = User.objects.create(username=by)
    bulk = BulkCommand.objects.create(wish="closed", state="done", total=1, created_by=person, created_at=NOW)
    bulk.companies.add(meter.company)
    BulkRow.objects.create(bulk=bulk, meter=meter, outcome="already")
    return bulk


def make_export(person: User, *, state: str = "queued") -> ExportJob:
    """One of all meters."""
    return ExportJob.objects.create(owner=person, table="meters", form="csv", state=state, created_at=NOW)


def make_token(person: User, *, name: str) -> ApiToken:
    return ApiToken.objects.create(user=person, made_by=person, name=name, digest=name)


def make_inbound(rows: Rows, number: int, *, succeeded: bool = True) -> InboundMessage:
    if succeeded:
        InboundSerial.objects.create(serial_no=f"in-{number}", peer=rows.peer, received_at=NOW)
    return InboundMessage.objects.create(
        peer=rows.peer,
        company=rows.company,
        code="2001",
        serial_no=f"in-{number}",
        digest=b"\x0f" * 32,
        succeeded=succeeded,
        echo_code="0000" if succeeded else "9999",
        body=json.dumps({"address": "人民路", "name": ATTACK}),
        answer="",
        received_at=NOW,
    )


def make_outbound(rows: Rows, number: int, *, lane: int, state: str = "delivered") -> OutboundMessage:
    """A message that was tried twice."""
    message = OutboundMessage.objects.create(
        peer=rows.peer,
        company=rows.company,
        code="2001",
        serial_no=f"out-{number}",
        lane=lane,
        body=json.dumps({"serialNo": f"out-{number}", "address": "人民路", "name": ATTACK}),
        state=state,
        tries=9,
        answer=ATTACK,
        created_at=NOW,
        finished_at=None if state == "pending" else NOW,
        stuck_at=NOW if state in ("rejected", "dead") else None,
        withdrawn_at=NOW if state == "withdrawn" else None,
    )
    OutboundAttempt.objects.bulk_create(
        OutboundAttempt(
            message=message, message_created_at=NOW, attempted_at=NOW, duration_ms=5, error="refused", answer=ATTACK
        )
        for _ in range(2)
    )
    return message


def make_everything(meters: int = 2) -> Rows:
    rows = make_parties()
    add_meters(rows, first=1, last=meters)
    return rows


def add_meters(rows: Rows, *, first: int, last: int) -> None:
    for number in range(first, last + 1):
        meter = make_meter(rows, number, billing_model=str(number % 3 + 1))
        make_readings(meter)
        make_review(meter)
        make_alarm(meter)
        make_command(rows, meter)
        make_bulk(meter, by=f"clerk-{number}")
        make_inbound(rows, number, succeeded=number % 2 == 1)
        make_outbound(rows, number, lane=meter.pk, state=["delivered", "dead"][number % 2])


def make_person(name: str = "chief", *, superuser: bool = True) -> User:
    """Somebody who sees all companies; what they may do beyond that the test says."""
    person = User.objects.create(username=name, is_staff=True, is_superuser=superuser)
    if not superuser:
        StaffScope.objects.create(user=person, all_companies=True)
    return person
