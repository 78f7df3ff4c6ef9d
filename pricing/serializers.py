"""The body of 1007 (specification 2.4.5)."""

import re
from decimal import Decimal
from typing import Any

from pricing.models import PriceKind
from pricing.services import Tariff
from protocol.errors import FieldInvalid
from protocol.fields import (
    ChoiceField,
    DayField,
    IntegerField,
    MessageSerializer,
    NumberField,
    ObjectField,
    TextField,
    WireSerializer,
    given,
)

CREATE, ADJUST = "1", "2"
RESTART_CYCLE = "0"
FIRST_VERSION = "V1"
MAX_TIERS = 50
# Below 100,000 CNY/m3: a slip of the keyboard must not become an amount that no column holds.
PRICE_DIGITS = 5
_TIER_KEY = re.compile(r"price[0-9]+|ladder[0-9]+End")


class SetPriceSerializer(MessageSerializer):
    priceCode = TextField(max_length=64)
    priceVersion = TextField(max_length=64, required=False)
    priceProperty = ChoiceField(choices=(CREATE, ADJUST))
    priceBeginDate = DayField(required=False)
    cycleLength = IntegerField(low=1, high=1200, required=False)
    priceType = ChoiceField(choices=PriceKind.values)
    clearFlag = ChoiceField(choices=("0", "1"), required=False)
    priceDetail = ObjectField()

    def parse(self) -> dict[str, Any]:
        data = super().parse()
        if data["priceProperty"] == ADJUST:
            for field in ("priceVersion", "priceBeginDate", "clearFlag"):
                if field not in data:
                    raise FieldInvalid(field, "调价时不能为空")
        if data["priceType"] == PriceKind.TIERED and "cycleLength" not in data:
            raise FieldInvalid("cycleLength", "启用阶梯时不能为空")
        data["tariff"] = _tariff(data)
        return data


def _tariff(data: dict[str, Any]) -> Tariff:
    """The tiers of priceDetail: price1..priceN and ladder1End..ladder(N-1)End, N = priceLength."""
    detail = data["priceDetail"]
    length = _length(detail, kind=PriceKind(data["priceType"]))
    expected = {f"price{n}": n for n in range(1, length + 1)}
    ends = {f"ladder{n}End": n for n in range(1, length)}
    fields = {key: NumberField(integer_digits=PRICE_DIGITS) for key in expected} | {key: NumberField() for key in ends}
    surplus = [key for key in given(detail) if _TIER_KEY.fullmatch(key) and key not in fields]
    if surplus:
        raise FieldInvalid("priceLength", f"与 {surplus[0]} 不一致")
    values = type("TiersSerializer", (WireSerializer,), fields)(data=detail).parse()
    _check_rising([values[key] for key in ends])
    return Tariff(
        kind=PriceKind(data["priceType"]),
        unit_prices=[values[key] for key in expected],
        ends=[values[key] for key in ends],
        cycle_months=data.get("cycleLength", 1),
    )


def _length(detail: dict[str, Any], *, kind: PriceKind) -> int:
    class LengthSerializer(WireSerializer):
        priceLength = IntegerField(low=1, high=MAX_TIERS)

    length = LengthSerializer(data=detail).parse()["priceLength"]
    if (length == 1) != (kind == PriceKind.SINGLE):
        raise FieldInvalid("priceLength", "与 priceType 不一致")
    return length


def _check_rising(ends: list[Decimal]) -> None:
    previous = Decimal(0)
    for number, end in enumerate(ends, start=1):
        if end <= previous:
            raise FieldInvalid(f"ladder{number}End", "必须大于前一阶的止方")
        previous = end
