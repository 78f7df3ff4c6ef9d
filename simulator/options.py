"""Command line options that both simulators have, and the types of their values."""

import os
import re
from argparse import ArgumentTypeError
from collections.abc import Callable
from urllib.parse import urlsplit

from django.core.management.base import CommandError, CommandParser

from simulator.client import Account
from simulator.fleet import DEFAULT_COMPANY, DEFAULT_FACTOR, DEFAULT_SEED, MOST_METERS
from simulator.serving import Address


def add_common_options(parser: CommandParser, *, listen: str, secret_name: str) -> None:
    parser.add_argument("--platform", required=True, type=platform_url, metavar="URL", help="base URL of the platform")
    parser.add_argument(
        "--app-code", required=True, metavar="CODE", help=f"appCode of this peer; its secret is read from {secret_name}"
    )
    parser.add_argument(
        "--listen",
        default=address(listen),
        type=address,
        metavar="HOST:PORT",
        help="where to serve (default %(default)s)",
    )
    parser.add_argument("--company", default=DEFAULT_COMPANY, help="companyCode (default %(default)s)")
    parser.add_argument(
        "--factor", default=DEFAULT_FACTOR, type=factor_no, help="factorNo, four digits (default %(default)s)"
    )
    parser.add_argument(
        "--meters",
        default=20,
        type=whole(low=1, high=MOST_METERS),
        metavar="N",
        help="number of virtual meters, the same in both simulators (default %(default)s)",
    )
    parser.add_argument(
        "--days",
        default=7,
        type=whole(low=0, high=366),
        metavar="N",
        help="days before today with data, the same in both simulators (default %(default)s)",
    )
    parser.add_argument(
        "--seed",
        default=DEFAULT_SEED,
        type=int,
        metavar="N",
        help="makes the meters and their consumption; the same in both simulators (default %(default)s)",
    )


def account_of(app_code: str, *, secret_name: str) -> Account:
    """The secret comes from the environment only: a command line can be read by every user of a machine."""
    app_secret = os.environ.get(secret_name, "")
    if not app_secret:
        raise CommandError(f"set {secret_name} to the appSecret of {app_code}")
    return Account(app_code=app_code, app_secret=app_secret)


def address(text: str) -> Address:
    host, _, port = text.rpartition(":")
    if not host or not re.fullmatch(r"[0-9]{1,5}", port) or int(port) > 65_535:
        raise ArgumentTypeError(f"{text!r} is not HOST:PORT")
    return Address(host.strip("[]"), int(port))


def platform_url(text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.hostname or "@" in parts.netloc:
        raise ArgumentTypeError("expected an http:// or https:// URL without user name")
    return text


def factor_no(text: str) -> str:
    if not re.fullmatch(r"[0-9]{4}", text):
        raise ArgumentTypeError(f"{text!r} is not four digits")
    return text


def fraction(text: str) -> float:
    return _number(text, low=0.0, high=1.0)


def seconds(text: str) -> float:
    return _number(text, low=0.01, high=86_400.0)


def per_second(text: str) -> float:
    return _number(text, low=0.001, high=100_000.0)


def pause(text: str) -> float:
    return _number(text, low=0.0, high=86_400.0)


def per_minute(text: str) -> float:
    return _number(text, low=0.0, high=60_000.0)


def whole(*, low: int, high: int) -> Callable[[str], int]:
    """A type for whole numbers from `low` to `high`."""

    def read(text: str) -> int:
        if not re.fullmatch(r"[0-9]{1,12}", text) or not low <= int(text) <= high:
            raise ArgumentTypeError(f"{text!r} is not a whole number from {low} to {high}")
        return int(text)

    return read


def _number(text: str, *, low: float, high: float) -> float:
    try:
        value = float(text)
    except ValueError:
        raise ArgumentTypeError(f"{text!r} is not a number") from None
    if not low <= value <= high:
        raise ArgumentTypeError(f"{text!r} is not between {low:g} and {high:g}")
    return value
