"""How a number is written on a page."""

from decimal import Decimal

from django import template

from protocol.wire import decimal_text

register = template.Library()


@register.filter
def plain(value: Decimal | None) -> str:
    """As on the wire, without zeros at the end: 3.9000 -> "3.9"; what is unknown is a dash."""
    return decimal_text(value, missing="–")
