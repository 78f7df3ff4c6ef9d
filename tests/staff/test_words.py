"""What is kept as a code is told in words: acts on record, filters of lists, failures of tries."""

import pytest
from django.test import RequestFactory

from commands.models import Command
from meters.models import Meter
from office.command_acts import ACTS as COMMAND_ACTS
from office.meter_acts import ACTS as METER_ACTS
from protocol.models import OutboundMessage
from staff.acts import act_name, put_on_record
from staff.failures import failure_words
from staff.filter_words import filter_words
from staff.message_acts import SEND, WITHDRAW
from staff.peer_acts import ACTS as PEER_ACTS
from staff.templatetags.staff_acts import changes
from tests.admin.rows import make_meter, make_parties, make_person
from tests.staff.conftest import employ

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def english(settings):
    settings.LANGUAGE_CODE = "en"


@pytest.fixture
def rows():
    return make_parties()


def request_of(person):
    request = RequestFactory().get("/")
    request.user = person
    return request


@pytest.mark.parametrize(
    ("model", "query", "words"),
    [
        (Command, "state__exact=failed&o=1&p=2", "State: failed"),
        (Meter, "?status__exact=active&account__in_arrears__exact=1", "Status: active; In arrears: yes"),
        (Meter, "q=人民路", "Search: 人民路"),
        (Meter, "reported=today", "Last report: today"),
        (OutboundMessage, "created_at__gte=2026-02-01", "Created at: ≥ 2026-02-01"),
        (Meter, "unheard=of", "Unheard: of"),
        (Meter, "", "everything"),
    ],
)
def test_the_query_of_a_list(rows, model, query, words):
    assert filter_words(model, query, request_of(make_person())) == words


def test_related_rows_go_by_name_for_who_sees_them_only(rows):
    query = f"company__id__exact={rows.company.pk}"
    chief, stranger = make_person(), employ("stranger")
    assert filter_words(Meter, query, request_of(chief)) == f"Company: {rows.company}"
    assert filter_words(Meter, query, request_of(stranger)) == f"Company: {rows.company.pk}"
    assert filter_words(Meter, query) == f"Company: {rows.company.pk}"


def told(**fields):
    return changes(put_on_record(**fields))


def test_the_facts_of_an_act(rows):
    chief, meter = make_person(), make_meter(rows, 1)
    line = "<div><dt>{}</dt><dd>{} → {}</dd></div>".format
    closed = told(
        by=chief, act="meter.close", target=meter, before={"valve": "open", "status": "active"},
        after={"valve": "closed", "status": "active", "asked": {"amount": "5"}},
    )  # fmt: skip
    assert line("Valve", "open", "closed") in closed
    assert "Status" not in closed
    assert line("Entered", "–", "amount (CNY): 5") in closed
    sent = told(by=chief, act="outbound.send_again", target=rows.peer, after={"filter": "?state__exact=dead"})
    assert line("Filter", "–", "State: dead") in sent
    paused = told(by=chief, act="peer.pause", target=rows.peer, before={"state": "closed"}, after={"state": "open"})
    assert line("Sending", "running", "paused after failures") in paused
    rotated = {"previous_secret_until": "2026-02-01T04:00:00Z"}
    changed = told(by=chief, act="peer.rotate", target=rows.peer, after=rotated)
    assert line("Previous secret valid until", "–", "2026-02-01 12:00:00") in changed
    nothing = told(by=chief, act="peer.change", target=rows.peer, before={"url": ""}, after={"url": None})
    assert nothing == ""


def test_every_act_of_the_rooms_has_a_name():
    acts = [f"meter.{act}" for act in METER_ACTS] + [f"command.{act}" for act in COMMAND_ACTS]
    acts += [f"peer.{act}" for act in PEER_ACTS] + [act.name for act in (SEND, WITHDRAW)]
    acts += ["bulk.start", "bulk.cancel", "alarm.acknowledge", "alarm.clear", "reading.review", "reconcile.send_again"]
    acts += ["inbound.process_again", "export.file", "export.cancel", "export.download", "export.stream"]
    acts += ["token.make", "token.revoke", "company.add", "peer.change", "user.delete"]
    assert [act for act in acts if act_name(act) == act] == []


@pytest.mark.parametrize(
    ("error", "words"),
    [
        ("TimeoutError", "no answer in time"),
        ("ConnectionTimeoutError: Connection timeout to host http://127.0.0.1:9", "the host cannot be reached"),
        ("ClientConnectorError: Cannot connect to host 127.0.0.1:9", "the host cannot be reached"),
        ("ClientConnectorDNSError: Cannot connect", "the name of the host is not known"),
        ("ServerDisconnectedError: Server disconnected", "the connection broke off"),
        ("ValueError: answer larger than 64 KiB", "the answer is too large, or no answer at all"),
        ("AnswerNotTaken", "the answer could not be taken here; see the log"),
        ("SomethingNew: 7", "SomethingNew: 7"),
        ("", ""),
    ],
)
def test_why_a_try_failed(error, words):
    assert failure_words(error) == words
