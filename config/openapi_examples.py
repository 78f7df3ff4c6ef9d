"""One accepted request of each message, for the interface's documentation."""

from typing import Any, Final


def serial_of(code: str) -> str:
    """Each example has a serial of its own, as each message has: one that is spent is refused to another (R5)."""
    return f"{code}bae8d3cae473dbd3233cdcdbb1e"


_OF_CIS: Final = {"companyCode": "10001058", "factorNo": "0025"}
_METER: Final = {**_OF_CIS, "userNo": "20200112", "deviceId": "", "meterNo": "188011110128"}
_NOW: Final = {"sdateTime": "2026-01-31 08:00:00"}

_FIELDS: Final[dict[str, dict[str, Any]]] = {
    "1001": {
        **_METER,
        "username": "张三",
        "meterType": "441",
        "initNum": "0",
        "billingModel": "3",
        "payModel": "1",
        "priceCode": "20191218",
        "address": "人民路 1 号",
        "customerType": "02",
        **_NOW,
    },
    "1002": {**_METER, "initNum": "120.5", "reason": "拆除", **_NOW},
    "1004": {**_METER, "paramNo": "03", "paramContext": {"total": "1", "data": {"valveSet": "0"}}, **_NOW},
    "1005": {**_METER, "sendSerialNo": serial_of("1004")},
    "1007": {
        **_OF_CIS,
        "priceCode": "20191218",
        "priceProperty": "1",
        "cycleLength": "12",
        "priceType": "2",
        "priceDetail": {"priceLength": "2", "price1": "1.4", "ladder1End": "50", "price2": "2.4"},
    },
    "1008": {**_METER, "newPriceCode": "20200101"},
    "1009": {**_METER, "newMeterType": "441", "newMeterNo": "188011110129", "oldNum": "120.5", "newNum": "0"},
    "1013": {**_OF_CIS, "meterNo": "", "readingDate": "2026-01-31"},
    "1014": _METER,
    "1015": {**_METER, "startTime": "2026-01-01", "endTime": "2026-01-31"},
    "2001": {
        **_METER,
        "billingModel": "3",
        "readNum": "12.34",
        "readDate": "20260131",
        "readTime": "080000",
        "batteryCap": "6.14",
        "semaphore": "59.0%",
        "valveState": "2",
        "addGas": {"20260130": "11.9"},
        **_NOW,
    },
    "2002": {**_METER, "sendSerialNo": "b25bae8d3cae473dbd3233cdcdbb1e", "paramNo": "03", "excuteState": "1", **_NOW},
    "2003": {**_METER, "alarmType": "02", "alarmContent": "燃气泄漏", "alarmPriority": "3", **_NOW},
}
EXAMPLES: Final = {code: {"serialNo": serial_of(code), **fields} for code, fields in _FIELDS.items()}


def _receipt(code: str) -> dict[str, Any]:
    return {"serialNo": serial_of(code), "deviceId": _DEVICE, "rdateTime": "20260131180000"}


_DEVICE: Final = "5dcf20b26e1b4dfdb0d01829406cc055"
_RECEIPTS: Final = ("1001", "1002", "1004", "1005", "1008", "1009", "2002")
# As the endpoints answer the requests above (tests/config/test_openapi_examples.py).
ANSWERS: Final[dict[str, dict[str, Any]]] = {
    **{code: {"echoCode": "0000", "echoMsg": _receipt(code)} for code in _RECEIPTS},
    "1007": {"echoCode": "0000", "echoMsg": {**_receipt("1007"), "deviceId": ""}},
    "1013": {
        "echoCode": "0000",
        "echoMsg": {
            "readingData": {
                "data": [
                    {
                        "userArchivesNum": "20200112",
                        "deviceId": _DEVICE,
                        "gasMeterNo": "188011110128",
                        "readNum": "12.34",
                        "meterBalance": "0",
                        "readDate": "2026-01-31 08:00:00",
                        "valveState": "0",
                        "sumGas": "0",
                        "sumMoney": "0",
                    }
                ],
                "total": "1",
            },
            "serialNo": serial_of("1013"),
        },
    },
    "1014": {
        "echoCode": "0000",
        "echoMsg": {
            "serialNo": serial_of("1014"),
            "deviceId": _DEVICE,
            "meterNo": "188011110128",
            "meterState": "2",
            "setUpTime": "2026-01-31",
            "beseNum": "0",
            "userName": "张三",
            "address": "人民路 1 号",
            "userType": "居民户",
            "priceCode": "20200101",
            "readingNum": "12.34",
            "valveState": "1",
            "sumUseGas": "0",
            "sumUseMoney": "0",
            "balance": "0",
            "price": "1.4",
            "lastReadingTime": "2026-01-31 08:00:00",
            "voltage": "6.14",
            "signalStrength": "59%",
            "sumRechargeAomunt": "0",
            "lastRechargeAmount": "0",
            "lastRechargeDate": "",
            "rechargeCount": "0",
        },
    },
    "1015": {
        "echoCode": "0000",
        "echoMsg": {
            "serialNo": serial_of("1015"),
            "gasData": [
                {
                    "useDate": "2026-01-31",
                    "price": "1.4",
                    "useGas": "12.34",
                    "useAmount": "17.276",
                    "deviceId": _DEVICE,
                    "meterNo": "188011110128",
                }
            ],
        },
    },
    "2001": {
        "echoCode": "0000",
        "serialNo": serial_of("2001"),
        "userNo": "20200112",
        "deviceId": _DEVICE,
        "factorNo": "0025",
        "meterNo": "188011110128",
        "valvecontrol": "2",
        "currentprice": "1.4",
        "remainquantity": "0",
        "rdateTime": "20260131180000",
    },
    "2003": {"echoCode": "0000", "echoMsg": "告警上报成功"},
}
