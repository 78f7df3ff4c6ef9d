"""The error codes of the interface and the exceptions that carry them (R4).

Every refusal raised anywhere below an endpoint is a ProtocolError; the endpoint base turns it into an envelope.
"""

from enum import StrEnum
from typing import Any, ClassVar

from django.utils.translation import gettext_lazy as _


class EchoCode(StrEnum):
    SUCCESS = "0000"
    HEADER_INVALID = "0101"
    ACCESS_DENIED = "0103"
    TIMESTAMP_OUTSIDE_WINDOW = "0105"
    MANUFACTURER_UNKNOWN = "0404"
    PRICE_EXISTS = "2004"
    UNAVAILABLE = "9995"
    REFUSED = "9999"


class ProtocolError(Exception):
    """A refusal with its wire code and its message in Chinese; `words` say it to staff, about the attributes."""

    code: ClassVar[EchoCode] = EchoCode.REFUSED
    words: ClassVar[Any] = None

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message

    @property
    def told(self) -> str:
        """In the reader's language where staff can meet it, else the message of the wire."""
        return self.message if self.words is None else str(self.words) % vars(self)


class HeaderInvalid(ProtocolError):
    code = EchoCode.HEADER_INVALID

    def __init__(self, header: str) -> None:
        super().__init__(f"Token 校验未通过：请求头 {header} 缺失或无法解析")


class AccessDenied(ProtocolError):
    """One text for every cause, so that an answer tells nothing about which appCodes exist."""

    code = EchoCode.ACCESS_DENIED

    def __init__(self) -> None:
        super().__init__("Token 校验未通过：请检查 AccessToken 和 Authorization")


class TimestampOutsideWindow(ProtocolError):
    code = EchoCode.TIMESTAMP_OUTSIDE_WINDOW

    def __init__(self) -> None:
        super().__init__("Token 校验未通过：时间戳超出允许范围")


class ManufacturerUnknown(ProtocolError):
    code = EchoCode.MANUFACTURER_UNKNOWN
    words = _("the manufacturer is unknown, or not one of the peer's")

    def __init__(self) -> None:
        super().__init__("厂商编码(factorNo)错误")


class Unavailable(ProtocolError):
    code = EchoCode.UNAVAILABLE
    words = _("the service cannot answer now")

    def __init__(self) -> None:
        super().__init__("服务暂不可用，请稍后重试")


class Refused(ProtocolError):
    """9999: everything else. The message names the field and the reason."""


class FieldInvalid(Refused):
    def __init__(self, field: str, reason: str) -> None:
        super().__init__(f"{field} {reason}")
        self.field = field


class SerialReused(Refused):
    words = _("the serial number was used for another message")

    def __init__(self, serial_no: str) -> None:
        super().__init__(f"通讯流水 {serial_no} 重复")
