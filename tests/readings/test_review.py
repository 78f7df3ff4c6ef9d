"""What the staff decide about a reading: its verdict, those after it, usage and balance follow; the reading stays."""

from datetime import date, timedelta
from decimal import Decimal

import pytest
from django.contrib.auth.models import User

from meters.models import Meter, MeterState
from readings.closing import deregister_meter
from readings.figures import tariff_price
from readings.models import Decision, Reading, ReadingReview
from readings.replacement import Replacement, replace_meter
from readings.repricing import change_price
from readings.review import ReviewRefused, decide, neighbourhood
from staff.models import StaffAct
from tests.lives.proof import prove_books
from tests.readings.books import NOW, account, make_meter, make_price, qualities, read, settle_through, usage


@pytest.fixture
def meter(world, settings):
    settings.READING_JUMP_LIMIT_M3_PER_DAY = 100
    make_price(world)
    return make_meter(world)


@pytest.fixture
def inspector(db):
    return User.objects.create_user("inspector")


def reading_of(meter, index):
    return Reading.objects.get(meter=meter, index=Decimal(index))


def everything():
    models = (Reading, ReadingReview, StaffAct, MeterState)
    return [list(model.objects.order_by("pk").values()) for model in models]


def accept(reading, by, note="现场核实"):
    return decide(reading, decision=Decision.ACCEPTED, note=note, by=by, now=NOW)


def reject(reading, by, note="抄错"):
    return decide(reading, decision=Decision.REJECTED, note=note, by=by, now=NOW)


def test_an_accepted_jump_counts_and_the_days_since_are_settled_again(meter, inspector):
    read(meter, "2025-03-02 12:00:00", 10)
    read(meter, "2025-03-03 12:00:00", 400)
    read(meter, "2025-03-04 12:00:00", 15)
    settle_through("2025-03-04")
    assert usage(meter) == [("2025-03-02", 1, "10", "1.4", "14"), ("2025-03-04", 1, "5", "1.4", "7")]
    jumped = reading_of(meter, 400)
    assert jumped.quality == "jump"
    review = accept(jumped, inspector)
    assert [row[2] for row in qualities(meter)] == ["valid", "valid", "decrease"]
    assert account(meter)["unsettled_from"] == date(2025, 3, 3)
    assert MeterState.objects.get(meter=meter).index == 400
    settle_through("2025-03-04")
    assert usage(meter) == [
        ("2025-03-02", 1, "10", "1.4", "14"),
        ("2025-03-03", 1, "40", "1.4", "56"),
        ("2025-03-03", 2, "250", "2.4", "600"),
        ("2025-03-03", 3, "100", "3.4", "340"),
    ]
    assert (review.quality_before, review.quality_after, review.note, review.by) == (
        "jump",
        "valid",
        "现场核实",
        inspector,
    )
    act = StaffAct.objects.get()
    assert (act.act, act.by, act.company_id) == ("reading.review", inspector, meter.company_id)
    assert act.before == {"decision": "", "quality": "jump"}
    assert act.after == {"decision": "accepted", "quality": "valid"}
    prove_books()


def test_a_rejected_reading_frees_those_that_it_made_look_wrong(meter, inspector):
    read(meter, "2025-03-02 12:00:00", 10)
    read(meter, "2025-03-03 12:00:00", 90)
    read(meter, "2025-03-04 12:00:00", 15)
    settle_through("2025-03-04")
    assert [row[2] for row in qualities(meter)] == ["valid", "valid", "decrease"]
    reject(reading_of(meter, 90), inspector)
    assert [row[2] for row in qualities(meter)] == ["valid", "rejected", "valid"]
    settle_through("2025-03-04")
    assert usage(meter) == [("2025-03-02", 1, "10", "1.4", "14"), ("2025-03-04", 1, "5", "1.4", "7")]
    assert account(meter)["settled_amount"] == 21
    assert MeterState.objects.get(meter=meter).index == 15
    prove_books()


def test_a_conflict_counts_once_the_other_reading_of_its_moment_is_rejected(meter, inspector):
    read(meter, "2025-03-02 12:00:00", 10)
    read(meter, "2025-03-02 12:00:00", 11)
    other = reading_of(meter, 11)
    assert other.quality == "conflict"
    before = everything()
    with pytest.raises(ReviewRefused):
        accept(other, inspector)
    assert everything() == before
    reject(reading_of(meter, 10), inspector)
    assert reading_of(meter, 11).quality == "valid"
    settle_through("2025-03-02")
    assert usage(meter) == [("2025-03-02", 1, "11", "1.4", "15.4")]


def test_a_decision_taken_back_leaves_the_reading_to_the_rules_again(meter, inspector):
    read(meter, "2025-03-02 12:00:00", 10)
    read(meter, "2025-03-03 12:00:00", 400)
    settle_through("2025-03-03")
    jumped = reading_of(meter, 400)
    accept(jumped, inspector)
    settle_through("2025-03-03")
    decide(jumped, decision=Decision.NONE, note="误操作", by=inspector, now=NOW)
    settle_through("2025-03-03")
    assert reading_of(meter, 400).quality == "jump"
    assert usage(meter) == [("2025-03-02", 1, "10", "1.4", "14")]
    assert [row.decision for row in ReadingReview.objects.order_by("pk")] == ["accepted", ""]


@pytest.mark.parametrize(
    ("index", "choice", "note"),
    [
        ("400", Decision.ACCEPTED, "  "),  # without a note
        ("10", Decision.ACCEPTED, "对"),  # counts already
        ("400", Decision.NONE, "对"),  # nothing was decided
        ("5", Decision.ACCEPTED, "对"),  # below an earlier one
        ("3", Decision.ACCEPTED, "对"),  # before the meter's life
    ],
)
def test_what_makes_no_sense_is_refused_and_changes_nothing(meter, inspector, index, choice, note):
    read(meter, "2025-02-20 12:00:00", 3)
    read(meter, "2025-03-02 12:00:00", 10)
    read(meter, "2025-03-03 12:00:00", 400)
    read(meter, "2025-03-04 12:00:00", 5)
    settle_through("2025-03-04")
    before, books = everything(), account(meter)
    with pytest.raises(ReviewRefused):
        decide(reading_of(meter, index), decision=choice, note=note, by=inspector, now=NOW)
    assert everything() == before
    assert account(meter) == books


def test_the_readings_of_an_ended_meter_follow_but_never_against_its_closing_reading(meter, inspector):
    read(meter, "2025-03-02 12:00:00", 10)
    read(meter, "2025-03-03 12:00:00", 90)
    read(meter, "2025-03-04 12:00:00", 400)
    deregister_meter(Meter.objects.get(pk=meter.pk), closing_index=Decimal(95), reason="拆表", now=NOW)
    before, books = everything(), account(meter)
    with pytest.raises(ReviewRefused):
        accept(reading_of(meter, 400), inspector)
    with pytest.raises(ReviewRefused):
        reject(reading_of(meter, 95), inspector)
    assert everything() == before
    assert account(meter) == books
    reject(reading_of(meter, 90), inspector)
    settle_through(NOW.date())
    assert usage(meter)[:1] == [("2025-03-02", 1, "10", "1.4", "14")]
    assert sum(Decimal(row[2]) for row in usage(meter)) == 95
    prove_books()


@pytest.fixture
def swapped(world):
    """Used in January until 40 m3, in February until 70; then replaced. Tiers begin anew every month."""
    make_price(world, months=1)
    old = make_meter(world, born="2026-01-20 00:00:00")
    read(old, "2026-01-30 12:00:00", 40)
    read(old, "2026-02-01 08:00:00", 60)
    return replaced(old, "188011110129", closing=70, now=NOW)


def replaced(meter, meter_no, *, closing, now):
    new = Replacement(
        meter_no=meter_no,
        meter_type="441",
        comm_no="",
        closing_index=Decimal(closing),
        opening_index=Decimal(0),
    )
    return replace_meter(Meter.objects.get(pk=meter.pk), new, now=now)


def test_what_a_new_meter_took_over_follows_a_decision_about_the_old_one(swapped, inspector):
    """All 70 m3 were used in February, then, and the new meter begins in the second tier."""
    assert account(swapped)["cycle_volume"] == 30
    reject(reading_of(swapped.replaces, 40), inspector)
    read(swapped, "2026-02-01 12:05:00", 5)
    assert tariff_price(Meter.objects.get(pk=swapped.pk), today=NOW.date()) == Decimal("1.4")
    settle_through("2026-02-01")
    assert usage(swapped) == [("2026-02-01", 2, "5", "2.4", "12")]
    assert account(swapped)["cycle_volume"] == 75
    prove_books()


def test_a_new_meter_that_ends_before_the_old_one_is_settled_again_is_right_at_once(swapped, inspector):
    reject(reading_of(swapped.replaces, 40), inspector)
    last = replaced(swapped, "188011110130", closing=5, now=NOW + timedelta(minutes=5))
    assert usage(swapped.replaces)[-2:] == [("2026-02-01", 1, "50", "1.4", "70"), ("2026-02-01", 2, "20", "2.4", "48")]
    assert usage(swapped) == [("2026-02-01", 2, "5", "2.4", "12")]
    assert account(last)["cycle_volume"] == 75
    settle_through("2026-02-01")
    assert usage(swapped) == [("2026-02-01", 2, "5", "2.4", "12")]
    prove_books()


def test_a_price_change_knows_no_more_of_the_cycle_than_before(world, swapped, inspector):
    make_price(world, (50, 7), (None, 8), code="另价", months=1)
    reject(reading_of(swapped.replaces, 40), inspector)
    change_price(swapped, price=world.company.prices.get(code="另价"), now=NOW)
    read(swapped, "2026-02-01 12:05:00", 5)
    settle_through("2026-02-01")
    assert usage(swapped) == [("2026-02-01", 2, "5", "8", "40")]
    prove_books()


def test_the_neighbourhood_holds_the_nearest_readings_in_order(meter):
    for day in range(1, 29):
        read(meter, f"2025-03-{day:02d} 12:00:00", day)
    middle = reading_of(meter, 14)
    assert [one.index for one in neighbourhood(middle).around] == list(range(6, 23))
    assert [one.index for one in neighbourhood(reading_of(meter, 1)).around] == list(range(1, 10))
