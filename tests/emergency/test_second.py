"""When one person's word is not enough: protected addresses and the sixth use of a day wait for a second person."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select

from portal.accounts.models import Membership
from portal.audit import services as audit
from portal.audit.events import AuditEvent
from portal.configuration.models import Setting
from portal.core import clock
from portal.core.db import db
from portal.core.policy import Role
from portal.emergency import services as emergency
from portal.emergency.models import Emergency, EmergencyAccess, EmergencyNotice
from portal.emergency.search import Wanted
from portal.emergency.services import Wish
from portal.exclusions.models import Conflict as Reason
from portal.exclusions.models import Exclusion
from portal.people.categories import Category
from tests.browsers import PASSWORD, Browser
from tests.emergency import acts
from tests.emergency.acts import BIRTHDAY, HANAKO, events
from tests.factories import Member, make_member, make_person

Visit = Callable[..., Browser]
At = Callable[..., None]


@pytest.fixture
def hidden(home: Member) -> UUID:
    return make_person(
        home, **HANAKO | {"given": "光", "given_kana": "ひかり"}, birth=BIRTHDAY, protected_address=True
    )


@pytest.fixture
def chief(asker: Member) -> Member:
    return make_member(asker.agency_id, Role.COORDINATOR)


def ask_for_hidden(visit: Browser) -> UUID:
    return acts.access_of(acts.use(visit, "髙橋 光"))


def answer(visit: Browser, access_id: UUID, word: str, **typed: Any) -> Any:
    data = {"answer": word, "password": PASSWORD, **typed}
    return visit.post(f"/emergency/{access_id}/answer", data=data)


def stored(access_id: UUID) -> EmergencyAccess:
    db.end()
    return db.read().get_one(EmergencyAccess, access_id)


def exclude(member: Member, person_id: UUID) -> None:
    with db.transaction() as session:
        row = Exclusion(
            person_id=person_id,
            staff_id=member.staff_id,
            agency_id=member.agency_id,
            made_by_id=member.staff_id,
            conflict=Reason.RELATIVE,
        )
        session.add(row)
        audit.record(AuditEvent.EXCLUSION_MADE, row, actor=member.actor, person_id=person_id)


def test_a_protected_address_waits_for_a_second_person_and_stays_withheld(
    browser: Visit, home: Member, asker: Member, chief: Member, hidden: UUID, at: At
) -> None:
    at("2026-06-10T10:00")
    visit = browser(asker)
    access_id = ask_for_hidden(visit)
    assert "二人目の承認を待っています" in visit.get(f"/emergency/{access_id}").text
    assert visit.get(f"/people/{hidden}").status_code == 404
    assert db.read().scalars(select(EmergencyNotice)).all() == []

    at("2026-06-10T11:30")
    them = browser(chief)
    assert "緊急閲覧の承認を求められています：1件" in them.get("/").text
    assert str(access_id) in them.get("/emergency/requests").text
    page = them.get(f"/emergency/{access_id}/answer").text
    assert "薬を大量に飲んだ" in page
    assert "髙橋" not in page, "who agrees is not shown the person"
    assert "承認しました" in them.get(answer(them, access_id, "approve").headers["Location"]).text

    visit = browser(asker)
    shown = visit.get(f"/people/{hidden}").text
    assert "髙橋 光" in shown
    assert "見本市一丁目" not in shown
    assert "090-0000-0001" not in shown
    at("2026-06-10T12:29")
    assert browser(asker).get(f"/people/{hidden}").status_code == 200
    at("2026-06-10T12:31")
    assert browser(asker).get(f"/people/{hidden}").status_code == 404
    line = stored(access_id)
    assert line.approved_by_id == chief.staff_id
    assert {notice.agency_id for notice in db.read().scalars(select(EmergencyNotice))} == {
        home.agency_id,
        None,
    }
    assert [one.staff_id for one in events("emergency:approved", "emergency:opened")] == [chief.staff_id] * 2
    assert browser(chief).get(f"/people/{hidden}").status_code == 404


def test_who_may_agree_and_who_may_not(browser: Visit, home: Member, asker: Member, hidden: UUID) -> None:
    access_id = ask_for_hidden(browser(asker))
    at_home, here = home.agency_id, asker.agency_id
    may = [
        make_member(here, Role.COORDINATOR),
        make_member(here, administers=True),
        make_member(at_home, Role.COORDINATOR),
        make_member(at_home, administers=True),
    ]
    not_at_all = [
        make_member(here),
        make_member(here, Role.AGENCY_ADMIN),
        make_member(at_home),
        make_member(at_home, Role.AGENCY_ADMIN),
        make_member(role=Role.COORDINATOR),
        make_member(None, Role.AUDITOR),
        make_member(None, Role.SYSTEM_ADMIN),
    ]
    for member in not_at_all:
        refused = answer(browser(member), access_id, "approve")
        assert refused.status_code == 404, member
        assert browser(member).get(f"/emergency/{access_id}/answer").status_code == 404
    own = browser(asker)
    assert answer(own, access_id, "approve").status_code == 403
    assert 'name="password"' not in own.get(f"/emergency/{access_id}/answer").text
    assert stored(access_id).starts_at is None
    for member in may:
        assert 'name="password"' in browser(member).get(f"/emergency/{access_id}/answer").text
    wrong = answer(browser(may[3]), access_id, "approve", password="wrong wrong wrong")
    assert "パスワードが違います" in wrong.text
    assert stored(access_id).starts_at is None
    assert answer(browser(may[3]), access_id, "approve").status_code == 303
    assert stored(access_id).approved_by_id == may[3].staff_id


def test_an_asker_who_is_a_coordinator_does_not_agree_with_themselves(
    browser: Visit, home: Member, hidden: UUID
) -> None:
    chief = make_member(role=Role.COORDINATOR)
    visit = browser(chief)
    access_id = ask_for_hidden(visit)
    assert answer(visit, access_id, "approve").status_code == 403
    assert str(access_id) not in visit.get("/emergency/requests").text


def test_declined_with_a_reason_that_the_asker_reads(
    browser: Visit, asker: Member, chief: Member, hidden: UUID
) -> None:
    visit, them = browser(asker), browser(chief)
    access_id = ask_for_hidden(visit)
    silent = answer(them, access_id, "decline")
    assert "理由を入力してください" in silent.text
    answer(them, access_id, "decline", why="本人と電話がつながったので、同意をとってください。")
    page = visit.get(f"/emergency/{access_id}").text
    assert "本人と電話がつながったので" in page
    assert "不承認" in page
    late = answer(them, access_id, "approve")
    assert late.status_code == 409
    assert "すでに「不承認」" in late.text
    assert visit.get(f"/people/{hidden}").status_code == 404
    assert ask_for_hidden(visit) != access_id, "asked again, it is another request"


def test_a_request_lapses_after_a_day(
    browser: Visit, asker: Member, chief: Member, hidden: UUID, at: At
) -> None:
    at("2026-06-10T10:00")
    access_id = ask_for_hidden(browser(asker))
    at("2026-06-11T10:01")
    them = browser(chief)
    assert str(access_id) not in them.get("/emergency/requests").text
    assert "承認を求められています" not in them.get("/").text
    assert answer(them, access_id, "approve").status_code == 409
    assert "承認がないまま終了" in browser(asker).get(f"/emergency/{access_id}").text


def alone(member: Member, home: Member, number: int) -> EmergencyAccess:
    """A use by the service, of somebody new."""
    person_id = make_person(home, **HANAKO | {"given": f"花{number}", "given_kana": "はな"}, birth=BIRTHDAY)
    wish = Wish(
        Wanted(name=f"髙橋花{number}", birth=BIRTHDAY),
        person_id,
        Emergency.MISSING,
        "家族から、きのうから帰らないと電話があった。",
        frozenset({Category.BASIC}),
    )
    return stored(emergency.file(member.actor, wish))


def test_the_sixth_use_of_a_day_needs_a_second_person(home: Member, asker: Member, at: At) -> None:
    at("2026-06-10T08:00")
    assert [alone(asker, home, number).needs_second for number in range(6)] == [False] * 5 + [True]
    assert alone(make_member(asker.agency_id), home, 6).needs_second is False
    at("2026-06-10T23:59")
    assert alone(asker, home, 7).needs_second
    at("2026-06-11T00:00")
    assert not alone(asker, home, 8).needs_second


def test_how_many_uses_are_free_is_a_setting(home: Member, asker: Member) -> None:
    with db.transaction() as session:
        row = Setting(key="emergency.alone_per_day", value=0)
        session.add(row)
        audit.record(AuditEvent.SETTING_CHANGED, row, actor=None)
    assert alone(asker, home, 1).needs_second


def test_who_is_excluded_finds_nothing_agrees_to_nothing_and_sees_no_trace(
    browser: Visit, home: Member, asker: Member, chief: Member, hidden: UUID, hanako: UUID
) -> None:
    relative = make_member(asker.agency_id)
    exclude(relative, hanako)
    missed = acts.find(browser(relative))
    assert "見つかりませんでした" in missed.text
    assert [one.staff_id for one in events("emergency:missed")] == [relative.staff_id]

    access_id = ask_for_hidden(browser(asker))
    exclude(chief, hidden)
    them = browser(chief)
    assert answer(them, access_id, "approve").status_code == 404
    assert them.get(f"/emergency/{access_id}").status_code == 404
    assert "承認を求められています" not in them.get("/").text


def test_excluded_while_it_is_open_or_waits_it_is_over(
    browser: Visit, asker: Member, chief: Member, hidden: UUID, hanako: UUID
) -> None:
    visit = browser(asker)
    acts.use(visit)
    access_id = ask_for_hidden(visit)
    exclude(asker, hanako)
    exclude(asker, hidden)
    assert visit.get(f"/people/{hanako}").status_code == 404
    assert "緊急閲覧中" not in visit.get("/").text
    refused = answer(browser(chief), access_id, "approve")
    assert refused.status_code == 409
    assert "見られない立場" in refused.text


def test_who_has_left_is_not_let_in(browser: Visit, asker: Member, chief: Member, hidden: UUID) -> None:
    access_id = ask_for_hidden(browser(asker))
    with db.transaction() as session:
        row = session.scalars(select(Membership).where(Membership.staff_id == asker.staff_id)).one()
        row.ended_at = clock.now() - timedelta(minutes=1)
        audit.record(AuditEvent.STAFF_UPDATED, row, actor=None)
    assert answer(browser(chief), access_id, "approve").status_code == 409
    assert stored(access_id).starts_at is None
