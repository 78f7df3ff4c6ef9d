"""The interface's documentation says what is served, and its examples are accepted; who may read it."""

import json

import pytest
from django.core.management import call_command
from django.test import Client
from drf_spectacular.validation import validate_schema

from analysis.tables import TABLES
from config.openapi import ERRORS
from config.openapi_examples import EXAMPLES
from config.urls import MESSAGES
from protocol.errors import EchoCode
from tests.admin.rows import make_person


@pytest.fixture(scope="module")
def schema(tmp_path_factory):
    path = tmp_path_factory.mktemp("docs") / "schema.json"
    call_command("spectacular", file=str(path), format="openapi-json", validate=True, fail_on_warn=True)
    return json.loads(path.read_text(encoding="utf-8"))


def test_it_is_valid_and_has_every_path_that_is_served(schema):
    validate_schema(schema)
    paths = [f"/{route}" for _, route, _ in MESSAGES] + [f"/api/analysis/{name}" for name in TABLES]
    assert list(schema["paths"]) == paths


@pytest.mark.parametrize(("code", "route", "endpoint"), MESSAGES)
def test_a_message_as_its_serializer_reads_it(schema, code, route, endpoint):
    operation = schema["paths"][f"/{route}"]["post"]
    body = operation["requestBody"]["content"]["application/json"]
    serializer = endpoint.request_serializer()
    assert list(body["schema"]["properties"]) == list(serializer.fields)
    assert body["schema"]["required"] == [name for name, field in serializer.fields.items() if field.required]
    assert [parameter["name"] for parameter in operation["parameters"]] == ["AccessToken", "Authorization"]
    answer = operation["responses"]["200"]["content"]["application/json"]["schema"]
    assert ("serialNo" in answer["properties"]) == (code == "2001")
    for echo in EchoCode:
        assert f"| {echo} |" in operation["description"]
    shown = operation["responses"]["200"]["content"]["application/json"]["examples"]
    refused = set(EchoCode) - {EchoCode.SUCCESS} - ({EchoCode.PRICE_EXISTS} if code != "1007" else set())
    assert set(shown) == {"succeeded", *refused}
    assert all(shown[echo]["value"]["echoCode"] == echo for echo in refused)


@pytest.mark.parametrize(("code", "endpoint"), [(code, endpoint) for code, _, endpoint in MESSAGES])
def test_the_example_of_a_message_is_accepted(code, endpoint):
    assert endpoint.request_serializer(data=dict(EXAMPLES[code])).parse()["serialNo"] == EXAMPLES[code]["serialNo"]


def test_every_error_code_is_told():
    assert set(ERRORS) == set(EchoCode)


@pytest.mark.django_db
def test_only_staff_read_it_unless_it_is_public(settings):
    for url in ("/docs/", "/docs/schema"):
        assert Client().get(url)["Location"] == f"/admin/login/?next={url}"
    client = Client()
    client.force_login(make_person())
    page = client.get("/docs/")
    assert page.status_code == 200
    assert "https://" not in page.text.replace("https://swagger.io", "")
    assert client.get("/docs/schema").status_code == 200
    settings.INTERFACE_DOCS_PUBLIC = True
    assert Client().get("/docs/schema").status_code == 200
