from argparse import ArgumentTypeError

import pytest
from django.core.management.base import CommandError

from simulator.options import (
    account_of,
    address,
    factor_no,
    fraction,
    pause,
    per_minute,
    per_second,
    platform_url,
    seconds,
    whole,
)
from simulator.serving import Address


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("127.0.0.1:8101", Address("127.0.0.1", 8101)),
        ("[::1]:0", Address("::1", 0)),
        ("localhost:65535", Address("localhost", 65535)),
    ],
)
def test_address(text, expected):
    assert address(text) == expected
    assert str(expected) == text


@pytest.mark.parametrize(
    ("read", "text"),
    [
        (address, "8101"),
        (address, ":8101"),
        (address, "127.0.0.1:65536"),
        (address, "127.0.0.1:x"),
        (platform_url, "127.0.0.1:8000"),
        (platform_url, "ftp://127.0.0.1"),
        (platform_url, "http://user:password@127.0.0.1"),
        (factor_no, "30"),
        (factor_no, "00300"),
        (factor_no, "٠٠٣٠"),
        (fraction, "1.1"),
        (fraction, "-0.1"),
        (fraction, "nan"),
        (fraction, "x"),
        (seconds, "0"),
        (per_second, "inf"),
        (pause, "-1"),
        (per_minute, "60001"),
        (whole(low=1, high=9), "0"),
        (whole(low=1, high=9), "10"),
        (whole(low=1, high=9), "1.5"),
        (whole(low=1, high=9), "-1"),
    ],
)
def test_what_makes_no_sense_is_refused(read, text):
    with pytest.raises(ArgumentTypeError):
        read(text)


def test_what_makes_sense_is_read():
    assert platform_url("https://das.example/base/") == "https://das.example/base/"
    assert (factor_no("0030"), fraction("0.25"), seconds("15"), per_second("0.5")) == ("0030", 0.25, 15.0, 0.5)
    assert (pause("0"), per_minute("0"), per_minute("4")) == (0.0, 0.0, 4.0)
    assert whole(low=1, high=9)("9") == 9


def test_a_refused_url_is_not_repeated():
    with pytest.raises(ArgumentTypeError) as refused:
        platform_url("http://user:password@127.0.0.1")
    assert "password" not in str(refused.value)


def test_the_secret_comes_from_the_environment(monkeypatch):
    monkeypatch.setenv("PEER_SECRET", "s")
    assert account_of("peer-1", secret_name="PEER_SECRET").app_secret == "s"
    monkeypatch.setenv("PEER_SECRET", "")
    with pytest.raises(CommandError, match=r"^set PEER_SECRET to the appSecret of peer-1$"):
        account_of("peer-1", secret_name="PEER_SECRET")
