"""The lists of what is over its period: of one's own agency, with names for those who may see them, page by page."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from flask import Flask
from sqlalchemy import select

from portal.audit.models import AuditEntry
from portal.core.db import db
from portal.core.policy import Role
from portal.disclosures import exclusions
from portal.exclusions.models import Conflict
from portal.people.models import Person
from portal.retention import services
from portal.retention.kinds import Kind
from tests.browsers import Browser
from tests.factories import make_case, make_member, make_person
from tests.retention.lives import Office, erase, make_office, old_life, propose, years_ago

Open = Callable[..., Browser]


@pytest.fixture
def office(app: Flask) -> Office:
    return make_office()


def test_nothing_is_due_and_the_page_says_what_to_do(browser: Open, office: Office) -> None:
    make_person(office.worker)
    page = browser(office.worker).get("/retention/").text
    assert "保存期間を過ぎたものはありません" in page
    assert 'aria-current="page"' in page


@pytest.mark.parametrize("kind", list(Kind))
def test_each_kind_is_listed_with_its_due_day(browser: Open, office: Office, kind: Kind) -> None:
    who = old_life(office)
    make_person(office.worker)  # too young to be due
    person = db.read.get_one(Person, who)
    db.end()
    rows = services.show_list(office.worker.actor, kind, after=None, size=50)
    db.end()
    assert rows
    assert all(row.ended <= row.due for row in rows)
    page = browser(office.worker).get(f"/retention/?show={kind.value}").text
    if kind is Kind.MEETINGS:
        assert "見本の会議" in page
        return
    own = [row for row in rows if row.person_id == who]
    assert own
    assert all(row.label == "鳥籠 消去子" for row in own)
    assert "鳥籠 消去子" in page
    assert person.number in page
    assert f"/retention/people/{who}" in page
    assert "消去を提案する" in page


@pytest.mark.parametrize("kind", list(Kind))
def test_an_administrator_sees_numbers_and_no_name(browser: Open, office: Office, kind: Kind) -> None:
    who = old_life(office)
    number = db.read.get_one(Person, who).number
    db.end()
    page = browser(office.admin).get(f"/retention/?show={kind.value}").text
    assert "鳥籠" not in page
    assert "消去子" not in page
    assert "見本の会議" not in page
    assert f"/people/{who}" not in page
    if kind is not Kind.MEETINGS:
        assert number in page


@pytest.mark.parametrize("kind", list(Kind))
def test_the_other_agency_is_told_nothing_of_the_home_agencys_part(
    browser: Open, office: Office, kind: Kind
) -> None:
    who = old_life(office)
    number = db.read.get_one(Person, who).number
    db.end()
    stranger = make_member()
    rows = services.show_list(stranger.actor, kind, after=None, size=50)
    assert rows == []
    db.end()
    page = browser(office.other).get(f"/retention/?show={kind.value}").text
    assert number not in page
    assert "鳥籠" not in page
    if kind in {Kind.CASES, Kind.REFERRALS}:
        assert "登録機関が決めます" in page
    assert f"/retention/people/{who}" not in page


def test_who_is_excluded_sees_neither_line_nor_proposal(browser: Open, office: Office) -> None:
    who = old_life(office)
    erasure_id = propose(office, who)
    exclusions.exclude(office.worker.actor, who, office.second.staff_id, Conflict.RELATIVE, "いとこ")
    reader = browser(office.second)
    for kind in Kind:
        page = reader.get(f"/retention/?show={kind.value}").text
        assert "鳥籠" not in page
        assert str(erasure_id) not in page
    assert reader.get(f"/retention/{erasure_id}").status_code == 404
    assert reader.post(f"/retention/{erasure_id}/agree", data={"password": "x"}).status_code == 404
    assert reader.post(f"/retention/{erasure_id}/drop").status_code == 404


def test_pages_go_on_where_the_last_one_ended(app: Flask, browser: Open, office: Office) -> None:
    with years_ago(12):
        people = [make_person(office.worker, given=f"太郎{n}") for n in range(30)]
    reader = browser(office.worker)
    first = reader.get("/retention/").text
    link = re.search(r'rel="next"\s+href="([^"]+)"', first)
    assert link
    second = reader.get(link[1].replace("&amp;", "&")).text
    shown = [re.findall(r"/retention/people/([0-9a-f-]{36})", page) for page in (first, second)]
    assert [len(one) for one in shown] == [25, 5]
    assert {*shown[0], *shown[1]} == {str(one) for one in people}
    assert 'rel="prev"' in second
    assert reader.get("/retention/?after=broken&show=nothing").status_code == 200


def test_what_stands_in_the_way_stands_beside_the_line(browser: Open, office: Office) -> None:
    who = old_life(office)
    case_id = make_case(office.worker, who)
    assert case_id
    page = browser(office.worker).get("/retention/?show=cases").text
    assert "まだ消去できません" in page
    assert "支援中のケースがあります" in page
    assert "消去を提案する" not in page
    mine = browser(office.worker).get(f"/retention/people/{who}").text
    assert "支援中のケースがあります" in mine
    assert "確認へ進む" not in mine


def test_the_erased_leave_the_lists_and_stand_below(browser: Open, office: Office) -> None:
    who = old_life(office)
    erase(office, who)
    number = db.read.get_one(Person, who).number
    db.end()
    reader = browser(office.worker)
    for kind in set(Kind) - {Kind.MEETINGS, Kind.PEOPLE}:
        page = reader.get(f"/retention/?show={kind.value}").text
        top, _, below = page.partition("最近の消去")
        assert number not in top
        assert number in below


def test_readings_are_logged(browser: Open, office: Office) -> None:
    who = old_life(office)
    erasure_id = propose(office, who)
    browser(office.worker).get("/retention/")
    browser(office.admin).get(f"/retention/{erasure_id}")
    entries = db.read.scalars(select(AuditEntry).where(AuditEntry.event == "retention:listed")).all()
    assert [entry.staff_id for entry in entries] == [office.worker.staff_id, office.admin.staff_id]
    assert b'"categories":["basic"]' in entries[0].body
    assert b'"categories":[]' in entries[1].body
    assert entries[1].person_id == who


@pytest.mark.parametrize("role", [Role.AUDITOR, Role.SYSTEM_ADMIN])
def test_who_keeps_no_records_has_no_list(browser: Open, office: Office, role: Role) -> None:
    who = old_life(office)
    erasure_id = propose(office, who)
    reader = browser(make_member(role=role))
    assert reader.get("/retention/").status_code == 403
    assert reader.get(f"/retention/{erasure_id}").status_code in {403, 404}
    assert reader.get(f"/retention/people/{who}").status_code in {403, 404}
    assert 'href="/retention/"' not in reader.get("/agencies/").text


def test_navigation_has_it_for_those_who_need_it(browser: Open, office: Office) -> None:
    for member, path in ((office.worker, "/help/more"), (office.second, "/help/more"), (office.admin, "/")):
        assert 'href="/retention/"' in browser(member).get(path).text
