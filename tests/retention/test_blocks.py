"""What stands in the way of an erasure, and what each ground lifts."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import select
from sqlalchemy.exc import NoResultFound

from portal.accounts.models import Staff
from portal.audit import services as audit
from portal.audit.events import AuditEvent
from portal.cases import services as cases
from portal.cases.codes import Outcome
from portal.cases.models import Case
from portal.configuration import services as settings
from portal.core import clock
from portal.core.db import db
from portal.core.errors import Conflict, Invalid, NotAllowed
from portal.core.policy import Role
from portal.disclosures import services as disclosures
from portal.disclosures.models import Basis
from portal.emergency.models import Emergency, EmergencyAccess
from portal.inspections.models import AuditFinding, FindingKind
from portal.people.models import Person
from portal.referrals.models import FollowUp, FollowUpKind, Referral
from portal.retention import kinds, services
from portal.retention.kinds import Block, Kind, Reason
from portal.retention.models import Erasure, ErasureGround
from portal.retention.services import Blocked
from tests.factories import make_case, make_consent, make_member, make_person, make_referral
from tests.meeting_factories import make_item, make_meeting, make_outcome
from tests.retention.lives import Office, make_office, old_life, propose, years_ago

R = Reason


@pytest.fixture
def office(app: Flask) -> Office:
    return make_office()


def found(who: UUID, ground: str = "period_over") -> list[Block]:
    stands = kinds.of_people(db.unrestricted(), [who], clock.now(), ErasureGround(ground))[who]
    db.end()
    return stands


def reasons(who: UUID, ground: str = "period_over") -> set[Reason]:
    return {one.reason for one in found(who, ground)}


def is_listed(office: Office, who: UUID) -> bool:
    listed = services.show_list(office.worker.actor, Kind.PEOPLE, after=None, size=100)
    db.end()
    return who in {one.id for one in listed}


def old_person(office: Office, years: float = 12) -> UUID:
    with years_ago(years):
        return make_person(office.worker)


def emergency(office: Office, who: UUID) -> None:
    with db.transaction() as session:
        access = EmergencyAccess(
            person_id=who,
            home_agency_id=office.worker.agency_id,
            agency_id=office.other.agency_id,
            staff_id=office.other.staff_id,
            reason=Emergency.LIFE,
            text="見本の状況",
            categories=["basic"],
            needs_second=False,
            starts_at=clock.now() - timedelta(days=2),
            ends_at=clock.now() - timedelta(days=2, hours=-1),
        )
        session.add(access)
        audit.record(AuditEvent.EMERGENCY_OPENED, access, actor=office.other.actor, person_id=who)


def finding(office: Office, who: UUID, agency_id: UUID | None) -> None:
    with years_ago(12):
        referral_id = make_referral(office.worker, office.other, status="completed", person_id=who)
    auditor = make_member(role=Role.AUDITOR)
    with db.transaction() as session:
        row = AuditFinding(
            referral_id=referral_id,
            agency_id=agency_id,
            made_by_id=auditor.staff_id,
            kind=FindingKind.REMARK,
            text="見本の指摘",
            due_on=clock.today(),
        )
        session.add(row)
        audit.record(AuditEvent.FINDING_NOTED, row, actor=auditor.actor)


def follow_up(office: Office, who: UUID) -> None:
    with years_ago(12):
        referral_id = make_referral(office.worker, office.other, status="rejected", person_id=who)
    with db.transaction() as session:
        row = FollowUp(
            agency_id=office.worker.agency_id,
            referral_id=referral_id,
            kind=FollowUpKind.MEETING,
            text="見本",
            noted_by_id=office.worker.staff_id,
        )
        session.add(row)
        audit.record(AuditEvent.FOLLOW_UP_NOTED, row, actor=office.worker.actor, person_id=who)


def item(office: Office, who: UUID, *, promise: bool = False) -> None:
    if not promise:
        make_item(office.worker, make_meeting(office.second), person_id=who)
        return
    with years_ago(12):
        meeting = make_meeting(office.second, status="approved")
        item_id = make_item(office.worker, meeting, person_id=who)
        make_outcome(office.worker, item_id, kind="action")


OPEN_WORK: dict[Reason, Callable[[Office, UUID], object]] = {
    R.CASE_OPEN: lambda office, who: make_case(office.worker, who),
    R.REFERRAL_OPEN: lambda office, who: make_referral(
        office.worker, office.other, status="draft", person_id=who, basis=Basis.ANONYMOUS, kind="advice"
    ),
    R.CONSENT_LIVES: lambda office, who: make_consent(office.worker, who, [office.other]),
    R.ITEM_OPEN: item,
    R.PROMISE_OPEN: lambda office, who: item(office, who, promise=True),
    R.FOLLOW_UP_OPEN: follow_up,
    R.EMERGENCY_OPEN: emergency,
    R.FINDING_OPEN: lambda office, who: finding(office, who, office.worker.agency_id),
    R.ELSEWHERE: lambda office, who: finding(office, who, office.other.agency_id),
}


@pytest.mark.parametrize("reason", OPEN_WORK)
def test_open_work_stands_in_the_way_on_every_ground(office: Office, reason: Reason) -> None:
    who = old_person(office)
    assert found(who) == []
    assert is_listed(office, who)
    OPEN_WORK[reason](office, who)
    db.end()
    assert not is_listed(office, who)
    for ground in ErasureGround:
        stands = {one.reason: one for one in found(who, ground)}
        assert reason in stands, ground
        assert stands[reason].until is None
        with pytest.raises(Blocked):
            services.propose(office.worker.actor, who, ground, "見本の理由")
    db.end()


def test_another_agencys_case_shows_without_a_word_of_whose(office: Office) -> None:
    with years_ago(12):
        who = make_person(office.worker)
        make_referral(office.worker, office.other, status="accepted", person_id=who)
    stands = found(who)
    assert Block(R.ELSEWHERE) in stands
    assert R.CASE_OPEN not in reasons(who), "the case that acceptance opened is the other's"


def test_a_closed_case_of_another_agency_holds_for_its_period(office: Office) -> None:
    who = old_life(office)
    assert found(who) == []
    with db.transaction() as session:
        case = session.scalars(
            select(Case).where(Case.person_id == who, Case.agency_id == office.other.agency_id)
        ).one()
        case.closed_on = clock.today() - timedelta(days=30)
        audit.record(AuditEvent.CASE_UPDATED, case, actor=office.other.actor, person_id=who)
    for ground in ErasureGround:
        assert reasons(who, ground) == {R.ELSEWHERE}
    assert found(who)[0].until is not None
    assert found(who)[0].number == ""


def test_each_period_holds_until_its_day_and_wish_lifts_the_citys_own(office: Office) -> None:
    closed = clock.today() - timedelta(days=365)
    with years_ago(12):
        who = make_person(office.worker)
        case_id = make_case(office.worker, who)
    cases.close_case(office.worker.actor, case_id, outcome=Outcome.IMPROVED, closed_on=closed)
    stands = found(who)
    assert [one.reason for one in stands] == [R.CASE]
    assert stands[0].until == date(closed.year + 5, closed.month, closed.day)
    assert found(who, "requested") == []
    assert found(who, "unlawful") == []
    with pytest.raises(Blocked) as refused:
        services.propose(office.worker.actor, who, ErasureGround.PERIOD_OVER, "見本の理由")
    assert refused.value.found == stands
    assert services.propose(office.worker.actor, who, ErasureGround.REQUESTED, "本人の申出")


def test_the_record_of_a_provision_is_kept_whatever_the_ground(office: Office) -> None:
    with years_ago(2):
        who = make_person(office.worker)
        make_referral(office.worker, office.other, status="cancelled", person_id=who)
    for ground in ErasureGround:
        assert R.PROVISION in reasons(who, ground)
    until = next(one.until for one in found(who, "requested") if one.reason is R.PROVISION)
    assert until
    assert clock.today() + timedelta(days=300) < until < clock.today() + timedelta(days=430)
    keeper = make_member(role=Role.SYSTEM_ADMIN)
    settings.change(keeper.actor, "retention.provision_years", 10)
    later = next(one.until for one in found(who, "requested") if one.reason is R.PROVISION)
    assert later
    assert later.year == until.year + 7


def test_what_names_nobody_is_no_provision(office: Office) -> None:
    with years_ago(12):
        who = make_person(office.worker)
    with years_ago(1):
        make_referral(
            office.worker,
            office.other,
            status="completed",
            person_id=who,
            basis=Basis.ANONYMOUS,
            kind="advice",
            anonymous_age_band="30-34",
        )
    assert R.PROVISION not in reasons(who)
    assert R.REFERRAL in reasons(who)


def test_a_withdrawn_consent_lapses_when_it_is_withdrawn(office: Office) -> None:
    with years_ago(7):
        who = make_person(office.worker)
        consent_id = make_consent(
            office.worker, who, [office.other], until=clock.today() + timedelta(days=365 * 20)
        )
    assert reasons(who) == {R.CONSENT_LIVES}
    with years_ago(6):
        disclosures.withdraw_consent(office.worker.actor, consent_id, recipients=[id_of_other(office)])
    assert reasons(who) == set()


def id_of_other(office: Office) -> UUID:
    assert office.other.agency_id
    return office.other.agency_id


def test_sql_and_python_agree_about_who_is_due(office: Office) -> None:
    """A list of the due is made by the same conditions as the reasons why not."""
    people = [old_person(office, years) for years in (0.1, 4.9, 5.2, 9)]
    people += [old_life(office, years=years) for years in (2, 4, 5.2, 9)]
    for who in people:
        assert is_listed(office, who) == (found(who) == []), who
    assert {is_listed(office, who) for who in people} == {True, False}


# The two people.


def test_who_may_agree(office: Office) -> None:
    who = old_life(office)
    erasure_id = propose(office, who, by=office.second)
    colleague = make_member(office.worker.agency_id)
    for member in (office.second, colleague, office.worker):
        with pytest.raises(NotAllowed):
            services.erase(member.actor, erasure_id)
    stranger = make_member(role=Role.COORDINATOR)
    with pytest.raises(NoResultFound):
        services.erase(stranger.actor, erasure_id)
    with pytest.raises(NotAllowed):
        services.show_list(make_member(role=Role.AUDITOR).actor, Kind.PEOPLE, after=None, size=5)
    services.erase(office.admin.actor, erasure_id)
    assert db.read.get_one(Person, who).erased_at


def test_only_the_home_agency_proposes_and_with_a_reason(office: Office) -> None:
    with years_ago(5):
        who = make_person(office.worker)
        make_referral(office.worker, office.other, status="accepted", person_id=who)
    with pytest.raises(NotAllowed):
        services.propose(office.other.actor, who, ErasureGround.REQUESTED, "見本")
    with pytest.raises(Invalid):
        services.propose(office.worker.actor, who, ErasureGround.REQUESTED, "  ")


def test_the_second_person_declines_and_it_may_be_proposed_again(office: Office) -> None:
    who = old_life(office)
    erasure_id = propose(office, who)
    with pytest.raises(Conflict):
        propose(office, who)
    services.drop(office.second.actor, erasure_id)
    with pytest.raises(Conflict):
        services.erase(office.second.actor, erasure_id)
    with pytest.raises(Conflict):
        services.drop(office.worker.actor, erasure_id)
    db.end()
    assert db.read.get_one(Person, who).erased_at is None
    db.end()
    again = propose(office, who)
    assert again != erasure_id
    services.erase(office.second.actor, again)


def test_two_agree_only_while_the_first_still_works_there(office: Office) -> None:
    who = old_life(office)
    erasure_id = propose(office, who)
    with db.transaction() as session:
        staff = session.get_one(Staff, office.worker.staff_id)
        staff.disabled_at = clock.now()
        audit.record(AuditEvent.STAFF_DISABLED, staff, actor=office.admin.actor)
    with pytest.raises(Conflict, match="提案した人"):
        services.erase(office.second.actor, erasure_id)
    services.drop(office.second.actor, erasure_id)
    colleague = make_member(office.worker.agency_id)
    services.erase(office.second.actor, propose(office, who, by=colleague))


def test_what_comes_up_after_the_proposal_stops_it(office: Office) -> None:
    who = old_life(office)
    erasure_id = propose(office, who)
    make_case(office.worker, who)
    with pytest.raises(Blocked):
        services.erase(office.second.actor, erasure_id)
    db.end()
    assert db.read.get_one(Erasure, erasure_id).done_at is None
    assert db.read.scalars(select(Referral.need).where(Referral.person_id == who)).all() != [""]
