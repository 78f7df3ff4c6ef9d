"""Rows of everything, and a superuser who has signed in."""

import pytest
from django.contrib.auth.models import User
from django.test import Client

from tests.admin.browsing import sign_in
from tests.admin.rows import Rows, make_everything, make_export, make_token


@pytest.fixture
def rows(db) -> Rows:
    rows = make_everything()
    for number in (1, 2):
        person = User.objects.create(username=f"ana-{number}")
        make_export(person)
        make_token(person, name=f"notebook-{number}")
    return rows


@pytest.fixture
def chief(client: Client, rows: Rows) -> Client:
    return sign_in(client)
