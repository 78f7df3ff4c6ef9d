"""Rows of everything, and a superuser who has signed in."""

import pytest
from django.test import Client

from tests.admin.browsing import sign_in
from tests.admin.rows import Rows, make_everything


@pytest.fixture
def rows(db) -> Rows:
    return make_everything()


@pytest.fixture
def chief(client: Client, rows: Rows) -> Client:
    return sign_in(client)
