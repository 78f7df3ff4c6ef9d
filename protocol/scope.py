"""Which companies and manufacturers a peer may speak about (R1). A refusal tells nothing about what exists."""

from protocol.errors import FieldInvalid, ManufacturerUnknown, Refused
from protocol.models import Company, Manufacturer, Peer, PeerKind


class CompanyUnknown(Refused):
    def __init__(self, code: str) -> None:
        super().__init__(f"公司编码 {code} 不存在")


def company_for(peer: Peer, code: str | None) -> Company:
    """The company a message is about; it may be left out by a peer that serves exactly one (R6)."""
    served = peer.companies.all()
    if code is None:
        candidates = list(served[:2])
        if len(candidates) != 1:
            raise FieldInvalid("companyCode", "不能为空")
        return candidates[0]
    company = served.filter(code=code).first()
    if company is None and _speaks_for_all(peer, PeerKind.HEADEND, served.exists()):
        company = Company.objects.filter(code=code).first()
    if company is None:
        raise CompanyUnknown(code)
    return company


def manufacturer_for(peer: Peer, factor_no: str) -> Manufacturer:
    """The manufacturer a message is about; raises ManufacturerUnknown (0404)."""
    served = peer.manufacturers.all()
    manufacturer = served.filter(factor_no=factor_no).first()
    if manufacturer is None and _speaks_for_all(peer, PeerKind.CIS, served.exists()):
        manufacturer = Manufacturer.objects.filter(factor_no=factor_no).first()
    if manufacturer is None:
        raise ManufacturerUnknown
    return manufacturer


def _speaks_for_all(peer: Peer, kind: PeerKind, any_listed: bool) -> bool:
    """An empty list means "all" only on the side that the kind of peer is not tied to."""
    return peer.kind == kind and not any_listed
