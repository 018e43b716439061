"""Findings: stated to one agency, answered by it, closed or asked again by the auditor, seen by no other agency."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import func, select

from portal.core import clock
from portal.core.db import db
from portal.core.policy import Role
from portal.inspections import findings, samples
from portal.inspections.findings import Statement
from portal.inspections.models import AuditFinding, FindingKind, SampleItem
from portal.inspections.samples import Draw
from tests.browsers import Browser
from tests.conftest import CountQueries
from tests.factories import Member, make_agency, make_member, make_referral

Visit = Callable[..., Browser]


@pytest.fixture
def auditor(app: Flask) -> Member:
    return make_member(role=Role.AUDITOR, name="監査 月子")


def state(
    auditor: Member, agency_id: UUID, text: str = "利用停止の報告がありません。", days: int = 14
) -> UUID:
    due_on = clock.today() + timedelta(days=days)
    return findings.state(auditor.actor, Statement(agency_id, FindingKind.WEAKNESS, text, due_on))


@pytest.mark.both_databases
def test_from_the_auditor_to_the_agency_and_back(auditor: Member, browser: Visit) -> None:
    agency = make_agency(name="就労準備支援事業")
    admin = make_member(agency, Role.AGENCY_ADMIN, name="管理 一郎")
    sender, recipient = make_member(), make_member(agency)
    referral_id = make_referral(sender, recipient)
    today = clock.today()
    samples.draw(auditor.actor, Draw(today, today, 1))
    item = db.read.scalars(select(SampleItem)).one()
    db.end()
    desk, office = browser(auditor), browser(admin)
    address = f"/inspections/findings/new?item={item.id}&check=stop_confirmed"
    assert 'value="stop_confirmed"' in desk.get(address).text
    form = {
        "agency": str(agency.id),
        "kind": "breach",
        "check": "stop_confirmed",
        "text": "利用停止の報告がありません。",
        "due_on": "令和9年3月31日",
        "idempotency_key": "b" * 32,
    }
    made = desk.post(address, data=form)
    assert made.status_code == 303
    assert desk.post(address, data=form).location == made.location, "sent twice, made once"
    finding = db.read.scalars(select(AuditFinding)).one()
    db.end()
    assert finding.referral_id == referral_id

    home = office.get("/").text
    assert "回答していないものが1件" in home
    page = office.get(made.location)
    assert "利用停止の報告がありません。" in page.text
    assert "R" in re.findall(r"R\d+-[^<\s]+", page.text)[0], (
        "its number, though an administrator sees no referral"
    )
    assert office.post(f"{made.location}/answer", data={"text": "", "version": "1"}).text.count("回答を入力")
    sent = office.post(f"{made.location}/answer", data={"text": "確認しました。", "version": "1"})
    assert sent.status_code == 303
    stale = office.post(f"{made.location}/answer", data={"text": "同僚の回答", "version": "1"})
    assert stale.status_code == 409
    assert "同僚の回答" in stale.text
    assert "回答していないもの" not in office.get("/").text

    vague = desk.post(f"{made.location}/verdict", data={"again": "1", "text": "", "version": "2"})
    assert vague.status_code == 400
    more = {"again": "1", "text": "いつ確認しましたか。", "due_on": "令和9年4月30日", "version": "2"}
    assert desk.post(f"{made.location}/verdict", data=more).status_code == 303
    assert "いつ確認しましたか。" in office.get(made.location).text
    office.post(f"{made.location}/answer", data={"text": "11月20日です。", "version": "3"})
    done = desk.post(f"{made.location}/verdict", data={"close": "1", "text": "了解", "version": "4"})
    assert done.status_code == 303
    assert office.post(f"{made.location}/answer", data={"text": "まだ", "version": "5"}).status_code == 409
    story = office.get(made.location).text
    for words in (
        "確認しました。",
        "いつ確認しましたか。",
        "11月20日です。",
        "了解",
        "監査 月子",
        "管理 一郎",
    ):
        assert words in story, "the whole history is there"


def test_no_other_agency_and_nobody_without_the_office_knows_of_it(auditor: Member, browser: Visit) -> None:
    agency = make_agency()
    finding_id = state(auditor, agency.id, "この機関だけの話")
    path = f"/inspections/findings/{finding_id}"
    for role in (Role.AGENCY_ADMIN, Role.COORDINATOR):
        other = browser(make_member(role=role))
        assert other.get(path).status_code == 404
        assert other.post(f"{path}/answer", data={"text": "x", "version": "1"}).status_code == 404
        assert "この機関だけの話" not in other.get("/inspections/findings").text
        own = browser(make_member(agency, role))
        assert "この機関だけの話" in own.get("/inspections/findings").text
        assert own.post(f"{path}/verdict", data={"close": "1", "version": "1"}).status_code in {403, 404}
    worker = browser(make_member(agency))
    assert worker.get(path).status_code == 403
    assert worker.get("/inspections/findings").status_code == 403
    assert worker.post(f"{path}/answer", data={"text": "x", "version": "1"}).status_code == 403


def test_a_late_answer_is_marked(auditor: Member, browser: Visit, at: Callable[..., None]) -> None:
    at("2026-11-24T10:00")
    agency = make_agency()
    path = f"/inspections/findings/{state(auditor, agency.id, days=3)}"
    admin = make_member(agency, Role.AGENCY_ADMIN)
    assert "期限超過" not in browser(admin).get(path).text
    at("2026-11-27T23:00")
    assert "回答の期限を過ぎています" not in browser(admin).get(path).text
    at("2026-11-28T00:30")
    assert "回答の期限を過ぎています" in browser(admin).get(path).text
    assert "利用停止の報告" in browser(auditor).get("/inspections/findings?show=overdue").text


def test_a_finding_about_a_referral_goes_to_one_of_its_two_agencies(auditor: Member, browser: Visit) -> None:
    make_referral(make_member(), make_member())
    stranger = make_agency()
    today = clock.today()
    samples.draw(auditor.actor, Draw(today, today, 1))
    item = db.read.scalars(select(SampleItem)).one()
    db.end()
    form = {"agency": str(stranger.id), "kind": "remark", "text": "x", "due_on": "令和9年3月31日"}
    answer = browser(auditor).post(f"/inspections/findings/new?item={item.id}", data=form)
    assert "一覧から選んでください" in answer.text
    assert db.read.scalar(select(func.count()).select_from(AuditFinding)) == 0


def test_the_list_asks_the_same_however_long_it_is(
    auditor: Member, browser: Visit, count_queries: CountQueries
) -> None:
    agency = make_agency()
    state(auditor, agency.id)
    desk = browser(auditor)
    with count_queries() as small:
        desk.get("/inspections/findings")
    for number in range(6):
        state(auditor, agency.id, f"指摘 {number}")
    with count_queries() as large:
        assert "指摘 5" in desk.get("/inspections/findings").text
    assert len(small) == len(large)
