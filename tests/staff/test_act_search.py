"""What the staff did is found by who did it, by what it was done to, or by the act: whole words, through indexes."""

import pytest
from django.contrib.auth.models import User

from staff.acts import put_on_record
from staff.models import StaffAct
from tests.admin.browsing import page, sign_in

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Anna", ["peer.pause", "peer.resume"]),
        ("user2", ["meter.open"]),
        (" PEER.resume ", ["peer.resume"]),
        ("peer", []),
        ("target", ["meter.open"]),
        ("0", []),
        ("", ["meter.open", "peer.pause", "peer.resume"]),
    ],
)
def test_whole_words(client, text, expected):
    anna, other = (User.objects.create(username=name) for name in ("anna", "user2"))
    put_on_record(by=anna, act="peer.pause", target=anna)
    put_on_record(by=anna, act="peer.resume", target=anna)
    put_on_record(by=other, act="meter.open", target=other)
    found = sign_in(client).get(page(StaffAct, "changelist"), {"q": str(other.pk) if text == "target" else text})
    assert sorted(act.act for act in found.context["cl"].result_list) == expected
