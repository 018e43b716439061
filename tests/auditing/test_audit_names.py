"""Names on the auditor's pages: nowhere, until one auditor opens one with a reason, for the rest of that day."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date
from typing import Any
from uuid import UUID, uuid4

import pytest
from flask import Flask
from sqlalchemy import func, select

from portal.accounts.models import Membership
from portal.audit import services as audit
from portal.audit.events import AuditEvent
from portal.audit.models import AuditEntry
from portal.core.db import db
from portal.core.policy import Role
from portal.inspections.models import NameOpening
from portal.people.models import Person
from tests.browsers import Browser
from tests.factories import make_agency, make_case, make_member, make_person, make_referral
from tests.words import errors_of, hidden, words_of

Visit = Callable[..., Browser]
Clock = Callable[..., None]
NAME = "波止場 灯台"
REASON = "本人の申立てと照らし合わせるため"


class World:
    def __init__(self) -> None:
        self.home = make_member(make_agency(name="自立相談支援機関", short_name="自立"))
        self.recipient = make_member()
        self.person = make_person(
            self.home, family="波止場", given="灯台", family_kana="はとば", given_kana="とうだい"
        )
        self.other = make_person(self.home, family="見返り", given="橋子")
        self.referral = make_referral(self.home, self.recipient, person_id=self.person)
        make_referral(self.home, self.recipient, person_id=self.other)
        self.auditor = make_member(role=Role.AUDITOR, name="監査 四郎")

    @property
    def number(self) -> str:
        with db.transaction() as session:
            return session.scalars(select(Person.number).where(Person.id == self.person)).one()

    def pages(self) -> list[str]:
        people = [f"/audit/people/{one}" for one in (self.person, self.other)]
        return ["/audit/", f"/audit/referrals/{self.referral}", *people, *(f"{one}/as-of" for one in people)]


@pytest.fixture
def world(app: Flask, at: Clock) -> World:
    at("2026-04-06T10:00")
    return World()


def open_name(visitor: Browser, person: UUID, reason: str = REASON, **more: Any) -> Any:
    where = f"/audit/people/{person}/name"
    keys = hidden(visitor.get(where), "idempotency_key")
    data = {"reason": reason, "is_needed": "y", "idempotency_key": keys[0] if keys else "", **more}
    return visitor.post(where, data={key: value for key, value in data.items() if value})


def openings() -> int:
    with db.transaction() as session:
        return session.execute(select(func.count()).select_from(NameOpening)).scalar_one()


def everything(visitor: Browser, world: World) -> str:
    return " ".join(words_of(visitor.get(page)) for page in world.pages())


def test_until_it_is_opened_no_name_stands_anywhere(browser: Visit, world: World) -> None:
    words = everything(browser(world.auditor), world)
    assert "表示していません 氏名を表示" in words
    for part in ("波止場", "はとば", "灯台", "見返り"):
        assert part not in words


def test_opened_it_is_that_person_s_alone_and_this_auditor_s_alone(browser: Visit, world: World) -> None:
    visitor = browser(world.auditor)
    answer = open_name(visitor, world.person)
    assert answer.status_code == 303
    assert answer.location == f"/audit/people/{world.person}"
    words = everything(visitor, world)
    assert words.count(NAME) == 3, "his file, the referral, and who could see him"
    assert "令和8年4月7日 0時00分まで表示します。" in words
    assert "見返り" not in words
    assert "波止場" not in everything(browser(make_member(role=Role.AUDITOR)), world)


def test_the_search_shows_numbers_even_then(browser: Visit, world: World) -> None:
    visitor = browser(world.auditor)
    open_name(visitor, world.person)
    assert "波止場" not in visitor.get("/audit/").text


def test_it_closes_at_the_end_of_the_day_in_japan(browser: Visit, world: World, at: Clock) -> None:
    at("2026-04-06T23:50")
    visitor = browser(world.auditor)
    open_name(visitor, world.person)
    at("2026-04-06T23:59:58", tick=False)
    assert NAME in words_of(visitor.get(f"/audit/people/{world.person}"))
    at("2026-04-07T00:00", tick=False)
    assert "波止場" not in everything(visitor, world)
    assert open_name(visitor, world.person).status_code == 303
    assert openings() == 2


def test_it_needs_a_reason_and_a_word_of_one_s_own(browser: Visit, world: World) -> None:
    visitor = browser(world.auditor)
    assert "入力してください。" in errors_of(open_name(visitor, world.person, "　 "))
    assert "確認のうえ、チェックを入れてください。" in errors_of(
        open_name(visitor, world.person, is_needed="")
    )
    assert "500文字以内" in errors_of(open_name(visitor, world.person, "あ" * 501))
    assert openings() == 0
    assert "波止場" not in everything(visitor, world)


def test_sent_twice_it_is_opened_once(browser: Visit, world: World) -> None:
    visitor = browser(world.auditor)
    key = hidden(visitor.get(f"/audit/people/{world.person}/name"), "idempotency_key")[0]
    data = {"reason": REASON, "is_needed": "y", "idempotency_key": key}
    answers = [visitor.post(f"/audit/people/{world.person}/name", data=data) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [303, 303]
    assert openings() == 1


def test_it_is_logged_with_its_reason_apart(browser: Visit, world: World) -> None:
    visitor = browser(world.auditor)
    open_name(visitor, world.person)
    with db.transaction() as session:
        opened = session.scalars(
            select(AuditEntry).where(AuditEntry.event == AuditEvent.NAME_OPENED.value)
        ).one()
        assert (opened.person_id, opened.staff_id) == (world.person, world.auditor.staff_id)
        assert REASON not in opened.body.decode()
    visitor.get(f"/audit/people/{world.person}")
    with db.transaction() as session:
        last = session.scalars(select(AuditEntry).order_by(AuditEntry.seq.desc()).limit(1)).one()
        assert '"categories":["basic"]' in last.body.decode(), "a page with a name is a reading of the name"
    page = words_of(visitor.get(f"/audit/people/{world.person}"))
    assert "監査のため氏名を表示" in page


def test_a_pseudonym_is_said_to_be_one(browser: Visit, world: World) -> None:
    person = make_person(world.home, pseudonym="ひよどり")
    visitor = browser(world.auditor)
    assert "ひよどり" not in visitor.get(f"/audit/people/{person}").text
    open_name(visitor, person)
    assert "ひよどり （仮名）" in words_of(visitor.get(f"/audit/people/{person}"))


def test_the_list_of_openings(browser: Visit, world: World) -> None:
    admin = make_member(world.home.agency_id, Role.AGENCY_ADMIN)
    elsewhere = make_member(world.recipient.agency_id, Role.AGENCY_ADMIN)
    assert "氏名が表示されたことはありません。" in words_of(browser(admin).get("/audit/openings"))
    open_name(browser(world.auditor), world.person)
    told = words_of(browser(admin).get("/audit/openings"))
    assert "監査 四郎" in told
    assert world.number in told
    for secret in (REASON, "波止場", str(world.person)):
        assert secret not in browser(admin).get("/audit/openings").text
    assert "監査 四郎" not in words_of(browser(elsewhere).get("/audit/openings"))
    full = words_of(browser(world.auditor).get("/audit/openings"))
    assert REASON in full
    assert world.number in full
    assert "波止場" not in full


def test_openings_come_in_pages(browser: Visit, world: World) -> None:
    visitor = browser(world.auditor)
    for _ in range(27):
        open_name(visitor, make_person(world.home))
    page = visitor.get("/audit/openings")
    following = re.search(r'rel="next"\s+href="([^"]+)"', page.text)
    assert following
    assert page.text.count('data-label="監査担当"') == 25
    assert visitor.get(following[1]).text.count('data-label="監査担当"') == 2


@pytest.mark.parametrize("role", [Role.STAFF, Role.COORDINATOR, Role.SYSTEM_ADMIN, Role.AGENCY_ADMIN])
def test_nobody_else_comes_near(browser: Visit, world: World, role: Role) -> None:
    visitor = browser(make_member(None if role is Role.SYSTEM_ADMIN else world.home.agency_id, role))
    pages = [page for page in world.pages() if page != "/audit/"]
    pages += ["/audit/names", f"/audit/names/found?person={world.person}"]
    for page in [*pages, "/audit/", f"/audit/people/{world.person}/name", f"/audit/people/{uuid4()}"]:
        assert visitor.get(page).status_code == 403, page
    posts = ["/audit/", "/audit/names", "/audit/export", f"/audit/people/{world.person}/name"]
    posts += [f"{page}/export" for page in pages if "as-of" not in page and "names" not in page]
    for page in posts:
        data = {"format": "csv", "reason": REASON, "is_needed": "y"}
        assert visitor.post(page, data=data).status_code == 403, page
    expected = 200 if role is Role.AGENCY_ADMIN else 403
    assert visitor.get("/audit/openings").status_code == expected


def test_an_auditor_who_becomes_a_caseworker_sees_no_name(browser: Visit, world: World) -> None:
    visitor = browser(world.auditor)
    open_name(visitor, world.person)
    with db.transaction() as session:
        membership = session.get_one(Membership, world.auditor.actor.membership_id)
        membership.role, membership.agency_id = Role.STAFF, make_agency().id
        audit.record(AuditEvent.STAFF_UPDATED, membership, actor=None, channel="command")
    moved = browser(world.auditor)
    assert moved.get(f"/audit/people/{world.person}").status_code == 403
    assert moved.get(f"/people/{world.person}").status_code == 404


def test_who_is_not_there_is_missing(browser: Visit, world: World) -> None:
    visitor = browser(world.auditor)
    for page in ("", "/as-of", "/name"):
        assert visitor.get(f"/audit/people/{uuid4()}{page}").status_code == 404
    assert visitor.post(f"/audit/people/{uuid4()}/export", data={"format": "csv"}).status_code == 404
    assert visitor.post(f"/audit/referrals/{uuid4()}/export", data={"format": "zip"}).status_code == 404


def look_for(visitor: Browser, name: str, reason: str = REASON, **more: Any) -> Any:
    key = hidden(visitor.get("/audit/names"), "idempotency_key")[0]
    data = {"name": name, "reason": reason, "is_needed": "y", "idempotency_key": key, **more}
    return visitor.post("/audit/names", data={each: value for each, value in data.items() if value})


def searches() -> list[AuditEntry]:
    with db.transaction() as session:
        statement = select(AuditEntry).where(AuditEntry.event == AuditEvent.NAME_SEARCHED.value)
        return list(session.scalars(statement.order_by(AuditEntry.seq)))


@pytest.mark.both_databases
@pytest.mark.parametrize("typed", ["渡邊　齊", "渡辺斉", "わたなべ ひとし", "ﾜﾀﾅﾍﾞ ﾋﾄｼ"])
def test_a_complaint_leads_from_the_name_to_the_numbers(browser: Visit, world: World, typed: str) -> None:
    person = make_person(world.home, family="渡邉", given="斉", family_kana="わたなべ", given_kana="ひとし")
    referral, case = (
        make_referral(world.home, world.recipient, person_id=person),
        make_case(world.home, person),
    )
    visitor = browser(world.auditor)
    answer = look_for(visitor, typed)
    assert answer.status_code == 303
    assert answer.location == f"/audit/names/found?person={person}", "no name in the address"
    page = visitor.get(answer.location)
    assert "渡邉 斉" in words_of(page)
    assert f'href="/audit/referrals/{referral}"' in page.text
    assert f'href="/audit/people/{person}"' in page.text
    assert f'href="/audit/?about={case}"' in page.text
    assert "渡邉 斉" in words_of(visitor.get(f"/audit/people/{person}")), "opened like any other name"
    for secret in ("波止場", "見返り"):
        assert secret not in page.text


def test_a_search_is_logged_and_the_second_auditor_sees_it(browser: Visit, world: World) -> None:
    look_for(browser(world.auditor), "波止場 灯台", reason="本人の申立てによる")
    second = browser(make_member(role=Role.AUDITOR))
    openings_page = words_of(second.get("/audit/openings"))
    assert "監査 四郎" in openings_page
    assert "本人の申立てによる" in openings_page
    assert "波止場" not in openings_page
    entry = searches()[0]
    assert entry.staff_id == world.auditor.staff_id
    for secret in ("波止場", "申立て"):
        assert secret not in entry.body.decode()
    assert "監査のため氏名で検索" in words_of(second.get("/audit/?event=name:searched"))
    others = second.get("/audit/names/found", query_string={"person": str(world.person)})
    assert "表示している氏名はありません。" in words_of(others), (
        "an address shows nothing to who did not open"
    )
    assert "波止場" not in others.text


@pytest.mark.parametrize("nobody", ["波止場", "灯台", "波止場 灯", "見返り 灯台", "%", "ー", "・・"])
def test_who_is_not_found_is_said_and_nothing_else(browser: Visit, world: World, nobody: str) -> None:
    """Part of a name finds nobody: a search is no list to leaf through."""
    answer = look_for(browser(world.auditor), nobody)
    assert "この氏名の相談者は見つかりませんでした。姓と名の両方を入力してください。" in errors_of(answer)
    assert f'value="{nobody}"' in answer.text, "nothing typed is lost"
    assert "灯台" not in answer.text.replace(nobody, "")
    assert openings() == 0
    assert len(searches()) == 1


def test_a_search_needs_a_reason_and_is_done_once(browser: Visit, world: World) -> None:
    visitor = browser(world.auditor)
    assert "入力してください。" in errors_of(look_for(visitor, NAME, "　"))
    assert "確認のうえ、チェックを入れてください。" in errors_of(look_for(visitor, NAME, is_needed=""))
    assert (openings(), searches()) == (0, [])
    key = hidden(visitor.get("/audit/names"), "idempotency_key")[0]
    data = {"name": NAME, "reason": REASON, "is_needed": "y", "idempotency_key": key}
    answers = [visitor.post("/audit/names", data=data) for _ in range(2)]
    assert {answer.location for answer in answers} == {f"/audit/names/found?person={world.person}"}
    assert (openings(), len(searches())) == (1, 1)


def test_of_many_namesakes_none_is_opened_until_the_birth_date_tells_them_apart(
    browser: Visit, world: World
) -> None:
    same = {"family": "佐藤", "given": "花子"}
    for year in range(1980, 1986):
        wanted = make_person(world.home, **same, birth=date(year, 5, 1))
    visitor = browser(world.auditor)
    assert "生年月日も入力してください。" in errors_of(look_for(visitor, "佐藤 花子"))
    assert openings() == 0
    answer = look_for(visitor, "佐藤 花子", birth="昭和60年5月1日")
    assert answer.location == f"/audit/names/found?person={wanted}"
    assert openings() == 1
