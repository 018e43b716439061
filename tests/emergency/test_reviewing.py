"""Told at once, noted by somebody, and judged afterwards by a second person before a deadline."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select

from portal.core.db import db
from portal.core.policy import Role
from portal.emergency.models import EmergencyAccess, EmergencyNotice, Finding
from tests.browsers import Browser
from tests.emergency import acts
from tests.emergency.acts import events
from tests.factories import Member, make_agency, make_member

Visit = Callable[..., Browser]
At = Callable[..., None]
TOLD = "緊急閲覧の知らせ：1件"


@pytest.fixture
def chief(asker: Member) -> Member:
    return make_member(asker.agency_id, Role.COORDINATOR)


@pytest.fixture
def auditor(home: Member) -> Member:
    return make_member(None, Role.AUDITOR)


def used(browser: Visit, asker: Member) -> UUID:
    acts.use(browser(asker))
    access_id = db.read().scalars(select(EmergencyAccess.id).order_by(EmergencyAccess.id.desc())).first()
    db.end()
    assert access_id
    return access_id


def review(
    visit: Browser, access_id: UUID, finding: str = "justified", text: str = "電話の記録と合う。"
) -> Any:
    return visit.post(f"/emergency/{access_id}/review", data={"finding": finding, "text": text})


def test_home_agency_and_auditors_are_told_at_once_until_somebody_takes_note(
    browser: Visit, home: Member, asker: Member, auditor: Member, hanako: UUID
) -> None:
    colleague = make_member(home.agency_id)
    for member, page in ((home, "/"), (auditor, "/audit/"), (asker, "/")):
        assert "緊急閲覧の知らせ" not in browser(member).get(page).text
    access_id = used(browser, asker)
    for member, page in ((home, "/"), (colleague, "/"), (auditor, "/audit/")):
        assert TOLD in browser(member).get(page).text
    assert "緊急閲覧の知らせ" not in browser(asker).get("/").text
    assert "緊急閲覧の知らせ" not in browser(make_member()).get("/").text

    visit = browser(home)
    assert str(access_id) in visit.get("/emergency/notices").text
    shown = visit.get(f"/emergency/{access_id}")
    for word in (asker.actor.name, asker.actor.agency_name, "髙橋 花子", "薬を大量に飲んだ", "生命の危険"):
        assert word in shown.text
    form = acts.form_to(shown, "/note")
    assert visit.post(form.action, data=form.typed()).status_code == 303
    assert browser(colleague).post(form.action).status_code == 303
    noted = (
        db.read().scalars(select(EmergencyNotice).where(EmergencyNotice.agency_id == home.agency_id)).one()
    )
    assert noted.noted_by_id == home.staff_id, "the first one's"
    db.end()
    assert TOLD not in browser(colleague).get("/").text
    assert TOLD in browser(auditor).get("/audit/").text
    assert home.actor.name in browser(colleague).get(f"/emergency/{access_id}").text
    assert len(events("emergency:noted")) == 1


def test_whoever_is_not_concerned_knows_of_nothing(
    browser: Visit, home: Member, asker: Member, hanako: UUID
) -> None:
    access_id = used(browser, asker)
    notice_id = db.read().scalars(select(EmergencyNotice.id)).first()
    db.end()
    for member in (
        make_member(),
        make_member(role=Role.COORDINATOR),
        make_member(asker.agency_id),
        make_member(home.agency_id, Role.AGENCY_ADMIN),
        make_member(None, Role.SYSTEM_ADMIN),
    ):
        visit = browser(member)
        assert visit.get(f"/emergency/{access_id}").status_code == 404
        for act in ("review", "words", "end", "answer"):
            assert visit.post(
                f"/emergency/{access_id}/{act}", data={"finding": "justified", "text": "x"}
            ).status_code in {403, 404}
        assert visit.post(f"/emergency/notices/{notice_id}/note").status_code == 404
        for page in ("notices", "reviews", "requests"):
            assert str(access_id) not in visit.get(f"/emergency/{page}").text
    assert browser(asker).post(f"/emergency/notices/{notice_id}/note").status_code == 404


def test_reviewed_when_it_is_over_by_somebody_else(
    browser: Visit, home: Member, asker: Member, chief: Member, hanako: UUID, at: At
) -> None:
    at("2026-06-10T10:00")
    access_id = used(browser, asker)
    early = review(browser(chief), access_id)
    assert early.status_code == 409
    assert "まだ閲覧が終わっていません" in early.text
    assert "緊急閲覧の点検" not in browser(chief).get("/").text
    at("2026-06-10T11:01")
    visit = browser(chief)
    assert "緊急閲覧の点検：1件" in visit.get("/").text
    assert str(access_id) in visit.get("/emergency/reviews").text
    page = visit.get(f"/emergency/{access_id}").text
    assert "薬を大量に飲んだ" in page
    assert "髙橋" not in page
    unsaid = review(visit, access_id, text=" ")
    assert "入力してください" in unsaid.text
    assert "点検の結果を選んでください" in review(visit, access_id, finding="perfect").text
    assert review(browser(asker), access_id).status_code == 403
    assert review(browser(home), access_id).status_code == 403
    assert review(visit, access_id, "with_note", "次は先に電話を。").status_code == 303
    row = db.read().get_one(EmergencyAccess, access_id)
    assert (row.finding, row.reviewed_by_id) == (Finding.JUSTIFIED_WITH_NOTE, chief.staff_id)
    db.end()
    assert "緊急閲覧の点検" not in visit.get("/").text
    assert str(access_id) in visit.get("/emergency/reviews?show=done").text
    assert "次は先に電話を。" in browser(asker).get(f"/emergency/{access_id}").text
    assert "次は先に電話を。" in browser(home).get(f"/emergency/{access_id}").text
    twice = review(visit, access_id, "not_justified")
    assert twice.status_code == 409
    assert "先に点検を終えました" in twice.text


@pytest.mark.parametrize("who", ["auditor", "administrator"])
def test_who_sees_no_client_reads_why_by_an_act_of_their_own(
    browser: Visit, home: Member, asker: Member, hanako: UUID, at: At, who: str
) -> None:
    at("2026-06-10T10:00")
    role = Role.AUDITOR if who == "auditor" else Role.AGENCY_ADMIN
    member = make_member(None if who == "auditor" else asker.agency_id, role)
    access_id = used(browser, asker)
    at("2026-06-10T11:01")
    visit = browser(member)
    first = "/audit/" if who == "auditor" else "/"
    assert "緊急閲覧の点検：1件" in visit.get(first).text
    page = visit.get(f"/emergency/{access_id}")
    assert "薬を大量に飲んだ" not in page.text
    assert "髙橋" not in page.text
    number = browser(home).get(f"/people/{hanako}").text.partition('<span class="num">')[2].partition("<")[0]
    assert (number in page.text) == (who == "auditor")
    assert review(visit, access_id, text="").status_code == 200
    form = acts.form_to(page, "/words")
    before = len(events("emergency:read"))
    opened = visit.post(form.action, data=form.typed())
    assert "薬を大量に飲んだ" in opened.text
    assert "髙橋" not in opened.text
    assert len(events("emergency:read")) == before + 2
    form = acts.form_to(opened, "/review")
    assert (
        visit.post(form.action, data=acts.sent(form, finding="justified", text="記録と合う。")).status_code
        == 303
    )
    assert "記録と合う。" not in visit.get(f"/emergency/{access_id}").text
    assert "記録と合う。" in visit.post(f"/emergency/{access_id}/words").text


def test_the_deadline_is_counted_in_business_days_and_what_is_late_stands_out(
    browser: Visit, home: Member, hanako: UUID, auditor: Member, at: At
) -> None:
    at("2026-07-17T10:00")  # Friday; Monday the 20th is 海の日
    office = make_agency(weekly_closed="56")
    asker = make_member(office)
    access_id = used(browser, asker)
    due = db.read().get_one(EmergencyAccess, access_id).review_by
    db.end()
    assert due == date(2026, 7, 23)
    at("2026-07-23T23:00")
    visit = browser(auditor)
    assert "期限を過ぎたものが" not in visit.get("/audit/").text
    at("2026-07-24T00:01")
    visit = browser(auditor)
    assert "期限を過ぎたものが1件あります。" in visit.get("/audit/").text
    assert "期限を過ぎています" in visit.get("/emergency/reviews").text
    chief = browser(make_member(office, Role.COORDINATOR))
    assert "期限を過ぎたものが1件あります。" in chief.get("/").text
    admin = browser(make_member(office, Role.AGENCY_ADMIN))
    assert "期限を過ぎたものが1件あります。" in admin.get("/").text


def test_what_was_not_justified_is_told_to_the_home_agency_and_the_auditors(
    browser: Visit, home: Member, asker: Member, chief: Member, auditor: Member, hanako: UUID
) -> None:
    access_id = used(browser, asker)
    for member in (home, auditor):
        visit = browser(member)
        form = acts.form_to(visit.get(f"/emergency/{access_id}"), "/note")
        visit.post(form.action, data=form.typed())
        assert "緊急閲覧の知らせ" not in visit.get("/" if member is home else "/audit/").text
    browser(asker).post(f"/emergency/{access_id}/end")
    review(browser(chief), access_id, "not_justified", "電話がつながっていた。同意をとれた。")
    for member, page in ((home, "/"), (auditor, "/audit/")):
        visit = browser(member)
        assert "「不適切」と判断されたものが1件あります。" in visit.get(page).text
        form = acts.form_to(visit.get(f"/emergency/{access_id}"), "/note")
        visit.post(form.action, data=form.typed())
        assert "不適切" not in visit.get(page).text
    shown = browser(home).get(f"/emergency/{access_id}").text
    assert "電話がつながっていた。同意をとれた。" in shown
    assert "不適切" in shown
    assert len(events("emergency:told")) == 4
