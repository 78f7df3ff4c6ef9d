"""One accepted request of each message, for the interface's documentation."""

from typing import Any, Final

_OF_CIS: Final = {"serialNo": "a25bae8d3cae473dbd3233cdcdbb1e", "companyCode": "10001058", "factorNo": "0025"}
_METER: Final = {**_OF_CIS, "userNo": "20200112", "deviceId": "", "meterNo": "188011110128"}
_NOW: Final = {"sdateTime": "2026-01-31 08:00:00"}

EXAMPLES: Final[dict[str, dict[str, Any]]] = {
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
    "1005": {**_METER, "sendSerialNo": "b25bae8d3cae473dbd3233cdcdbb1e"},
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
