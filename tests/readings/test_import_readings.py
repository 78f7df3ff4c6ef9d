"""`manage.py import_readings`: both forms, packed or from standard input; what is refused, and where that goes."""

import csv
import gzip
import io
import json
import sys
from datetime import timedelta
from decimal import Decimal
from types import SimpleNamespace

import pytest
from django.core.management import CommandError, call_command
from django.db import DatabaseError
from django.utils import timezone

from meters.models import Account, Meter, MeterState
from protocol.models import OutboundMessage, Peer
from protocol.partitions.catalog import partitions_of
from readings import bulk_quick
from readings.models import Reading
from readings.settlement import settle
from tests.world import COMPANY, FACTOR

METER = "188011110128"
HEADER = (
    "company,manufacturer,meter_no,user_no,device_id,read_at,index,quality,source,received_at,valve,battery_voltage"
)


def day(ago):
    return timezone.localtime().replace(hour=8, minute=0, second=0, microsecond=0) - timedelta(days=ago)


def row(ago, index, *, meter_no=METER, source="report", **cells):
    given = {
        "company": COMPANY,
        "manufacturer": FACTOR,
        "meter_no": meter_no,
        "read_at": day(ago).isoformat(),
        "index": index,
        "quality": "jump",
        "source": source,
        "valve": "open" if source == "report" else "",
        "battery_voltage": "6.2000",
        **cells,
    }
    return ",".join(given.get(name, "") for name in HEADER.split(","))


def body(ago, index, **fields):
    at = day(ago)
    return {
        "companyCode": COMPANY,
        "factorNo": FACTOR,
        "userNo": METER,
        "meterNo": METER,
        "billingModel": "3",
        "readNum": index,
        "readDate": at.strftime("%Y%m%d"),
        "readTime": at.strftime("%H%M%S"),
        "batteryCap": "6.2",
        "semaphore": "59%",
        "valveState": "2",
        "sdateTime": at.strftime("%Y-%m-%d"),
        **fields,
    }


@pytest.fixture
def fleet(priced_world):
    Peer.objects.filter(pk=priced_world.cis_peer.pk).update(url="http://127.0.0.1:9")
    assert priced_world.register()["echoCode"] == "0000"
    return priced_world


@pytest.fixture
def write(tmp_path):
    def written(*lines, name="in.csv"):
        path = tmp_path / name
        data = "".join(f"{line}\n" for line in lines).encode()
        path.write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
        return str(path)

    return written


def run(*arguments):
    """(exit status, summary, what was refused)."""
    out, err, status = io.StringIO(), io.StringIO(), 0
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "stderr", err)
        try:
            call_command("import_readings", *arguments, stdout=out)
        except SystemExit as end:
            status = end.code
    return status, out.getvalue().strip(), err.getvalue().splitlines()


def stored():
    return [(one.read_at, str(one.index), one.quality, one.source) for one in Reading.objects.order_by("read_at", "id")]


def test_csv_of_an_export(fleet, write):
    path = write(HEADER, row(3, "10"), row(1, "4"), row(2, "20.5", source="backfill", battery_voltage=""))
    assert run(path) == (
        0,
        "3 lines with new readings, 0 known, 0 refused; 3 new readings, 1 of them flagged; 3 messages to CIS",
        [],
    )
    assert stored() == [
        (day(3), "10.0000", "valid", "report"),
        (day(2), "20.5000", "valid", "backfill"),
        (day(1), "4.0000", "decrease", "report"),
    ]
    state = MeterState.objects.get()
    assert (state.read_at, state.index, state.reported_at) == (day(2), Decimal("20.5"), day(1))
    assert (state.battery_voltage, state.valve) == (Decimal("6.2"), "open")
    told = [json.loads(one.body) for one in OutboundMessage.objects.order_by("id")]
    assert [(one["readNum"], one["readTime"], one["valveState"], one["batteryCap"]) for one in told] == [
        ("10", "080000", "2", "6.2"),
        ("4", "080000", "2", "6.2"),
        ("20.5", "080000", "", ""),
    ]


def test_it_again_changes_nothing(fleet, write):
    path = write(HEADER, row(3, "10"), row(2, "20"), row(2, "20"), name="in.csv.gz")
    run(path)
    before = [stored(), list(MeterState.objects.values()), list(Account.objects.values())]
    assert run(path) == (
        0,
        "0 lines with new readings, 3 known, 0 refused; 0 new readings, 0 of them flagged; 0 messages to CIS",
        [],
    )
    assert [stored(), list(MeterState.objects.values()), list(Account.objects.values())] == before
    assert OutboundMessage.objects.count() == 2


def test_json_lines_with_their_days(fleet, write):
    first = (timezone.localdate() - timedelta(days=4)).isoformat()
    lines = [json.dumps(body(2, 20, serialNo="1", addGas={first: "5"})), "", json.dumps(body(1, "30.00"))]
    path = write(*lines, name="in.jsonl")
    status, summary, _ = run(path)
    assert (status, summary.split(";")[0]) == (0, "2 lines with new readings, 0 known, 0 refused")
    assert [(index, source) for _, index, _, source in stored()] == [
        ("5.0000", "backfill"),
        ("20.0000", "report"),
        ("30.0000", "report"),
    ]
    told = json.loads(OutboundMessage.objects.order_by("id")[0].body)
    assert (told["readNum"], told["addGas"], told["semaphore"]) == ("20", {first: "5"}, "59")


def test_late_lines_have_their_days_settled_again(fleet, write):
    run(write(HEADER, row(1, "30")))
    settle(through=timezone.localdate() - timedelta(days=1), now=timezone.now())
    run(write(HEADER, row(3, "10")))
    assert Account.objects.get().unsettled_from == day(3).date()
    assert MeterState.objects.get().read_at == day(1)


def test_the_cis_need_not_be_told(fleet, write):
    status, summary, _ = run(write(HEADER, row(3, "10")), "--no-tell-cis")
    assert (status, summary.split("; ")[-1]) == (0, "0 messages to CIS")
    assert Reading.objects.count() == 1
    assert not OutboundMessage.objects.exists()


def test_a_dry_run_keeps_nothing(fleet, write):
    path = write(HEADER, row(3, "10"), row(2, "5"))
    state = list(MeterState.objects.values())
    assert run(path, "--dry-run") == (
        0,
        "Dry run, nothing is kept: 2 lines with new readings, 0 known, 0 refused; 2 new readings, "
        "1 of them flagged; 2 messages to CIS",
        [],
    )
    assert not Reading.objects.exists() and not OutboundMessage.objects.exists()
    assert list(MeterState.objects.values()) == state


@pytest.mark.parametrize(
    ("cells", "reason"),
    [
        ({"index": "1.00001"}, "index 最多保留 4 位小数"),
        ({"index": "-1"}, "index 不能为负数"),
        ({"index": ""}, "index 不能为空"),
        ({"battery_voltage": "full"}, "battery_voltage 不是有效的数字"),
        ({"read_at": "2026-02-30 08:00:00"}, "read_at 不是有效的日期时间"),
        ({"read_at": "2026-02-01"}, "read_at 不是有效的日期时间"),
        ({"read_at": "2026-02-01T08:00:00.5+08:00"}, "read_at 只能精确到秒"),
        ({"read_at": "2999-01-01 08:00:00"}, "readDate 抄见时间不能晚于当前时间"),
        ({"valve": "ajar"}, "valve 的值 ajar 无效"),
        ({"source": "closing"}, "source 销表或换表的读数不能导入"),
        ({"company": "nobody"}, "公司编码 nobody 不存在"),
        ({"company": ""}, "companyCode 不能为空"),
        ({"manufacturer": "9"}, "厂商编码(factorNo)错误"),
        ({"meter_no": "188011110129"}, "表具不存在"),
        ({"meter_no": "188011110129", "user_no": "nobody"}, "用户不存在"),
        ({"user_no": "nobody"}, "用户不存在"),
        ({"device_id": "another"}, "表具不存在"),
        ({"user_no": "1,2,3"}, "列数为 14，应为 12"),
    ],
)
def test_what_is_refused_is_told_and_the_rest_goes_in(fleet, write, cells, reason):
    status, summary, refused = run(write(HEADER, row(3, "10"), row(2, **{"index": "20", **cells}), row(1, "30")))
    assert (status, refused) == (1, [f"line 3: {reason}"])
    assert summary.startswith("2 lines with new readings, 0 known, 1 refused")
    assert [index for _, index, _, _ in stored()] == ["10.0000", "30.0000"]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("not json", "报文不是有效的 JSON"),
        ("[1]", "报文必须是 JSON 对象"),
        (json.dumps(body(1, "1") | {"readNum": ""}), "readNum 不能为空"),
        (json.dumps(body(1, "1") | {"companyCode": None}), "companyCode 不能为空"),
    ],
)
def test_bodies_that_are_refused(fleet, write, line, reason):
    path = write(json.dumps(body(2, "2")), line, name="in.jsonl")
    assert run(path)[0::2] == (1, [f"line 2: {reason}"])
    assert Reading.objects.count() == 1


def test_a_company_for_lines_that_name_none(fleet, write):
    path = write(json.dumps(body(2, "2", companyCode="")), name="in.jsonl")
    assert run(path, "--company", COMPANY)[0] == 0
    assert Reading.objects.count() == 1


def test_rejects_are_mended_and_imported(fleet, write, tmp_path):
    rejects = tmp_path / "rejects.csv"
    bad = row(2, "x", device_id='"two\nlines"')
    path = write(HEADER, row(3, "10"), bad, row(1, "30"))
    status, _, refused = run(path, "--rejects", str(rejects))
    assert (status, refused) == (1, [])
    assert rejects.read_text() == f"reject_line,reject_reason,{HEADER}\n3,index 不是有效的数字,{bad}\n"
    mended = tmp_path / "mended.csv"
    mended.write_text(rejects.read_text().replace(",x,", ",20,").replace('"two\nlines"', ""))
    assert run(str(mended))[0] == 0
    assert [index for _, index, _, _ in stored()] == ["10.0000", "20.0000", "30.0000"]


def test_rejected_bodies_keep_all_they_had(fleet, write, tmp_path):
    rejects = tmp_path / "rejects.jsonl"
    wrong = body(1, "x")
    path = write(json.dumps(body(2, "2")), json.dumps(wrong), "{broken", name="in.jsonl")
    assert run(path, "--rejects", str(rejects))[0] == 1
    first, second = map(json.loads, rejects.read_text().splitlines())
    assert first == {"rejectLine": "2", "rejectReason": "readNum 不是有效的数字", **wrong}
    assert second == {"rejectLine": "3", "rejectReason": "报文不是有效的 JSON", "text": "{broken"}
    mended = rejects.read_text().splitlines()[0].replace('"x"', '"9"')
    assert run(write(mended, name="mended.jsonl"))[0] == 0
    assert Reading.objects.count() == 2


def test_bytes_that_are_no_text_come_back_as_they_were(fleet, tmp_path):
    path, rejects = tmp_path / "in.csv", tmp_path / "rejects.csv"
    bad = row(2, "20", user_no="?").encode().replace(b"?", b"\xff\xfe")
    path.write_bytes(b"\xef\xbb\xbf" + HEADER.encode() + b"\r\n" + bad + b"\r\n" + row(1, "30").encode())
    assert run(str(path), "--rejects", str(rejects))[0] == 1
    assert bad in rejects.read_bytes()
    assert Reading.objects.count() == 1


def test_a_quote_that_never_ends_is_refused_alone(fleet, write):
    limit = csv.field_size_limit()
    open_quote = row(2, "20", device_id='"never')
    path = write(HEADER, row(3, "10"), open_quote, "x" * (limit + 1), row(1, "30"))
    status, _, refused = run(path)
    assert status == 1
    assert [text.split(":")[0] for text in refused] == ["line 3"]
    assert [index for _, index, _, _ in stored()] == ["10.0000", "30.0000"]


def test_standard_input(fleet, monkeypatch):
    data = f"{HEADER}\n{row(2, '20')}\n".encode()
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(data)))
    assert run("-")[0] == 0
    assert Reading.objects.count() == 1


def test_text_that_an_export_made_safe_for_spreadsheets(fleet, write):
    Meter.objects.update(user_no="=7")
    assert run(write(HEADER, row(2, "20", user_no="'=7")))[0] == 0
    assert Reading.objects.count() == 1


@pytest.mark.parametrize(
    ("header", "said"),
    [
        (HEADER.replace("index", "reading"), "unknown columns reading"),
        (HEADER.replace("index,", ""), "without the columns index"),
        (f"{HEADER},index", "a column comes twice"),
        ("", "without the columns index, meter_no, read_at"),
    ],
)
def test_a_header_that_is_none(fleet, write, header, said):
    with pytest.raises(CommandError, match=said):
        run(write(header, row(2, "20")))
    assert not Reading.objects.exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["/nowhere/at/all.csv"], "No such file"),
        (["in.csv", "--rejects", "/nowhere/at/all.csv"], "There is no directory"),
        (["in.csv", "--rejects", "in.csv"], "names the file that is imported"),
        (["in.csv", "--batch", "0"], "--batch is at least 1"),
        (["in.csv.gz"], "Not a gzipped file"),
    ],
)
def test_what_is_wrong_is_said(fleet, write, tmp_path, monkeypatch, arguments, said):
    monkeypatch.chdir(tmp_path)
    write(HEADER, row(2, "20"))
    (tmp_path / "in.csv.gz").write_text(HEADER)
    with pytest.raises(CommandError, match=said):
        run(*arguments)
    assert not Reading.objects.exists()


def test_broken_off_it_is_run_again(fleet, write, monkeypatch):
    """The second batch fails: the first is in, and running it again brings the rest, telling nothing twice."""
    path = write(HEADER, row(4, "10"), row(3, "20"), row(2, "30"))
    real, calls = bulk_quick._tell, []

    def fails_once(*args, **kwargs):
        calls.append(args)
        if len(calls) == 2:
            raise DatabaseError("gone")
        return real(*args, **kwargs)

    monkeypatch.setattr(bulk_quick, "_tell", fails_once)
    with pytest.raises(CommandError, match=r"(?s)lines 3 to 3: gone.*Run the import again"):
        run(path, "--batch", "1")
    assert [index for _, index, _, _ in stored()] == ["10.0000"]
    status, summary, _ = run(path, "--batch", "1")
    assert (status, summary.split(";")[0]) == (0, "2 lines with new readings, 1 known, 0 refused")
    assert MeterState.objects.get().index == 30
    assert OutboundMessage.objects.count() == 3


def test_old_months_get_partitions_and_years_to_come_do_not(fleet, write):
    before = {one.name for one in partitions_of("readings_reading")}
    old = timezone.localtime().replace(day=15) - timedelta(days=300)
    lines = [row(3, "10", read_at=f"{old:%Y-%m-%d}T08:00:00+08:00"), row(3, "10", read_at="2999-01-01T08:00:00+08:00")]
    status, summary, _ = run(write(HEADER, *lines))
    assert (status, summary.split(";")[0]) == (1, "1 lines with new readings, 0 known, 1 refused")
    made = {one.name for one in partitions_of("readings_reading")} - before
    assert f"readings_reading_p{old:%Y%m}01" in made
    assert not any("p299" in name for name in made)
    assert Reading.objects.get().quality == "early"
