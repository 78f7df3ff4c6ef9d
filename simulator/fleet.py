"""The virtual meters. Both simulators derive them from seed, manufacturer and number, and so agree without talking."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from simulator.consumption import Household, household, index_units
from simulator.draws import draw

DEFAULT_SEED = 1
DEFAULT_COMPANY = "10001001"
DEFAULT_FACTOR = "0030"
MOST_METERS = 1_000_000

_SURNAMES = "赵钱孙李周吴郑王冯陈褚卫蒋沈韩杨朱秦许何吕张孔曹严华金魏陶姜"
_GIVEN_NAMES = ("晓燕", "志强", "雨桐", "建国", "思源", "丽华", "子涵", "文博", "秀英", "海峰", "静", "磊")
_STREETS = ("星河路", "青禾街", "望月巷", "竹溪路", "云帆大道", "麦田街")


@dataclass(frozen=True, slots=True)
class VirtualMeter:
    """One meter and the customer behind it; `number` counts from 1."""

    number: int
    meter_no: str
    user_no: str
    home: Household

    @property
    def customer(self) -> str:
        return self._pick("surname", _SURNAMES) + self._pick("given name", _GIVEN_NAMES)

    @property
    def address(self) -> str:
        block, flat = divmod(self.number - 1, 24)
        floor, door = divmod(flat, 4)
        street = self._pick("street", _STREETS)
        return f"示例市演示区{street}{block // 12 + 1}号{block % 12 + 1}栋{floor + 1}0{door + 1}室"

    @property
    def phone(self) -> str:
        """No telephone number begins with 100 and goes on for 11 digits: nobody can be called by mistake."""
        return f"100{self.number:08d}"

    def index_at(self, moment: datetime) -> Decimal:
        """The register at `moment` in m3, with 4 decimals."""
        return Decimal(index_units(self.home, moment=moment)).scaleb(-4)

    def _pick(self, what: str, choices: str | tuple[str, ...]) -> str:
        return choices[draw(self.home.key, what, below=len(choices))]


def fleet(*, seed: int, factor: str, meters: int) -> list[VirtualMeter]:
    """Meters 1 to `meters` of the manufacturer with the four digits `factor`."""
    return [_meter(seed=seed, factor=factor, number=number) for number in range(1, meters + 1)]


def fixed_text(value: Decimal) -> str:
    """Every decimal is written: 12.5000 stays "12.5000"."""
    return format(value, "f")


def _meter(*, seed: int, factor: str, number: int) -> VirtualMeter:
    meter_no = f"{factor}{number:08d}"
    home = household(seed=seed, meter_no=meter_no)
    return VirtualMeter(number=number, meter_no=meter_no, user_no=f"6{meter_no}", home=home)
