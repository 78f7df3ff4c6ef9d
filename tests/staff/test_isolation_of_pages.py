"""Every further page of the admin about one row (acts, files, progress, reviews) refuses a row of another company."""

import re
from collections.abc import Iterator

import pytest
from django.contrib import admin
from django.urls import reverse

from commands.models import Command
from office.command_acts import ACTS as COMMAND_ACTS
from office.meter_forms import PAGES as METER_ACTS
from staff.models import StaffAct
from staff.peer_acts import ACTS as PEER_ACTS
from tests.staff.test_isolation import PATHS, theirs  # noqa: F401  (a fixture)

ACTS = {*COMMAND_ACTS, *METER_ACTS, *PEER_ACTS}
# What every admin has, which tests/staff/test_isolation.py asks for.
USUAL = ("changelist", "add", "history", "delete", "change")


def further_pages(model) -> Iterator[tuple[str, list[str]]]:
    """(name, parameters) of the pages about one row that this admin adds to the usual ones."""
    for pattern in admin.site._registry[model].get_urls():
        parameters = re.findall(r"<(?:\w+:)?(\w+)>", str(pattern.pattern))
        if parameters and pattern.name and not pattern.name.endswith(USUAL):
            yield pattern.name, parameters


PAGES = [(model, name, parameters) for model in PATHS for name, parameters in further_pages(model)]


def addresses(name, parameters, row) -> list[str]:
    key = {parameter: row.pk for parameter in parameters if parameter != "act"}
    acts = sorted(ACTS) if "act" in parameters else [""]
    return [reverse(f"admin:{name}", kwargs={**key, **({"act": act} if act else {})}) for act in acts]


def test_there_are_such_pages():
    names = {name for _model, name, _parameters in PAGES}
    assert names >= {
        "office_meter_act",
        "office_command_act",
        "staff_peer_act",
        "staff_process_again",
        "readings_reading_review",
        "analysis_exportjob_file",
        "commands_bulkcommand_results",
    }


@pytest.mark.parametrize(
    ("model", "name", "parameters"), PAGES, ids=lambda value: str(getattr(value, "__name__", value))
)
def test_a_further_page_refuses_a_row_of_another_company(clerk, theirs, model, name, parameters):  # noqa: F811
    row, acts, commands = theirs[model], StaffAct.objects.count(), Command.objects.count()
    before = list(model.objects.filter(pk=row.pk).values())
    for address in addresses(name, parameters, row):
        for response in (clerk.get(address), clerk.post(address, {"token": "x", "note": "x", "decision": "rejected"})):
            assert response.status_code in (302, 403, 404, 405), address
            assert response.status_code != 302 or response.url.startswith("/admin/login/") or response.url == "/admin/"
            assert b"FREMD" not in response.content
    assert list(model.objects.filter(pk=row.pk).values()) == before
    assert (StaffAct.objects.count(), Command.objects.count()) == (acts, commands)
