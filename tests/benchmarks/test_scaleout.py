"""What the scenario on several hosts concludes from what the CIS saw; the hosts themselves need root and minutes."""

import sys

from benchmarks.cutting import repeated_by_others
from benchmarks.hosts import network
from benchmarks.hosts.scene import out_of_order

A, B = "10.213.87.11", "10.213.87.12"


def test_numbers_of_a_meter_must_count_up():
    arrivals = [("s1", "m1", 1, A, 0.0), ("s3", "m2", 2, A, 0.1), ("s2", "m1", 2, A, 0.2), ("s4", "m2", 1, A, 0.3)]
    assert out_of_order(arrivals) == ["m2"]


def test_a_message_that_comes_again_is_not_out_of_order():
    arrivals = [("s1", "m1", 1, B, 0.0), ("s2", "m1", 2, A, 0.1), ("s1", "m1", 1, A, 0.2)]
    assert out_of_order(arrivals) == []


def test_only_what_the_cut_host_had_may_come_again():
    arrivals = [("s1", "m1", 1, B, 0.0), ("s1", "m1", 1, A, 0.1), ("s2", "m2", 1, A, 0.2), ("s2", "m2", 1, A, 0.3)]
    assert repeated_by_others(arrivals, ["s1", "s2"], cut_address=B) == ["s2"]


def test_what_is_missing_for_hosts_is_said(monkeypatch):
    monkeypatch.setattr(network.os, "geteuid", lambda: 1000)
    monkeypatch.setattr(sys, "platform", "linux")
    assert "root" in network.why_not()
    monkeypatch.setattr(sys, "platform", "darwin")
    assert "Linux" in network.why_not()
