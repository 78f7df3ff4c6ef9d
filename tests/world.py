"""A small gas company to test with: one company, one manufacturer, a CIS and a head-end."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.utils import timezone

from protocol.models import Company, Manufacturer, Peer
from protocol.parties import create_company, create_manufacturer, create_peer
from tests.wire import Caller

COMPANY, FACTOR = "10001058", "0025"
PRICE = "居民三阶"
TIERS = {"priceLength": "3", "price1": "1.4", "ladder1End": "50", "price2": "2.4", "ladder2End": "300", "price3": "3.4"}


def local(text: str) -> datetime:
    """An aware moment from local time: "2026-01-31 08:00:00"."""
    return timezone.make_aware(datetime.fromisoformat(text))


@dataclass
class World:
    company: Company
    manufacturer: Manufacturer
    cis_peer: Peer
    headend_peer: Peer
    cis: Caller
    headend: Caller

    def create_price(self, code: str = PRICE, **fields: Any) -> dict[str, Any]:
        body = {"priceProperty": "1", "cycleLength": "12", "priceType": "2", "priceDetail": TIERS, **fields}
        return self.cis.send("1007", companyCode=COMPANY, factorNo=FACTOR, priceCode=code, **body)

    def register(self, meter_no: str = "188011110128", **fields: Any) -> dict[str, Any]:
        """Registered ten days ago with index 0, unless `fields` say otherwise."""
        body = {
            "userNo": meter_no,
            "meterType": "441",
            "initNum": "0",
            "billingModel": "3",
            "payModel": "1",
            "sdateTime": (timezone.localtime() - timedelta(days=10)).strftime("%Y-%m-%d"),
            "priceCode": PRICE,
            **fields,
        }
        return self.cis.send("1001", companyCode=COMPANY, factorNo=FACTOR, meterNo=meter_no, **body)

    def report(self, moment: datetime, index: str, meter_no: str = "188011110128", **fields: Any) -> dict[str, Any]:
        """A 2001 with `index` m3 at `moment`."""
        at = timezone.localtime(moment)
        body = {
            "userNo": meter_no,
            "billingModel": "3",
            "readNum": index,
            "readDate": at.strftime("%Y%m%d"),
            "readTime": at.strftime("%H%M%S"),
            "batteryCap": "6.14",
            "semaphore": "59.0%",
            "valveState": "2",
            "sdateTime": at.strftime("%Y-%m-%d"),
            **fields,
        }
        return self.headend.send("2001", companyCode=COMPANY, factorNo=FACTOR, meterNo=meter_no, **body)

    def usage(self, first: str, last: str, user_no: str = "188011110128") -> list[dict[str, str]]:
        answer = self.cis.send(
            "1015", companyCode=COMPANY, factorNo=FACTOR, userNo=user_no, startTime=first, endTime=last
        )
        assert answer["echoCode"] == "0000", answer
        return answer["echoMsg"]["gasData"]


def build_world(*, company: str = COMPANY, factor: str = FACTOR, cis_url: str = "") -> World:
    create_company(code=company, name="测试燃气")
    create_manufacturer(factor_no=factor, name="测试表具")
    cis = create_peer(
        kind="cis", app_code=f"cis-{company}", app_secret="cis-secret", companies=[company], url=cis_url
    ).row
    headend = create_peer(
        kind="headend", app_code=f"he-{factor}", app_secret="headend-secret", manufacturers=[factor]
    ).row
    return World(
        company=Company.objects.get(code=company),
        manufacturer=Manufacturer.objects.get(factor_no=factor),
        cis_peer=cis,
        headend_peer=headend,
        cis=Caller(cis.app_code, "cis-secret"),
        headend=Caller(headend.app_code, "headend-secret"),
    )
