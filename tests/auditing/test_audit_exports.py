"""Files that an auditor takes along: the same as the page shows, harmless to a spreadsheet, provable, and logged."""

from __future__ import annotations

import csv
import io
import json
import re
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select

from portal.audit.events import AuditEvent
from portal.audit.models import AuditEntry
from portal.auditing import exports
from portal.core.db import db
from portal.core.policy import Role
from portal.referrals import conversation
from tests.browsers import Browser
from tests.conftest import CountQueries
from tests.consents.acts import withdraw
from tests.factories import Member, make_agency, make_consent, make_member, make_person, make_referral, step
from tests.words import words_of

Visit = Callable[..., Browser]
Clock = Callable[..., None]
VERIFIER = Path(__file__).resolve().parents[2] / "verify_audit.py"
SHEET = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"


class World:
    def __init__(self) -> None:
        self.sender = make_member(make_agency(name="=HYPERLINK(1)", short_name="自立"), name="＠相談 一郎")
        self.recipient = make_member(make_agency(name="就労準備支援事業"), name="-就労 次郎")
        self.person = make_person(self.sender, family="波止場", given="灯台")
        self.consent = make_consent(self.sender, self.person, [self.recipient])
        self.referral = make_referral(
            self.sender, self.recipient, person_id=self.person, consent_id=self.consent
        )
        conversation.send_message(self.recipient.actor, self.referral, "秘密の連絡")
        step(self.recipient, self.referral, "accept")
        self.auditor = make_member(role=Role.AUDITOR, name="監査 四郎")


@pytest.fixture
def world(app: Flask, at: Clock) -> World:
    at("2026-04-06T10:00")
    return World()


def table(answer: Any) -> list[list[str]]:
    assert answer.status_code == 200
    assert answer.data.startswith(b"\xef\xbb\xbf"), "Excel takes it for something else without the mark"
    return list(csv.reader(io.StringIO(answer.data.decode("utf-8-sig"), newline="")))


def cells(answer: Any) -> tuple[list[list[str]], str]:
    """The texts of an Excel sheet, and its own XML."""
    book = zipfile.ZipFile(io.BytesIO(answer.data))
    shared = ElementTree.fromstring(book.read("xl/sharedStrings.xml"))  # noqa: S314 - our own file
    words = ["".join(text.text or "" for text in one.iter(f"{SHEET}t")) for one in shared]
    sheet = book.read("xl/worksheets/sheet1.xml").decode()
    lines = []
    for row in ElementTree.fromstring(sheet).iter(f"{SHEET}row"):  # noqa: S314 - our own file
        assert all(cell.get("t") == "s" for cell in row), "nothing but strings"
        lines.append([words[int(cell[0].text or "0")] for cell in row])
    return lines, sheet


def verify(answer: Any, tmp_path: Path) -> tuple[int, str, dict[str, Any]]:
    path = tmp_path / "bundle.zip"
    path.write_bytes(answer.data)
    with zipfile.ZipFile(path) as packed:
        manifest = json.loads(packed.read("manifest.json"))
    command = [sys.executable, "-I", str(VERIFIER), str(path), "--key", manifest["vkey"]]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    return done.returncode, done.stdout + done.stderr, manifest


def export(visitor: Browser, where: str, how: str, **asked: Any) -> Any:
    return visitor.post(where, data={"format": how, **asked})


def test_the_search_as_a_table(browser: Visit, world: World) -> None:
    visitor = browser(world.auditor)
    lines = table(export(visitor, "/audit/export", "csv", event="referral:sent", first="2026-04-01"))
    head, (line,) = lines[0], lines[1:]
    assert head[:5] == ["番号", "日時", "できごと", "結果", "機関"]
    found = dict(zip(head, line, strict=True))
    assert found["できごと"] == "つなぎを送付"
    assert found["日時"].startswith("2026-04-06 10:00:")
    assert found["結果"] == "許可"
    assert found["つなぎ・ケースの番号"].startswith("R8-自立-")
    told = table(export(visitor, "/audit/export", "csv", event="disclosure:made"))[1]
    found = dict(zip(head, told, strict=True))
    assert (found["根拠"], found["区分"]) == ("本人の同意", "基本情報")


def test_nothing_in_a_table_is_a_formula(browser: Visit, world: World) -> None:
    visitor = browser(world.auditor)
    lines = table(export(visitor, "/audit/export", "csv"))
    flat = {cell for line in lines for cell in line}
    assert {"'=HYPERLINK(1)", "'＠相談 一郎", "'-就労 次郎"} <= flat
    assert [cell for cell in flat if cell.startswith(tuple("=+-@\t\r＝＋－＠"))] == []


@pytest.mark.parametrize("text", ["=1", "+1", "-1", "@a", "\t1", "\r1", "＝1", "＋1", "－1", "＠a", "﹢1"])
def test_an_apostrophe_stands_before_whatever_begins_a_formula(text: str) -> None:
    assert exports.neutral(text) == f"'{text}"


@pytest.mark.parametrize("text", ["", "相談", "1-2", "a=b", "'=1"])
def test_and_before_nothing_else(text: str) -> None:
    assert exports.neutral(text) == text


def test_the_sheet_holds_strings_and_prints(browser: Visit, world: World) -> None:
    visitor = browser(world.auditor)
    lines, sheet = cells(export(visitor, f"/audit/referrals/{world.referral}/export", "xlsx"))
    assert lines[0][-1] == "そのときの同意・根拠"
    assert "=HYPERLINK(1)" in {cell for line in lines for cell in line}
    assert "<f>" not in sheet
    assert 'state="frozen"' in sheet
    assert 'orientation="landscape"' in sheet
    assert 'paperSize="9"' in sheet
    assert 'fitToHeight="0"' in sheet


def test_a_life_is_taken_with_the_consent_of_each_day(browser: Visit, world: World, at: Clock) -> None:
    at("2026-04-10T10:00")
    withdraw(browser(world.sender), world.consent, reason="秘密の理由")
    conversation.confirm_stop(world.recipient.actor, world.referral, note="秘密の理由")
    visitor = browser(world.auditor)
    lines = table(export(visitor, f"/audit/referrals/{world.referral}/export", "csv"))
    stood = {line[2]: line[-1] for line in lines[1:]}
    assert stood["つなぎを送付"].startswith("有効　基本情報　令和8年")
    assert stood["利用停止を報告"].startswith("撤回　基本情報")
    assert "連絡を送信" in stood


@pytest.mark.parametrize("how", ["csv", "xlsx", "zip"])
def test_no_name_and_no_text_leaves_the_portal(browser: Visit, world: World, how: str) -> None:
    visitor = browser(world.auditor)
    visitor.post(f"/audit/people/{world.person}/name", data={"reason": "確認のため", "is_needed": "y"})
    assert "波止場" in visitor.get(f"/audit/people/{world.person}").text, "it is open on the page"
    for where in (
        "/audit/export",
        f"/audit/referrals/{world.referral}/export",
        f"/audit/people/{world.person}/export",
    ):
        answer = export(visitor, where, how)
        data = answer.data
        if how != "csv":
            with zipfile.ZipFile(io.BytesIO(data)) as packed:
                data = b"".join(packed.read(name) for name in packed.namelist())
        for secret in ("波止場", "灯台", "秘密"):
            assert secret not in data.decode("utf-8", "replace")
        assert re.fullmatch(
            r"attachment; filename=tsunagu-audit-\w+-20260406-10\d\d\.\w+",
            answer.headers["Content-Disposition"],
        )


def test_the_whole_log_as_a_bundle_is_verified(browser: Visit, world: World, tmp_path: Path) -> None:
    code, said, manifest = verify(export(browser(world.auditor), "/audit/export", "zip"), tmp_path)
    assert manifest["complete"] is True
    assert manifest["entries"] == manifest["size"] > 15
    assert code == 0, said


@pytest.mark.parametrize("where", ["search", "life", "person"])
def test_a_part_of_the_log_is_verified_by_its_proofs(
    browser: Visit, world: World, tmp_path: Path, where: str
) -> None:
    address, asked = {
        "search": ("/audit/export", {"agency": str(world.recipient.agency_id)}),
        "life": (f"/audit/referrals/{world.referral}/export", {}),
        "person": (f"/audit/people/{world.person}/export", {}),
    }[where]
    answer = export(browser(world.auditor), address, "zip", **asked)
    code, said, manifest = verify(answer, tmp_path)
    assert manifest["complete"] is False
    assert 0 < manifest["entries"] < manifest["size"]
    assert code == 0, said
    assert altered(answer.data, tmp_path / "altered.zip", manifest["vkey"]) == 1


def altered(data: bytes, path: Path, key: str) -> int:
    """The verifier's answer when one entry of the bundle is changed on the way."""
    with zipfile.ZipFile(io.BytesIO(data)) as packed, zipfile.ZipFile(path, "w") as forged:
        for name in packed.namelist():
            text = packed.read(name).decode()
            forged.writestr(name, text.replace("allow", "deny", 1) if name == "entries.jsonl" else text)
    command = [sys.executable, "-I", str(VERIFIER), str(path), "--key", key]
    return subprocess.run(command, capture_output=True, timeout=60, check=False).returncode


def test_an_export_is_logged(browser: Visit, world: World) -> None:
    visitor = browser(world.auditor)
    for how in ("csv", "xlsx", "zip"):
        export(visitor, f"/audit/referrals/{world.referral}/export", how)
    export(visitor, "/audit/export", "csv")
    with db.transaction() as session:
        found = session.scalars(
            select(AuditEntry)
            .where(AuditEntry.event == AuditEvent.LOG_EXPORTED.value)
            .order_by(AuditEntry.seq)
        ).all()
        assert [(one.object_id, one.person_id) for one in found] == [
            *[(world.referral, world.person)] * 3,
            (None, None),
        ]
        assert all(one.staff_id == world.auditor.staff_id for one in found)
        assert all(json.loads(one.body)["bucket"] for one in found), "how many entries it held"
    assert words_of(visitor.get(f"/audit/referrals/{world.referral}")).count("監査記録を出力") == 3


@pytest.mark.parametrize("how", ["csv", "xlsx", "zip"])
def test_more_than_fit_into_a_file_are_refused_with_the_limit(
    browser: Visit, world: World, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exports, "MOST", 3)
    monkeypatch.setattr(exports, "MOST_OF_ALL", 5)
    visitor = browser(world.auditor)
    answer = export(visitor, "/audit/export", how)
    assert answer.status_code == 400
    limit = 5 if how == "zip" else 3
    assert f"一度に出力できるのは{limit}件までです。" in words_of(answer)
    few = export(visitor, "/audit/export", how, event="referral:sent")
    assert few.status_code == 200


def test_a_form_that_asks_for_no_format_is_refused(browser: Visit, world: World) -> None:
    visitor = browser(world.auditor)
    assert export(visitor, "/audit/export", "exe").status_code == 400
    assert visitor.get("/audit/export").status_code == 405


def test_the_page_s_own_form_repeats_the_search(browser: Visit, world: World) -> None:
    visitor = browser(world.auditor)
    answer = visitor.post("/audit/", data={"event": "referral:sent", "first": "令和8年4月1日"})
    page = visitor.get(answer.location).text
    form = page[page.index('action="/audit/export"') :]
    asked = dict(re.findall(r'type="hidden"\s+name="(\w+)"\s+value="([^"]*)"', form[: form.index("</form>")]))
    assert (asked["event"], asked["first"]) == ("referral:sent", "2026-04-01")
    assert len(table(visitor.post("/audit/export", data=asked | {"format": "csv"}))) == 2


def test_the_questions_do_not_grow(browser: Visit, world: World, count_queries: CountQueries) -> None:
    visitor: Browser = browser(world.auditor)

    def asked(member: Member) -> dict[str, int]:
        found = {}
        for how in ("csv", "xlsx", "zip"):
            with count_queries() as statements:
                export(visitor, f"/audit/referrals/{world.referral}/export", how)
            found[how] = len(statements)
        return found

    before = asked(world.auditor)
    for number in range(30):
        conversation.send_message(world.recipient.actor, world.referral, f"連絡 {number}")
    after = asked(world.auditor)
    assert after == before
    assert max(after.values()) < 50
