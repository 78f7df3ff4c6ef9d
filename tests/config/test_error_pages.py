"""What goes wrong inside the admin is told on a page, in the reader's language; elsewhere by an envelope."""

import pytest
from django.test import Client, override_settings

from tests.admin.rows import make_person

pytestmark = pytest.mark.django_db


def told(response, language):
    assert f'lang="{language}"' in response.text
    assert 'href="/admin/"' in response.text
    return response.status_code


@pytest.mark.parametrize(("language", "words"), [("en", "There is no such page"), ("zh-hans", "404")])
def test_an_unknown_page(client, language, words):
    client.force_login(make_person())
    client.cookies["django_language"] = language
    response = client.get("/admin/meters/nothing/here/")
    assert told(response, language) == 404
    assert words in response.text


def test_what_ones_roles_do_not_allow(client):
    client.force_login(make_person("nobody", superuser=False))
    client.cookies["django_language"] = "en"
    response = client.get("/admin/meters/meter/")
    assert told(response, "en") == 403
    assert "You may not do this" in response.text


def test_a_form_of_another_session(db):
    client = Client(enforce_csrf_checks=True)
    client.cookies["django_language"] = "en"
    response = client.post("/admin/login/", {"username": "x", "password": "y"})
    assert told(response, "en") == 403
    assert "This form is too old" in response.text


def test_what_breaks(client, monkeypatch):
    client.force_login(make_person())
    client.raise_request_exception = False
    client.cookies["django_language"] = "en"
    monkeypatch.setattr("office.home.needs", lambda request: 1 / 0)
    response = client.get("/admin/")
    assert told(response, "en") == 500
    assert "Something went wrong here" in response.text
    assert "ZeroDivisionError" not in response.text


def test_a_host_that_is_not_ours(client):
    with override_settings(ALLOWED_HOSTS=["other"]):
        assert told(client.get("/admin/"), "zh-hans") == 400


def test_outside_the_admin_it_is_an_envelope(client):
    assert client.get("/nothing").json()["echoCode"] == "9999"
