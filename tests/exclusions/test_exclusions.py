"""Conflict of interest: who shuts out whom, who lets them in again, and what each of them sees of it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from uuid import UUID, uuid4

import pytest
from flask import Flask
from sqlalchemy import select
from sqlalchemy.exc import NoResultFound

from portal.accounts.models import Membership
from portal.audit import services as audit
from portal.audit.events import AuditEvent
from portal.audit.models import AuditEntry
from portal.cases import services as cases
from portal.cases.codes import Method
from portal.core import clock
from portal.core.db import db
from portal.core.errors import Conflict, Invalid, NotAllowed
from portal.core.policy import Role
from portal.disclosures import exclusions as services
from portal.disclosures import services as disclosures
from portal.exclusions.models import Conflict as Why
from portal.people import services as people
from portal.people.categories import Category
from portal.referrals.states import ReferralStatus
from tests.browsers import Browser
from tests.factories import Member, make_agency, make_case, make_member, make_person, make_referral
from tests.wall.pages import blurred

SignIn = Callable[..., Browser]


class Office:
    """Two agencies; the first keeps the person, the second was sent them and supports them."""

    def __init__(self) -> None:
        self.home, self.other = make_agency(), make_agency()
        self.a = make_member(self.home)
        self.relative = make_member(self.home, name="親族 職員")
        self.chief = make_member(self.home, role=Role.COORDINATOR)
        self.b = make_member(self.other)
        self.neighbour = make_member(self.other, name="近隣 職員")
        self.b_chief = make_member(self.other, role=Role.COORDINATOR)
        self.person = make_person(self.a, family="利益", given="相反子")
        self.referral = make_referral(self.a, self.b, status=ReferralStatus.ACCEPTED, person_id=self.person)

    def shut(self, by: Member, whom: Member, **more: object) -> UUID:
        return services.exclude(by.actor, self.person, whom.staff_id, Why.RELATIVE, "いとこです。", **more)


@pytest.fixture
def office(app: Flask) -> Office:
    return Office()


def events(event: AuditEvent) -> list[AuditEntry]:
    return list(db.read.scalars(select(AuditEntry).where(AuditEntry.event == event.value)))


def sees(who: Member, person_id: UUID) -> bool:
    db.end()
    try:
        disclosures.show(who.actor, person_id)
    except NoResultFound:
        return False
    return True


def answer(why: Why = Why.RELATIVE, reason: str = "いとこです。", **more: str) -> dict[str, str]:
    return {"conflict": why.value, "reason": reason} | more


@pytest.mark.both_databases
def test_oneself_by_the_pages_and_the_person_is_gone(office: Office, browser: SignIn) -> None:
    client = browser(office.relative)
    page = client.get(f"/people/{office.person}").get_data(as_text=True)
    assert f"/exclusions/people/{office.person}" in page
    path = f"/exclusions/people/{office.person}/me"
    checked = client.post(path, data=answer())
    assert "自分では取り消せません" in checked.get_data(as_text=True)
    assert sees(office.relative, office.person)
    done = client.post(path, data=answer(checked="1"), follow_redirects=True)
    text = done.get_data(as_text=True)
    assert done.status_code == 200
    assert "あなたが関わらない相談者：1件" in text
    assert office.chief.actor.name in text
    assert "相反子" not in text
    assert client.get(f"/people/{office.person}").status_code == 404
    assert sees(office.a, office.person)
    [entry] = events(AuditEvent.EXCLUSION_MADE)
    assert (entry.person_id, entry.staff_id) == (office.person, office.relative.staff_id)
    assert "いとこ" not in json.dumps(entry.body.decode())


def test_a_form_sent_twice_shuts_out_once(office: Office, browser: SignIn) -> None:
    client = browser(office.relative)
    path = f"/exclusions/people/{office.person}/me"
    data = answer(checked="1", idempotency_key="a" * 32)
    for _time in range(2):
        done = client.post(path, data=data)
        assert (done.status_code, done.location) == (302, "/exclusions/")
    assert len(events(AuditEvent.EXCLUSION_MADE)) == 1


@pytest.mark.parametrize(("by", "whom"), [("a", "relative"), ("chief", "a"), ("b", "neighbour"), ("a", "b")])
def test_a_colleague_and_at_home_the_staff_of_who_was_told(
    office: Office, browser: SignIn, by: str, whom: str
) -> None:
    actor, member = getattr(office, by), getattr(office, whom)
    client = browser(actor)
    path = f"/exclusions/people/{office.person}/new"
    assert str(member.staff_id) in client.get(path).get_data(as_text=True)
    assert sees(member, office.person)
    data = answer(staff=str(member.staff_id))
    assert "除外の確認" in client.post(path, data=data).get_data(as_text=True)
    done = client.post(path, data=data | {"checked": "1"}, follow_redirects=True).get_data(as_text=True)
    assert member.actor.name in done
    assert "除外中" in done
    assert not sees(member, office.person)
    assert sees(actor, office.person)


def test_nobody_else_may_be_chosen(office: Office) -> None:
    stranger = make_member()
    for by, whom in ((office.b, office.a), (office.a, stranger), (office.b, stranger)):
        with pytest.raises(Invalid):
            office.shut(by, whom)
    for by in (stranger, make_member(office.home, role=Role.AGENCY_ADMIN), make_member(role=Role.AUDITOR)):
        with pytest.raises((NoResultFound, NotAllowed)):
            office.shut(by, by)
    assert not events(AuditEvent.EXCLUSION_MADE)


def test_a_reason_is_needed_and_what_was_typed_stays(office: Office, browser: SignIn) -> None:
    client = browser(office.a)
    path = f"/exclusions/people/{office.person}/me"
    refused = client.post(path, data=answer(reason="", checked="1")).get_data(as_text=True)
    assert "事情を入力してください。" in refused
    refused = client.post(path, data={"reason": "隣に住んでいます。"}).get_data(as_text=True)
    assert "関わらない理由を選んでください。" in refused
    assert "隣に住んでいます。" in refused
    back = client.post(path, data=answer(back="1")).get_data(as_text=True)
    assert "いとこです。" in back
    assert "確認へ進む" in back
    assert not events(AuditEvent.EXCLUSION_MADE)


def test_it_beats_the_home_the_basis_and_the_case(office: Office, browser: SignIn) -> None:
    case = make_case(office.a, person_id=office.person, worker_id=office.relative.staff_id)
    office.shut(office.chief, office.relative)
    client = browser(office.relative)
    for path in (
        *(f"/people/{office.person}", f"/people/{office.person}/disclosures", f"/cases/{case}"),
        *(f"/referrals/{office.referral}", f"/referrals/{office.referral}/sheet", f"/cases/{case}/worker"),
        *(f"/exclusions/people/{office.person}", f"/exclusions/people/{office.person}/me"),
        f"/exclusions/people/{office.person}/new",
    ):
        real = next(one for one in (office.person, case, office.referral) if str(one) in path)
        refused, nowhere = client.get(path), client.get(path.replace(str(real), str(uuid4())))
        assert (refused.status_code, nowhere.status_code) == (404, 404), path
        assert blurred(refused.get_data(as_text=True)) == blurred(nowhere.get_data(as_text=True))
    for path in (
        "/",
        "/people/",
        "/referrals/",
        "/cases/",
        "/cases/?show=mine",
        "/consents/",
        "/exclusions/",
    ):
        assert "相反子" not in client.get(path).get_data(as_text=True), path
    found = client.post("/people/", data={"q": "相反子"}, follow_redirects=True).get_data(as_text=True)
    nobody = client.post("/people/", data={"q": "不在子"}, follow_redirects=True).get_data(as_text=True)
    assert blurred(found.replace("相反子", "不在子")) == blurred(nobody)
    with pytest.raises(NoResultFound):
        cases.write_note(
            office.relative.actor, case, method=Method.OFFICE, category=Category.BASIC, text="見えないはず"
        )
    with pytest.raises(NoResultFound):
        people.update_information(office.relative.actor, office.person, Category.HEALTH, text="書けないはず")


def test_the_worker_who_is_excluded_is_to_hand_over_and_not_offered_again(
    office: Office, browser: SignIn
) -> None:
    case = make_case(office.a, person_id=office.person, worker_id=office.relative.staff_id)
    client = browser(office.a)
    assert "引き継いでください" not in client.get(f"/cases/{case}").get_data(as_text=True)
    office.shut(office.chief, office.relative)
    assert "引き継いでください" in client.get(f"/cases/{case}").get_data(as_text=True)
    for path in (f"/cases/{case}/worker", f"/people/{office.person}/cases/new"):
        page = client.get(path).get_data(as_text=True)
        assert str(office.chief.staff_id) in page
        assert str(office.relative.staff_id) not in page
    with pytest.raises(Invalid):
        cases.assign_worker(office.a.actor, case, office.relative.staff_id)
    office.shut(office.b, office.neighbour)
    page = browser(office.b).get(f"/referrals/{office.referral}").get_data(as_text=True)
    assert str(office.b.staff_id) in page
    assert str(office.neighbour.staff_id) not in page


def test_only_another_lifts_it_with_a_reason(office: Office, browser: SignIn) -> None:
    own, told = office.shut(office.relative, office.relative), office.shut(office.a, office.neighbour)
    with pytest.raises(NoResultFound):  # they know of no such person
        services.lift(office.relative.actor, own, "もう平気です。")
    with pytest.raises(NoResultFound):
        services.lift(office.b.actor, own, "よその機関の職員です。")
    with pytest.raises(NotAllowed):  # their agency, but not its coordinator
        services.lift(office.b.actor, told, "担当ではありません。")
    with pytest.raises(Invalid):
        services.lift(office.chief.actor, own, "")
    client = browser(office.a)
    page = client.post(f"/exclusions/{own}/lift", data={"why": "婚姻が解消しました。"}, follow_redirects=True)
    assert "除外を解除しました" in page.get_data(as_text=True)
    assert sees(office.relative, office.person)
    services.lift(office.b_chief.actor, told, "転居しました。")
    assert sees(office.neighbour, office.person)
    with pytest.raises(Conflict):
        services.lift(office.a.actor, told, "もう一度")
    assert len(events(AuditEvent.EXCLUSION_LIFTED)) == 2
    # They may be shut out once more.
    office.shut(office.a, office.neighbour)
    assert not sees(office.neighbour, office.person)


def test_an_excluded_coordinator_cannot_lift_their_own_exclusion(office: Office, browser: SignIn) -> None:
    own = office.shut(office.a, office.chief)
    client = browser(office.chief)
    assert client.get(f"/exclusions/{own}/lift").status_code == 404
    page = client.get("/exclusions/").get_data(as_text=True)
    assert "あなたが関わらない相談者：1件" in page
    assert "いとこです" not in page
    # Nor do they read who else keeps out of it.
    office.shut(office.a, office.relative)
    assert "親族 職員" not in client.get("/exclusions/").get_data(as_text=True)


def test_who_sees_the_list(office: Office, browser: SignIn) -> None:
    office.shut(office.a, office.neighbour)
    for who in (office.chief, office.b_chief):
        page = browser(who).get("/exclusions/").get_data(as_text=True)
        assert "近隣 職員" in page
        assert "相反子" in page
    for who in (office.a, office.b):
        assert "近隣 職員" not in browser(who).get("/exclusions/").get_data(as_text=True)
    auditor = browser(make_member(role=Role.AUDITOR)).get("/exclusions/").get_data(as_text=True)
    assert "近隣 職員" in auditor
    assert "相反子" not in auditor
    assert "いとこです" not in auditor
    number = disclosures.show(office.a.actor, office.person).number
    assert number in auditor
    for role in (Role.AGENCY_ADMIN, Role.SYSTEM_ADMIN):
        who = make_member(office.home if role is Role.AGENCY_ADMIN else None, role=role)
        assert browser(who).get("/exclusions/").status_code == 403
    # A third agency's coordinator reads nothing of it; the readings are logged.
    third = browser(make_member(role=Role.COORDINATOR)).get("/exclusions/").get_data(as_text=True)
    assert "近隣 職員" not in third
    assert len(events(AuditEvent.EXCLUSIONS_READ)) == 4


def test_the_last_member_is_warned_about(office: Office, browser: SignIn) -> None:
    office.shut(office.a, office.neighbour)
    office.shut(office.a, office.b_chief)
    client = browser(office.a)
    path = f"/exclusions/people/{office.person}/new"
    page = client.post(path, data=answer(staff=str(office.b.staff_id))).get_data(as_text=True)
    assert "見られる職員がいなくなります" in page
    calm = client.post(path, data=answer(staff=str(office.relative.staff_id))).get_data(as_text=True)
    assert "見られる職員がいなくなります" not in calm
    assert "見られる職員がいません" not in client.get(path.replace("/new", "")).get_data(as_text=True)
    office.shut(office.a, office.b)
    assert "見られる職員がいません" in client.get(path.replace("/new", "")).get_data(as_text=True)


def test_an_unsent_or_anonymous_asking_brings_nobody_into_the_choice(office: Office) -> None:
    third = make_member()
    make_referral(office.a, third, person_id=office.person, status=ReferralStatus.DRAFT)
    with pytest.raises(Invalid):
        office.shut(office.a, third)


def test_it_goes_with_the_member_wherever_they_work(office: Office) -> None:
    office.shut(office.a, office.neighbour)
    with db.transaction() as session:
        old = session.get(Membership, office.neighbour.actor.membership_id)
        assert old is not None
        old.ended_at = clock.now()
        new = Membership(staff_id=office.neighbour.staff_id, agency_id=office.home.id, role=Role.STAFF)
        session.add(new)
        for row in (old, new):
            audit.record(AuditEvent.STAFF_UPDATED, row, actor=None, channel="command")
    moved = replace(office.neighbour, actor=replace(office.neighbour.actor, agency_id=office.home.id))
    assert not sees(moved, office.person)
    assert sees(make_member(office.home), office.person)
