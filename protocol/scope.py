"""Which companies and manufacturers a peer may speak about (R1). A refusal tells nothing about what exists."""

from protocol.directory import Scope
from protocol.errors import FieldInvalid, ManufacturerUnknown, Refused
from protocol.models import Company, Manufacturer


class CompanyUnknown(Refused):
    def __init__(self, code: str) -> None:
        super().__init__(f"公司编码 {code} 不存在")


def company_for(scope: Scope, code: str | None) -> Company:
    """The company a message is about; it may be left out by a peer that serves exactly one (R6)."""
    if code is None:
        if len(scope.listed_companies) != 1:
            raise FieldInvalid("companyCode", "不能为空")
        return next(iter(scope.listed_companies.values()))
    company = scope.companies.get(code)
    if company is None:
        raise CompanyUnknown(code)
    return company


def manufacturer_for(scope: Scope, factor_no: str) -> Manufacturer:
    """The manufacturer a message is about; raises ManufacturerUnknown (0404)."""
    manufacturer = scope.manufacturers.get(factor_no)
    if manufacturer is None:
        raise ManufacturerUnknown
    return manufacturer
